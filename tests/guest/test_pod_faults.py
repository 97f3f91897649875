# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed, guests that are killed, and runs that meet: running it again leads to what was wanted, and nothing is left over."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _pod_status
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor

from tests.support.control_node import ControlNode
from tests.support.faults import Copy, Gate, descendants, finish, forget, half_made, kill_all, kill_qemu, killed_run, listing, qemus, remains, waits_for_lock
from tests.support.guests import wait_for
from tests.support.images import write_layout
from tests.support.modules import module_process
from tests.support.pods import TEST_IMAGES, PodHost, manifest, process_state, sh, tools_layer

pytestmark = pytest.mark.guest

_numbers = itertools.count(1)


@pytest.fixture
def name(pods: PodHost) -> Iterator[str]:
    """A pod's name that no other has; the pod is removed afterwards, and nothing of it may be left then."""
    chosen = f"fault-{os.getpid()}-{next(_numbers)}-end"
    yield chosen
    kill_qemu(pods, chosen)
    pods.pod(chosen, state="absent")
    assert remains(pods, chosen) == []


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path / "progress")
    yield made
    made.close()


@pytest.fixture
def node(pods: PodHost, tmp_path: Path) -> ControlNode:
    return ControlNode.of(pods, tmp_path)


def test_a_definition_killed_before_any_of_its_changes(pods: PodHost, name: str) -> None:
    wanted = manifest(name, {"name": "a"})
    pods.pod(wanted, state="present")
    whole = listing(pods.host.pod_dir(name))
    for number in itertools.count(1):
        forget(pods, name)
        moment = killed_run(pods, number, wanted, state="present")
        if moment is None:
            break
        pods.pod(wanted, state="present")
        assert listing(pods.host.pod_dir(name)) == whole, f"killed before {moment}"
    assert number > 12


def test_a_start_killed_before_any_of_its_changes(pods: PodHost, name: str, tmp_path: Path) -> None:
    def files() -> object:
        # Who asked the guest left a lock.
        return listing(pods.host.pod_dir(name)), {path for path in listing(pods.host.pod_run_dir(name)) if not path.endswith(".lock")}

    wanted = manifest(name, {"name": "a"})
    pods.pod(wanted, state="present")
    defined = Copy.of(pods, name, tmp_path / "copy")
    pods.pod(wanted, wait="none")
    whole = files()
    for number in itertools.count(1):
        kill_qemu(pods, name)
        defined.put_back()
        moment = killed_run(pods, number, name, state="started", wait="none")
        if moment is None:
            break
        pods.pod(wanted, wait="none")
        assert len(qemus(pods, name)) == 1, f"killed before {moment}"
        assert files() == whole, f"killed before {moment}"
    assert number > 12


def test_an_update_killed_before_any_of_its_changes(pods: PodHost, name: str, tmp_path: Path) -> None:
    """The pod can be started at any of them, as it was or as it is to be."""
    former, wanted = (manifest(name, {"name": "a", "image": image}) for image in ("tools", "server"))
    pods.pod(former, state="present")
    defined = Copy.of(pods, name, tmp_path / "copy")
    pods.pod(wanted, state="present")
    whole = listing(pods.host.pod_dir(name))
    for number in itertools.count(1):
        kill_qemu(pods, name)
        defined.put_back()
        moment = killed_run(pods, number, wanted, state="present")
        if moment is None:
            break
        failed = pods.pod(name, state="started", wait="none").get("msg")
        assert len(qemus(pods, name)) == 1, f"killed before {moment}: {failed}"
        kill_qemu(pods, name)
        pods.pod(wanted, state="present")
        assert set(whole) <= set(listing(pods.host.pod_dir(name))), f"killed before {moment}"
        assert listing(pods.host.pod_dir(name) / "images").keys() == {path.removeprefix("images/") for path in whole if path.startswith("images/")}
    assert number > 6


def test_a_guest_that_has_not_written_its_pid_yet_is_not_doubled(pods: PodHost, name: str, gate: Gate) -> None:
    """A run was killed when it had just started QEMU, and the next one came at once."""
    wanted = manifest(name, {"name": "a"})
    pods.pod(wanted, wait="none")
    pid_file, later = (pods.host.pod_run_dir(name) / word for word in ("pid", "pid.later"))
    first = qemus(pods, name)
    pid_file.rename(later)
    with module_process("pod", {**pods.arguments, "pods": [wanted], "progress": str(gate.path)}) as module:
        gate.await_stage("spawn")
        gate.open()
        time.sleep(0.5)
        later.rename(pid_file)
        result = finish(module)
    assert not result.get("failed"), result["msg"]
    assert result["pods"][0]["phase"] == "Running"
    assert [pods.pid(name)] == qemus(pods, name) != first


@pytest.mark.parametrize("then", ["absent", "present"])
def test_a_removal_killed_before_any_of_its_changes(pods: PodHost, name: str, tmp_path: Path, then: str) -> None:
    """then: what is run after it."""
    wanted = manifest(name, {"name": "a"})
    pods.pod(wanted, state="present")
    whole = listing(pods.host.pod_dir(name))
    defined = Copy.of(pods, name, tmp_path / "copy")
    for number in itertools.count(1):
        defined.put_back()
        moment = killed_run(pods, number, name, state="absent")
        if moment is None:
            break
        pods.pod(wanted if then == "present" else name, state=then)
        assert listing(pods.host.pod_dir(name)) == (whole if then == "present" else {}), f"killed before {moment}"
        assert then == "present" or remains(pods, name) == [], f"killed before {moment}"
    assert number > 6


@pytest.mark.parametrize("stage", ["images", "pull", "define", "spawn", "boot"])
def test_a_playbook_killed_in_any_stage(pods: PodHost, node: ControlNode, name: str, gate: Gate, tmp_path: Path, stage: str) -> None:
    """SIGKILL to ansible-playbook and all that it started (but QEMU, which is to outlive it), while it pulls an image and runs a pod of it."""
    write_layout(tmp_path / "layout", "fresh", [tools_layer(tmp_path)], {**TEST_IMAGES["tools"], "Labels": {"for": name}})
    image = f"oci:{tmp_path}/layout:fresh"
    wanted = manifest(name, {"name": "a", "image": image})
    try:
        with node.playbook_process("run_pod.yml", {"pods": [wanted], "pod_progress": str(gate.path)}) as playbook:
            gate.await_stage(stage)
            kill_all(descendants(playbook.pid), but=qemus(pods, name))
        node.playbook("run_pod.yml", {"pods": [wanted]})
        assert pods.info(name)["phase"] == "Running"
        assert pods.shell(name, "a", "echo $FROM_IMAGE") == "yes"
        assert len(qemus(pods, name)) == 1
        assert half_made(pods) == []
        assert "changed=0 " in node.playbook("run_pod.yml", {"pods": [wanted]})
    finally:
        kill_qemu(pods, name)
        pods.pod(name, state="absent")
        pods.module("image", name=[image], state="absent")


def test_a_module_outlives_its_playbook(pods: PodHost, node: ControlNode, name: str, gate: Gate) -> None:
    """SIGKILL to ansible-playbook alone: the module goes on, and the next run waits for it."""
    wanted = manifest(name, {"name": "a"})
    with node.playbook_process("run_pod.yml", {"pods": [wanted], "pod_progress": str(gate.path)}) as playbook:
        gate.await_stage("spawn")
        playbook.kill()
        playbook.wait()
        gate.open()
        assert "changed=0 " in node.playbook("run_pod.yml", {"pods": [wanted]})
    assert pods.info(name)["phase"] == "Running"


@pytest.mark.parametrize("stage", ["stop", "remove"])
def test_a_removal_of_a_running_pod_killed(pods: PodHost, name: str, gate: Gate, stage: str) -> None:
    pods.pod(manifest(name, {"name": "a"}))
    with module_process("pod", {**pods.arguments, "pods": [name], "state": "absent", "progress": str(gate.path)}) as module:
        gate.await_stage(stage)
        module.kill()
    pods.pod(name, state="absent")
    assert remains(pods, name) == []
    assert not pods.pod(name, state="absent")["changed"]


def test_a_killed_guest_is_told_and_started_again_with_its_files(pods: PodHost, name: str) -> None:
    wanted = manifest(name, {"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}, {"name": "b"}, volumes=[{"name": "v", "emptyDir": {}}])
    pods.pod(wanted)
    pods.shell(name, "a", "dd if=/dev/urandom of=/srv/big bs=1M count=8; echo kept > /v/file; cd /; md5sum srv/big > /sum; sync")
    kill_qemu(pods, name)
    lost = pods.info(name)
    assert (lost["phase"], lost["message"], lost["ip"]) == ("Failed", "the guest ended without an orderly power-off: QEMU was killed, or it crashed", "")
    assert [(each["state"], each["reason"], each["exitCode"]) for each in lost["containers"]] == [("terminated", "GuestLost", None)] * 2
    refused = pods.module("pod_exec", pod=name, argv=["true"], fails=True)
    assert refused["msg"] == f"pod {name}: is not running. Start it: hyper start {name}"
    again = pods.pod(wanted)
    assert [(action["action"], action["reason"]) for action in again["actions"]] == [("start", "the pod is not running")]
    assert again["pods"][0]["phase"] == "Running"
    assert pods.shell(name, "a", "cat /v/file; cd /; md5sum -c sum") == "kept\nsrv/big: OK"
    assert not pods.pod(wanted)["changed"]


def test_a_guest_killed_while_it_writes_mounts_its_disk_again(pods: PodHost, name: str) -> None:
    wanted = manifest(name, {"name": "a", "command": sh("i=0; while :; do i=$((i+1)); echo $i > /srv/$i; [ $i -lt 100 ] || rm /srv/$((i-99)); done")})
    pods.pod(wanted)
    wait_for(lambda: pods.exec(name, "a", "test", "-e", "/srv/200").code == 0, "two hundred files")
    kill_qemu(pods, name)
    pods.pod(wanted)
    assert pods.info(name)["phase"] == "Running"
    pods.shell(name, "a", "sync; touch /srv/x; rm /srv/x")


def test_a_guest_that_resets_is_told(pods: PodHost, name: str) -> None:
    """What a kernel's panic ends in."""
    pods.pod(manifest(name, {"name": "a"}))
    with Qmp.connect(pods.host.pod_run_dir(name) / "qmp.sock") as qmp:
        qmp.execute("system_reset")
    wait_for(lambda: not qemus(pods, name), "the end of QEMU")
    assert pods.info(name)["phase"] == "Failed"
    assert pods.pod(name, state="started")["pods"][0]["phase"] == "Running"


def test_a_guest_that_hangs_holds_up_nobody(pods: PodHost, name: str) -> None:
    pods.pod(manifest(name, {"name": "a"}))
    pid = pods.pid(name)
    assert pid is not None
    # Neither the guest nor QEMU itself answers any more.
    os.kill(pid, signal.SIGSTOP)
    assert pods.info(name)["message"] == "the guest does not answer yet"
    began = time.monotonic()
    pods.pod(name, state="absent")
    assert time.monotonic() - began < 30
    assert process_state(pid) in ("", "Z")


def test_a_pod_whose_record_is_damaged_can_be_removed(pods: PodHost, name: str) -> None:
    wanted = manifest(name, {"name": "a"})
    pods.pod(wanted)
    record = pods.host.pod_dir(name) / "pod.json"
    record.write_text(record.read_text()[:100])
    refused = pods.pod(wanted, fails=True)
    assert refused["error"] == "BrokenRecord"
    assert refused["msg"].startswith(f"{record}: cannot be read: ")
    assert refused["msg"].endswith(f". Remove the pod and run it again: hyper rm {name}")
    assert pods.pod(name, state="absent", check=True)["changed"]
    assert pods.pod(name, state="absent")["changed"]
    assert remains(pods, name) == []


def test_two_runs_of_one_pod_take_turns(pods: PodHost, name: str, gate: Gate) -> None:
    arguments = {**pods.arguments, "pods": [manifest(name, {"name": "a"})]}
    with module_process("pod", {**arguments, "progress": str(gate.path)}) as first:
        gate.await_stage("define")
        with module_process("pod", arguments) as second:
            wait_for(lambda: waits_for_lock(second.pid, name), "the second run at the lock")
            assert not pods.pid(name)
            gate.open()
            results = finish(first), finish(second)
    assert [result["changed"] for result in results] == [True, False]
    assert [result["pods"][0]["phase"] for result in results] == ["Running", "Running"]


def test_pods_of_one_task_start_side_by_side(pods: PodHost, name: str, tmp_path: Path) -> None:
    names = [f"{name}-{letter}" for letter in "xy"]
    try:
        pods.pod(*(manifest(each, {"name": "a"}) for each in names), progress=str(tmp_path / "progress"))
        told = (tmp_path / "progress").read_text().splitlines()
        running = next(number for number, line in enumerate(told) if "1/1 containers running" in line)
        assert all(any('"spawn"' in line and f'"{each}"' in line for line in told[:running]) for each in names)
        assert all(pods.info(each)["phase"] == "Running" for each in names)
    finally:
        for each in names:
            kill_qemu(pods, each)
        pods.pod(*names, state="absent")


def test_one_of_two_pods_fails_and_the_other_runs(pods: PodHost, name: str) -> None:
    names = [f"{name}-{letter}" for letter in "xy"]
    try:
        failed = pods.pod(manifest(names[0], {"name": "a", "command": ["/nosuch"]}), manifest(names[1], {"name": "a"}), fails=True)
        assert (failed["error"], failed["where"]) == ("ContainerFailed", f"pod {names[0]}, container a")
        assert pods.info(names[1])["phase"] == "Running"
    finally:
        for each in names:
            kill_qemu(pods, each)
        pods.pod(*names, state="absent")


def test_a_pod_that_is_removed_while_pods_are_listed_is_left_out(pods: PodHost, name: str) -> None:
    """Its name was read before, its record is gone."""
    pods.pod(manifest(name, {"name": "a"}), state="present")
    looks = _pod_status.look_all(pods.host, supervisor(pods.host), [f"{name}-gone", name])
    assert [look.name for look in looks] == [name]


@pytest.mark.parametrize("state", ["stopped", "started", "absent"])
def test_an_operation_on_a_pod_that_is_being_removed(pods: PodHost, name: str, gate: Gate, state: str) -> None:
    """It waits, and then finds no pod: a definition is brought to run, a name is told to be unknown, a removal has nothing to do."""
    wanted = manifest(name, {"name": "a", "command": sh("trap '' TERM; while :; do sleep 1; done")}, terminationGracePeriodSeconds=2)
    pods.pod(wanted)
    with module_process("pod", {**pods.arguments, "pods": [name], "state": "absent", "progress": str(gate.path)}) as removal:
        gate.await_stage("stop")
        # Who only looks does not wait.
        assert pods.info(name)["phase"] in ("Running", "Failed")
        with module_process("pod", {**pods.arguments, "pods": [wanted if state == "started" else name], "state": state}) as other:
            wait_for(lambda: waits_for_lock(other.pid, name), "the other run at the lock")
            gate.open()
            removed, result = finish(removal), finish(other)
    assert removed["changed"]
    if state == "stopped":
        assert result["msg"].startswith(f"there is no pod {name}.")
    elif state == "absent":
        assert not result["changed"]
    else:
        assert (result["changed"], result["pods"][0]["phase"]) == (True, "Running")
