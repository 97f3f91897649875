# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod modules, step by step: (create, modify, delete) × (check mode, for real) × (first, again); waiting, conflicts, many pods at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pods import PodHost, manifest, process_state, sh

pytestmark = pytest.mark.guest


def snapshot(pods: PodHost, name: str) -> list[tuple[str, int, int]]:
    """Every file of a pod with its inode and time of change: what a check must leave as it is. Its log and console grow by themselves."""
    found = []
    for place in (pods.host.pod_dir(name), pods.host.pod_run_dir(name), pods.host.lock_path("pod", name)):
        for root, _, files in os.walk(place):
            for file in files:
                status = (Path(root) / file).lstat()
                if file not in ("log", "console.log", "scratch.img"):
                    found.append((f"{root}/{file}", status.st_ino, status.st_mtime_ns))
    return sorted(found)


def brief(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(action["action"], action["effect"]) for action in result["actions"]]


@pytest.fixture
def name(pods: PodHost, request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[5:40]
    yield name
    pods.pod(name, state="absent", grace_period=0)


def test_twelve_steps(pods: PodHost, name: str) -> None:
    first = manifest(name, {"name": "a"}, {"name": "b"})
    second = manifest(name, {"name": "a", "env": [{"name": "NEW", "value": "1"}]}, {"name": "b"})
    created = [("create", "live"), ("start", "starts the guest")]
    updated = [("update", "restarts container a")]
    deleted = [("delete", "stops the guest")]

    # Create
    checks = [pods.pod(first, check=True) for _ in range(2)]
    assert [brief(check) for check in checks] == [created, created]
    assert snapshot(pods, name) == []
    done = pods.pod(first)
    assert (done["changed"], brief(done)) == (True, created)
    assert done["diff"] == checks[0]["diff"]
    assert done["pods"][0]["phase"] == "Running"
    pid = pods.pid(name)
    for check in (True, False):
        again = pods.pod(first, check=check)
        assert (again["changed"], again["actions"]) == (False, [])
        assert again["diff"]["before"] == again["diff"]["after"]
    assert pods.pid(name) == pid

    # Modify
    before = snapshot(pods, name)
    checks = [pods.pod(second, check=True) for _ in range(2)]
    assert [brief(check) for check in checks] == [updated, updated]
    assert checks[0]["actions"][0]["reason"] == "container a: env changed"
    assert snapshot(pods, name) == before
    assert pods.pid(name) == pid
    done = pods.pod(second)
    assert (done["changed"], brief(done), done["diff"]) == (True, updated, checks[0]["diff"])
    assert pods.shell(name, "a", "echo $NEW") == "1"
    assert pods.pid(name) == pid
    for check in (True, False):
        assert pods.pod(second, check=check)["changed"] is False
    assert pods.pid(name) == pid

    # Delete
    before = snapshot(pods, name)
    checks = [pods.pod(name, state="absent", check=True) for _ in range(2)]
    assert [brief(check) for check in checks] == [deleted, deleted]
    assert snapshot(pods, name) == before
    assert pods.pid(name) == pid
    done = pods.pod(name, state="absent")
    assert (done["changed"], brief(done)) == (True, deleted)
    assert pid is not None
    assert process_state(pid) in ("", "Z")
    assert not pods.host.pod_dir(name).exists()
    assert not pods.host.pod_run_dir(name).exists()
    for check in (True, False):
        assert pods.pod(name, state="absent", check=check)["changed"] is False


def test_stop_and_start_in_steps(pods: PodHost, name: str) -> None:
    pods.pod(manifest(name, {"name": "a"}), state="present")
    assert pods.info(name)["phase"] == "Pending"
    steps = [
        ("started", [("start", "starts the guest")], "Running"),
        ("stopped", [("stop", "stops the guest")], "Stopped"),
        ("restarted", [("start", "starts the guest")], "Running"),
    ]
    for state, expected, phase in steps:
        assert brief(pods.pod(name, state=state, check=True)) == expected
        assert brief(pods.pod(name, state=state)) == expected
        assert pods.info(name)["phase"] == phase
        if state != "restarted":
            assert pods.pod(name, state=state, check=True)["changed"] is False
            assert pods.pod(name, state=state)["changed"] is False
    assert brief(pods.pod(name, state="restarted", check=True)) == [("restart", "restarts the guest")]


def test_labels_change_live(pods: PodHost, name: str) -> None:
    definition = manifest(name, {"name": "a"})
    pods.pod(definition)
    pid = pods.pid(name)
    definition["metadata"]["labels"] = {"tier": "front"}
    assert brief(pods.pod(definition)) == [("update", "live")]
    assert pods.pid(name) == pid
    assert pods.info(name)["labels"] == {"tier": "front"}
    assert pods.pod(definition)["changed"] is False


def test_conflict_is_refused_when_asked(pods: PodHost, name: str) -> None:
    pods.pod(manifest(name, {"name": "a"}), state="present")
    other = manifest(name, {"name": "b"})
    failed = pods.pod(other, conflict="refuse", fails=True)
    assert failed["error"] == "PodExists"
    assert "--replace" in failed["remedy"]
    # The same definition is no conflict.
    assert pods.pod(manifest(name, {"name": "a"}), conflict="refuse", state="present")["changed"] is False


def test_a_moved_tag_is_seen(pods: PodHost, name: str) -> None:
    definition = manifest(name, {"name": "a", "image": "moving"})
    pods.module("image", name=["moving"], source=f"oci:{pods.layout}:tools")
    pods.pod(definition, state="present")
    assert pods.pod(definition, state="present")["changed"] is False
    pods.module("image", name=["moving"], source=f"oci:{pods.layout}:user", pull="always")
    [action] = pods.pod(definition, state="present", check=True)["actions"]
    assert action["action"] == "update"
    assert "is another image now" in action["reason"]
    assert pods.pod(definition, state="present")["changed"] is True
    assert pods.pod(definition, state="present")["changed"] is False


def test_a_replaced_image_brings_a_fresh_writable_layer(pods: PodHost, name: str) -> None:
    pods.pod(manifest(name, {"name": "a"}, {"name": "b"}))
    for container in "ab":
        pods.shell(name, container, "echo mine > /tmp/file; echo changed > /data/seed; sync")
    pods.pod(manifest(name, {"name": "a", "image": "user"}, {"name": "b"}))
    assert pods.shell(name, "a", "cat /data/seed") == "from the image"
    assert pods.exec(name, "a", "test", "-e", "/tmp/file").code == 1
    assert pods.shell(name, "b", "cat /tmp/file /data/seed") == "mine\nchanged"


def test_many_pods_in_one_task(pods: PodHost) -> None:
    names = [f"many-{number}" for number in range(3)]
    try:
        result = pods.pod(*(manifest(name, {"name": "a"}) for name in names))
        assert [pod["phase"] for pod in result["pods"]] == ["Running"] * 3
        assert [pod["name"] for pod in pods.module("pod_info", names=names)["pods"]] == names
        assert pods.pod(*names, state="stopped")["changed"] is True
    finally:
        assert pods.pod(*names, state="absent")["changed"] is True


def test_a_container_that_cannot_start_fails_the_run(pods: PodHost, name: str) -> None:
    failed = pods.pod(manifest(name, {"name": "a", "command": ["nosuch"]}), fails=True)
    assert failed["error"] == "ContainerFailed"
    assert "container a" in failed["where"]
    assert "nosuch" in failed["msg"]


def test_waiting_has_its_limit(pods: PodHost, name: str) -> None:
    failed = pods.pod(manifest(name, {"name": "a", "command": sh("echo here; sleep 1000")}), wait="completed", wait_timeout=8, fails=True)
    assert failed["error"] == "WaitTimeout"
    assert pods.info(name)["phase"] == "Running"


def test_progress_is_told(pods: PodHost, name: str, tmp_path: Path) -> None:
    told = tmp_path / "progress"
    told.touch()
    pods.pod(manifest(name, {"name": "a"}), progress=str(told))
    stages = [line.split('"stage": "')[1].split('"')[0] for line in told.read_text().splitlines()]
    assert list(dict.fromkeys(stages)) == ["images", "define", "spawn", "boot"]


def test_exec_module(pods: PodHost, name: str) -> None:
    pods.pod(manifest(name, {"name": "a"}, {"name": "b"}))
    ask = {"pod": name, "argv": ["sh", "-c", "cat; echo $WHO >&2; pwd; exit 5"], "stdin_base64": "aGVsbG8K", "env": {"WHO": "me"}, "workdir": "/tmp"}
    assert pods.module("pod_exec", **ask, check=True)["changed"] is True
    result = pods.module("pod_exec", container="b", **ask)
    assert (result["rc"], result["stdout"], result["stderr"]) == (5, "hello\n/tmp\n", "me\n")
    assert "hello" not in str(result["invocation"])
    assert pods.module("pod_exec", pod=name, container="c", argv=["true"], fails=True)["error"] == "ContainerNotFound"
    missing = pods.module("pod_exec", pod=name, argv=["nosuch"])
    assert missing["rc"] == 127
    assert "nosuch" in missing["stderr"]
    assert pods.module("pod_exec", pod=name, argv=["/etc/passwd"])["rc"] == 126
    assert pods.module("pod_exec", pod="nosuch", argv=["true"], fails=True)["error"] == "PodNotFound"
    pods.pod(name, state="stopped", grace_period=0)
    assert pods.module("pod_exec", pod=name, argv=["true"], fails=True)["error"] == "PodNotRunning"


def test_info_module(pods: PodHost, name: str) -> None:
    pods.pod(manifest(name, {"name": "a", "command": sh("echo one; echo two >&2; sleep 1000")}, {"name": "b", "command": sh("echo three; sleep 1000")}))
    for check in (True, False):
        result = pods.module("pod_info", names=[name], logs=True, host_info=True, images=True, check=check)
        assert result["changed"] is False
        [pod] = result["pods"]
        assert {"name", "phase", "ip", "containers"} <= set(pod)
        assert {"name", "image", "state", "exitCode", "restartCount"} <= set(pod["containers"][0])
    lines = {(line["container"], line["stream"], line["message"]) for line in result["logs"][0]["lines"]}
    assert lines == {("a", "stdout", "one"), ("a", "stderr", "two"), ("b", "stdout", "three")}
    [only] = pods.module("pod_info", names=[name], logs=True, container="b")["logs"]
    assert [line["message"] for line in only["lines"]] == ["three"]
    assert result["host"]["accelerator"] in ("kvm", "tcg")
    assert "localhost/tools:latest" in [image["reference"] for image in result["images"]]
    assert pods.module("pod_info", names=["nosuch"], fails=True)["error"] == "PodNotFound"
