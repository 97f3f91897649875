# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks for pods on a host with a real systemd: made and unmade by units, through crashes and a reboot, with nobody of ours running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hyperstart.samples import make_samples
from tests.support.guests import wait_for
from tests.support.nspawn import ADDRESS, SystemdHost

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.xdist_group("systemd-host")]

POD: dict[str, Any] = {"pod_networks": ["nat"], "pod_memory": "128M"}
UNITS = "hyper-network@default.service hyper-dns@default.service"


@pytest.fixture
def host(prepared_host: SystemdHost) -> Iterator[SystemdHost]:
    """The host with an image."""
    # What is the machine's own and cannot be written from within this one.
    forward = "for file in ipv4/ip_forward ipv4/conf/default/route_localnet ipv6/conf/all/forwarding; do echo 1 >/proc/sys/net/$file; done"
    prepared_host.on_its_network("sh", "-c", forward)
    make_samples(directory=prepared_host.root / "srv/images")
    prepared_host.play("pull_image.yml", image_names="web", image_source="oci-archive:/srv/images/web.tar")
    yield prepared_host
    prepared_host.play("remove_pod.yml", pod_names=["front", "back"], pod_grace_period=0)


def answers(host: SystemdHost) -> bool:
    """Whether the pod front is reached from the control node, on the port that is published by rules."""
    script = f"import urllib.request; print(urllib.request.urlopen('http://{ADDRESS}:8080/cgi-bin/index.cgi', timeout=5).read().decode())"
    return "Hello from pod front" in host.from_control("python3", "-c", script).stdout


def finds(host: SystemdHost) -> bool:
    """Whether the pod back finds front by its name, and reaches it so."""
    script = "set -e; nslookup front.pods.internal >/dev/null; address=$(nslookup front | sed -n 's/^Address: \\(10[.]\\)/\\1/p'); ping -c 1 -W 2 $address"
    return host.hyper("exec", "back", "--", "sh", "-c", script).returncode == 0


def test_networks(host: SystemdHost) -> None:
    rules = host.shell("nft list ruleset")
    assert host.play("run_pod.yml", pod_name="front", pod_images="web", pod_publish="0.0.0.0:8080:80", **POD)
    assert host.play("run_pod.yml", pod_name="back", pod_images="web", **POD)
    wait_for(lambda: answers(host) and finds(host), "the pods to answer and to find each other")
    assert host.shell(f"systemctl is-active {UNITS}").split() == ["active", "active"]
    pid = host.shell("systemctl show --property=MainPID --value hyper-pod@front")
    assert f"CapEff:\t{'0' * 16}" in host.shell(f"cat /proc/{pid}/status")

    # The name server is killed, and comes back alone.
    host.shell("systemctl kill --signal=KILL hyper-dns@default")
    wait_for(lambda: finds(host), "the name server to be back")
    assert host.shell("systemctl show --property=MainPID --value hyper-pod@front") == pid
    # A guest is killed, and comes back with its tap.
    host.shell(f"kill -KILL {pid}")
    wait_for(lambda: answers(host) and finds(host), "the pod to be back", timeout=120)
    # The host is started anew: all is there again.
    host.reboot()
    wait_for(lambda: answers(host) and finds(host), "the pods to be back", timeout=120)
    # With its last running pod the network goes, and nothing is left.
    assert host.play("stop_pod.yml", pod_names=["front", "back"], pod_grace_period=1)
    wait_for(lambda: host.shell(f"systemctl is-active {UNITS} || :").split() == ["inactive", "inactive"], "the network to end")
    assert host.shell("nft list ruleset") == rules
    assert "hyper" not in host.shell("ip link show; ls /run/hyper")
    assert host.play("remove_pod.yml", pod_names=["front", "back"])
    assert host.shell("find /etc/systemd/system /run/systemd -name 'hyper-[nd]*'; ls /var/lib/hyper | grep networks || :") == ""
