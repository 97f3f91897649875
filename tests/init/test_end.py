# SPDX-License-Identifier: GPL-3.0-or-later
"""How containers end and start again, and how a pod does."""

from __future__ import annotations

import signal
import time

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._control import ExecFailed, Status

from tests.support.init import FAILED, SUCCEEDED, Init

# By default these are ignored or stop a process; 32 and 33 belong to the C library.
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, 32, 33}
DEADLY = [number for number in range(1, 65) if number not in HARMLESS]


def test_every_exit_code(init: Init) -> None:
    with init.pod(*(init.sh(f"c{code}", f"exit {code}") for code in range(256))) as pod:
        assert pod.wait() == FAILED
        ends = {container.name: container for container in pod.life().containers}
    for code in range(256):
        end = ends[f"c{code}"]
        assert (end.state, end.exit_code, end.signal) == ("terminated", code, None)
        assert end.reason == ("Error" if code else "Completed")


def test_every_deadly_signal(init: Init) -> None:
    with init.pod(init.sleeper("killer"), *(init.container(f"s{number}", "sleep", "1000") for number in DEADLY)) as pod:
        pids = {container.name: container.pid for container in pod.until_running().containers}
        pod.shell("killer", "\n".join(f"kill -{number} {pids[f's{number}']}" for number in DEADLY))
        pod.until(lambda status: sum(container.state == "terminated" for container in status.containers) == len(DEADLY))
        assert pod.stop() == FAILED
        ends = {container.name: container for container in pod.life().containers}
    for number in DEADLY:
        end = ends[f"s{number}"]
        assert (end.exit_code, end.signal, end.reason) == (128 + number, number, "Error")


@pytest.mark.parametrize(("codes", "phase"), [((0,), "Succeeded"), ((0, 0), "Succeeded"), ((0, 1), "Failed"), ((2, 0), "Failed")])
def test_a_pod_succeeds_when_all_its_containers_do(init: Init, codes: tuple[int, ...], phase: str) -> None:
    with init.pod(*(init.sh(f"c{index}", f"exit {code}") for index, code in enumerate(codes))) as pod:
        assert pod.wait() == (SUCCEEDED if phase == "Succeeded" else FAILED)
        life = pod.life()
    assert (life.phase, life.ended, life.cause, life.failure) == (phase, True, "completed", "")


def test_the_log_tells_a_life_in_order(init: Init) -> None:
    with init.pod(init.sh("app", "exit 3")) as pod:
        pod.wait()
        events = pod.events()
        assert pod.said() == ""
    assert [(event.word, event.container) for event in events] == [
        ("boot", "-"),
        ("created", "app"),
        ("started", "app"),
        ("running", "-"),
        ("exited", "app"),
        ("stopping", "-"),
        ("end", "app"),
        ("poweroff", "-"),
    ]
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert abs(events[0].time - time.time()) < 60
    assert events[0].values["version"]
    assert events[2].values.keys() == {"pid", "restarts"}
    assert events[4].values == {"code": "3", "signal": "0", "reason": "Error", "message": ""}
    assert events[6].values == {"code": "3", "signal": "0", "restarts": "0", "reason": "Error"}


# A script whose first run ends with the first code, and so on; after the last it stays.
RUNS = """
echo run >> /runs
set -- {codes}
shift $(($(wc -l < /runs) - 1))
[ $# -gt 0 ] && exit $1
trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done
"""


@pytest.mark.parametrize(
    ("policy", "codes", "state", "code", "restarts"),
    [
        ("Never", "0", "terminated", 0, 0),
        ("Never", "5", "terminated", 5, 0),
        ("OnFailure", "0", "terminated", 0, 0),
        ("OnFailure", "5 0", "terminated", 0, 1),
        ("OnFailure", "5", "running", 5, 1),
        ("OnFailure", "5 6", "waiting", 6, 1),
        ("Always", "0", "running", 0, 1),
        ("Always", "5", "running", 5, 1),
        ("Always", "0 0", "waiting", 0, 1),
    ],
)
def test_restart_policies(init: Init, policy: str, codes: str, state: str, code: int, restarts: int) -> None:
    app = init.sh("app", RUNS.format(codes=codes), restart_policy=policy)
    with init.pod(app, init.sleeper("other")) as pod:
        reason = {"terminated": "Error" if code else "Completed", "running": "", "waiting": "CrashLoopBackOff"}[state]
        wanted = (state, reason, restarts, code)

        def reached(status: Status) -> bool:
            app, other = status.containers
            return (app.state, app.reason, app.restart_count, app.exit_code) == wanted and other.state == "running"

        status = pod.until(reached)
        assert status.phase == "Running"
        pod.stop()
        end = pod.life().containers[0]
        assert (end.state, end.restart_count) == ("terminated", restarts)


STAYS = "; echo ready; while :; do sleep 0.05; done"
IGNORES = "trap '' TERM" + STAYS


@pytest.mark.parametrize(
    ("script", "more", "grace_period", "code", "number"),
    [
        ("trap 'exit 7' TERM" + STAYS, {"grace_period": 60}, None, 7, None),
        ("trap 'exit 8' USR1" + STAYS, {"grace_period": 60, "stop_signal": 10}, None, 8, None),
        ("echo ready; exec sleep 1000", {"grace_period": 60}, None, 143, 15),
        (IGNORES, {"grace_period": 1}, None, 137, 9),
        (IGNORES, {"grace_period": 0}, None, 137, 9),
        (IGNORES, {"grace_period": 60}, 1, 137, 9),
        (IGNORES, {"grace_period": 60}, 0, 137, 9),
        ("trap 'sleep 1.2; exit 9' TERM" + STAYS, {"grace_period": 1}, 60, 9, None),
    ],
    ids=["term", "own signal", "default action", "grace", "no grace", "grace given", "no grace given", "longer grace given"],
)
def test_stop(init: Init, script: str, more: dict[str, int], grace_period: int | None, code: int, number: int | None) -> None:
    with init.pod(init.sh("app", script, **more)) as pod:
        pod.until_said("app", b"ready\n")
        started = time.monotonic()
        pod.stop(grace_period)
        took = time.monotonic() - started
        life = pod.life()
    assert (life.phase, life.ended, life.cause) == ("Failed", True, "control")
    assert (life.containers[0].exit_code, life.containers[0].signal) == (code, number)
    if number == 9:
        assert took >= (more["grace_period"] if grace_period is None else grace_period)
    assert took < 20


def test_a_second_stop_can_shorten_the_first(init: Init) -> None:
    with init.pod(init.sh("app", IGNORES, grace_period=1000), ports=2) as pod:
        pod.until_said("app", b"ready\n")
        with pod.control() as control:
            control.stop()
            assert next(control.watch(5)).phase == "Stopping"
        with pod.control(1) as control:
            control.stop(0)
        assert pod.wait() == FAILED


def test_with_its_main_process_a_container_ends_wholly(init: Init) -> None:
    with init.pod(init.sh("app", "sleep 5501 & setsid sleep 5502 & sleep 0.1; exit 4"), init.sleeper("other")) as pod:
        pod.until(lambda status: status.containers[0].state == "running")
        pod.until(lambda status: status.containers[0].state == "terminated")
        assert "sleep 550" not in pod.shell("other", "ps -o args | grep -v grep")


def test_exec_in_a_container_that_has_ended(init: Init) -> None:
    with init.pod(init.sh("app", "exit 0"), init.sleeper("other")) as pod:
        pod.until(lambda status: status.containers[0].state == "terminated")
        with pytest.raises(ExecFailed, match="container app is not running"):
            pod.exec("app", "true")


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"argv": ("/bin/nosuch",)}, 127, "/bin/nosuch"),
        ({"argv": ("nosuch",)}, 127, "nosuch"),
        ({"argv": ("/etc/passwd",)}, 126, "/etc/passwd"),
        ({"argv": ("/etc",)}, 126, "/etc"),
        ({"argv": ("true",), "user": "nosuch"}, 128, "nosuch"),
        ({"argv": ("true",), "user": "app:nosuch"}, 128, "nosuch"),
        ({"argv": ("true",), "workdir": "/etc/passwd"}, 128, "/etc/passwd"),
        ({"argv": ("true",), "rootfs": "dir:/nosuch"}, 128, "/nosuch"),
    ],
    ids=["path", "name", "not executable", "directory", "user", "group", "workdir", "rootfs"],
)
def test_a_container_that_cannot_be_started(init: Init, change: dict[str, object], code: int, words: str) -> None:
    with init.pod(init.container("app", **change), init.sh("other", "echo works")) as pod:
        assert pod.wait() == FAILED
        app, other = pod.life().containers
        assert (app.reason, app.exit_code) == ("StartError", code)
        assert words in app.message
        assert (other.state, other.reason, other.exit_code, other.signal, other.message) == ("terminated", "Completed", 0, None, "")
        assert pod.output("other") == b"works\n"
