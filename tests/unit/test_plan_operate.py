# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator's words do to a pod follows from what is observed, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _plan, _plan_operate
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container
from ansible_collections.hyper.pods.plugins.module_utils._plan import Observed, Wanted

POD = Pod("shop", (Container("web", "nginx"), Container("log", "busybox")))
IMAGES = {"web": "sha256:a", "log": "sha256:b"}
OFF = Observed(POD, IMAGES)
RUNNING = replace(OFF, running=True)
PAUSED = replace(RUNNING, paused=True)

RESUME = ("resume", "resumes the guest", "", "")


def brief(actions: tuple[_plan.Action, ...]) -> list[tuple[str, str, str, str]]:
    return [(action.action, action.effect, action.container, action.signal) for action in actions]


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (_plan_operate.pause("shop", RUNNING), [("pause", "pauses the guest", "", "")]),
        (_plan_operate.pause("shop", PAUSED), []),
        (_plan.start("shop", PAUSED), [RESUME]),
        (_plan.start("shop", RUNNING), []),
        (_plan.stop("shop", PAUSED), [("stop", "stops the guest", "", "")]),
        (_plan.restart("shop", PAUSED), [("restart", "restarts the guest", "", "")]),
        (_plan.converge(Wanted(POD, IMAGES), PAUSED, start=True), [RESUME]),
        (_plan.converge(Wanted(POD, IMAGES), PAUSED, start=False), []),
        (_plan.converge(Wanted(replace(POD, labels={"a": "b"}), IMAGES), PAUSED, start=True), [RESUME, ("update", "live", "", "")]),
        (_plan.converge(Wanted(replace(POD, memory_mib=512), IMAGES), PAUSED, start=True), [("update", "restarts the guest", "", "")]),
        (_plan_operate.kill("shop", RUNNING, (), "SIGKILL"), [("kill", "stops the guest", "", "")]),
        (_plan_operate.kill("shop", PAUSED, (), "SIGKILL"), [("kill", "stops the guest", "", "")]),
        (_plan_operate.kill("shop", OFF, (), "SIGKILL"), []),
        (_plan_operate.kill("shop", replace(OFF, due=True), (), "SIGKILL"), [("stop", "live", "", "")]),
        (_plan_operate.kill("shop", RUNNING, (), "SIGHUP"), [("kill", "signals all containers", "", "SIGHUP")]),
        (_plan_operate.kill("shop", RUNNING, ("web",), "SIGKILL"), [("kill", "signals container web", "web", "SIGKILL")]),
        (
            _plan_operate.restart_containers("shop", RUNNING, ("web", "log")),
            [("restart", "restarts container web", "web", ""), ("restart", "restarts container log", "log", "")],
        ),
        (_plan_operate.restart_containers("shop", PAUSED, ("web",)), [RESUME, ("restart", "restarts container web", "web", "")]),
    ],
)
def test_what_is_done(actions: tuple[_plan.Action, ...], expected: list[tuple[str, str, str, str]]) -> None:
    assert brief(actions) == expected


def test_an_action_says_what_it_is_about_and_no_more() -> None:
    [pause] = _plan_operate.pause("shop", RUNNING)
    [kill] = _plan_operate.kill("shop", RUNNING, ("web",), "SIGHUP")
    assert set(kill.as_dict()) - set(pause.as_dict()) == {"container", "signal"}


@pytest.mark.parametrize(("text", "name"), [("HUP", "SIGHUP"), ("sighup", "SIGHUP"), ("1", "SIGHUP"), ("9", "SIGKILL"), ("RTMIN+3", "37")])
def test_signals(text: str, name: str) -> None:
    assert _plan_operate.signal_name(text) == name


@pytest.mark.parametrize("text", ["", "0", "65", "NOSUCH", "-1"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(_plan_operate.BadSignal):
        _plan_operate.signal_name(text)
