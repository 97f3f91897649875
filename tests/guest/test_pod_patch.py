# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a pod's definition is changed while the pod runs: labels, published ports, containers that go; in check mode and for real, first and again."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.guest.test_cli import Hyper
from tests.guest.test_playbooks import Playbooks, recap
from tests.support.guests import wait_for
from tests.support.pods import PodHost, free_port, manifest, sh

pytestmark = pytest.mark.guest

NAME = "patch-shop"
LIVE = [("update", "live")]


@pytest.fixture(scope="module")
def shop(pods: PodHost) -> Iterator[str]:
    """A server, and neighbours that say which labels the pod has, run beside it, or are to go."""
    server = {"name": "server", "image": "server", "ports": [{"containerPort": 80, "name": "http"}]}
    others = [{"name": name, "command": sh("exec sleep infinity")} for name in ("db", "one", "two")]
    others[1]["resources"] = {"limits": {"memory": "64Mi"}}  # type: ignore[assignment]
    volume = {"name": "said", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}
    others[0]["volumeMounts"] = [{"name": "said", "mountPath": "/said"}]  # type: ignore[assignment]
    made = manifest(NAME, server, *others, volumes=[volume])
    made["metadata"]["labels"] = {"tier": "front"}
    pods.pod(made)
    pods.shell(NAME, "server", "echo hello > /srv/index.html")
    yield NAME
    pods.pod(NAME, state="absent", grace_period=0)


def brief(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(action["action"], action["effect"]) for action in result["actions"]]


def pids(pods: PodHost) -> dict[str, int]:
    return {container["name"]: container["pid"] for container in pods.info(NAME)["containers"]}


def steps(pods: PodHost, patch: dict[str, Any], expected: list[tuple[str, str]], what: str) -> None:
    """Checked twice, done, checked and done again; ``what`` of pod_info tells whether anything was done."""

    def patched(**how: Any) -> dict[str, Any]:
        return pods.module("pod_patch", name=NAME, **patch, **how)

    former, guest, revision = pods.info(NAME), pods.pid(NAME), len(revisions(pods))
    checks = [patched(check=True) for _ in range(2)]
    assert [brief(check) for check in checks] == [expected, expected]
    assert pods.info(NAME) == former
    done = patched()
    assert (done["changed"], brief(done), done["diff"]) == (True, expected, checks[0]["diff"])
    assert done["pods"][0][what] == pods.info(NAME)[what] != former[what]
    for check in (True, False):
        assert patched(check=check)["changed"] is False
    assert (pods.pid(NAME), len(revisions(pods))) == (guest, revision + 1)


def revisions(pods: PodHost) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pods.module("pod_history", name=NAME)["revisions"]
    return found


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return bool(answer.read() == b"hello\n")
    except OSError:
        return False


def test_twelve_steps_of_labels(pods: PodHost, shop: str) -> None:
    before = pids(pods)
    for patch, said in (
        ({"labels": {"trial": 1}}, 'tier="front"\ntrial="1"'),
        ({"labels": {"tier": "back"}}, 'tier="back"\ntrial="1"'),
        ({"remove_labels": ["trial", "nosuch"]}, 'tier="back"'),
    ):
        # A volume of the labels is one of the changes that are live.
        steps(pods, patch, LIVE, "labels")
        wait_for(lambda said=said: pods.shell(shop, "db", "cat /said/labels") == said, "the labels in the container")  # type: ignore[misc]
    assert pids(pods) == before
    refused = pods.module("pod_patch", name=shop, labels={"tier": "not a label"}, fails=True)
    assert (refused["error"], refused["where"]) == ("InvalidManifest", "metadata.labels[tier]")


def test_twelve_steps_of_a_port(pods: PodHost, shop: str) -> None:
    before, first, second = pids(pods), free_port(), free_port()
    steps(pods, {"publish": [f"{first}:80"]}, LIVE, "publishedPorts")
    assert pods.info(shop)["publishedPorts"] == [
        {"hostIP": "127.0.0.1", "hostPort": first, "containerPort": 80, "protocol": "TCP", "container": "server", "name": "http"}
    ]
    wait_for(lambda: answers(first), "the server at its port")
    steps(pods, {"publish": [f"{second}:80"], "unpublish": [str(first)]}, LIVE, "publishedPorts")
    wait_for(lambda: answers(second), "the server at its other port")
    assert not answers(first)
    steps(pods, {"unpublish": [f"{second}:80", "1/udp"]}, LIVE, "publishedPorts")
    assert not answers(second)
    assert pids(pods) == before


def test_what_a_running_guest_cannot_take_is_refused(pods: PodHost, shop: str) -> None:
    former = pods.info(shop)
    refused = pods.module("pod_patch", name=shop, publish=["80:80"], fails=True)
    assert (refused["error"], "container server: ports changed" in refused["msg"], "--restart" in refused["remedy"]) == ("RestartNeeded", True, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = pods.module("pod_patch", name=shop, publish=[f"{taken.getsockname()[1]}:80"], fails=True)
    assert refused["error"] == "PortTaken"
    assert pods.module("pod_patch", name=shop, publish=["x"], fails=True)["error"] == "BadPort"
    assert pods.module("pod_patch", name="nosuch", fails=True)["error"] == "PodNotFound"
    assert pods.module("pod_patch", name="../x", fails=True)["error"] == "BadName"
    every = ["server", "db", "one", "two"]
    assert pods.module("pod_patch", name=shop, remove_containers=every, fails=True)["error"] == "LastContainer"
    assert pods.info(shop) == former


def test_a_container_goes_and_its_neighbours_keep_their_processes(pods: PodHost, shop: str) -> None:
    before = pids(pods)
    steps(pods, {"remove_containers": ["one", "nosuch"]}, [("update", "stops container one")], "containers")
    del before["one"]
    wait_for(lambda: "one removed" in pods.log(shop), "its end")
    assert pids(pods) == before
    assert pods.module("pod_exec", pod=shop, container="one", argv=["true"], fails=True)["error"] == "ContainerNotFound"


def test_by_the_command_line_and_the_playbooks(pods: PodHost, shop: str) -> None:
    hyper, port = Hyper(pods), free_port()
    assert hyper("label", shop, "a=1", "tier-").stdout == f"{shop}: changed, live (labels changed; volume said changed)\n"
    assert hyper("label", shop).stdout == "a=1\n"
    assert hyper.json("label", shop) == [{"host": "localhost", "pod": shop, "labels": {"a": "1"}}]
    assert "nothing to do" in hyper("label", shop, "a=1").stdout
    assert hyper("port", "add", shop, f"{port}:80").stdout == f"{shop}: changed, live (container server: ports changed)\n"
    listed = json.loads(hyper("port", "list", shop, "--json").stdout)
    assert [(each["pod"], each["hostPort"], each["container"]) for each in listed] == [(shop, port, "server")]
    assert f"127.0.0.1:{port}  80/tcp  server" in hyper("port", "list", shop).stdout
    assert hyper("port", "rm", shop, str(port)).stdout == f"{shop}: changed, live (container server: ports changed)\n"
    assert "a=2" not in hyper("label", shop, "a=2", "--check").stdout
    assert "there is no container nosuch" in hyper("rm", shop, "-c", "nosuch", code=1).stderr
    assert hyper("rm", shop, "-c", "two").stdout == f"{shop}: changed, stops container two (container two removed)\n"
    assert hyper("rm", shop, "-c", "two", "--ignore").stdout == f"{shop}: nothing to do\n"
    play = Playbooks({**{f"hyper_{name}": value for name, value in pods.arguments.items()}, "pod_name": shop})
    for name, words, changed in (
        ("label_pod", "pod_labels=b=2", 1),
        ("publish_port", f"pod_publish={port}:80", 1),
        ("list_ports", "pod_show=true", 0),
        ("unpublish_port", f"pod_unpublish={port}", 1),
        ("remove_container", "pod_containers=two", 0),
    ):
        output = play(f"playbooks/{name}.yml", "-e", words)
        assert recap(output)["changed"] == changed, name
        assert f"127.0.0.1:{port}->80/tcp" in output or name != "list_ports"
