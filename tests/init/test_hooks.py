# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifecycle hooks: what follows a start and what comes before a stop signal."""

from __future__ import annotations

import time

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._launch_life import Action, Probe

from tests.support.init import FAILED, SUCCEEDED, Init, Pod

STAYS = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.02; done"


def sh(script: str) -> Action:
    return Action("exec", ("/bin/sh", "-c", script))


def unhealthy(pod: Pod) -> list[tuple[str, str]]:
    return [(event.values["cause"], event.values["message"]) for event in pod.events() if event.word == "unhealthy"]


def test_a_container_is_up_when_its_post_start_hook_has_succeeded(init: Init) -> None:
    hook = sh("until test -e /go; do sleep 0.02; done; touch /done")
    check = Probe(sh("test -e /done"), period=1)
    with init.pod(init.sh("app", STAYS, post_start=hook, startup_probe=check), init.sleeper("other")) as pod:
        status = pod.until(lambda status: status.containers[0].state == status.containers[1].state == "running")
        assert (status.phase, status.containers[0].started, status.containers[0].ready) == ("Pending", False, False)
        pod.shell("app", "touch /go")
        pod.until(lambda status: status.phase == "Running" and status.containers[0].ready)
        assert pod.stop() == SUCCEEDED
        assert unhealthy(pod) == []


@pytest.mark.parametrize(("policy", "restarts"), [("Always", 1), ("OnFailure", 1), ("Never", 0)])
def test_a_post_start_hook_that_fails_ends_its_container(init: Init, policy: str, restarts: int) -> None:
    hook = sh("test -e /second || { touch /second; sleep 0.3; echo broken; exit 5; }")
    with init.pod(init.sh("app", STAYS, post_start=hook, restart_policy=policy), init.sleeper("other")) as pod:
        pod.until(lambda status: status.containers[0].exit_code == 0 and status.containers[0].state == ("running" if restarts else "terminated"))
        assert unhealthy(pod) == [("postStart hook", "exited with 5: broken\n")]
        assert pod.output("app").startswith(b"ready\ntold\n")
        pod.stop()
        assert pod.life().containers[0].restart_count == restarts


@pytest.mark.parametrize(
    ("hook", "least"),
    [
        (sh("echo hook >> /dev/shm/said; sleep 0.5"), 0.5),
        (Action("sleep", seconds=1), 1),
        (Action("sleep", seconds=0), 0),
        (sh("exit 3"), 0),
        (Action("exec", ("/nosuch",)), 0),
        (Action("http", address="127.0.0.1", port=9, request=b"GET / HTTP/1.1\r\n\r\n"), 0),
    ],
)
def test_a_pre_stop_hook_comes_before_the_signal_whatever_becomes_of_it(init: Init, hook: Action, least: float) -> None:
    with init.pod(init.sh("app", STAYS, pre_stop=hook, grace_period=20)) as pod:
        pod.until_said("app", b"ready")
        began = time.monotonic()
        assert pod.stop() == SUCCEEDED
        assert least <= time.monotonic() - began < 10
        assert pod.output("app") == b"ready\ntold\n"


@pytest.mark.slow
def test_a_pre_stop_hook_takes_its_time_from_the_grace_period(init: Init) -> None:
    """What it uses up is gone, but two seconds are left to the container."""
    with init.pod(init.sh("app", DEAF, pre_stop=Action("sleep", seconds=60), grace_period=1)) as pod:
        pod.until_said("app", b"ready")
        began = time.monotonic()
        assert pod.stop() == FAILED
        assert 3 <= time.monotonic() - began < 12
        assert unhealthy(pod) == [("preStop hook", "timed out")]
        assert pod.life().containers[0].signal == 9


def test_without_a_grace_period_there_is_no_hook(init: Init) -> None:
    with init.pod(init.sh("app", STAYS, pre_stop=Action("sleep", seconds=60), grace_period=60), ports=2) as pod:
        pod.until_said("app", b"ready")
        with pod.control() as control:
            control.stop()
            assert next(control.watch(5)).phase == "Stopping"
        began = time.monotonic()
        with pod.control(1) as control:
            control.stop(0)
        assert pod.wait() == FAILED
        assert time.monotonic() - began < 10


def test_a_hook_goes_on_no_longer_than_its_container(init: Init) -> None:
    with init.pod(init.sh("app", "echo ready; until test -e /end; do sleep 0.02; done", pre_stop=sh("touch /end; sleep 60"), grace_period=60)) as pod:
        pod.until_said("app", b"ready")
        began = time.monotonic()
        assert pod.stop() == SUCCEEDED
        assert time.monotonic() - began < 10


def test_a_pre_stop_hook_also_comes_before_a_restart(init: Init) -> None:
    check = Probe(sh("test ! -e /sick"), period=1, failure_threshold=1)
    script = f"test -e /hooked && echo hooked; {STAYS}"
    with init.pod(init.sh("app", script, liveness_probe=check, pre_stop=sh("rm /sick; touch /hooked"), restart_policy="Always", grace_period=20)) as pod:
        pod.until_said("app", b"ready")
        pod.shell("app", "touch /sick")
        pod.until_said("app", b"ready\ntold\nhooked\nready\n")
        pod.stop(0)


def test_a_sidecars_hook_runs_at_once_and_its_signal_waits(init: Init) -> None:
    side = init.sh("side", STAYS, init=True, restart_policy="Always", grace_period=20, pre_stop=sh("echo hook >> /dev/shm/order"))
    app = init.sh(
        "app", "trap 'sleep 1; echo app >> /dev/shm/order; cat /dev/shm/order; exit 0' TERM; echo ready; while :; do sleep 0.02; done", grace_period=20
    )
    with init.pod(side, app) as pod:
        pod.until_said("app", b"ready")
        pod.until_said("side", b"ready")
        assert pod.stop() == SUCCEEDED
        assert pod.output("app") == b"ready\nhook\napp\n"
        assert pod.output("side") == b"ready\ntold\n"
