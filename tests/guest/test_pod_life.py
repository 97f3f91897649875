# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pod's containers are started, looked after and ended, in a real guest."""

from __future__ import annotations

import pytest

from tests.support.guests import wait_for
from tests.support.pods import PodHost, manifest, sh

pytestmark = pytest.mark.guest

OBEDIENT = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.2; done"


def order(log: str, *words: str) -> list[str]:
    """Each such event and whose it is, in the log's order."""
    events = (line.split(" event F ")[1].split() for line in log.splitlines() if " event F " in line)
    return [f"{name} {word}" for name, word, *_ in events if word in words and name != "-"]


def test_init_containers_and_sidecars(pods: PodHost) -> None:
    shared = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    init = [
        {"name": "prepare", "image": "tools", "command": sh("echo made > /work/file"), **shared},
        {"name": "side", "image": "tools", "command": sh(OBEDIENT), "restartPolicy": "Always", "startupProbe": {"exec": {"command": ["true"]}}},
    ]
    app = {"name": "app", "command": sh("cat /work/file"), **shared}
    try:
        result = pods.pod(manifest("order", app, initContainers=init, volumes=[{"name": "work", "emptyDir": {}}]), wait="completed")
        log = pods.log("order")
        assert result["pods"][0]["phase"] == "Succeeded", log
        assert "stdout F app made" in log
        assert "stdout F side bye" in log
        assert order(log, "started", "exited") == ["prepare started", "prepare exited", "side started", "app started", "app exited", "side exited"]
    finally:
        pods.pod("order", state="absent")


def test_an_init_container_that_fails(pods: PodHost) -> None:
    init = [{"name": "broken", "image": "tools", "command": sh("exit 3")}]
    try:
        result = pods.pod(manifest("broken", {"name": "app"}, initContainers=init), wait="completed")
        assert result["pods"][0]["phase"] == "Failed"
        assert order(pods.log("broken"), "started") == ["broken started"]
    finally:
        pods.pod("broken", state="absent")


def test_probes(pods: PodHost) -> None:
    """The server is ready when its page is there; its neighbour is restarted when it is sick."""
    web = {
        "name": "web",
        "image": "server",
        "ports": [{"name": "http", "containerPort": 80}],
        "startupProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {"httpGet": {"port": "http", "path": "/page"}, "periodSeconds": 1},
    }
    sick = {
        "name": "sick",
        "command": sh(f"rm -f /srv/sick; {OBEDIENT}"),
        "livenessProbe": {"exec": {"command": ["test", "!", "-e", "/srv/sick"]}, "periodSeconds": 1, "failureThreshold": 1},
    }
    try:
        pods.pod(manifest("probes", web, sick, restartPolicy="Always"))
        assert "event F web ready" not in pods.log("probes")
        pods.shell("probes", "web", "echo hello > /srv/page")
        wait_for(lambda: "event F web ready" in pods.log("probes"), "readiness")
        pods.shell("probes", "web", "rm /srv/page")
        wait_for(lambda: "readiness probe failed: answered 404 Not Found" in pods.log("probes"), "its end")
        pods.shell("probes", "sick", "touch /srv/sick")
        wait_for(lambda: pods.info("probes")["containers"][1]["restartCount"] == 1, "a restart")
        assert 'event F sick unhealthy cause="liveness probe" message="exited with 1"' in pods.log("probes")
        assert pods.info("probes")["containers"][0]["restartCount"] == 0
        resident = int(pods.shell("probes", "web", "awk '/VmRSS/ {print $2}' /proc/1/status"))
        assert resident <= 2560
    finally:
        pods.pod("probes", state="absent")


def test_hooks_and_a_deadline(pods: PodHost) -> None:
    app = {
        "name": "app",
        "command": sh("trap 'cat /srv/said; exit 0' USR1; while :; do sleep 0.2; done"),
        "lifecycle": {
            "postStart": {"exec": {"command": sh("echo started >> /srv/said")}},
            "preStop": {"exec": {"command": sh("echo stopping >> /srv/said")}},
            "stopSignal": "SIGUSR1",
        },
    }
    try:
        result = pods.pod(manifest("deadline", app, activeDeadlineSeconds=15, restartPolicy="Always"), wait="completed")
        log = pods.log("deadline")
        assert result["pods"][0]["phase"] == "Failed", log
        assert "stdout F app started" in log
        assert "stdout F app stopping" in log
        assert "stopping cause=deadline" in log
        assert pods.info("deadline")["message"] == "Pod was active on the node longer than the specified deadline"
        # It is done: the same definition does not run it again.
        assert not pods.pod(manifest("deadline", app, activeDeadlineSeconds=15, restartPolicy="Always"))["changed"]
    finally:
        pods.pod("deadline", state="absent")


def test_the_status_is_kubernetes_own(pods: PodHost) -> None:
    script = "test -e /srv/second && exec sleep 1000; touch /srv/second; exit 4"
    init = [{"name": "before", "image": "tools", "command": ["true"]}]
    app = {"name": "app", "command": sh(script), "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1}}
    try:
        pods.pod(manifest("status", app, initContainers=init, restartPolicy="OnFailure"))
        wait_for(lambda: pods.info("status")["status"]["containerStatuses"][0]["ready"], "readiness")
        status = pods.info("status")["status"]
        assert (status["phase"], status["podIP"]) == ("Running", "10.0.2.15")
        assert [item["status"] for item in status["conditions"]] == ["True"] * 4
        [container] = status["containerStatuses"]
        assert (container["restartCount"], container["started"]) == (1, True)
        assert container["lastState"]["terminated"]["exitCode"] == 4
        assert status["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
        pods.pod("status", state="stopped")
        status = pods.info("status")["status"]
        assert (status["phase"], status["containerStatuses"][0]["restartCount"], status["containerStatuses"][0]["ready"]) == ("Failed", 1, False)
    finally:
        pods.pod("status", state="absent")
