# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes: what they do, when they count, and what follows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container
from ansible_collections.hyper.pods.plugins.module_utils._launch_life import Action, Probe

from tests.support.guests import wait_for
from tests.support.init import Init, Pod

# Their periods are whole seconds.
pytestmark = pytest.mark.slow
LOCAL = "127.0.0.1"
STAYS = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.02; done"
GET = b"GET /page HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"


def sh(script: str) -> Action:
    return Action("exec", ("/bin/sh", "-c", script))


def probe(action: Action, **more: Any) -> Probe:
    """Once a second, and the first failure counts, unless said otherwise."""
    return Probe(action, **{"period": 1, "timeout": 1, "failure_threshold": 1, **more})


def app(init: Init, script: str = STAYS, **more: Any) -> Container:
    return init.sh("app", script, **{"restart_policy": "Always", **more})


def tcp(port: int) -> Action:
    return Action("tcp", address=LOCAL, port=port)


def http(port: int, request: bytes = GET) -> Action:
    return Action("http", address=LOCAL, port=port, request=request)


def events(pod: Pod, *words: str) -> list[tuple[str, str]]:
    return [(event.word, event.values.get("message", "")) for event in pod.events() if event.word in words]


def answering(answer: str) -> str:
    """A script that gives this answer to every request on port 8080."""
    return f"while :; do printf '{answer}' | nc -l -p 8080 -w 1 > /dev/null; done"


def test_a_container_without_probes_is_ready_when_it_runs(init: Init) -> None:
    with init.pod(init.sleeper("app"), init.sh("job", "true")) as pod:
        status = pod.until(lambda status: status.containers[0].state == "running" and status.containers[1].state == "terminated")
        assert [(container.ready, container.started) for container in status.containers] == [(True, True), (False, False)]
        assert events(pod, "ready", "unready") == []


@pytest.mark.parametrize(
    ("action", "script", "failure"),
    [
        (sh("true"), STAYS, None),
        (sh("echo wrong; exit 3"), STAYS, "exited with 3: wrong\n"),
        (sh("kill -9 $$"), STAYS, "was ended by signal 9"),
        (sh("sleep 50"), STAYS, "timed out"),
        (Action("exec", ("/nosuch",)), STAYS, "/nosuch: No such file or directory"),
        (tcp(8080), "nc -ll -p 8080 -e true & wait", None),
        (tcp(8080), STAYS, "Connection refused"),
        (http(8080), "mkdir /srv; echo hello > /srv/page; httpd -f -p 8080 -h /srv & wait", None),
        (http(8080), "mkdir /srv; httpd -f -p 8080 -h /srv & wait", "answered 404 Not Found"),
        (http(8080), answering("HTTP/1.1 399 Odd\\r\\n\\r\\n"), None),
        (http(8080), answering("HTTP/1.1 199 Odd\\r\\n\\r\\n"), "answered 199 Odd"),
        (http(8080), answering("HTTP/1.0 500 Broken\\r\\n\\r\\n"), "answered 500 Broken"),
        (http(8080), answering("SSH-2.0-OpenSSH_9.2\\r\\n"), "the answer is not HTTP"),
        (http(8080), answering("HTTP"), "the connection ended before an answer"),
        (http(8080), "nc -ll -p 8080 -e sleep 5 & wait", "timed out"),
        (http(8080), STAYS, "Connection refused"),
    ],
)
def test_what_a_probe_finds(init: Init, action: Action, script: str, failure: str | None) -> None:
    """A readiness probe that fails so often until what it looks for is there."""
    with init.pod(app(init, script, readiness_probe=probe(action))) as pod:
        if failure is None:
            pod.until(lambda status: status.containers[0].ready)
        else:
            message = f"readiness probe failed: {failure}"
            pod.until(lambda status: status.containers[0].message == message and not status.containers[0].ready)
        assert pod.life().containers[0].restart_count == 0
        pod.stop(0)


def test_readiness_comes_and_goes_and_restarts_nothing(init: Init) -> None:
    with init.pod(app(init, readiness_probe=probe(sh("test -e /ready || { echo none; exit 1; }"))), init.sleeper("other")) as pod:
        status = pod.until(lambda status: status.phase == "Running")
        assert (status.containers[0].ready, status.containers[0].started) == (False, True)
        pod.shell("app", "touch /ready")
        pod.until(lambda status: status.containers[0].ready)
        assert pod.life().containers[0].ready
        pod.shell("app", "rm /ready")
        pod.until(lambda status: not status.containers[0].ready)
        assert not pod.life().containers[0].ready
        assert events(pod, "ready", "unready", "unhealthy") == [
            ("unready", ""),
            ("ready", ""),
            ("unready", "readiness probe failed: exited with 1: none\n"),
        ]
        pod.stop(0)
        assert pod.life().containers[0].restart_count == 0


def test_thresholds_count_in_a_row(init: Init) -> None:
    # Fails twice, succeeds once, fails three times, then succeeds.
    script = "echo x >> /runs; case $(wc -l < /runs) in 1|2|4|5|6) exit 1;; esac"
    check = probe(sh(script), failure_threshold=3, success_threshold=2)
    with init.pod(app(init, readiness_probe=check)) as pod:
        pod.until(lambda status: status.containers[0].ready)
        # The seventh and the eighth; the third alone was not enough.
        assert int(pod.shell("app", "wc -l < /runs")) == 8
        assert events(pod, "ready", "unready") == [("unready", ""), ("ready", "")]
        pod.stop(0)


def test_a_liveness_probe_restarts_its_container(init: Init) -> None:
    check = probe(sh("test ! -e /sick || { echo sick; exit 1; }"), failure_threshold=2)
    with init.pod(app(init, "touch /begun; " + STAYS.replace("echo", "rm /sick; echo"), liveness_probe=check), init.sleeper("other")) as pod:
        pod.until_running()
        pod.shell("app", "until test -e /begun; do sleep 0.02; done")
        began = time.monotonic()
        pod.shell("app", "touch /sick")
        status = pod.until(lambda status: status.containers[0].restart_count == 1 and status.containers[0].state == "running")
        assert time.monotonic() - began > 1
        assert status.containers[1].restart_count == 0
        assert pod.output("app") == b"bye\n"
        assert events(pod, "unhealthy") == [("unhealthy", "exited with 1: sick\n")]
        [exited] = [event for event in pod.events() if event.word == "exited"]
        assert exited.values["message"] == "liveness probe failed: exited with 1: sick\n"
        pod.stop(0)


@pytest.mark.parametrize(("policy", "restarts"), [("Always", 1), ("OnFailure", 1), ("Never", 0)])
def test_the_policy_decides_whether_what_a_probe_ended_is_started_anew(init: Init, policy: str, restarts: int) -> None:
    """Also when the container, told to end, ends with 0."""
    check = probe(sh("test ! -e /sick"))
    # It recovers as it ends: the probe may look before a second life has done anything.
    once = "trap 'rm -f /sick; exit 0' TERM; test -e /was || touch /was /sick; while :; do sleep 0.02; done"
    with init.pod(app(init, once, restart_policy=policy, liveness_probe=check), init.sleeper("other")) as pod:
        pod.until(lambda status: status.containers[0].exit_code == 0 and status.containers[0].state == ("running" if restarts else "terminated"))
        pod.stop(0)
        assert pod.life().containers[0].restart_count == restarts


@pytest.mark.parametrize(("own", "least", "most"), [(1, 1, 8), (None, 2, 9)])
def test_a_probe_may_have_a_grace_period_of_its_own(init: Init, own: int | None, least: float, most: float) -> None:
    check = probe(sh("test -e /again"), grace_period=own)
    deaf = "trap '' TERM; test -e /first && touch /again; touch /first; while :; do sleep 0.05; done"
    with init.pod(app(init, deaf, grace_period=2, liveness_probe=check)) as pod:
        pod.until(lambda status: status.containers[0].restart_count == 1)
        unhealthy, exited = (next(event for event in pod.events() if event.word == word) for word in ("unhealthy", "exited"))
        assert least <= exited.time - unhealthy.time < most
        assert exited.values["code"] == "137"
        pod.stop(0)


def test_a_startup_probe_holds_the_others_back(init: Init) -> None:
    container = app(
        init,
        startup_probe=probe(sh("test -e /started"), failure_threshold=100),
        liveness_probe=probe(sh("echo x >> /live")),
        readiness_probe=probe(sh("echo x >> /looked")),
    )
    with init.pod(container) as pod:
        status = pod.until(lambda status: status.containers[0].state == "running")
        assert (status.containers[0].started, status.containers[0].ready) == (False, False)
        assert pod.shell("app", "sleep 1.5; ls /live /looked 2>/dev/null; touch /started") == ""
        status = pod.until(lambda status: status.containers[0].ready)
        assert status.containers[0].started
        pod.shell("app", "until test -e /live; do sleep 0.05; done")
        pod.stop(0)


def test_a_startup_probe_that_fails_restarts(init: Init) -> None:
    container = app(init, "echo run >> /runs; " + STAYS, startup_probe=probe(sh("test $(wc -l < /runs) -gt 1"), failure_threshold=2))
    with init.pod(container) as pod:
        pod.until(lambda status: status.containers[0].ready and status.containers[0].restart_count == 1)
        assert [message for _, message in events(pod, "unhealthy")] == ["exited with 1"]
        pod.stop(0)


def test_an_initial_delay_and_a_period_are_kept(init: Init) -> None:
    note = "cut -d ' ' -f 1 /proc/uptime >> /looked"
    with init.pod(app(init, f"{note}; {STAYS}", readiness_probe=probe(sh(f"{note}; false"), initial_delay=2, period=2))) as pod:
        pod.until_running()
        pod.shell("app", "until test $(wc -l < /looked) = 4; do sleep 0.05; done 2>/dev/null")
        started, *times = map(float, pod.shell("app", "cat /looked").split())
        assert [round((when - started) / 2) for when in times] == [1, 2, 3]
        pod.stop(0)


def test_those_behind_a_sidecar_wait_for_its_startup_probe(init: Init) -> None:
    side = init.sh("side", STAYS, init=True, restart_policy="Always", startup_probe=probe(sh("test -e /started"), failure_threshold=100))
    with init.pod(side, init.sleeper("app")) as pod:
        status = pod.until(lambda status: status.containers[0].state == "running")
        assert (status.phase, status.containers[1].state) == ("Pending", "waiting")
        pod.shell("side", "touch /started")
        pod.until(lambda status: status.phase == "Running" and status.containers[1].state == "running")
        pod.stop(0)


def test_probes_do_not_hold_up_hyperstart(init: Init) -> None:
    slow = {f"{kind}_probe": probe(sh("sleep 50"), timeout=60) for kind in ("liveness", "readiness")}
    with init.pod(app(init, **slow), init.sleeper("other")) as pod:
        pod.until_running()
        began = time.monotonic()
        for _ in range(5):
            assert pod.shell("other", "echo here") == "here\n"
        assert time.monotonic() - began < 5
        # A stop ends what is being tried.
        assert pod.stop(0) == 1


def test_many_probes_leave_nothing_behind(sanitized: Init) -> None:
    check = probe(sh("echo >> /probed"), failure_threshold=3)
    containers = [sanitized.sh(f"c{number}", STAYS, liveness_probe=check, readiness_probe=check, restart_policy="Always") for number in range(5)]
    with sanitized.pod(*containers) as pod:
        pod.until(lambda status: all(container.ready for container in status.containers))
        for container in containers:
            wait_for(lambda name=container.name: int(pod.shell(name, "wc -l < /probed")) >= 6, "six probes")  # type: ignore[misc]
        # Its own, the pods' ports and log, and two pipes a container; more only for as long as probes are under way.
        files = Path(f"/proc/{pod.init_pid()}/fd")
        wait_for(lambda: len(list(files.iterdir())) < 40, "descriptors to be closed", timeout=20)
        zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; true"
        wait_for(lambda: pod.shell("c0", zombies) == "0\n", "zombies to be reaped", timeout=20)
        pod.stop(0)
