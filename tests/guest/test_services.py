# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod of real services, nginx, redis and two helpers, from a real registry; run by each of the three ways in."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import hyperstart
from tests.support.control_node import ControlNode
from tests.support.guests import wait_for
from tests.support.pods import PodHost, free_port
from tests.support.registry import Registry, registry
from tests.support.services import SERVICES, services_layout

__all__ = ["registry"]

pytestmark = pytest.mark.guest

CONTAINERS = ("nginx", "redis", "client", "worker")


@dataclass(frozen=True)
class Services:
    """references: of the four images in the registry, in the order of CONTAINERS."""

    pods: PodHost
    node: ControlNode
    references: tuple[str, ...]


@pytest.fixture(scope="module")
def services(pods: PodHost, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Services:
    assert set(CONTAINERS) == set(SERVICES)
    layout = services_layout()
    references = tuple(registry.push(layout, name, f"shop/{name}:1") for name in CONTAINERS)
    return Services(pods, ControlNode.of(pods, tmp_path_factory.mktemp("node")), references)


@pytest.fixture
def name(services: Services, request: pytest.FixtureRequest) -> Iterator[str]:
    """A pod's name; the pod is gone afterwards."""
    chosen = request.node.name.rpartition("_")[2]
    yield chosen
    services.pods.pod(chosen, state="absent", grace_period=0)


def fetch(port: int, path: str = "/") -> tuple[int, str, str]:
    """Status, Server header and body of what a published port answers; nobody serves it while the guest's server still starts."""
    answer: list[tuple[int, str, str]] = []

    def answered() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                answer.append((response.status, response.headers["Server"], response.read().decode()))
        except urllib.error.HTTPError as error:
            answer.append((error.code, error.headers["Server"], error.read().decode()))
        except OSError:
            return False
        return True

    wait_for(answered, f"an answer on port {port}")
    return answer[0]


def check_nginx(port: int) -> None:
    status, server, body = fetch(port)
    assert (status, server.partition("/")[0]) == (200, "nginx")
    assert "Welcome to nginx!" in body
    assert fetch(port, "/nosuch")[0] == 404


def check_redis(pods: PodHost, pod: str) -> None:
    """redis-cli is in the client's image, the server in another; localhost is theirs together."""
    redis = "redis-cli -h localhost"
    wait_for(lambda: pods.exec(pod, "client", *redis.split(), "ping").stdout == b"PONG\n", "redis")
    assert pods.shell(pod, "client", f"{redis} set greeting hello; {redis} get greeting") == "OK\nhello"
    assert pods.exec(pod, "nginx", "sh", "-c", "command -v redis-server").code != 0
    assert pods.shell(pod, "client", "curl -s -o /dev/null -w '%{http_code}' http://localhost/") == "200"
    # The image's user, by name in that image.
    assert pods.shell(pod, "worker", "ps -o user= -C redis-server") == pods.shell(pod, "redis", "id -u redis")


def test_by_the_command(services: Services, name: str) -> None:
    port = free_port()
    done = services.node.hyper("run", "--name", name, "--publish", f"{port}:80", "--tls-verify", "false", "--json", "-p", *services.references)
    [pod] = json.loads(done.stdout)["pods"]
    assert pod["phase"] == "Running"
    assert [(each["name"], each["image"], each["state"]) for each in pod["containers"]] == [
        (container, reference, "running") for container, reference in zip(CONTAINERS, services.references, strict=True)
    ]
    check_nginx(port)
    check_redis(services.pods, name)
    assert services.node.hyper("exec", name, "-c", "client", "--", "redis-cli", "get", "greeting").stdout == "hello\n"
    [listed] = [each for each in json.loads(services.node.hyper("list", "--json").stdout) if each["name"] == name]
    assert (listed["phase"], [each["exitCode"] for each in listed["containers"]]) == ("Running", [None] * 4)
    access = [line["message"] for line in json.loads(services.node.hyper("logs", name, "nginx", "--json").stdout)]
    assert any("GET /nosuch HTTP/1.1" in line for line in access)
    assert services.node.hyper("rm", name).stdout.startswith(f"{name}: removed")
    assert services.pods.pid(name) is None


def test_by_playbook(services: Services, name: str) -> None:
    port = free_port()
    variables = {"pod_name": name, "pod_images": services.references, "pod_publish": [f"{port}:80"], "pod_tls_verify": False}
    assert "changed=1 " in services.node.playbook("run_pod.yml", variables)
    check_nginx(port)
    check_redis(services.pods, name)
    pid = services.pods.pid(name)
    assert "changed=0 " in services.node.playbook("run_pod.yml", variables)
    assert services.pods.pid(name) == pid
    assert "changed=1 " in services.node.playbook("remove_pod.yml", {"pod_name": name})
    assert services.pods.pid(name) is None


def test_by_api(services: Services, name: str) -> None:
    port = free_port()
    inventory = str(services.node.inventory)
    result = hyperstart.run_pod(images=services.references, name=name, publish=[f"{port}:80"], tls_verify=False, inventory=inventory)
    [pod] = result.pods
    assert (result.changed, pod.phase, [container.name for container in pod.containers]) == (True, "Running", list(CONTAINERS))
    check_nginx(port)
    check_redis(services.pods, name)
    done = hyperstart.exec_pod(pod=name, container="client", command=["redis-cli", "incr", "visits"], inventory=inventory)
    assert (done.exit_code, done.stdout) == (0, b"1\n")
    assert hyperstart.remove_pods(names=[name], inventory=inventory).changed
    assert name not in {left.name for left in hyperstart.list_pods(inventory=inventory).pods}
