# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``volume``: the twelve steps, (create, modify, delete) by (check mode, for real) by (first time, again), and its edges."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _record, _volumes
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

from tests.support.modules import run_module

Run = Callable[..., dict[str, Any]]
MIB = 2**20


@pytest.fixture
def volume(host: Host) -> Run:
    def run(*, check: bool = False, fails: bool = False, **args: Any) -> dict[str, Any]:
        hosts = {"state_dir": str(host.state_dir), "run_dir": str(host.run_dir), "qemu_user": host.qemu_user}
        return run_module("volume", {**hosts, **args}, check=check, fails=fails)

    return run


def files(host: Host) -> dict[str, tuple[int, int]]:
    """Every file of the host's directories, its size and when it changed."""
    tops = (host.state_dir, host.run_dir)
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for top in tops for path in top.rglob("*") if path.is_file()}


def define(host: Host, pod: str, claim: str) -> None:
    """A pod that is defined with a volume, as far as its record goes."""
    spec = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}], "containers": [{"name": "c", "image": "x"}]}
    host.pod_dir(pod).mkdir(parents=True)
    _record.write(host, pod, _record.Record({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec}, {}, {}, 0.0))


def test_twelve_steps(volume: Run, host: Host) -> None:
    def twice(args: dict[str, Any], before: Any, after: Any) -> None:
        untouched = files(host)
        for _ in range(2):
            result = volume(check=True, **args)
            assert result["changed"]
            assert (result["diff"]["before"]["data"], result["diff"]["after"]["data"]) == (before, after)
            assert len(result["actions"]) == 1
            assert files(host) == untouched
        planned = result
        result = volume(**args)
        assert result["changed"]
        assert (result["diff"], result["actions"]) == (planned["diff"], planned["actions"])
        for check in (False, True):
            again = volume(check=check, **args)
            assert not again["changed"]
            assert (again["actions"], again["diff"]) == ([], {"before": {}, "after": {}})

    small = {"size": "32 MiB", "mode": "Filesystem", "labels": {"app": "shop"}}
    twice({"name": "data", "size": "31.5Mi", "labels": {"app": "shop"}}, None, small)
    [made] = volume()["volumes"]
    assert {key: made[key] for key in ("name", "size", "mode", "labels", "pods")} == {
        "name": "data",
        "size": 32 * MIB,
        "mode": "Filesystem",
        "labels": {"app": "shop"},
        "pods": [],
    }
    disk = Path(made["disk"])
    assert made["allocated"] == disk.stat().st_blocks * 512 < 8 * MIB, "a new volume takes hardly anything"
    assert (disk.stat().st_mode & 0o777, disk.parent.stat().st_mode & 0o777) == (0o600, 0o750)
    assert "Filesystem features" in subprocess.run(["/usr/sbin/dumpe2fs", "-h", str(disk)], capture_output=True, text=True, check=True).stdout
    twice({"name": "data", "size": "64M"}, small, {**small, "size": "64 MiB"})
    twice({"name": "data", "labels": {"app": "web"}}, {**small, "size": "64 MiB"}, {**small, "size": "64 MiB", "labels": {"app": "web"}})
    assert volume()["volumes"][0]["createdAt"] == made["createdAt"]
    twice({"name": "data", "state": "absent"}, {**small, "size": "64 MiB", "labels": {"app": "web"}}, None)
    assert volume()["volumes"] == []
    assert [path.name for path in host.volumes_dir.iterdir()] == []


def test_several_with_and_without_filesystems(volume: Run) -> None:
    volume(names=["b", "a", "b"], size="16Mi", mode="Block")
    listed = volume()["volumes"]
    assert [(item["name"], item["mode"], item["allocated"]) for item in listed] == [("a", "Block", 0), ("b", "Block", 0)]
    assert volume(name="c")["volumes"][0]["size"] == 10 * 2**30


def test_snapshots_exports_and_imports(volume: Run, host: Host, tmp_path: Path) -> None:
    def twice(**args: Any) -> dict[str, Any]:
        planned = volume(check=True, **args)
        result = volume(**args)
        assert (planned["changed"], result["changed"]) == (True, True)
        assert (planned["actions"], planned["diff"]) == (result["actions"], result["diff"])
        assert not volume(check=True, **args)["changed"]
        assert not volume(**args)["changed"]
        return result

    volume(name="data", size="32Mi")
    disk = _volumes.disk(host, "data")
    with disk.open("r+b") as file:
        file.seek(20 * MIB)
        file.write(b"kept" * 1000)
    twice(name="copy", source="data", labels={"of": "data"})
    image = tmp_path / "data.img"
    twice(name="data", export=str(image))
    twice(name="back", source=str(image), size="48Mi")
    content = disk.read_bytes()
    assert _volumes.disk(host, "copy").read_bytes() == image.read_bytes() == content
    assert _volumes.disk(host, "back").read_bytes() == content + bytes(16 * MIB)
    assert all(file.stat().st_blocks * 512 < 8 * MIB for file in (image, _volumes.disk(host, "copy")))
    assert image.stat().st_mode & 0o777 == 0o600
    assert [item["mode"] for item in volume()["volumes"]] == ["Filesystem"] * 3
    with disk.open("r+b") as file:
        file.write(b"other")
    assert "holds something else" in volume(name="data", export=str(image), fails=True)["msg"]
    twice(name="data", export=str(image), force=True)
    assert image.read_bytes()[:5] == b"other"


@pytest.mark.parametrize("check", [False, True])
def test_what_pods_use_stays(check: bool, volume: Run, host: Host) -> None:
    volume(names=["kept", "old", "other"], size="16Mi", labels={"app": "shop"})
    volume(name="other", labels={"app": "web"})
    define(host, "web", "kept")
    assert volume(name="kept")["volumes"][0]["pods"] == ["web"]
    result = volume(names=["old", "kept"], state="absent", check=check, fails=True)
    assert result["error"] == "VolumeInUse"
    assert "pod web" in result["msg"]
    assert len(volume()["volumes"]) == 3
    assert [item["name"] for item in volume(state="absent", unused=True, labels={"app": "shop"}, check=check)["volumes"]] == ["old"]
    assert len(volume()["volumes"]) == (3 if check else 2)
    assert [item["name"] for item in volume(state="absent", unused=True, check=check)["volumes"]] == (["old", "other"] if check else ["other"])
    assert [item["name"] for item in volume()["volumes"]] == (["kept", "old", "other"] if check else ["kept"])


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"name": "../etc"}, "BadVolumeName"),
        ({"name": "A"}, "BadVolumeName"),
        ({"name": "new", "size": "much"}, "BadSize"),
        ({"name": "new", "size": "0"}, "BadSize"),
        ({"name": "new", "size": "100000Ti"}, "BadSize"),
        ({"names": ["new", "there"], "size": "16Mi"}, "VolumeDiffers"),
        ({"names": ["new", "there"], "mode": "Block"}, "VolumeDiffers"),
        ({"unused": True}, "BadRequest"),
        ({"name": "new", "source": "no"}, "VolumeNotFound"),
        ({"name": "new", "source": "/no/such"}, "BadRequest"),
        ({"name": "new", "source": "there", "size": "16Mi"}, "VolumeDiffers"),
        ({"name": "new", "source": "there", "mode": "Block"}, "VolumeDiffers"),
        ({"names": ["new", "newer"], "source": "there"}, "BadRequest"),
        ({"name": "no", "export": "/tmp/x"}, "VolumeNotFound"),
        ({"name": "there", "export": "/no/such/x"}, "BadRequest"),
        ({"name": "there", "export": "/tmp"}, "BadRequest"),
        ({"name": "there", "export": "/tmp/x", "size": "64Mi"}, "BadRequest"),
        ({"unused": True, "name": "there", "state": "absent"}, "BadRequest"),
        ({"name": "new", "qemu_user": "nosuchuser"}, "NotPrepared"),
    ],
)
def test_failures_are_named_with_a_remedy_and_change_nothing(args: dict[str, Any], error: str, check: bool, volume: Run, host: Host) -> None:
    volume(name="there", size="32Mi")
    before = files(host)
    if error == "NotPrepared" and check:
        return
    result = volume(check=check, fails=True, **args)
    assert result["error"] == error
    assert result["remedy"]
    assert {path: facts for path, facts in files(host).items() if "/locks/" not in path} == {
        path: facts for path, facts in before.items() if "/locks/" not in path
    }


def test_what_a_killed_run_left_is_in_nobodys_way(volume: Run, host: Host) -> None:
    for left in (".data.new", ".data.removed"):
        (host.volumes_dir / left).mkdir(parents=True)
        (host.volumes_dir / left / "disk.img").write_bytes(b"half")
    assert volume()["volumes"] == []
    volume(name="data", size="16Mi")
    volume(name="data", state="absent")
    assert not any(host.volumes_dir.iterdir())
    volume(name="data", size="16Mi")
    (host.volumes_dir / "data/volume.json").write_text(json.dumps({"block": False}))
    assert volume(fails=True)["error"] == "BrokenVolume"
    assert _volumes.disk(host, "data").exists()
