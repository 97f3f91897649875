# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does to pods that are there: paused and unpaused, killed, restarted, waited for; in check mode and for real, first and again."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.guest.test_cli import Hyper
from tests.support.guests import wait_for
from tests.support.pods import PodHost, manifest, sh

pytestmark = pytest.mark.guest

OBEDIENT = "trap 'echo hup' HUP; trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait $!; done"


def brief(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(action["action"], action["effect"]) for action in result["actions"]]


def container(pods: PodHost, pod: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = pods.info(pod)["containers"][number]
    return found


@pytest.fixture(scope="module")
def shop(pods: PodHost) -> Iterator[str]:
    """A pod of three containers that several tests use, running when each begins."""
    web = {"name": "web", "command": sh(OBEDIENT)}
    db = {"name": "db", "command": sh(OBEDIENT)}
    job = {"name": "job", "command": sh("exit 3")}
    pods.pod(manifest("op-shop", web, db, job))
    yield "op-shop"
    pods.pod("op-shop", state="absent", grace_period=0)


@pytest.fixture(scope="module")
def hyper(pods: PodHost) -> Hyper:
    return Hyper(pods)


def four(pods: PodHost, pod: Any, state: str, expected: list[tuple[str, str]], phase: str | None, *, again: bool = False, **options: Any) -> dict[str, Any]:
    """One of the three parts of the twelve steps: checked twice, done, and done again, the latter checked too. again: what is asked for is done each time
    anew. phase: the pod's afterwards, None: there is none. Returns what was done."""

    def known() -> Any:
        # Of a pod that runs, what is no matter of time.
        return [(each["name"], each["phase"], each["containers"]) for each in pods.module("pod_info")["pods"] if each["name"] == name]

    name = pod if isinstance(pod, str) else pod["metadata"]["name"]
    former, pid = known(), pods.pid(name)
    checks = [pods.pod(pod, state=state, check=True, diff=True, **options) for _ in range(2)]
    assert [brief(check) for check in checks] == [expected, expected]
    assert (known(), pods.pid(name)) == (former, pid)
    done: dict[str, Any] = pods.pod(pod, state=state, diff=True, **options)
    assert (done["changed"], brief(done), done["diff"]) == (True, expected, checks[0]["diff"])
    assert [each["phase"] for each in done["pods"]] == ([] if phase is None else [phase])
    assert [each[1] for each in known()] == [each["phase"] for each in done["pods"]]
    for check in (True, False):
        second = pods.pod(pod, state=state, check=check, **options)
        assert (second["changed"], brief(second)) == (again, expected if again else [])
    return done


def test_twelve_steps_of_a_definition(pods: PodHost) -> None:
    """What is created and not started: defined (create), defined otherwise (modify), removed (delete)."""
    first = manifest("op-defined", {"name": "a"})
    second = manifest("op-defined", {"name": "a"}, {"name": "b"})
    try:
        four(pods, first, "present", [("create", "live")], "Pending")
        four(pods, second, "present", [("update", "live")], "Pending")
        four(pods, "op-defined", "absent", [("delete", "live")], None)
    finally:
        pods.pod("op-defined", state="absent", grace_period=0)


def test_twelve_steps_of_a_pause(pods: PodHost, shop: str) -> None:
    """Held (create), let go on (modify), ended while held (delete)."""
    pid = pods.pid(shop)
    four(pods, shop, "paused", [("pause", "pauses the guest")], "Paused")
    began = time.monotonic()
    assert pods.module("pod_exec", pod=shop, argv=["true"], fails=True)["error"] == "PodPaused"
    assert pods.pod(shop, state="killed", signal="HUP", fails=True)["error"] == "PodPaused"
    assert time.monotonic() - began < 10
    assert container(pods, shop, 0)["state"] == "running"
    four(pods, shop, "started", [("resume", "resumes the guest")], "Running")
    assert pods.pid(shop) == pid
    assert pods.shell(shop, "web", "echo alive") == "alive"
    pods.pod(shop, state="paused")
    four(pods, shop, "stopped", [("stop", "stops the guest")], "Stopped")
    assert pods.pod(shop, state="paused", fails=True)["error"] == "PodNotRunning"
    assert brief(pods.pod(shop, state="started")) == [("start", "starts the guest")]


def test_twelve_steps_of_a_restart_and_of_a_kill(pods: PodHost, shop: str) -> None:
    """Of a container, of all of them, and of the guest. To restart or to signal is an act: asked for again, it is done again; what is killed stays so."""
    restarts = [container(pods, shop, number)["restartCount"] for number in range(2)]
    pid = pods.pid(shop)
    four(pods, shop, "restarted", [("restart", "restarts container web")], "Running", again=True, containers=["web"])
    assert [container(pods, shop, number)["restartCount"] for number in range(2)] == [restarts[0] + 2, restarts[1]]
    hung_up = [pods.log(shop).count(f"{name} signalled signal=1") for name in ("web", "db")]
    four(pods, shop, "killed", [("kill", "signals container db")], "Running", again=True, containers=["db"], signal="HUP")
    four(pods, shop, "killed", [("kill", "signals all containers")], "Running", again=True, signal="HUP")
    assert [pods.log(shop).count(f"{name} signalled signal=1") for name in ("web", "db")] == [hung_up[0] + 2, hung_up[1] + 4]
    assert pods.pid(shop) == pid
    four(pods, shop, "killed", [("kill", "stops the guest")], "Stopped")
    # One that does not run is started by that; then there is a guest to be restarted.
    started = [pods.pod(shop, state="restarted", check=True), pods.pod(shop, state="restarted")]
    assert [brief(each) for each in started] == [[("start", "starts the guest")]] * 2
    pid = pods.pid(shop)
    restarted = [pods.pod(shop, state="restarted", check=True), pods.pod(shop, state="restarted")]
    assert [brief(each) for each in restarted] == [[("restart", "restarts the guest")]] * 2
    assert pods.pid(shop) not in (None, pid)


def test_twelve_steps_of_waiting(pods: PodHost, shop: str, hyper: Hyper) -> None:
    """For each condition, in check mode and for real, first and again: nothing is changed, and a check waits for nothing."""

    def wait(condition: str, **options: Any) -> dict[str, Any]:
        done: dict[str, Any] = pods.module("pod_wait", names=[shop], condition=condition, **options)
        return done

    def known() -> tuple[Any, ...]:
        return pods.pid(shop), container(pods, shop, 0), container(pods, shop, 2)

    before = known()
    for check in (True, True, False, False):
        done = wait("running", check=check)
        assert (done["changed"], done["rc"], done["pods"][0]["phase"]) == (False, 0, "Running")
    for _ in range(2):
        assert wait("ready", check=True)["changed"] is False
        # One container has failed, and will never be.
        assert "was not ready within 1 s" in hyper("wait", "--for", "ready", "--timeout", "1", shop, code=1).stderr
    assert known() == before
    assert wait("completed", check=True)["pods"][0]["phase"] == "Running"
    pods.pod(shop, state="stopped")
    for check in (True, True, False, False):
        done = wait("completed", check=check)
        assert (done["changed"], done["rc"], done["pods"][0]["phase"]) == (False, 3, "Stopped")
    assert pods.module("pod_wait", names=[shop], condition="running", fails=True)["error"] == "PodNotRunning"
    pods.pod(shop, state="started")


def test_a_signal_and_what_follows(pods: PodHost, shop: str) -> None:
    def counted(words: str) -> int:
        return pods.log(shop).count(words)

    words = ("web signalled signal=1", "stdout F web hup", "db signalled signal=1")
    before = [counted(each) for each in words]
    for check in (True, False):
        result = pods.pod(shop, state="killed", signal="hup", containers=["web"], check=check)
        assert result["actions"] == [
            {
                "pod": shop,
                "action": "kill",
                "effect": "signals container web",
                "reason": "SIGHUP was asked for",
                "container": "web",
                "signal": "SIGHUP",
            }
        ]
    wait_for(lambda: counted(words[1]) > before[1], "the signal")
    assert [counted(each) for each in words] == [before[0] + 1, before[1] + 1, before[2]]
    assert pods.pod(shop, state="killed", containers=["nosuch"], fails=True)["error"] == "ContainerNotFound"
    assert pods.pod(shop, state="killed", containers=["job"], fails=True)["error"] == "RequestRefused"
    assert pods.pod(shop, state="killed", signal="NOSUCH", fails=True)["error"] == "BadSignal"


def test_one_container_is_restarted_and_its_neighbours_go_on(pods: PodHost, shop: str) -> None:
    before, pid = [container(pods, shop, number) for number in range(3)], pods.pid(shop)
    expected = [("restart", "restarts container web"), ("restart", "restarts container job")]
    assert brief(pods.pod(shop, state="restarted", containers=["web", "job"], check=True)) == expected
    assert brief(pods.pod(shop, state="restarted", containers=["web", "job"])) == expected
    web, db, job = (container(pods, shop, number) for number in range(3))
    assert (web["state"], web["restartCount"]) == ("running", before[0]["restartCount"] + 1)
    assert (job["state"], job["exitCode"], job["restartCount"]) == ("terminated", 3, 1)
    assert (db, pods.pid(shop)) == (before[1], pid)


def test_what_pods_do_and_use(pods: PodHost, shop: str, hyper: Hyper) -> None:
    pods.shell(shop, "db", "head -c 100000 /dev/zero > /srv/written; sync")
    found = pods.module("pod_info", names=[shop], usage=True, processes=True, events=True)
    [used] = found["usage"]
    assert [(each["name"], each["processes"] > 0) for each in used["containers"]] == [("web", True), ("db", True), ("job", False)]
    assert used["memoryTotal"] > used["memory"] > used["containers"][0]["memory"] > 0
    assert (used["blockRead"] > 0, used["blockWritten"] > 100000) == (True, True)
    assert {process["container"] for process in found["processes"]} == {"web", "db"}
    assert ("job", "exited", "3") in [(event["container"], event["event"], event["values"].get("code")) for event in found["events"]]
    listed = hyper.json("top", shop)
    assert {(process["container"], process["command"].split()[0]) for process in listed} >= {("web", "sh"), ("db", "sleep")}
    [measured] = hyper.json("stats", "--no-stream", shop)
    assert measured.keys() == used.keys()
    assert "  web" in hyper("stats", "--no-stream", shop).stdout
    assert f"{shop}/job exited code=3 signal=0 reason=Error" in hyper("events", shop, "job").stdout
    with hyper.start("events", "--follow", "--json", shop, stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        try:
            pods.pod(shop, state="killed", signal="HUP", containers=["db"])
            assert any(json.loads(line)["event"] == "signalled" and json.loads(line)["container"] == "db" for line in follower.stdout)
        finally:
            follower.terminate()


def test_the_command_line(pods: PodHost, shop: str, hyper: Hyper) -> None:
    assert hyper("pause", shop).stdout == f"{shop}: paused\n"
    assert hyper("list").stdout.split("\n")[1].split()[1] == "Paused"
    assert "hyper unpause" in hyper("exec", shop, "--", "true", code=1).stderr
    assert hyper("unpause", shop).stdout == f"{shop}: unpaused\n"
    assert hyper("restart", shop, "-c", "web").stdout == f"{shop}/web: restarted\n"
    assert hyper("kill", "-s", "TERM", "-c", "db", shop).stdout == f"{shop}/db: killed by SIGTERM\n"
    wait_for(lambda: container(pods, shop, 1)["state"] == "terminated", "its end")
    assert hyper("wait", "--for", "running", "--timeout", "60", shop).stdout == f"{shop}: Running\n"
    assert "was not completed within 1 s" in hyper("wait", "--timeout", "1", shop, code=1).stderr
    # What is killed as a whole is stopped, whatever its policy, and then has completed.
    assert hyper("kill", shop).stdout == f"{shop}: killed\n"
    assert pods.info(shop)["phase"] == "Stopped"
    assert hyper("wait", shop, code=137).stdout == f"{shop}: Stopped\n"


def test_created_started_ready_completed(pods: PodHost, hyper: Hyper) -> None:
    definition = manifest(
        "op-job",
        {
            "name": "a",
            "command": sh("sleep 2; touch /tmp/ready; sleep 4; exit 5"),
            "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1},
        },
    )
    try:
        assert pods.pod(definition, state="present")["changed"] is True
        assert pods.info("op-job")["phase"] == "Pending"
        assert pods.module("pod_wait", names=["op-job"], fails=True)["error"] == "PodNotRunning"
        started = pods.pod(definition, wait="ready")
        assert started["pods"][0]["status"]["containerStatuses"][0]["ready"] is True
        assert pods.module("pod_wait", names=["op-job"], condition="ready")["rc"] == 0
        done = pods.module("pod_wait", names=["op-job"], timeout=60)
        assert (done["changed"], done["rc"], done["pods"][0]["phase"]) == (False, 5, "Failed")
        assert hyper("wait", "op-job", code=5).stdout == "op-job: Failed\n"
        assert hyper("create", "--check", "--name", "op-new", "tools").stdout.startswith("op-new: would create")
        assert hyper("create", "--name", "op-new", "tools").stdout.startswith("Pod op-new: Pending")
    finally:
        pods.pod("op-job", "op-new", state="absent", grace_period=0)
