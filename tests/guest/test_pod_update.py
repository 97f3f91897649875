# SPDX-License-Identifier: GPL-3.0-or-later
"""A running pod is changed by as little as the change takes, while its neighbours serve; what fails is taken back."""

from __future__ import annotations

import contextlib
import copy
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.pods import PodHost, free_port, manifest, sh

pytestmark = pytest.mark.guest

STAY = "trap 'exit 0' TERM; echo here; while :; do sleep 0.2; done"


class Client:
    """Asks a server again and again and remembers what went wrong."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/page"
        self._ended = threading.Event()
        self.answers = 0
        self.failures: list[str] = []

    def ask(self) -> None:
        while not self._ended.is_set():
            try:
                with urllib.request.urlopen(self._url, timeout=30) as answer:
                    assert answer.read() == b"hello\n"
                self.answers += 1
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        thread = threading.Thread(target=self.ask)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
        assert self.failures == []
        assert self.answers > 0


def config(value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"value": value}}


def effects(result: dict[str, Any]) -> list[str]:
    return [action["effect"] for action in result["actions"]]


def pids(result: dict[str, Any]) -> dict[str, int]:
    return {container["name"]: container["pid"] for container in result["pods"][0]["containers"]}


def memory(pods: PodHost, name: str) -> int:
    """What the guest has, in KiB."""
    return int(pods.shell(name, "web", "grep MemTotal: /proc/meminfo").split()[1])


def test_a_running_pod_is_changed(pods: PodHost) -> None:
    port, second = free_port(), free_port()
    web = {
        "name": "web",
        "image": "server",
        "ports": [{"containerPort": 80, "hostPort": port}],
        "command": sh("echo hello > /srv/page; exec httpd -f -h /srv"),
        "readinessProbe": {"httpGet": {"port": 80, "path": "/page"}, "periodSeconds": 1, "timeoutSeconds": 30},
    }
    app = {"name": "app", "command": sh(STAY), "volumeMounts": [{"name": "settings", "mountPath": "/settings"}]}
    containers = [web, app, {"name": "log", "command": sh(STAY)}, {"name": "cron", "command": sh(STAY)}]
    spec = {
        "restartPolicy": "Always",
        "volumes": [{"name": "settings", "configMap": {"name": "settings"}}],
        "resources": {"limits": {"cpu": 1, "memory": "320Mi"}},
    }
    name = "live"

    def definition() -> dict[str, Any]:
        made: dict[str, Any] = copy.deepcopy(manifest(name, *containers, **spec))
        return made

    def change(value: str = "one", **options: Any) -> dict[str, Any]:
        """What is planned is what is done, and then nothing is left to do."""
        planned = pods.pod(definition(), config(value), check=True)
        done = pods.pod(definition(), config(value), **options)
        assert planned["actions"] == done["actions"]
        assert planned["after"] == done["after"] == pods.pod(definition(), config(value), check=True)["before"]
        again = pods.pod(definition(), config(value))
        assert not again["changed"]
        return done

    try:
        first = pods.pod(definition(), config("one"), wait="ready")
        before, guest = pids(first), pods.pid(name)
        client = Client(port)
        with client.asking():
            # Another image, which the guest does not have.
            app["image"] = "user"
            after = pids(replaced := change())
            assert effects(replaced) == ["restarts container app"]
            assert {name for name in after if after[name] != before[name]} == {"app"}
            assert pods.shell(name, "app", "id -un; cat /settings/value") == "app\none"

            # Two added, one removed, another command.
            containers[2:] = [{"name": "log", "command": sh(f"echo again; {STAY}")}, {"name": "new", "command": sh(STAY)}, {"name": "more", "image": "server"}]
            containers[4]["args"] = ["8081"]
            containers[4]["ports"] = [{"containerPort": 8081, "hostPort": second}]
            changed = change()
            assert sorted(effects(changed)) == ["restarts container log", "starts container more", "starts container new", "stops container cron"]
            after = pids(changed)
            assert (after["web"], list(after)) == (before["web"], ["web", "app", "log", "new", "more"])
            with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(f"http://127.0.0.1:{second}/", timeout=30):
                pass

            # What nobody feels: limits, a file of a volume, a label, a port, a probe.
            containers[2]["resources"] = {"limits": {"memory": "64Mi"}}
            containers[2]["readinessProbe"] = {"exec": {"command": ["test", "-e", "/proc/1"]}}
            del containers[4]["ports"]
            felt = change("two")
            assert set(effects(felt)) == {"live"}
            assert pids(felt) == after
            assert pods.shell(name, "app", "cat /settings/value") == "two"
            with pytest.raises(OSError, match="refused"):
                urllib.request.urlopen(f"http://127.0.0.1:{second}/", timeout=30)

            # Volumes that come, and go again, are felt only by those who mount them.
            spec["volumes"] += [
                {"name": "more", "emptyDir": {"medium": "Memory"}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
                {"name": "files", "image": {"reference": "user"}},
            ]
            containers[3]["volumeMounts"] = [{"name": "more", "mountPath": "/more"}, *({"name": each, "mountPath": f"/{each}"} for each in ("all", "files"))]
            assert sorted(effects(mounted := change("two"))) == ["live", "restarts container new"]
            assert {name for name, pid in pids(mounted).items() if pid != after[name]} == {"new"}
            assert pods.shell(name, "new", "touch /more/x; test -e /files/bin/sh; cat /all/value; readlink /all/value") == "two..data/value"
            assert effects(change("three")) == ["live"]
            assert pods.shell(name, "new", "cat /all/value") == pods.shell(name, "app", "cat /settings/value") == "three"
            del spec["volumes"][1:], containers[3]["volumeMounts"]
            assert sorted(effects(mounted := change("two"))) == ["live", "restarts container new"]
            assert {name for name, pid in pids(mounted).items() if pid != after[name]} == {"new"}

            # One that fails is taken back.
            kept = definition()
            containers[1] = {**app, "image": "tools", "command": sh("echo no such luck; exit 3")}
            failed = pods.pod(definition(), config("two"), fails=True, min_ready_seconds=2)
            assert failed["error"] == "UpdateFailed"
            for text in ("container app", "ended with 3", "no such luck", "its former definition is back"):
                assert text in failed["msg"], failed["msg"]
            assert pods.shell(name, "app", "id -un; cat /settings/value") == "app\ntwo"
            back = pods.pod(kept, config("two"))
            assert not back["changed"]

            # So is a readiness probe that a container which goes on does not satisfy.
            containers[1] = {**app, "readinessProbe": {"exec": {"command": ["test", "-e", "/nosuch"]}, "periodSeconds": 1, "failureThreshold": 1}}
            failed = pods.pod(definition(), config("two"), fails=True, progress_deadline=3)
            for text in ("container app is running, readiness probe failed", "its former definition is back"):
                assert text in failed["msg"], failed["msg"]
            back = pods.pod(kept, config("two"), wait="ready")
            assert not back["changed"]
            assert pids(back)["web"] == before["web"]
        assert pods.pid(name) == guest

        # A cold start gives the same pod, and needs nothing that was done meanwhile.
        pods.pod(name, state="restarted", wait="ready")
        assert pods.shell(name, "app", "id -un; cat /settings/value") == "app\ntwo"
        assert not pods.pod(kept, config("two"))["changed"]

        # And so does each former definition, with its images and values; the guest goes on.
        revisions = pods.module("pod_history", name=name)["revisions"]
        assert [(item["revision"], item["current"]) for item in revisions] == [*((number, False) for number in range(1, 7)), (7, True)]
        assert [item["definition"]["containers"][1]["image"] for item in revisions] == ["tools", *["user"] * 6]
        guest = pods.pid(name)
        planned = pods.module("pod_rollback", name=name, revision=2, check=True)
        back = pods.module("pod_rollback", name=name, revision=2)
        assert planned["actions"] == back["actions"]
        assert back["after"][name] == revisions[1]["definition"]
        assert pods.shell(name, "app", "id -un; cat /settings/value") == "app\none"
        back = pods.module("pod_rollback", name=name)
        assert back["after"][name] == revisions[6]["definition"]
        assert [item["revision"] for item in pods.module("pod_history", name=name)["revisions"]] == list(range(1, 10))
        assert pods.pid(name) == guest
        assert pods.module("pod_rollback", name=name, revision=77, fails=True)["error"] == "NoRevision"

        # A guest that grows goes on, and begins with its new size.
        small, former = memory(pods, name), pids(pods.pod(kept, config("two")))
        spec["resources"] = {"limits": {"cpu": 2, "memory": "448Mi"}}
        containers[1] = app
        assert effects(grown := change("two")) == ["live"]
        assert (pids(grown), pods.pid(name), memory(pods, name) - small) == (former, guest, 128 << 10)
        pods.shell(name, "app", "until [ $(nproc) = 2 ]; do sleep 0.1; done")
        pods.pod(name, state="restarted", wait="ready")
        assert pods.shell(name, "app", "nproc") == "2"
        assert 0 < memory(pods, name) - small < 129 << 10
        spec["resources"] = {"limits": {"cpu": 1, "memory": "448Mi"}}
        assert effects(pods.pod(definition(), config("two"), check=True)) == ["restarts the guest"]
    finally:
        pods.pod(name, state="absent", grace_period=0)
