# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that takes longer than it may."""

from __future__ import annotations

import time

import pytest

from tests.support.init import FAILED, SUCCEEDED, Init


@pytest.mark.slow
def test_a_pod_that_takes_too_long_is_ended_and_has_failed(init: Init) -> None:
    script = "trap 'sleep 0.5; echo told; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
    began = time.monotonic()
    with init.pod(init.sh("app", script, restart_policy="Always", grace_period=20), active_deadline=2) as pod:
        status = pod.until(lambda status: status.phase == "Stopping")
        assert (status.reason, status.message) == ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        assert pod.wait() == FAILED
        assert 2 <= time.monotonic() - began < 15
        assert pod.output("app") == b"ready\ntold\n"
        life = pod.life()
        assert (life.phase, life.cause, life.containers[0].exit_code) == ("Failed", "deadline", 0)
        assert life.status().reason == "DeadlineExceeded"
        assert life.status().message == status.message


def test_a_pod_that_waits_for_an_init_container_is_ended_too(init: Init) -> None:
    with init.pod(init.sleeper("before", init=True), init.sh("app", "true"), active_deadline=1) as pod:
        assert pod.wait() == FAILED
        assert pod.life().cause == "deadline"


def test_a_pod_that_is_done_in_time_has_not_failed(init: Init) -> None:
    with init.pod(init.sh("app", "true"), active_deadline=60) as pod:
        assert pod.wait() == SUCCEEDED
        assert pod.life().status().reason == ""
