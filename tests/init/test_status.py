# SPDX-License-Identifier: GPL-3.0-or-later
"""What hyperstart tells of the pod, when it is asked and when something changes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from ansible_collections.hyper.pods.plugins.module_utils._control import Control, GuestUnreachable, Status

from tests.support.guests import wait_for
from tests.support.init import PATIENCE, Init


def test_a_status_tells_what_is(init: Init) -> None:
    before = time.time()
    with init.pod(init.sleeper("one"), init.sh("two", "exit 3"), init.container("three", "/nosuch")) as pod:
        pod.until(lambda status: [container.state for container in status.containers] == ["running", "terminated", "terminated"])
        with pod.control() as control:
            status = control.status()
        assert (status.phase, status.message) == ("Running", "")
        one, two, three = status.containers
        assert [container.name for container in status.containers] == ["one", "two", "three"]
        assert one.pid is not None
        assert pod.shell("one", f"cat /proc/{one.pid}/comm") == "sh\n"
        assert (one.reason, one.message, one.exit_code, one.signal, one.restart_count, one.finished_at) == ("", "", None, None, 0, None)
        assert (two.reason, two.exit_code, two.signal, two.pid) == ("Error", 3, None, None)
        assert (three.reason, three.exit_code, three.started_at) == ("StartError", 127, None)
        assert "/nosuch" in three.message
        assert one.started_at is not None
        assert two.started_at is not None
        assert two.finished_at is not None
        assert before <= one.started_at <= time.time()
        assert before <= two.started_at <= two.finished_at <= time.time()
        assert status.started_at is not None
        assert before <= status.started_at <= one.started_at
        assert (one.turned_at or 0) >= one.started_at
        assert two.started_at <= (two.turned_at or 0) <= two.finished_at + 1
        assert three.turned_at is None


def test_the_log_remembers_what_the_status_told(init: Init) -> None:
    with init.pod(init.sleeper("one"), init.sh("two", "exit 3"), init.sh("three", "exit 4", restart_policy="OnFailure")) as pod:
        told = pod.until(lambda status: status.containers[2].reason == "CrashLoopBackOff" and status.containers[1].state == "terminated")
        wanted = {container.name: (container.pid, container.exit_code, container.restart_count) for container in told.containers}

        def remembered() -> dict[str, tuple[int | None, int | None, int]]:
            return {container.name: (container.pid, container.exit_code, container.restart_count) for container in pod.life().containers}

        # The log is written a moment after the status is told.
        wait_for(lambda: remembered() == wanted, "the log")
        life = pod.life()
        assert not life.ended
        assert life.status().phase == told.phase == "Running"
        pod.stop()
        assert pod.life().ended


def test_every_watcher_is_told_to_the_end(init: Init) -> None:
    def watch(control: Control) -> list[str]:
        phases = []
        with control, suppress(GuestUnreachable):
            for status in control.watch(PATIENCE):
                phases.append(status.phase)
        return phases

    with init.pod(init.sh("app", "trap 'sleep 0.1; exit 0' TERM; echo ready; while :; do sleep 0.01; done"), ports=4) as pod, ThreadPoolExecutor(3) as pool:
        watchers = [pool.submit(watch, pod.control(port)) for port in (1, 2, 3)]
        pod.until_said("app", b"ready\n")
        pod.stop()
        for watcher in watchers:
            phases = watcher.result(PATIENCE)
            assert phases[-2:] == ["Stopping", "Succeeded"]
            assert set(phases) <= {"Pending", "Running", "Stopping", "Succeeded"}


def test_a_plan_that_cannot_be_carried_out_is_told(init: Init) -> None:
    with init.pod(plan=bytes(512)) as pod:
        assert pod.wait() == 2
        status = pod.life().status()
        assert status == Status("Failed", "plan: this does not begin with HYPERPLN", started_at=status.started_at)
