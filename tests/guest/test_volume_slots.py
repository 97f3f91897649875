# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes with disks of their own come to a pod that runs, and leave it, while its guest and its other containers go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _guest, _guest_disks, _pod_guest, _volumes

from tests.support.manifests import claim, used
from tests.support.pods import PodHost, manifest

pytestmark = pytest.mark.guest
POD = "slots"
CLAIMS = [claim(name, "32Mi") for name in ("slots-a", "slots-b")] + [claim("slots-raw", "16Mi", volumeMode="Block")]
A, B, RAW = used("a", "slots-a"), used("b", "slots-b"), used("raw", "slots-raw")
LIMITED = {"name": "limited", "emptyDir": {"sizeLimit": "16Mi"}}
STAYS = {"name": "stays", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}


def pod(*volumes: dict[str, Any], stays: dict[str, Any] = STAYS, **more: Any) -> dict[str, Any]:
    """One container that mounts volume a, and one that has the others."""
    others = [volume["name"] for volume in volumes if volume["name"] != "a"]
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in others if name != "raw"]
    devices = [{"name": "raw", "devicePath": "/dev/xvda"}] if "raw" in others else []
    return manifest(POD, stays, {"name": "other", "volumeMounts": mounts, "volumeDevices": devices, **more}, volumes=list(volumes))


def effects(result: dict[str, Any]) -> list[str]:
    return [action["effect"] for action in result["actions"] if action["action"] == "update"]


def held(pods: PodHost) -> set[str]:
    """What is in the four slots, the pod's volumes by their names."""
    serials = {_pod_guest.volume_serial(name): name for name in ("a", "b", "raw", "limited")}
    found = _guest_disks.slots(pods.host.pod_run_dir(POD))
    assert found is not None
    assert len(found) == 4
    return {serials.get(serial, serial) for serial in found if serial}


@pytest.fixture(scope="module", autouse=True)
def _gone(pods: PodHost) -> Iterator[None]:
    yield
    pods.pod(POD, "slots-heir", state="absent", grace_period=0)
    pods.module("volume", name=["slots-a", "slots-b", "slots-raw"], state="absent")


@pytest.fixture
def running(pods: PodHost) -> tuple[int, int]:
    """A pod that was started with one volume and has no other: the pids of its QEMU and of the container that is to stay."""
    pods.pod(*CLAIMS, pod(A))
    assert held(pods) == {"a"}
    return pid_of(pods)


def pid_of(pods: PodHost) -> tuple[int, int]:
    qemu = pods.pid(POD)
    assert qemu is not None
    return qemu, next(container["pid"] for container in pods.info(POD)["containers"] if container["name"] == "stays")


def test_disks_come_and_go(pods: PodHost, running: tuple[int, int]) -> None:
    pods.shell(POD, "stays", "echo first > /a/file")
    wanted = [*CLAIMS, pod(A, B, RAW, LIMITED)]
    planned = pods.pod(*wanted, check=True)
    assert held(pods) == {"a"}
    done = pods.pod(*wanted)
    assert done["actions"] == planned["actions"]
    assert effects(done) == ["live", "restarts container other"]
    assert (pid_of(pods), held(pods)) == (running, {"a", "b", "raw", "limited"})
    assert not pods.pod(*wanted)["changed"]
    pods.shell(POD, "other", "echo second > /b/file; echo marked > /dev/xvda; dd if=/dev/zero of=/limited/zeros bs=1M count=4 2>/dev/null")
    assert pods.shell(POD, "stays", "ls /dev/hyper").split() == ["a", "b", "limited", "raw"]
    full = pods.pod(*CLAIMS, claim("slots-c", "16Mi"), pod(A, B, RAW, LIMITED, used("c", "slots-c")), check=True)
    assert "volume c added (the guest has no free slot for its disk)" in full["actions"][-1]["reason"]
    assert effects(full) == ["restarts the guest"]

    # A guest that is started anew finds them all.
    pods.pod(POD, state="restarted")
    assert pods.shell(POD, "other", "cat /b/file; head -c 7 /dev/xvda; ls /limited").split() == ["second", "marked", "zeros"]
    now = pid_of(pods)

    done = pods.pod(*CLAIMS, pod(A, LIMITED))
    assert effects(done) == ["live", "restarts container other"]
    assert (pid_of(pods), held(pods)) == (now, {"a", "limited"})
    heir = manifest("slots-heir", {"name": "one", "volumeMounts": [{"name": "b", "mountPath": "/b"}]}, volumes=[B])
    pods.pod(heir)
    assert pods.shell("slots-heir", "one", "cat /b/file") == "second"
    refused = pods.pod(*CLAIMS, pod(A, B, LIMITED), fails=True)
    assert "volume slots-b is held by pod slots-heir" in refused["msg"]
    pods.pod("slots-heir", state="absent", grace_period=0)
    assert effects(pods.pod(*CLAIMS, pod(A, B))) == ["live", "restarts container other"]
    assert pods.shell(POD, "other", "cat /b/file; ls /dev/hyper").split() == ["second", "a", "b"]
    assert (pid_of(pods), held(pods)) == (now, {"a", "b"})
    assert not list(pods.host.pod_dir(POD).glob(_pod_guest.OWN_DISKS))


def test_a_change_that_fails_gives_its_disk_back(pods: PodHost, running: tuple[int, int]) -> None:
    failing = pod(A, B, readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1})
    failed = pods.pod(*CLAIMS, failing, wait="ready", progress_deadline=3, fails=True)
    assert "its former definition is back" in failed["msg"]
    assert (pid_of(pods), held(pods)) == (running, {"a"})
    # Without a rollback it stays, and so does the disk.
    pods.pod(*CLAIMS, failing, wait="ready", progress_deadline=3, rollback=False, fails=True)
    assert (pid_of(pods), held(pods)) == (running, {"a", "b"})


def test_what_a_killed_run_has_left_goes_with_the_next_change(pods: PodHost, running: tuple[int, int]) -> None:
    left = _guest.Disk(_volumes.disk(pods.host, "slots-raw"), "left")
    _guest_disks.plug(pods.host.pod_run_dir(POD), [left])
    assert held(pods) == {"a", "left"}
    assert effects(pods.pod(*CLAIMS, pod(A, B, RAW))) == ["live", "restarts container other"]
    assert (pid_of(pods), held(pods)) == (running, {"a", "b", "raw"})


def test_a_disk_that_is_in_use_stays_until_it_is_not(pods: PodHost, running: tuple[int, int]) -> None:
    """Mounted by a container that has no business with it; the definition is changed all the same, and the failure says what to do."""
    root = {**STAYS, "securityContext": {"privileged": True}}
    pods.pod(*CLAIMS, pod(A, B, stays=root))
    pods.shell(POD, "stays", "mkdir /held && mount -t ext4 /dev/hyper/b /held")
    without = pod(A, stays=root)
    failed = pods.pod(*CLAIMS, without, fails=True)
    assert "the guest still uses the disk of a volume that it is not to have any more" in failed["msg"]
    assert (held(pods), pods.pod(*CLAIMS, without)["changed"]) == ({"a", "b"}, False)
    pods.shell(POD, "stays", "umount /held")
    pods.pod(*CLAIMS, pod(A, LIMITED, stays=root))
    assert held(pods) == {"a", "limited"}
