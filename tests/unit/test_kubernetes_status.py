# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's state in the form of Kubernetes' PodStatus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes_status import iso, pod_status
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._status import ContainerStatus, Status

MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "initContainers": [{"name": "before", "image": "b"}, {"name": "side", "image": "s", "restartPolicy": "Always"}],
        "containers": [{"name": "app", "image": "a"}],
    },
}
DONE = ContainerStatus("before", "terminated", "Completed", exit_code=0, started_at=0.5, finished_at=1.0, ready=True)
SIDE = ContainerStatus("side", "running", started_at=1.5, ready=True, started=True, turned_at=1.5)
APP = ContainerStatus("app", "running", started_at=2.0, ready=True, started=True, turned_at=2.0)


def status_of(status: Status | None, ip: str = "10.0.2.15") -> dict[str, Any]:
    """The status, which has to be what Kubernetes' schema says."""
    made = pod_status(parse(MANIFEST), status, {"app": "sha256:1"}, ips=(ip,) if ip else (), created_at=0.25)
    kubernetes_validate.validate({**MANIFEST, "status": made}, "1.34", strict=True)
    return made


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {item["type"]: item["status"] + (f" {item['reason']}" if "reason" in item else "") for item in status["conditions"]}


def test_a_pod_that_runs() -> None:
    status = status_of(Status("Running", containers=(DONE, SIDE, APP)))
    assert (status["phase"], status["podIP"], status["podIPs"]) == ("Running", "10.0.2.15", [{"ip": "10.0.2.15"}])
    assert conditions(status) == {"PodScheduled": "True", "Initialized": "True", "ContainersReady": "True", "Ready": "True"}
    assert status["containerStatuses"] == [
        {
            "name": "app",
            "image": "a",
            "imageID": "sha256:1",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": "1970-01-01T00:00:02.000Z"}},
            "lastState": {},
        }
    ]
    before, side = status["initContainerStatuses"]
    assert before["ready"]
    assert before["state"]["terminated"] == {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": "1970-01-01T00:00:00.500Z",
        "finishedAt": "1970-01-01T00:00:01.000Z",
    }
    assert side["started"]


@pytest.mark.parametrize(
    ("status", "wanted", "messages"),
    [
        (None, ["False ContainersNotInitialized", "False ContainersNotReady"], ["incomplete status: [before side]", "unready status: [side app]"]),
        (Status("Pending", containers=(DONE,)), ["False ContainersNotInitialized", "False ContainersNotReady"], ["incomplete status: [side]", "[side app]"]),
        (
            Status("Running", containers=(DONE, SIDE, ContainerStatus("app", "running", started_at=2.0, started=True))),
            ["True", "False ContainersNotReady"],
            ["", "containers with unready status: [app]"],
        ),
        (Status("Stopping", containers=(DONE, SIDE, APP)), ["True", "True"], ["", ""]),
        (Status("Succeeded", containers=(DONE,)), ["True", "False PodCompleted"], ["", ""]),
        (Status("Failed", containers=(DONE,)), ["True", "False PodFailed"], ["", ""]),
        (
            Status("Failed", containers=(ContainerStatus("before", "terminated", "Error", exit_code=3),)),
            ["False ContainersNotInitialized", "False PodFailed"],
            ["containers with incomplete status: [before]", ""],
        ),
    ],
)
def test_conditions(status: Status | None, wanted: list[str], messages: list[str]) -> None:
    made = status_of(status)
    found = conditions(made)
    assert [found["Initialized"], found["Ready"]] == wanted
    assert found["ContainersReady"] == found["Ready"]
    for item, message in zip((made["conditions"][1], made["conditions"][3]), messages, strict=True):
        assert item.get("message", "").endswith(message)


@pytest.mark.parametrize(
    ("container", "state", "last"),
    [
        (ContainerStatus("app", "waiting"), {"waiting": {"reason": "ContainerCreating"}}, {}),
        (ContainerStatus("app", "terminated", "NotStarted", "stopped before", exit_code=137), {"waiting": {"reason": "PodInitializing"}}, {}),
        (
            ContainerStatus("app", "waiting", "CrashLoopBackOff", "soon", exit_code=1, restart_count=1, finished_at=3, last_reason="Error", last_started_at=2),
            {"waiting": {"reason": "CrashLoopBackOff", "message": "soon"}},
            {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": "1970-01-01T00:00:02.000Z", "finishedAt": "1970-01-01T00:00:03.000Z"}},
        ),
        (
            ContainerStatus("app", "running", started_at=4, exit_code=137, signal=9, finished_at=3, last_reason="OOMKilled", last_message="big"),
            {"running": {"startedAt": "1970-01-01T00:00:04.000Z"}},
            {"terminated": {"exitCode": 137, "signal": 9, "reason": "OOMKilled", "message": "big", "finishedAt": "1970-01-01T00:00:03.000Z"}},
        ),
        (
            ContainerStatus("app", "terminated", "Error", exit_code=3, finished_at=3, last_word="disk full"),
            {"terminated": {"exitCode": 3, "reason": "Error", "message": "disk full", "finishedAt": "1970-01-01T00:00:03.000Z"}},
            {},
        ),
        (
            ContainerStatus("app", "terminated", "GuestLost", started_at=4),
            {"terminated": {"exitCode": 137, "reason": "GuestLost", "startedAt": "1970-01-01T00:00:04.000Z"}},
            {},
        ),
    ],
)
def test_states(container: ContainerStatus, state: dict[str, Any], last: dict[str, Any]) -> None:
    [made] = status_of(Status("Running", containers=(container,)))["containerStatuses"]
    assert (made["state"], made["lastState"]) == (state, last)


def test_why_a_pod_failed() -> None:
    status = status_of(Status("Failed", "too long", (), "DeadlineExceeded"), ip="")
    assert (status["reason"], status["message"]) == ("DeadlineExceeded", "too long")
    assert "podIP" not in status


@pytest.mark.parametrize(
    ("status", "initialized", "ready"),
    [
        (None, 0.25, 0.25),
        (Status("Pending", started_at=0.5), 0.5, 0.5),
        (Status("Pending", containers=(DONE,), started_at=0.5), 0.5, 0.5),
        (Status("Running", containers=(DONE, SIDE, APP), started_at=0.5), 1.5, 2.0),
        (Status("Running", containers=(DONE, SIDE, replace(APP, ready=False, turned_at=7.0)), started_at=0.5), 1.5, 7.0),
        (Status("Running", containers=(DONE, replace(SIDE, ready=False, turned_at=6.0), replace(APP, ready=False, turned_at=7.0)), started_at=0.5), 1.5, 6.0),
        (Status("Running", containers=(DONE, SIDE, replace(APP, ready=False, turned_at=None)), started_at=0.5), 1.5, 0.5),
        (Status("Succeeded", containers=(DONE, replace(APP, state="terminated", exit_code=0, finished_at=9.0)), started_at=0.5), 1.0, 9.0),
        (Status("Failed", containers=(ContainerStatus("app", "terminated", "GuestLost"),), started_at=0.5), 0.5, None),
    ],
)
def test_times_of_conditions(status: Status | None, initialized: float, ready: float | None) -> None:
    made = status_of(status)
    times = {item["type"]: item.get("lastTransitionTime") for item in made["conditions"]}
    assert times == {"PodScheduled": iso(0.25), "Initialized": iso(initialized), "ContainersReady": iso(ready), "Ready": iso(ready)}
    assert made.get("startTime") == (iso(0.5) if status else None)


def test_an_init_container_that_the_log_remembers_as_ended_well_is_ready() -> None:
    status = status_of(Status("Running", containers=(replace(DONE, ready=False), SIDE, APP)))
    assert conditions(status)["Initialized"] == "True"
