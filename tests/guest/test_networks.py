# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods on networks of the host, which is a network namespace of its own with a world outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.guests import wait_for
from tests.support.netns import Namespace, fetch, host_with_outside, listening, processes_in
from tests.support.pods import PodHost, manifest, sh

pytestmark = pytest.mark.guest

SERVE = sh("echo here is $HOSTNAME > /srv/index.html; exec httpd -f -h /srv -p 80")
PRIVILEGED = {"securityContext": {"privileged": True}}


def networked(name: str, network: Any, *containers: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """A manifest with networks."""
    made = manifest(name, *containers)
    text = network if isinstance(network, str) else json.dumps(network)
    made["metadata"]["annotations"] = {"hyper.pods/network": text, **{f"hyper.pods/{key.replace('_', '-')}": value for key, value in annotations.items()}}
    return made


@pytest.fixture
def places() -> Iterator[tuple[Namespace, Namespace]]:
    with host_with_outside() as made:
        yield made


def links(place: Namespace) -> set[str]:
    return {link["ifname"] for link in json.loads(place.run("ip", "-json", "link", "show"))}


def reaches(pods: PodHost, name: str, place: str, port: int = 80) -> bool:
    """Whether a pod gets a page from there; by the resolver of the C library, as applications do."""
    return b"here is" in pods.exec(name, None, "ipc", "get", place, str(port)).stdout


def test_pods_on_a_nat_network(pods: PodHost, places: tuple[Namespace, Namespace]) -> None:
    """They find each other by name, reach the world and are reached on published ports; they cannot pretend to be others; nothing of it stays."""
    host, outside = places
    # What other programs have made is left as it is.
    host.run("nft", "add table ip other; add chain ip other forward { type filter hook forward priority filter; policy accept; }")
    before = host.run("nft", "list", "ruleset"), links(host)
    ports = [
        {"containerPort": 80, "hostPort": 8080, "hostIP": "0.0.0.0"},
        {"containerPort": 80, "hostPort": 8081},
        {"containerPort": 80, "hostPort": 8082, "hostIP": "2001:db8::1"},
    ]
    web = networked("web", "nat", {"name": "one", "command": SERVE, "ports": ports}, published_from="192.0.2.0/25, 10.83.0.0/16, 2001:db8::/64")
    other = networked("other", "nat", {"name": "one", **PRIVILEGED})
    with host.entered():
        try:
            result = pods.pod(web, other)
            [first, second] = [pod["ip"] for pod in result["pods"]]
            assert {first, second} == {"10.83.0.2", "10.83.0.3"}
            assert not pods.pod(web, other)["changed"]
            # By name, short and long.
            wait_for(lambda: reaches(pods, "other", "web"), "the web server to answer by its name")
            assert reaches(pods, "other", "web.pods.internal")
            assert first in pods.shell("other", None, "nslookup web.pods.internal")
            # Published ports, from outside, from the host itself and from a pod.
            assert fetch(outside, "192.0.2.1", 8080) == b"here is web\n"
            assert fetch(outside, "2001:db8::1", 8082) == b"here is web\n"
            assert fetch(host, "127.0.0.1", 8081) == fetch(host, "127.0.0.1", 8080) == fetch(host, "192.0.2.1", 8080) == b"here is web\n"
            assert reaches(pods, "other", "192.0.2.1", 8080)
            for port, source in ((8081, ""), (8080, "192.0.2.200")):
                with pytest.raises(OSError, match=r"timed out|refused"):
                    fetch(outside, "192.0.2.1", port, source=source, timeout=1)
            # The world sees the host.
            for address, seen in (("192.0.2.2", "192.0.2.1"), ("2001:db8::2", "2001:db8::1")):
                with listening(outside, address, 9000) as server:
                    pods.exec("other", None, "ipc", "get", address, "9000")
                    assert server.accept()[1][0] == seen
            # Other ports, while the pod runs; the world's connection to it is a new one.
            changed = {"containerPort": 80, "hostPort": 80, "hostIP": "0.0.0.0"}
            web["spec"]["containers"][0]["ports"] = [changed, *ports[1:]]
            result = pods.pod(web)
            assert [action["effect"] for action in result["actions"]] == ["live"]
            assert fetch(outside, "192.0.2.1", 80) == fetch(outside, "2001:db8::1", 8082) == b"here is web\n"
            with pytest.raises(OSError, match=r"timed out|refused"):
                fetch(outside, "192.0.2.1", 8080, timeout=1)
            _spoof(pods, second)
            _restart(pods, first)
            pods.pod("other", state="stopped")
            assert not any(link.startswith("hp") and link != _tap(pods, "web") for link in links(host))
            # A stopped pod has its address still, and comes back to it.
            assert fetch(outside, "192.0.2.1", 80) == b"here is web\n"
        finally:
            pods.pod("web", "other", state="absent", grace_period=0)
    assert (host.run("nft", "list", "ruleset"), links(host)) == before
    wait_for(lambda: not processes_in(host), "the name server to end")
    assert not (pods.host.state_dir / "networks").exists()
    assert not (pods.host.run_dir / "networks").exists()


def _tap(pods: PodHost, name: str) -> str:
    return str(json.loads((pods.host.pod_dir(name) / "network.json").read_bytes())[0]["tap"])


def _spoof(pods: PodHost, own: str) -> None:
    """A guest that takes another address, of either layer, is not heard by anybody; with its own it is heard again."""
    ping = "ping -c 1 -W 1 10.83.0.1 >/dev/null"
    for pretence, truth in (
        (
            "ip address add 10.83.0.77/24 dev eth0; ip route replace 10.83.0.0/24 dev eth0 src 10.83.0.77",
            f"ip address del 10.83.0.77/24 dev eth0; ip route replace 10.83.0.0/24 dev eth0 src {own}",
        ),
        ("ip link set eth0 address 52:54:00:99:99:99", "ip link set eth0 address $mac"),
    ):
        script = (
            f"set -e; mac=$(cat /sys/class/net/eth0/address); {ping}; {pretence}; ! {ping}; {truth}; ip neigh flush dev eth0 >/dev/null || :; {ping}; echo well"
        )
        result = pods.exec("other", None, "sh", "-c", script)
        assert result.stdout.strip() == b"well", (pretence, result.stdout, result.stderr)
    # It cannot take its neighbour's place either: nobody believes what it announces.
    pods.exec("other", None, "arping", "-U", "-c", "2", "-I", "eth0", "-s", "10.83.0.1", "10.83.0.1")
    assert reaches(pods, "other", "web")


def _restart(pods: PodHost, address: str) -> None:
    """A pod keeps its address and its name through a restart."""
    pods.pod("web", state="restarted")
    assert pods.info("web")["ip"] == address
    wait_for(lambda: reaches(pods, "other", "web"), "the web server to answer again")


def test_several_networks(pods: PodHost, places: tuple[Namespace, Namespace]) -> None:
    """A pod on two nat networks and on a bridge of the host's own; who is on one network does not reach the other."""
    host, _ = places
    host.run("ip", "link", "add", "br0", "type", "bridge")
    host.run("ip", "address", "add", "198.51.100.1/24", "dev", "br0")
    host.run("ip", "link", "set", "br0", "up")
    before = host.run("nft", "list", "ruleset"), links(host)
    bridge = {"kind": "bridge", "bridge": "br0", "addresses": ["198.51.100.20/24"], "mtu": 1400}
    both = networked("both", ["nat:front", "nat:back", bridge], {"name": "one", "command": SERVE})
    alone = networked("alone", [{"kind": "nat", "name": "back", "addresses": ["10.83.1.77"], "mac": "52:54:00:00:00:07"}], {"name": "one", "command": SERVE})
    with host.entered():
        try:
            # One after the other: the first makes the networks, in their order.
            pods.pod(both)
            pods.pod(alone)
            shown = pods.shell("both", None, "ip -o -4 address; cat /sys/class/net/eth2/mtu; ip route")
            assert re.findall(r"inet ([0-9./]+)", shown) == ["127.0.0.1/8", "10.83.0.2/24", "10.83.1.2/24", "198.51.100.20/24"]
            assert "1400" in shown.split()
            assert len(re.findall("^default", shown, re.MULTILINE)) == 1
            assert pods.shell("alone", None, "cat /sys/class/net/eth0/address") == "52:54:00:00:00:07"
            assert pods.info("alone")["ip"] == "10.83.1.77"
            assert fetch(host, "198.51.100.20", 80) == b"here is both\n"
            wait_for(lambda: reaches(pods, "alone", "10.83.1.2"), "the neighbour on the same network")
            assert not reaches(pods, "alone", "10.83.0.2")
            assert not reaches(pods, "alone", "both.front")
            # What cannot be had is refused before anything is changed.
            taken = networked("third", [{"kind": "nat", "name": "back", "addresses": ["10.83.1.77"]}], {"name": "one"})
            assert "another pod's" in pods.pod(taken, fails=True)["msg"]
            missing = networked("third", [{**bridge, "bridge": "br9"}], {"name": "one"})
            assert "no such bridge" in pods.pod(missing, fails=True)["msg"]
            tagged = networked("third", [{**bridge, "vlan": 5}], {"name": "one"})
            assert "does not filter VLANs" in pods.pod(tagged, fails=True)["msg"]
            assert not pods.host.pod_dir("third").exists()
            # To a network of another kind, and its former ones are gone.
            pods.pod(networked("both", "user", {"name": "one", "command": SERVE}))
            assert {path.name for path in (pods.host.state_dir / "networks").iterdir()} == {"back"}
            assert links(host) - before[1] == {"hyper1", _tap(pods, "alone")}
        finally:
            pods.pod("both", "alone", state="absent", grace_period=0)
    assert (host.run("nft", "list", "ruleset"), links(host)) == before
