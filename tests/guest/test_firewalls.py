# SPDX-License-Identifier: GPL-3.0-or-later
"""A nat network beside the rules of firewalls: they decide as before, each gives way by what docs/using.md says of it, and nobody touches the other's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guests import wait_for
from tests.support.netns import Namespace, fetch, host_with_outside, listening
from tests.support.pods import ROOT, PodHost, manifest, sh

pytestmark = pytest.mark.guest

RULES = Path(__file__).parents[1] / "support/firewalls"
# Firewall → its files, and the ends of the host that it stands before.
FIREWALLS = {"docker": ("docker.v4",), "ufw": ("ufw.v4", "ufw.v6"), "firewalld": ("firewalld.nft",)}
LOAD = {".nft": ["nft", "-f", "-"], ".v4": ["iptables-nft-restore"], ".v6": ["ip6tables-nft-restore"]}


@pytest.fixture
def places() -> Iterator[tuple[Namespace, Namespace]]:
    with host_with_outside() as made:
        yield made


def load(host: Namespace, firewall: str, *, knows_us: bool) -> None:
    """Rules as the firewall's own program loaded them, before and after it was told of the bridge."""
    forget(host)
    for name in FIREWALLS[firewall]:
        lines = (RULES / name).read_text().splitlines(keepends=True)
        text = "".join(line for line in lines if knows_us or line.startswith("#") or "hyper0" not in line)
        with host.entered():
            subprocess.run(LOAD[Path(name).suffix], input=text, text=True, check=True)


def tables(host: Namespace) -> set[tuple[str, str]]:
    listed = json.loads(host.run("nft", "-j", "list", "tables"))["nftables"]
    return {(entry["table"]["family"], entry["table"]["name"]) for entry in listed if "table" in entry}


def rules(host: Namespace, *, ours: bool) -> str:
    """Without the counters."""
    wanted = sorted(table for table in tables(host) if (table[1] == "hyper0") == ours)
    return "".join(host.run("nft", "-s", "list", "table", *table) for table in wanted)


def forget(host: Namespace) -> None:
    for table in tables(host):
        if table[1] != "hyper0":
            host.run("nft", "delete", "table", *table)


def from_outside(outside: Namespace, address: str) -> bool:
    """Whether the published port is reached; what is dropped is not waited for any longer."""
    try:
        return fetch(outside, address, 8080, timeout=1) == b"here\n"
    except OSError:
        return False


def to_outside(pods: PodHost, outside: Namespace, address: str) -> bool:
    """Whether the pod reaches the world."""
    with listening(outside, address, 9000) as server:
        # It waits for an answer, which never comes.
        pods.exec("walled", None, "timeout", "1", "ipc", "get", address, "9000")
        server.settimeout(0.1)
        try:
            connection = server.accept()[0]
        except TimeoutError:
            return False
        connection.close()
        return True


def test_beside_firewalls(pods: PodHost, places: tuple[Namespace, Namespace]) -> None:
    host, outside = places
    ports = [{"containerPort": 80, "hostPort": 8080, "hostIP": address} for address in ("0.0.0.0", "::")]
    pod = manifest("walled", {"name": "one", "command": sh("echo here > /srv/index.html; exec httpd -f -h /srv -p 80"), "ports": ports})
    pod["metadata"]["annotations"] = {"hyper.pods/network": "nat"}
    said = (ROOT / "docs/using.md").read_text()
    with host.entered():
        try:
            pods.pod(pod)
            own = rules(host, ours=True)
            for firewall in FIREWALLS:
                both = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")
                families = both[:1] if firewall == "docker" else both
                load(host, firewall, knows_us=False)
                assert not any(to_outside(pods, outside, world) for _, world in families), firewall
                # firewalld lets in what is published by others' rules.
                assert all(from_outside(outside, end) == (firewall == "firewalld") for end, _ in families), firewall
                load(host, firewall, knows_us=True)
                theirs = rules(host, ours=False)
                remedy = (RULES / FIREWALLS[firewall][0]).read_text().split("\n\n")[0].partition("after:")[2].lstrip(" \n#").splitlines()[0]
                assert f"`{remedy}`" in said, "what was done is what the documentation says"
                for end, world in families:
                    wait_for(lambda end=end: from_outside(outside, end), f"{firewall} to let {end} through")  # type: ignore[misc]
                    wait_for(lambda world=world: to_outside(pods, outside, world), f"{firewall} to let the pod reach {world}")  # type: ignore[misc]
                # The network's name server answers too.
                assert pods.exec("walled", None, "nslookup", "walled.pods.internal").code == 0, firewall
                assert rules(host, ours=True) == own
                assert rules(host, ours=False) == theirs
            # Published ports change, and the pod goes, without a trace in the others' rules.
            pod["spec"]["containers"][0]["ports"] = ports[:1]
            pods.pod(pod)
            pods.pod("walled", state="stopped")
            assert rules(host, ours=True) == ""
            assert rules(host, ours=False) == theirs
        finally:
            pods.pod("walled", state="absent", grace_period=0)
    assert {name for _, name in tables(host)} == {"firewalld"}
    assert rules(host, ours=False) == theirs
