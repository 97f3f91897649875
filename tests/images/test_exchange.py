# SPDX-License-Identifier: GPL-3.0-or-later
"""Images to registries and files, and from files: the modules in their steps, and what others read of what they write."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.images import Layer, Member, directory, tar
from tests.support.modules import run_module
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.store import files, layout, module, names, twice

__all__ = ["layout", "module"]

Run = Callable[..., dict[str, Any]]


def manifest_of(registry: Registry, name: str) -> bytes:
    argv = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.address}/{name}"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def test_pushed(module: Run, host: Host, store: ImageStore, registry: Registry, layout: Path) -> None:
    source = registry.push(layout, "web", "from/web:1")
    store.ensure(source, tls_verify=False)
    target = f"{registry.address}/to/web:2"
    twice(lambda check: module("image", name=source, state="pushed", destination=target, tls_verify=False, check=check), host)
    assert manifest_of(registry, "to/web:2") == manifest_of(registry, "from/web:1"), "under the digest that it came with"
    # By its own name; what the registry has under it is known then.
    store.tag(source, f"{registry.address}/own/web")
    twice(lambda check: module("image", name=f"{registry.address}/own/web", state="pushed", tls_verify=False, check=check), host)
    assert not module("image", name=f"{registry.address}/own/web", pull="always", tls_verify=False)["changed"]
    # The tag has moved meanwhile.
    registry.push(layout, "app", "own/web:latest")
    result = module("image", name=f"{registry.address}/own/web", state="pushed", tls_verify=False)
    assert result["changed"]
    assert result["diff"]["before"] != result["diff"]["after"]


def test_what_cannot_be_pushed(module: Run, store: ImageStore, registry: Registry, layout: Path, tmp_path: Path) -> None:
    store.ensure("web", source=f"oci:{layout}:web")
    assert module("image", name="web", state="pushed", fails=True)["error"] == "LocalName"
    assert module("image", name="nosuch", state="pushed", fails=True)["error"] == "ImageNotFound"
    far = {"destination": f"{registry.address}/x"}
    assert module("image", name="web", state="pushed", fails=True, **far)["error"] == "TlsFailed"
    store.prune(every=False, layers=True)
    result = module("image", name="web", state="pushed", tls_verify=False, fails=True, **far)
    assert (result["error"], "pull it again" in result["msg"]) == ("LayersMissing", True)


def test_saved_and_loaded(module: Run, host: Host, store: ImageStore, layout: Path, tmp_path: Path) -> None:
    images = [store.ensure(name, source=f"oci:{layout}:{name}")[0] for name in ("web", "app")]
    store.tag("web", "registry.example.com/shop/web:7")
    listed = ["web", "registry.example.com/shop/web:7", "app"]
    path = tmp_path / "out" / "images.tar"
    path.parent.mkdir()
    twice(lambda check: module("image_archive", state="saved", name=listed, path=str(path), check=check), Host(path.parent, host.run_dir))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    os.chown(path, 1, 2)
    assert module("image_archive", state="saved", name=listed[:2], path=str(path))["changed"]
    assert (path.stat().st_uid, path.stat().st_gid) == (1, 2)
    module("image_archive", state="saved", name=listed, path=str(path))
    # Others read it.
    for reference in ("localhost/web:latest", "localhost/app:latest"):
        subprocess.run(["skopeo", "inspect", "--config", f"oci-archive:{path}:{reference}"], check=True, capture_output=True)

    elsewhere = Host(tmp_path / "elsewhere", tmp_path / "run2", host.qemu_user)

    def load(check: bool) -> dict[str, Any]:
        args = {"state_dir": str(elsewhere.state_dir), "run_dir": str(elsewhere.run_dir), "qemu_user": elsewhere.qemu_user}
        return run_module("image_archive", {**args, "state": "loaded", "path": str(path)}, check=check)

    twice(load, elsewhere, actions=False)
    there = ImageStore(elsewhere)
    assert {image.reference: image.id for image in there.list()} == {
        "localhost/web:latest": images[0].id,
        "registry.example.com/shop/web:7": images[0].id,
        "localhost/app:latest": images[1].id,
    }
    assert {image.source for image in there.list()} == {""}
    assert names(there, there.require("web").disk, tmp_path) == {"bin", "bin/sh", "web"}
    # There is nobody who could be asked for another.
    assert there.ensure("web", policy="always") == (there.require("web"), False)


@pytest.mark.parametrize(
    ("target", "name", "reference"),
    [
        ("docker-archive:{}:docker.io/library/web:1", None, "docker.io/library/web:1"),
        ("docker-archive:{}:docker.io/library/web:1", "shop", "localhost/shop:latest"),
        ("docker-archive:{}", "shop:2", "localhost/shop:2"),
        ("oci-archive:{}:localhost/web:1", None, "localhost/web:1"),
        ("oci-archive:{}:latest", "example.com/web", "example.com/web:latest"),
    ],
)
def test_archives_of_others(target: str, name: str | None, reference: str, module: Run, store: ImageStore, layout: Path, tmp_path: Path) -> None:
    path = tmp_path / "archive.tar"
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout}:web", target.format(path)], check=True)
    args: dict[str, Any] = {"state": "loaded", "path": str(path), **({"name": name} if name else {})}
    assert [image["reference"] for image in module("image_archive", **args)["images"]] == [reference]
    assert not module("image_archive", **args)["changed"]
    assert names(store, store.require(reference).disk, tmp_path) == {"bin", "bin/sh", "web"}


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ([], "BadImage"),
        ([Member("etc/passwd", b"x")], "BadImage"),
        ([Member("index.json", b"{")], "BadImage"),
        ([Member("index.json", b'{"manifests": [1]}')], "BadImage"),
        ([Member("manifest.json", b"[]")], "Nameless"),
        ([Member("index.json", b'{"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "latest"}}]}')], "Nameless"),
        ([Member("index.json", b'{"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "a:b c"}}]}')], "BadReference"),
        ([Member("manifest.json", b'[{"RepoTags": ["a:1", "a:1"]}]')], "BadImage"),
    ],
)
def test_files_that_are_no_archives(members: list[Member], error: str, module: Run, host: Host, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar(members))
    result = module("image_archive", state="loaded", path=str(tmp_path / "x.tar"), fails=True)
    assert (result["error"], bool(result["remedy"])) == (error, True)
    assert files(host) == {}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_imported(compression: str, module: Run, host: Host, store: ImageStore, tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(Layer.of([directory("bin"), Member("bin/sh", b"#!", mode=0o755)], compression).blob)
    args = {"state": "imported", "name": "base:1", "path": str(path)}
    results = twice(lambda check: module("image_archive", check=check, **args), host, actions=False)
    (image,) = results[-1]["images"]
    assert image["reference"] == "localhost/base:1"
    assert names(store, Path(image["disk"]), tmp_path) == {"bin", "bin/sh"}
    changes = ['ENTRYPOINT ["/bin/sh", "-c"]', "CMD echo hello", "ENV A=1 B='x y'", "EXPOSE 80 53/udp", "WORKDIR /srv", "USER 1:2"]
    twice(lambda check: module("image_archive", check=check, changes=changes, **args), host, actions=False)
    config = store.require("base:1").config
    assert (config.entrypoint, config.cmd) == (("/bin/sh", "-c"), ("/bin/sh", "-c", "echo hello"))
    assert config.env == (("A", "1"), ("B", "x y"))
    assert (config.exposed_ports, config.working_dir, config.user) == (("53/udp", "80/tcp"), "/srv", "1:2")
    # It is an image like any other.
    target = f"{registry.address}/imported:{compression}"
    module("image", name="base:1", state="pushed", destination=target, tls_verify=False)
    assert store.ensure(target, tls_verify=False)[0].id == store.require("base:1").id


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"changes": ["RUN rm -rf /"]}, "BadChange"),
        ({"changes": ["CMD [1]"]}, "BadChange"),
        ({"changes": ["EXPOSE http"]}, "BadChange"),
        ({"changes": ["ENV A"]}, "BadChange"),
        ({"changes": ["VOLUME data"]}, "BadChange"),
        ({"changes": ["LABEL ="]}, "BadChange"),
        ({"name": "Bad Name"}, "BadReference"),
        ({"name": "x@sha256:" + "0" * 64}, "BadReference"),
        ({"path": "/no/such"}, "ImageNotFound"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_what_cannot_be_imported_changes_nothing(args: dict[str, Any], error: str, check: bool, module: Run, host: Host, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar([Member("f")]))
    result = module("image_archive", **{"state": "imported", "name": "x", "path": str(tmp_path / "x.tar"), **args}, check=check, fails=True)
    assert (result["error"], bool(result["remedy"])) == (error, True)
    assert files(host) == {}


def test_a_hostile_root_filesystem(module: Run, host: Host, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar([Member("../../etc/x", b"x")]))
    result = module("image_archive", state="imported", name="x", path=str(tmp_path / "x.tar"), fails=True)
    assert result["error"] == "BadImage"
    assert ImageStore(host).leftovers() == []


def test_logged_in(
    module: Run, host: Host, store: ImageStore, secure_registry: Registry, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    secure_registry.trust(tmp_path / "home")
    account: dict[str, Any] = {"registry": secure_registry.address, "username": USER, "password": PASSWORD}
    assert module("registry_login", **{**account, "password": "wrong"}, fails=True)["error"] == "AuthenticationFailed"
    assert json.loads(host.authfile.read_bytes()) == {"auths": {}}
    results = twice(lambda check: module("registry_login", check=check, **account), host)
    assert PASSWORD not in json.dumps(results)
    assert stat.S_IMODE(host.authfile.stat().st_mode) == 0o600
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert json.loads(host.authfile.read_bytes())["auths"] == {secure_registry.address: {"auth": token}}
    # It counts where no other is given.
    image, _ = store.ensure(secure_registry.push(layout, "web", "private/login:1"))
    target = f"{secure_registry.address}/private/pushed:1"
    assert module("image", name=image.reference, state="pushed", destination=target)["changed"]
    twice(lambda check: module("registry_login", registry=secure_registry.address, state="absent", check=check), host)
    assert module("image", name=target, fails=True)["error"] == "AuthenticationFailed"


def test_credentials_that_are_none(module: Run, host: Host) -> None:
    assert module("registry_login", registry="a b", state="absent", fails=True)["error"] == "BadRegistry"
    host.state_dir.mkdir()
    host.authfile.write_text("[]")
    assert module("registry_login", registry="a", state="absent", fails=True)["error"] == "BrokenCredentials"


def test_a_signature_policy(module: Run, host: Host, store: ImageStore, registry: Registry, layout: Path, tmp_path: Path) -> None:
    reference = registry.push(layout, "web", "policy/web:1")
    strict = tmp_path / "strict.json"
    strict.write_text(json.dumps({"default": [{"type": "reject"}]}))
    result = module("image", name=reference, tls_verify=False, signature_policy=str(strict), fails=True)
    assert (result["error"], bool(result["remedy"])) == ("SignatureRefused", True)
    assert module("image", name=reference, tls_verify=False, signature_policy="/no/such", fails=True)["error"] == "PolicyMissing"
    # The host's own counts where none is given.
    key = tmp_path / "key.gpg"
    key.write_bytes(b"")
    signed = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(key)}
    host.state_dir.mkdir(exist_ok=True)
    host.signature_policy.write_text(json.dumps({"default": [signed]}))
    assert module("image", name=reference, tls_verify=False, fails=True)["error"] == "SignatureRefused"
    host.signature_policy.write_text(
        json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {registry.address: [{"type": "insecureAcceptAnything"}]}}})
    )
    assert module("image", name=reference, tls_verify=False)["changed"]
