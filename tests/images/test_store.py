# SPDX-License-Identifier: GPL-3.0-or-later
"""The store, with real skopeo on layouts and archives."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _workspace
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import (
    BadImage,
    ImageError,
    ImageInUse,
    ImageNotFound,
    NoSpace,
    RegistryUnavailable,
    UnsupportedPlatform,
)
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore, StoredImage
from ansible_collections.hyper.pods.plugins.module_utils._layers import Limits

from tests.support.images import Layer, Member, digest, symlink, write_index, write_layout
from tests.support.store import BASE, layout, names, residue

__all__ = ["layout"]


def test_an_image_becomes_a_disk(store: ImageStore, host: Host, layout: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    image, changed = store.ensure("web", source=f"oci:{layout}:web", progress=lines.append)
    assert changed
    assert image.reference == "localhost/web:latest"
    assert image.config.cmd == ("/web",)
    assert image.serial == image.id[7:27]
    assert image.size == image.disk.stat().st_size
    assert names(store, image.disk, tmp_path) == {"bin", "bin/sh", "web"}
    facts = image.disk.stat()
    assert (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (0o640, 0, host.qemu_ids()[1])
    assert residue(host) == []
    assert any("2 layers" in line for line in lines)
    assert sum(": layer " in line for line in lines) == 2
    assert subprocess.run(["fsck.erofs", str(image.disk)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("reference", ["web", "web:latest", "localhost/web", "library/web"])
def test_names_of_a_local_image(reference: str, store: ImageStore, layout: Path) -> None:
    image, _ = store.ensure("web", source=f"oci:{layout}:web")
    assert store.resolve(reference) == image
    assert store.ensure(reference) == (image, False)


def test_a_full_name_is_not_looked_for_under_localhost(store: ImageStore, layout: Path) -> None:
    store.ensure("web", source=f"oci:{layout}:web")
    assert store.resolve("docker.io/library/web") is None
    assert store.resolve("web:other") is None


def test_every_kind_of_source_gives_the_same_image(store: ImageStore, layout: Path, tmp_path: Path) -> None:
    for kind in ("oci-archive", "docker-archive"):
        target = f"{kind}:{tmp_path}/{kind}:web:latest"
        subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout}:web", target.removesuffix(":latest") if kind == "oci-archive" else target], check=True)
    sources = [f"oci:{layout}:web", f"oci-archive:{tmp_path}/oci-archive", f"docker-archive:{tmp_path}/docker-archive"]
    images = [store.ensure(source)[0] for source in sources]
    assert [image.reference for image in images] == sources
    found = [names(store, image.disk, tmp_path) for image in images]
    assert found[0] == found[1] == found[2] == {"bin", "bin/sh", "web"}
    assert images[0].id == images[1].id
    assert [image.config.cmd for image in images] == [("/web",)] * 3
    assert [image.reference for image in store.list()] == sorted(sources)


def test_always_looks_at_the_source_again(store: ImageStore, host: Host, layout: Path) -> None:
    first, _ = store.ensure("web", source=f"oci:{layout}:web")
    assert store.ensure("web", policy="always") == (first, False)
    write_layout(layout, "web", [BASE])
    assert store.ensure("web") == (first, False)
    second, changed = store.ensure("web", policy="always")
    assert changed
    assert second.id != first.id
    assert not first.disk.exists(), "the disk that lost its last name goes"
    assert [path.name for path in (host.images_dir / "configs").iterdir()] == [f"{second.id[7:]}.json"]


def test_never_pulls_nothing(store: ImageStore, layout: Path) -> None:
    with pytest.raises(ImageNotFound, match="may not be pulled"):
        store.ensure(f"oci:{layout}:web", policy="never")
    assert store.list() == ()


def test_a_comparison_writes_nothing(store: ImageStore, host: Host, layout: Path) -> None:
    comparison = store.compare("web", policy="missing", source=f"oci:{layout}:web")
    assert comparison.offer is not None
    assert not host.state_dir.exists()
    assert not host.run_dir.exists()
    image, _ = store.ensure("web", source=f"oci:{layout}:web")
    assert comparison.offer.id == image.id
    assert store.compare("web", policy="always").offer is None


def test_two_names_share_a_disk_and_the_last_one_takes_it_along(store: ImageStore, layout: Path) -> None:
    one, _ = store.ensure("one", source=f"oci:{layout}:web")
    lines: list[str] = []
    two, changed = store.ensure("two", source=f"oci:{layout}:web", progress=lines.append)
    assert changed
    assert one.disk == two.disk
    assert not any("fetching" in line for line in lines)
    assert store.remove("one") == one
    assert two.disk.exists()
    assert store.remove("two") == two
    assert not two.disk.exists()
    assert store.remove("two") is None


def test_a_disk_that_never_got_a_name_goes_with_the_next_pull(store: ImageStore, host: Host, layout: Path) -> None:
    image, _ = store.ensure("web", source=f"oci:{layout}:web")
    next((host.images_dir / "names").iterdir()).unlink()
    store.ensure("app", source=f"oci:{layout}:app")
    assert not image.disk.exists()
    assert len(list((host.images_dir / "configs").iterdir())) == 1


def test_an_image_that_is_removed_while_it_gets_another_name(store: ImageStore, layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, _ = store.ensure("one", source=f"oci:{layout}:web")
    publish = ImageStore.publish

    def removed_before(self: ImageStore, name: str, *rest: Any, **more: Any) -> StoredImage | None:
        monkeypatch.setattr(ImageStore, "publish", publish)
        store.remove("one")
        return publish(self, name, *rest, **more)

    monkeypatch.setattr(ImageStore, "publish", removed_before)
    again, changed = store.ensure("two", source=f"oci:{layout}:web")
    assert changed
    assert (again.id, again.disk.exists()) == (image.id, True)


def test_an_image_in_use_is_not_removed(store: ImageStore, host: Host, layout: Path) -> None:
    image, _ = store.ensure("web", source=f"oci:{layout}:web")
    for pod in ("shop", "blog"):
        (host.pod_dir(pod) / "disks").mkdir(parents=True)
        (host.pod_dir(pod) / "disks/image").hardlink_to(image.disk)
    with pytest.raises(ImageInUse, match="pod blog, pod shop") as caught:
        store.remove("web")
    assert "force" in str(caught.value)
    assert store.resolve("web") == image
    assert store.remove("web", force=True) == image
    assert (host.pod_dir("shop") / "disks/image").stat().st_size == image.size


def test_a_pods_link_survives_the_next_version(store: ImageStore, host: Host, layout: Path) -> None:
    image, _ = store.ensure("web", source=f"oci:{layout}:web")
    host.pod_dir("shop").mkdir(parents=True)
    (host.pod_dir("shop") / "image").hardlink_to(image.disk)
    write_layout(layout, "web", [BASE])
    store.ensure("web", policy="always")
    assert (host.pod_dir("shop") / "image").stat().st_nlink == 1


@pytest.mark.parametrize("damage", ["disk", "config", "config content", "name"])
def test_what_is_damaged_is_pulled_anew(damage: str, store: ImageStore, host: Host, layout: Path) -> None:
    image, _ = store.ensure("web", source=f"oci:{layout}:web")
    (config,), (name,) = (list((host.images_dir / kind).iterdir()) for kind in ("configs", "names"))
    if damage == "disk":
        image.disk.unlink()
    elif damage == "config":
        config.unlink()
    elif damage == "config content":
        config.write_text("{}")
    else:
        name.write_text("")
    assert store.resolve("web") is None
    assert store.ensure("web", source=f"oci:{layout}:web") == (image, True)
    assert store.resolve("web") == image


@pytest.mark.parametrize(
    "reference", ["oci:/no/such/layout:web", "oci-archive:/no/such/file", "docker-archive:/no/such/file", "oci:{layout}:other", "oci:{layout}"]
)
def test_unknown_images(reference: str, store: ImageStore, host: Host, layout: Path) -> None:
    with pytest.raises(ImageNotFound):
        store.ensure(reference.format(layout=layout))
    assert residue(host) == []


@pytest.mark.parametrize(("reference", "kind"), [("127.0.0.1:1/x", RegistryUnavailable), ("nosuch.invalid/x", RegistryUnavailable)])
def test_registries_that_are_not_there(reference: str, kind: type[ImageError], store: ImageStore) -> None:
    with pytest.raises(kind):
        store.ensure(reference)


def test_of_several_platforms_the_hosts_is_taken(store: ImageStore, layout: Path) -> None:
    write_index(layout, "multi", [("s390x", "app"), ("amd64", "web"), ("arm64", "web")])
    assert store.ensure(f"oci:{layout}:multi")[0].config.cmd == ("/web",)


def test_other_platforms_are_refused(store: ImageStore, host: Host, layout: Path) -> None:
    write_layout(layout, "other", [BASE], architecture="s390x")
    write_index(layout, "multi", [("s390x", "other")])
    for tag in ("other", "multi"):
        with pytest.raises(UnsupportedPlatform):
            store.ensure(f"oci:{layout}:{tag}")
    assert residue(host) == []
    assert store.list() == ()


BAD: dict[str, Callable[[Path], object]] = {
    "hostile layer": lambda path: write_layout(path, "bad", [BASE, Layer.of([symlink("x", "../../../etc"), Member("x/passwd", b"root::0:0")])]),
    "diff_id that does not match": lambda path: write_layout(path, "bad", [BASE], diff_ids=["sha256:" + "0" * 64]),
    "too few diff_ids": lambda path: write_layout(path, "bad", [BASE, BASE], diff_ids=[BASE.diff_id]),
    "layer that is no tar": lambda path: write_layout(path, "bad", [Layer.of(b"no tar" * 1000)]),
    "malformed config": lambda path: write_layout(path, "bad", [BASE], {"Env": ["=1"]}),
    "larger than allowed": lambda path: write_layout(path, "bad", [Layer.of([Member("x", bytes(3_000_000))])]),
    "blob that was changed": lambda path: (
        write_layout(path, "bad", [BASE]),
        (path / "blobs/sha256" / digest(BASE.blob)[7:]).write_bytes(BASE.blob[:-1] + b"X"),
    ),
    "index that is no JSON": lambda path: (write_layout(path, "bad", [BASE]), (path / "index.json").write_text("{")),
}


@pytest.mark.parametrize("damage", BAD.values(), ids=BAD.keys())
def test_bad_images_are_refused_and_leave_nothing(damage: Callable[[Path], object], host: Host, tmp_path: Path) -> None:
    damage(tmp_path / "bad")
    store = ImageStore(host, Limits(size=2_000_000))
    with pytest.raises(BadImage):
        store.ensure(f"oci:{tmp_path / 'bad'}:bad")
    assert residue(host) == []
    assert store.list() == ()
    assert not list((host.images_dir / "disks").glob("*")) if host.images_dir.exists() else True


@pytest.fixture
def small(host: Host) -> Iterator[Callable[[str], None]]:
    """Give the images a file system of a certain size."""
    host.images_dir.mkdir(parents=True)
    mounted = False

    def mount(size: str) -> None:
        nonlocal mounted
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(host.images_dir)], check=True)
        mounted = True

    yield mount
    if mounted:
        subprocess.run(["umount", str(host.images_dir)], check=True)


@pytest.mark.parametrize(("size", "what"), [("3m", "its layers"), ("11m", "its disk")])
def test_a_full_disk(size: str, what: str, small: Callable[[str], None], store: ImageStore, host: Host, tmp_path: Path) -> None:
    small(size)
    write_layout(tmp_path / "layout", "big", [Layer.of([Member("f", os.urandom(8_000_000))])])
    with pytest.raises(NoSpace, match=what):
        store.ensure(f"oci:{tmp_path / 'layout'}:big")
    assert residue(host) == []
    assert list((host.images_dir / "disks").iterdir()) == []


def test_a_large_image_is_unpacked_on_disk(store: ImageStore, layout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines: list[str] = []
    # Room for what the compressed size lets one expect, not for what comes.
    monkeypatch.setattr(_workspace, "_memory_budget", lambda: 20_000)
    write_layout(layout, "zeros", [Layer.of([Member("zeros", bytes(1_000_000))])])
    image, _ = store.ensure(f"oci:{layout}:zeros", progress=lines.append)
    assert sum("unpacking" in line for line in lines) == 2
    assert names(store, image.disk, tmp_path) == {"zeros"}
