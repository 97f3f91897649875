# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that networks of the host give its addresses: one with dnsmasq, and one with a server that goes through all that can happen."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dhcp import Answer, answer, question
from tests.support.guests import wait_for
from tests.support.netns import Namespace, fetch, namespace
from tests.support.pods import PodHost, manifest, sh

pytestmark = pytest.mark.guest

NETWORK = [{"kind": "bridge", "bridge": "br0", "dhcp": True, "accept_ra": True}, "bridge:br1"]


@pytest.fixture
def places() -> Iterator[tuple[Namespace, Namespace]]:
    """A host with two bridges, and a neighbour on the second one."""
    with namespace() as host, namespace() as neighbour:
        for bridge in ("br0", "br1"):
            host.run("ip", "link", "add", bridge, "type", "bridge")
        host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", neighbour.name)
        host.run("ip", "link", "set", "wire", "master", "br1")
        for place, link, *addresses in (
            (host, "br0", "192.0.2.1/24", "2001:db8:5::1/64"),
            (host, "br1"),
            (host, "wire"),
            (neighbour, "wire", "198.51.100.1/24"),
        ):
            for address in addresses:
                place.run("ip", "address", "add", address, "dev", link, *(("nodad",) if ":" in address else ()))
            place.run("ip", "link", "set", link, "up")
        yield host, neighbour


@contextlib.contextmanager
def dnsmasq(host: Namespace, work: Path) -> Iterator[None]:
    """DHCP, names and router advertisements on br0."""
    with host.entered():
        process = subprocess.Popen(
            [
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--bind-interfaces", "--interface=br0"),
                *("--except-interface=lo", f"--dhcp-leasefile={work / 'leases'}", "--pid-file=", "--user=root", "--log-facility=-"),
                *("--dhcp-range=192.0.2.50,192.0.2.50,600", "--dhcp-option=option:mtu,1400", "--domain=lan.example", "--local=/lan.example/", "--no-ping"),
                *("--enable-ra", "--dhcp-range=2001:db8:5::,ra-only,64", "--ra-param=br0,4"),
            ]
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


class Server(threading.Thread):
    """A DHCP server behind br1. said: the messages of the client, as ``question`` reads them."""

    def __init__(self, place: Namespace) -> None:
        super().__init__(daemon=True)
        with place.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wire\0")
        self.socket.bind(("0.0.0.0", 67))
        self.said: list[dict[str, Any]] = []

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.socket.recv(2000):
                asked = question(data)
                self.said.append(asked)
                for reply in self.replies(asked):
                    self.socket.sendto(reply, (asked["own"] or "255.255.255.255", 68))

    def count(self, kind: str, own: str = "") -> int:
        return sum(asked["type"] == kind and asked["own"] == own for asked in self.said)

    def replies(self, asked: dict[str, Any]) -> list[bytes]:
        first, last = Answer("198.51.100.7", "198.51.100.1", seconds=30, renew=2, rebind=20), Answer("198.51.100.9", "198.51.100.1")
        if asked["type"] == "discover":
            # Others try first: noise, another's answer, addresses that nobody can have, a server without a name.
            hostile = [b"\x02", bytes(1400), answer(asked, "offer", Answer("203.0.113.1", "198.51.100.66"), xid=b"none"), *self.useless(asked)]
            return [*hostile, answer(asked, "offer", last if self.count("request", "198.51.100.7") >= 2 else first)]
        if not asked["own"]:
            if self.count("request") == 1:
                return [answer(asked, "nak", first)]
            forged = Answer("198.51.100.66", "198.51.100.1")
            return [
                answer(asked, "ack", forged),
                answer(asked, "nak", Answer("", "198.51.100.66")),
                answer(asked, "ack", first if asked["requested"] == first.address else last),
            ]
        if asked["own"] != "198.51.100.7":
            return []
        # The first renewal is granted, the second is not.
        return [answer(asked, "ack" if self.count("request", asked["own"]) == 1 else "nak", first)]

    @staticmethod
    def useless(asked: dict[str, Any]) -> list[bytes]:
        bad = [Answer(address, "198.51.100.66") for address in ("127.0.0.1", "0.0.0.0", "224.0.0.5", "198.51.100.255")]
        return [answer(asked, "offer", each) for each in (*bad, Answer("198.51.100.5", ""), Answer("198.51.100.5", "198.51.100.66", mask="255.0.255.0"))]


def test_addresses_that_the_network_gives(pods: PodHost, places: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    # It listens on its own address alone, which its command, its environment and its probe name.
    web = {
        "name": "one",
        "command": sh("echo here is $IP > /srv/index.html; exec httpd -f -h /srv -p $IP:80"),
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1, "failureThreshold": 60},
    }
    pod = manifest("leased", web)
    pod["metadata"]["annotations"] = {"hyper.pods/network": json.dumps(NETWORK)}
    host, neighbour = places
    server = Server(neighbour)
    with host.entered(), contextlib.ExitStack() as stack:
        stack.callback(pods.pod, "leased", state="absent", grace_period=0)
        stack.callback(server.socket.close)
        # Nobody answers: its containers wait, and it says for what.
        assert pods.pod(pod, wait="none")["changed"]
        wait_for(lambda: "waiting for a DHCP server to give the interface" in pods.info("leased")["message"], "the pod to wait for an address")
        assert pods.info("leased")["ip"] == ""
        assert "waiting for a DHCP server" in pods.pod(pod, wait_timeout=1, fails=True)["msg"]
        server.start()
        stack.enter_context(dnsmasq(host, tmp_path))
        pods.pod(pod, wait="ready")
        info = pods.info("leased")
        assert info["ip"] == "192.0.2.50"
        assert fetch(host, "192.0.2.50", 80) == b"here is 192.0.2.50\n"
        shown = pods.shell(
            "leased", None, "cat /etc/hosts /etc/resolv.conf; ip route; cat /sys/class/net/eth0/mtu; nslookup leased.lan.example; nslookup leased"
        )
        assert "192.0.2.50\tleased\n" in shown
        assert "nameserver 192.0.2.1\nsearch lan.example" in shown
        assert "default via 192.0.2.1 dev eth0" in shown
        assert shown.count("default") == 1
        assert "\n1400\n" in shown
        assert shown.count("Name:\tleased.lan.example") == 2, shown
        wait_for(lambda: any(ip["ip"].startswith("2001:db8:5:") for ip in pods.info("leased")["status"]["podIPs"]), "an address of IPv6")
        # The other network: refused at first, granted, renewed, taken away, and another one given.
        wait_for(lambda: "198.51.100.9" in [ip["ip"] for ip in pods.info("leased")["status"]["podIPs"]], "the second lease")
        assert "198.51.100.7" not in pods.shell("leased", None, "ip address")
        assert fetch(host, "192.0.2.50", 80) == b"here is 192.0.2.50\n", "its own address stays"
        assert [asked["type"] for asked in server.said[-4:]] == ["request", "request", "discover", "request"]
        assert {asked["hostname"] for asked in server.said} == {"leased"}
        events = [line.split(" - ", 1)[1].split(" server")[0] for line in pods.log("leased").splitlines() if "leased interface=eth1" in line]
        assert events == [
            "leased interface=eth1 address=198.51.100.7/24",
            "unleased interface=eth1 address=198.51.100.7/24 cause=refused",
            "leased interface=eth1 address=198.51.100.9/24",
        ]
