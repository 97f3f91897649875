# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator asks of containers: signals, restarts, what they use."""

from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _sample
from ansible_collections.hyper.pods.plugins.module_utils._control import RequestRefused
from ansible_collections.hyper.pods.plugins.module_utils._launch import Volume

from tests.support.guests import wait_for
from tests.support.init import Init

COUNTER = "trap 'echo hup' HUP; trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait $!; done"


def test_a_signal_reaches_the_main_processes(init: Init) -> None:
    with init.pod(init.sh("one", COUNTER), init.sh("two", COUNTER), init.sh("done", "exit 0")) as pod:
        pod.until(lambda status: status.containers[2].state == "terminated")
        for name in ("one", "two"):
            pod.until_said(name, b"up\n")
        with pod.control() as control:
            control.kill("one", 1)
            pod.until_said("one", b"hup\n")
            assert b"hup" not in pod.output("two")
            control.kill(None, 1)
            pod.until_said("two", b"hup\n")
            for container, number in (("done", 1), ("nosuch", 1), ("one", 65), ("one", 0)):
                with pytest.raises(RequestRefused):
                    control.kill(container, number)
        assert [event.container for event in pod.events() if event.word == "signalled"] == ["one", "one", "two"]


def test_a_killed_container_fares_as_its_policy_says(init: Init) -> None:
    with init.pod(init.sleeper("keeper"), init.sleeper("again", restart_policy="Always"), init.sleeper("once")) as pod:
        pod.until_running()
        with pod.control() as control:
            control.kill("again", 9)
            control.kill("once", 9)
        status = pod.until(lambda status: status.containers[1].restart_count == 1 and status.containers[2].state == "terminated")
        assert (status.containers[2].signal, status.phase) == (9, "Running")


def test_a_restart_leaves_the_neighbours_alone(init: Init) -> None:
    """Whatever the policy says, whether it runs or has ended, without a back-off."""
    with init.pod(init.sleeper("one"), init.sleeper("two"), init.sh("done", "exit 3")) as pod:
        before = pod.until(lambda status: status.containers[2].state == "terminated" and status.containers[1].state == "running")
        with pod.control() as control:
            for count in (1, 2, 3):
                control.restart("one")
                after = pod.until(lambda status, count=count: status.containers[0].restart_count == count and status.containers[0].state == "running")
            control.restart("done")
            after = pod.until(lambda status: status.containers[2].restart_count == 1 and status.containers[2].state == "terminated")
            with pytest.raises(RequestRefused):
                control.restart("nosuch")
        assert after.containers[0].pid != before.containers[0].pid
        assert after.containers[1] == before.containers[1]
        # Its policy is what it was.
        with pod.control() as control:
            control.kill("one", 9)
        pod.until(lambda status: status.containers[0].state == "terminated")


def test_what_has_had_its_turn_or_not_yet_is_not_restarted(init: Init) -> None:
    with init.pod(init.sh("before", "exit 0", init=True), init.sleeper("one")) as pod:
        pod.until_running()
        with pod.control() as control, pytest.raises(RequestRefused, match="has had its turn"):
            control.restart("before")


def commands(sample: _sample.Sample) -> list[str]:
    return [process.command for process in _sample.processes(sample) if process.container == "one"]


def test_a_sample_tells_of_every_process(init: Init) -> None:
    many = "for number in $(seq 400); do sleep 1000 & done; echo up; wait"
    with init.pod(init.sh("one", many), init.sleeper("two", user="1000:1001")) as pod:
        pod.until_said("one", b"up\n")
        with pod.control() as control:
            wait_for(lambda: commands(control.sample()).count("sleep 1000") == 400, "all to be executed")
            sample = control.sample()
        found = _sample.processes(sample)
        assert sum(process.container == "one" and process.command == "sleep 1000" for process in found) == 400
        [shell] = [process for process in found if process.container == "two" and process.command.startswith("/bin/sh -c trap")]
        assert (shell.uid, shell.threads) == (1000, 1)
        assert shell.memory > 0
        usage = _sample.usage(sample, ("one", "two"))
        assert [container.processes for container in usage.containers] == [401, 2]
        assert usage.memory_total > usage.memory > 0
        assert usage.containers[0].memory > usage.containers[1].memory > 0


def test_a_pod_that_runs_is_no_copy_to_begin(init: Init) -> None:
    with init.pod(init.sleeper("one")) as pod:
        pod.until_running()
        with pod.control() as control, pytest.raises(RequestRefused, match="no copy of a template"):
            control.begin(1, bytes(64))
        with pod.control() as control:
            assert control.status().phase == "Running"


def test_a_disk_is_not_given_back_while_a_volume_is_on_it(init: Init) -> None:
    """One that the guest has not is no matter."""
    volumes = (Volume("data", "disk", serial="vol-data"),)
    with init.pod(init.sleeper("app"), volumes=volumes) as pod:
        status = pod.until(lambda status: "waiting for the disk" in status.message)
        assert (status.phase, status.message) == ("Pending", "waiting for the disk vol-data")
        with pod.control() as control:
            control.release("vol-other")
            with pytest.raises(RequestRefused, match="volume data is on the disk"):
                control.release("vol-data")
