# SPDX-License-Identifier: GPL-3.0-or-later
"""AppContainer images become disks like any other."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import (
    BadImage,
    BadReference,
    ImageError,
    ImageNotFound,
    SignatureRefused,
    UnsupportedImage,
    UnsupportedPlatform,
)
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._layers import Limits

from tests.support.images import ARCHITECTURE, Member, directory, hard_link, symlink, tar
from tests.support.tree import describe, opened

APP: dict[str, Any] = {"exec": ["/bin/web", "--quiet"], "user": "100", "group": "www"}
TREE = [
    directory("rootfs", mode=0o750),
    directory("rootfs/bin"),
    Member("rootfs/bin/web", b"#!web", mode=0o4755, uid=100, gid=50),
    hard_link("rootfs/bin/also", "rootfs/bin/web"),
    symlink("rootfs/sh", "/bin/web"),
    Member("rootfs/.wh.kept", b"no whiteout"),
]


def write(path: Path, *, tree: list[Member] = TREE, app: dict[str, Any] | None = None, compressed: bool = True, **fields: Any) -> str:
    """Write an image and return its reference. app: in place of APP; fields: beside it in the manifest."""
    manifest = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/web", "app": APP if app is None else app, **fields}
    data = tar([Member("manifest", json.dumps(manifest).encode()), *tree])
    path.write_bytes(gzip.compress(data, mtime=0) if compressed else data)
    return f"aci:{path}"


def test_an_image_becomes_a_disk(store: ImageStore, tmp_path: Path) -> None:
    app = {
        **APP,
        "workingDirectory": "/srv",
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}],
        "mountPoints": [{"name": "data", "path": "/data", "readOnly": False}],
        "ports": [{"name": "http", "port": 80, "protocol": "tcp"}, {"name": "ftp", "port": 2000, "count": 2, "protocol": "tcp", "socketActivated": False}],
        "isolators": [
            {"name": "resource/memory", "value": {"request": "32M", "limit": "64Mi"}},
            {"name": "resource/cpu", "value": {"default": True, "limit": "500m"}},
        ],
    }
    labels = [{"name": "os", "value": "linux"}, {"name": "arch", "value": {"arm64": "aarch64"}.get(ARCHITECTURE, ARCHITECTURE)}]
    source = write(tmp_path / "web.aci", app=app, labels=labels, annotations=[{"name": "authors", "value": "me"}], dependencies=[])
    lines: list[str] = []
    image, changed = store.ensure("web", source=source, progress=lines.append)
    assert changed
    assert (image.reference, image.source) == ("localhost/web:latest", source)
    config = image.config
    assert (config.entrypoint, config.cmd, config.user, config.working_dir) == (("/bin/web", "--quiet"), (), "100:www", "/srv")
    assert (config.env, config.volumes, config.exposed_ports) == ((("A", "1"), ("B", "x=y")), ("/data",), ("2000/tcp", "2001/tcp", "80/tcp"))
    assert (config.labels, config.architecture) == (
        (("authors", "me"), ("hyper.pods/limits.cpu", "500m"), ("hyper.pods/limits.memory", "64Mi"), ("hyper.pods/requests.memory", "32M")),
        ARCHITECTURE,
    )
    with opened(image.disk, tmp_path / "mnt") as content:
        assert set(describe(content)) - {"."} == {"bin", "bin/web", "bin/also", "sh", ".wh.kept"}
        web = (content / "bin/web").stat()
        assert (web.st_mode & 0o7777, web.st_uid, web.st_gid, web.st_nlink) == (0o4755, 100, 50, 2)
        assert content.stat().st_mode & 0o7777 == 0o750


def test_an_image_is_known_by_its_content_however_it_is_compressed(store: ImageStore, host: Host, tmp_path: Path) -> None:
    first, _ = store.ensure("web", source=write(tmp_path / "web.aci"))
    assert store.ensure("web", source=write(tmp_path / "web.aci", compressed=False), policy="always")[1] is False
    other, changed = store.ensure("web", source=write(tmp_path / "web.aci", tree=[*TREE, Member("rootfs/new", b"")]), policy="always")
    assert changed
    assert other.id != first.id
    assert [path.name for path in (host.images_dir / "staging").iterdir()] == []


def test_an_image_is_named_by_its_file_too(store: ImageStore, tmp_path: Path) -> None:
    source = write(tmp_path / "web.aci", app={**APP, "user": "root", "group": "root"})
    assert store.ensure(source)[0].reference == source
    assert store.resolve(source) is not None


ISOLATOR = {"name": "os/linux/capabilities-retain-set", "value": {"set": ["CAP_CHOWN"]}}


@pytest.mark.parametrize(
    ("app", "fields", "kind", "message"),
    [
        ({}, {"dependencies": [{"imageName": "a"}]}, UnsupportedImage, "its manifest has dependencies: not supported: an image stands alone here"),
        ({}, {"pathWhitelist": ["/a"]}, UnsupportedImage, "pathWhitelist: not supported"),
        ({"isolators": [ISOLATOR]}, {}, UnsupportedImage, "app.isolators[0].name: not supported: an image sets limits of CPU and memory only, not os/"),
        ({"isolators": [{"name": "resource/cpu"}]}, {}, BadImage, "app.isolators[0].value: is required"),
        ({"isolators": [{"name": "resource/cpu", "value": {"limit": "much"}}]}, {}, BadImage, "app.isolators[0].value.limit: 'much' is not a quantity"),
        ({"eventHandlers": [{"name": "pre-start", "exec": ["/a"]}]}, {}, UnsupportedImage, "app.eventHandlers: not supported"),
        ({"supplementaryGIDs": [1]}, {}, UnsupportedImage, "app.supplementaryGIDs: not supported: an image has one group"),
        ({"user": "/bin/web"}, {}, UnsupportedImage, "app.user: not supported: the owner of a file is not looked up"),
        ({"ports": [{"name": "a", "port": 1, "protocol": "tcp", "socketActivated": True}]}, {}, UnsupportedImage, "app.ports[0].socketActivated: not supp"),
        ({"ports": [{"name": "a", "port": 65535, "count": 2, "protocol": "tcp"}]}, {}, BadImage, "app.ports[0].port: is required, and all ports must be"),
        ({"exec": []}, {}, BadImage, "manifest: app.exec: is required"),
        ({"group": ""}, {}, BadImage, "manifest: app.group: is required"),
        ({"user": "a:b"}, {}, BadImage, "manifest: app.user: 'a:b' is not a name"),
        ({"mountPoints": [{"name": "a", "path": "../a"}]}, {}, BadImage, "app.mountPoints[0].path: '../a' must be an absolute path"),
        ({"surprise": 1}, {}, BadImage, "manifest: app.surprise: unknown field"),
        ({}, {"acKind": "PodManifest"}, BadImage, "manifest: acKind: must be one of ImageManifest, not 'PodManifest'"),
        ({}, {"labels": [{"name": "os", "value": "freebsd"}]}, UnsupportedPlatform, "is made for freebsd"),
        ({}, {"labels": [{"name": "arch", "value": "sparc"}]}, UnsupportedPlatform, "is made for linux/sparc"),
    ],
)
def test_manifests_that_are_refused(
    app: dict[str, Any], fields: dict[str, Any], kind: type[ImageError], message: str, store: ImageStore, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        store.ensure("web", source=write(tmp_path / "web.aci", app={**APP, **app}, **fields))
    assert message in str(caught.value)
    assert store.list() == ()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([Member("etc/passwd")], "is neither its one manifest nor in rootfs"),
        ([Member("manifest", b"{}")], "is neither its one manifest nor in rootfs"),
        ([directory("rootfs"), Member("rootfs/../../etc/passwd")], "web.aci: "),
        ([directory("rootfs"), hard_link("rootfs/passwd", "manifest")], "is a hard link to manifest, outside of rootfs"),
        ([directory("rootfs"), symlink("rootfs/a", "/../.."), Member("rootfs/a/b")], "rootfs/a/b"),
    ],
)
def test_archives_that_are_refused(tree: list[Member], message: str, store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(BadImage) as caught:
        store.ensure("web", source=write(tmp_path / "web.aci", tree=tree))
    assert message in str(caught.value)
    assert store.list() == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar(TREE), "has no manifest"),
        (tar([Member("manifest", b"[]"), *TREE]), "manifest is no JSON object"),
        (gzip.compress(tar(TREE))[:-20], "its gzip stream ends early"),
        (b"BZh91AY", "is compressed with bzip2; gzip, zstd and uncompressed"),
        (b"x" * 600, "checksum"),
    ],
)
def test_files_that_are_no_images(data: bytes, message: str, store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "web.aci").write_bytes(data)
    with pytest.raises(BadImage) as caught:
        store.ensure("web", source=f"aci:{tmp_path}/web.aci")
    assert message in str(caught.value)


def test_limits_hold_for_these_images_too(host: Host, tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="more than 10 bytes"):
        ImageStore(host, Limits(size=10)).ensure("web", source=write(tmp_path / "web.aci"))


def test_a_file_that_is_not_there(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(ImageNotFound, match="there is no file"):
        store.ensure("web", source=f"aci:{tmp_path}/none.aci")


@pytest.mark.parametrize("source", ["aci:web.aci", "aci:/srv/web.aci:tag"])
def test_references_that_are_refused(source: str, store: ImageStore) -> None:
    with pytest.raises(BadReference):
        store.ensure("web", source=source)


def test_a_policy_that_does_not_know_such_images(store: ImageStore, host: Host, tmp_path: Path) -> None:
    source = write(tmp_path / "web.aci")
    host.state_dir.mkdir(exist_ok=True)
    for policy in ({"default": [{"type": "reject"}]}, {"transports": {}}, []):
        host.signature_policy.write_text(json.dumps(policy))
        with pytest.raises(SignatureRefused):
            store.ensure("web", source=source)
    host.signature_policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {"": [{"type": "reject"}]}}}))
    assert store.ensure("web", source=source)[1]
