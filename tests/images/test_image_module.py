# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``image``: the twelve steps, (create, modify, delete) by (check mode, for real) by (first time, again), and its edges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

from tests.support.images import Layer, Member, write_layout
from tests.support.modules import run_module
from tests.support.registry import Registry

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def image(host: Host) -> Run:
    def run(*, check: bool = False, fails: bool = False, **args: Any) -> dict[str, Any]:
        hosts = {"state_dir": str(host.state_dir), "run_dir": str(host.run_dir), "qemu_user": host.qemu_user}
        return run_module("image", {**hosts, **args}, check=check, fails=fails)

    return run


def files(host: Host) -> dict[str, int]:
    """Every file of the host's directories, and when it changed."""
    tops = (host.state_dir, host.run_dir)
    return {str(path): path.stat().st_mtime_ns for top in tops for path in top.rglob("*") if path.is_file()}


def test_twelve_steps(image: Run, host: Host, registry: Registry, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    ids = [write_layout(layout, tag, [Layer.of([Member("f", f"{tag} {tmp_path}".encode())])]) for tag in ("old", "new")]
    reference = registry.push(layout, "old", "matrix:1")
    present: dict[str, Any] = {"name": reference, "pull": "always", "tls_verify": False}
    absent: dict[str, Any] = {"name": reference, "state": "absent"}

    def twice(args: dict[str, Any], before: str | None, after: str | None) -> None:
        def shown(result: dict[str, Any], side: str) -> str | None:
            identity: dict[str, str] | None = result["diff"][side][reference]
            return identity["id"] if identity else None

        untouched = files(host)
        for _ in range(2):
            result = image(check=True, **args)
            assert result["changed"]
            assert (shown(result, "before"), shown(result, "after")) == (before, after)
            assert len(result["actions"]) == 1
            assert files(host) == untouched
        result = image(**args)
        assert result["changed"]
        assert (shown(result, "before"), shown(result, "after")) == (before, after)
        assert [item["id"] for item in result["images"]] == [after or before]
        for check in (False, True):
            again = image(check=check, **args)
            assert not again["changed"]
            assert again["diff"]["before"] == again["diff"]["after"]
            assert again["actions"] == []

    twice(present, None, ids[0])
    registry.push(layout, "new", "matrix:1")
    twice(present, ids[0], ids[1])
    twice(absent, ids[1], None)
    assert image()["images"] == []


def test_several_in_one_task(image: Run, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    for tag in ("a", "b"):
        write_layout(layout, tag, [Layer.of([Member(tag)])])
    names = [f"oci:{layout}:{tag}" for tag in ("b", "a", "b")]
    result = image(names=names)
    assert [item["reference"] for item in result["images"]] == names[:2]
    assert all(Path(item["disk"]).stat().st_size == item["size"] for item in result["images"])
    assert [item["reference"] for item in image()["images"]] == sorted(names[:2])
    removed = image(names=[*names, "neverheardof"], state="absent")
    assert removed["changed"]
    assert len(removed["images"]) == 2


def test_a_short_name_from_an_archive(image: Run, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", "x", [Layer.of([Member("x")])])
    result = image(name="web", source=f"oci:{tmp_path}/layout:x")
    assert result["images"][0]["reference"] == "localhost/web:latest"
    assert not image(name="web")["changed"]
    assert not image(name="web", pull="always")["changed"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"name": "127.0.0.1:1/x"}, "RegistryUnavailable"),
        ({"name": "oci:/no/such"}, "ImageNotFound"),
        ({"name": "Bad Name"}, "BadReference"),
        ({"names": ["a", "b"], "source": "oci:/no/such"}, "SourceForSeveral"),
        ({"name": "x", "source": "docker-daemon:x"}, "BadReference"),
        ({"name": "127.0.0.1:1/x", "authfile": "/no/such"}, "CredentialsMissing"),
    ],
)
def test_failures_are_named_with_a_remedy_and_change_nothing(args: dict[str, Any], error: str, check: bool, image: Run, host: Host) -> None:
    result = image(check=check, fails=True, **args)
    assert result["error"] == error
    assert result["remedy"]
    assert [path for path in files(host) if "/locks/" not in path and not path.endswith("blobs.lock")] == []


@pytest.mark.parametrize("check", [False, True])
def test_one_image_in_use_stops_the_removal_of_all(check: bool, image: Run, host: Host, tmp_path: Path) -> None:
    for tag in ("a", "b"):
        write_layout(tmp_path / "layout", tag, [Layer.of([Member(tag)])])
    names = [f"oci:{tmp_path}/layout:{tag}" for tag in ("a", "b")]
    images = image(names=names)["images"]
    host.pod_dir("shop").mkdir(parents=True)
    (host.pod_dir("shop") / "disk").hardlink_to(images[1]["disk"])
    result = image(names=names, state="absent", check=check, fails=True)
    assert result["error"] == "ImageInUse"
    assert "pod shop" in result["msg"]
    assert image()["images"] == images
    assert image(names=names, state="absent", force=True, check=check)["changed"]
    assert len(image()["images"]) == (2 if check else 0)


def test_a_host_that_is_not_prepared(image: Run, host: Host, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", "a", [Layer.of([Member("a")])])
    assert image(name=f"oci:{tmp_path}/layout:a", qemu_user="nosuchuser", fails=True)["error"] == "NotPrepared"
