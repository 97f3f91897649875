# SPDX-License-Identifier: GPL-3.0-or-later
"""The further states of the module ``image``, and the modules that look at images and hosts: (check mode, for real) by (first time, again)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.store import files, layout, module, twice

__all__ = ["layout", "module"]

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def web(store: ImageStore, layout: Path) -> str:
    """The name of an image that is there."""
    return store.ensure("web", source=f"oci:{layout}:web")[0].reference


def hold(host: Host, disk: Path, pod: str = "shop") -> None:
    (host.pod_dir(pod) / "images").mkdir(parents=True)
    (host.pod_dir(pod) / "images/disk").hardlink_to(disk)


def test_tagged(module: Run, host: Host, store: ImageStore, web: str, layout: Path) -> None:
    full = "registry.example.com:5000/shop/web:1"
    results = twice(lambda check: module("image", name="web", state="tagged", tags=["new", full], check=check), host)
    assert [image["reference"] for image in results[-1]["images"]] == ["localhost/new:latest", full]
    one, two, three = (store.require(name) for name in (web, "new", full))
    assert one.id == two.id == three.id
    assert two.source == one.source
    assert three.source == full, "what it means is for the registry to say"
    # A name is taken from another image.
    app, _ = store.ensure("app", source=f"oci:{layout}:app")
    results = twice(lambda check: module("image", name="app", state="tagged", tags=["new"], check=check), host)
    assert results[0]["diff"]["before"]["localhost/new:latest"]["id"] == one.id
    assert store.require("new").id == app.id


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"name": "nosuch", "tags": ["x"]}, "ImageNotFound"),
        ({"name": "web", "tags": ["good", "Bad Name"]}, "BadReference"),
        ({"name": "web", "tags": ["x@sha256:" + "0" * 64]}, "BadReference"),
        ({"name": "web", "tags": ["oci:/a:b"]}, "BadReference"),
        ({"name": ["web", "app"], "tags": ["x"]}, "TagsForSeveral"),
    ],
)
def test_names_that_cannot_be_given_change_nothing(args: dict[str, Any], error: str, module: Run, host: Host, web: str) -> None:
    before = files(host)
    result = module("image", state="tagged", fails=True, **args)
    assert result["error"] == error
    assert result["remedy"]
    assert {path: time for path, time in files(host).items() if "/locks/" not in path} == {path: time for path, time in before.items() if "/locks/" not in path}


def test_pruned(module: Run, host: Host, store: ImageStore, web: str, layout: Path) -> None:
    hold(host, store.require(web).disk)
    app, _ = store.ensure("app", source=f"oci:{layout}:app")
    # What a pull that was killed at its end has left.
    stray = host.images_dir / "disks" / ("0" * 64 + ".erofs")
    stray.write_bytes(bytes(8192))
    results = twice(lambda check: module("image", state="pruned", check=check), host)
    assert results[0]["actions"] == [f"remove {stray}"]
    assert not stray.exists()
    results = twice(lambda check: module("image", state="pruned", all=True, check=check), host)
    assert results[-1]["images"] == []
    assert [image.reference for image in store.list()] == [web], "pods hold it"
    assert not app.disk.exists()
    assert store.manifest(store.require(web)) is not None
    results = twice(lambda check: module("image", state="pruned", layers=True, check=check), host)
    assert store.manifest(store.require(web)) is None
    assert store.layers_size() == 0


def test_an_image_in_full(module: Run, host: Host, store: ImageStore, web: str, layout: Path) -> None:
    store.tag(web, "other")
    hold(host, store.require(web).disk)
    (image,) = module("image_info", name=["web"])["images"]
    assert image["names"] == ["localhost/other:latest", web]
    assert image["usedBy"] == ["pod shop"]
    assert image["config"]["Cmd"] == ["/web"]
    assert len(image["layers"]) == len(image["history"]) == 2
    store.prune(every=False, layers=True)
    assert module("image_info", name=["web"])["images"][0]["layers"] is None
    assert len(module("image_info")["images"]) == 2
    assert module("image_info", name=["nosuch"], fails=True)["error"] == "ImageNotFound"


def version(host: Host, name: str, *, current: bool = False) -> Path:
    """A version of hyperstart, as far as what is asked here goes."""
    directory = host.hyperstart_dir / name
    directory.mkdir(parents=True)
    for file in ("vmlinux", "initramfs"):
        (directory / file).write_bytes(bytes(5000))
    (directory / "info.json").write_text('{"hyperstart_version": "1", "kernel_version": "6"}')
    if current:
        (host.hyperstart_dir / "current").symlink_to(name)
    return directory


def test_a_host_is_pruned(module: Run, host: Host, store: ImageStore, web: str) -> None:
    for name in ("old", "held", "new"):
        version(host, name, current=name == "new")
    pod = host.pod_dir("web")
    pod.mkdir(parents=True)
    (pod / "pod.json").write_text("{}")
    (pod / "initramfs").hardlink_to(host.hyperstart_dir / "held/initramfs")
    for left in (host.pod_dir("half"), host.state_dir / "pods/.gone.removed", host.pod_run_dir("ran"), host.hyperstart_dir / ".new-x"):
        left.mkdir(parents=True)
        (left / "file").write_text("")
    results = twice(lambda check: module("host_prune", check=check), host)
    assert results[0]["actions"] == [
        "remove hyperstart old",
        *(f"remove what is left of pod {name}" for name in ("gone", "half", "ran")),
        f"remove {host.hyperstart_dir}/.new-x",
    ]
    assert sorted(os.listdir(host.hyperstart_dir)) == ["current", "held", "new"]
    assert sorted(os.listdir(host.state_dir / "pods")) == ["web"]
    assert os.listdir(host.run_dir / "pods") == []
    assert store.require(web)


def test_usage(module: Run, host: Host, store: ImageStore, web: str) -> None:
    version(host, "new", current=True)
    image = store.require(web)
    hold(host, image.disk)
    (host.pod_dir("shop") / "pod.json").write_text("{}")
    with (host.pod_dir("shop") / "scratch.img").open("wb") as file:
        file.truncate(1 << 30)  # a hole
        file.write(bytes(8192))
    usage = module("host_info", gather=["usage"])["usage"]
    (pod,) = usage["pods"]
    assert pod["name"] == "shop"
    assert 8192 < pod["own"] < 1 << 20
    assert pod["shared"] == image.disk.stat().st_blocks * 512
    assert usage["images"] | {"list": []} == {"count": 1, "size": pod["shared"], "unused": 0, "layers": store.layers_size(), "list": []}
    assert [(each["version"], each["current"], each["used"]) for each in usage["hyperstart"]] == [("new", True, True)]


def levels(result: dict[str, Any]) -> dict[str, str]:
    return {finding["subject"]: finding["level"] for finding in result["findings"]}


def test_what_is_wrong_on_a_host(module: Run, host: Host, store: ImageStore, web: str) -> None:
    bare = module("host_info", gather=["findings"], qemu_user="nosuchuser")
    found = {finding["subject"]: finding for finding in bare["findings"] if finding["level"] == "error"}
    assert {"account", "init"} <= set(found)
    assert all(finding["remedy"] for finding in found.values())
    store.require(web).disk.unlink()
    host.pod_dir("shop").mkdir(parents=True)
    (host.pod_dir("shop") / "pod.json").write_text("{")
    host.pod_dir("half").mkdir()
    found = levels(module("host_info", gather=["findings"]))
    assert (found[f"image {web}"], found["pod shop"], found["leftovers"], found["account"]) == ("error", "error", "warning", "ok")


def test_a_program_that_is_missing(module: Run, host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ansible_collections.hyper.pods.plugins.module_utils import _command, _host_checks

    here = tmp_path / "bin"
    here.mkdir()
    for program in set(_host_checks._NEEDED) - {"skopeo", "qemu-system-x86_64"}:
        (here / program).symlink_to(shutil.which(program, path=_command.SEARCH_PATH) or "/bin/true")
    monkeypatch.setattr(_command, "SEARCH_PATH", str(here))
    findings = _host_checks.findings(host)
    networks = {finding["message"].partition(" ")[0]: finding["remedy"] for finding in findings if finding["subject"] == "networks"}
    assert "package dnsmasq-base" in networks["dnsmasq"]
    found = [finding for finding in findings if finding["subject"] == "programs"]
    assert [(finding["level"], finding["message"]) for finding in found] == [
        ("error", "qemu-system-x86_64 is not installed"),
        ("error", "skopeo is not installed"),
    ]
    assert "package qemu-system-x86" in found[0]["remedy"]
