# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a pod follows from what is wanted and what is observed, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _plan
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container, Port
from ansible_collections.hyper.pods.plugins.module_utils._plan import Observed, Wanted

WEB = Container("web", "nginx")
LOG = Container("log", "busybox")
POD = Pod("shop", (WEB, LOG))
IMAGES = {"web": "sha256:" + "a" * 64, "log": "sha256:" + "b" * 64}
RUNNING = Observed(POD, IMAGES, running=True)
OFF = Observed(POD, IMAGES)
COMPLETED = Observed(POD, IMAGES, completed=True)
NOTHING = Observed()


def brief(actions: tuple[_plan.Action, ...]) -> list[tuple[str, str]]:
    return [(action.action, action.effect) for action in actions]


CREATE = ("create", "live")
START = ("start", "starts the guest")
RESTARTING = ("update", "restarts the guest")
LIVE = ("update", "live")


@pytest.mark.parametrize(
    ("wanted", "observed", "start", "expected"),
    [
        (POD, NOTHING, True, [CREATE, START]),
        (POD, NOTHING, False, [CREATE]),
        (POD, Observed(residue=True), True, [CREATE, START]),
        (POD, RUNNING, True, []),
        (POD, RUNNING, False, []),
        (POD, OFF, True, [START]),
        (POD, OFF, False, []),
        (POD, COMPLETED, True, []),
        (replace(POD, labels={"a": "b"}), RUNNING, True, [LIVE]),
        (replace(POD, annotations={"a": "b"}), RUNNING, True, [LIVE]),
        (replace(POD, labels={"a": "b"}), COMPLETED, True, [LIVE]),
        (replace(POD, labels={"a": "b"}), OFF, True, [LIVE, START]),
        (replace(POD, memory_mib=512), RUNNING, True, [RESTARTING]),
        (replace(POD, memory_mib=512), RUNNING, False, [RESTARTING]),
        (replace(POD, memory_mib=512), OFF, True, [LIVE, START]),
        (replace(POD, memory_mib=512), OFF, False, [LIVE]),
        (replace(POD, memory_mib=512), COMPLETED, True, [LIVE, START]),
        (replace(POD, hostname="other"), RUNNING, True, [RESTARTING]),
        (replace(POD, restart_policy="Never"), RUNNING, True, [RESTARTING]),
        (replace(POD, containers=(WEB,)), RUNNING, True, [RESTARTING]),
        (replace(POD, containers=(WEB, LOG, Container("cron", "busybox"))), RUNNING, True, [RESTARTING]),
        (replace(POD, containers=(LOG, WEB)), RUNNING, True, [RESTARTING]),
        (replace(POD, containers=(replace(WEB, args=("x",)), LOG)), RUNNING, True, [RESTARTING]),
        (replace(POD, containers=(replace(WEB, args=()), LOG)), RUNNING, True, [RESTARTING]),
        (replace(POD, containers=(replace(WEB, image_pull_policy="Always"), LOG)), RUNNING, True, []),
        (replace(POD, containers=(replace(WEB, ports=(Port(80, host_port=8080),)), LOG)), RUNNING, True, [RESTARTING]),
    ],
)
def test_converge(wanted: Pod, observed: Observed, start: bool, expected: list[tuple[str, str]]) -> None:
    images = {container.name: IMAGES.get(container.name, "sha256:" + "c" * 64) for container in wanted.containers}
    assert brief(_plan.converge(Wanted(wanted, images), observed, start=start)) == expected


@pytest.mark.parametrize(
    ("wanted", "images", "reason"),
    [
        (replace(POD, memory_mib=512), IMAGES, "memoryMib changed"),
        (replace(POD, containers=(replace(WEB, env=(("A", "1"),)), LOG)), IMAGES, "container web: env changed"),
        (replace(POD, containers=(replace(WEB, image="nginx:2"), LOG)), {**IMAGES, "web": "sha256:" + "c" * 64}, "container web: image changed"),
        (replace(POD, containers=(WEB,)), {"web": IMAGES["web"]}, "container log removed"),
        (POD, {**IMAGES, "web": "sha256:" + "c" * 64}, f"container web: nginx is another image now ({'a' * 12} → {'c' * 12})"),
        (replace(POD, containers=(LOG, WEB)), IMAGES, "order of containers changed"),
    ],
)
def test_reasons(wanted: Pod, images: dict[str, str], reason: str) -> None:
    assert _plan.converge(Wanted(wanted, images), RUNNING, start=True)[0].reason == reason


def test_an_image_that_is_yet_to_be_pulled_is_no_change_of_its_own() -> None:
    assert _plan.converge(Wanted(POD, {"web": IMAGES["web"]}), RUNNING, start=True) == ()


@pytest.mark.parametrize(
    ("decide", "observed", "expected"),
    [
        (_plan.start, RUNNING, []),
        (_plan.start, OFF, [START]),
        (_plan.start, COMPLETED, [START]),
        (_plan.stop, RUNNING, [("stop", "stops the guest")]),
        (_plan.stop, replace(OFF, due=True), [("stop", "live")]),
        (_plan.stop, OFF, []),
        (_plan.stop, COMPLETED, []),
        (_plan.restart, RUNNING, [("restart", "restarts the guest")]),
        (_plan.restart, OFF, [START]),
        (_plan.remove, RUNNING, [("delete", "stops the guest")]),
        (_plan.remove, OFF, [("delete", "live")]),
        (_plan.remove, Observed(residue=True), [("delete", "live")]),
        (_plan.remove, NOTHING, []),
    ],
)
def test_by_name(decide: object, observed: Observed, expected: list[tuple[str, str]]) -> None:
    assert callable(decide)
    assert brief(decide("shop", observed)) == expected
