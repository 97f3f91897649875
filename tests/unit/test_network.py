# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks: what annotations say, which links a pod gets, and the commands and units that make them."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _network, _network_host, _network_units
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod, parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Port
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import Network, Nic, annotated
from ansible_collections.hyper.pods.plugins.module_utils._network import AddressTaken, Link, NoRoom, Subnet, links, subnet
from ansible_collections.hyper.pods.plugins.module_utils._network_rules import change, link_local, pod_rules
from ansible_collections.hyper.pods.plugins.module_utils._pod_guest import launch_plan
from ansible_collections.hyper.pods.plugins.module_utils._systemd import unit_text
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.module_utils._unit import Unit

PLACE = Subnet("default", 0, "10.83.0.0/24", "fd12:3456:789a::/64")
BACKEND = Subnet("backend", 1, "10.83.1.0/24", "")
PLACES = {"default": PLACE, "backend": BACKEND}


def pod(annotation: object = None, *, ports: list[dict[str, Any]] | None = None, env: str = "", **annotations: str) -> Pod:
    said = {} if annotation is None else {"hyper.pods/network": annotation if isinstance(annotation, str) else json.dumps(annotation)}
    container: dict[str, Any] = {"name": "app", "image": "tools", "ports": ports or []}
    if env:
        container["env"] = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
        container["command"] = ["serve", env]
    metadata = {"name": "web", "annotations": {**said, **{f"hyper.pods/{name.replace('_', '-')}": value for name, value in annotations.items()}}}
    return parse({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})


@pytest.mark.parametrize(
    ("annotation", "nics"),
    [
        (None, (Nic(),)),
        ("user", (Nic(),)),
        ("nat", (Nic("nat", network="default"),)),
        ("nat:backend, user", (Nic("nat", network="backend"), Nic())),
        ('["nat"]', (Nic("nat", network="default"),)),
        ({"kind": "user", "mac": "52:54:00:AA:00:01", "mtu": 1400}, (Nic(mac="52:54:00:aa:00:01", mtu=1400),)),
        ([{"kind": "nat", "addresses": ["10.83.0.9", "fd12::0:9"]}], (Nic("nat", network="default", addresses=("10.83.0.9", "fd12::9")),)),
        (
            [{"kind": "bridge", "bridge": "br0", "addresses": ["192.168.1.20/24"], "gateways": ["192.168.1.1"], "mtu": 9000}, "nat"],
            (Nic("bridge", bridge="br0", addresses=("192.168.1.20/24",), gateways=("192.168.1.1",), mtu=9000), Nic("nat", network="default")),
        ),
        ({"kind": "bridge", "bridge": "br0", "addresses": ["1.2.3.4/8"], "vlan": 5}, (Nic("bridge", bridge="br0", addresses=("1.2.3.4/8",), vlan=5),)),
        ("bridge:br0", (Nic("bridge", bridge="br0", dhcp=True),)),
        (
            {"kind": "bridge", "bridge": "br0", "dhcp": True, "accept_ra": True, "addresses": ["fd00::5/64"]},
            (Nic("bridge", bridge="br0", addresses=("fd00::5/64",), dhcp=True, accept_ra=True),),
        ),
    ],
)
def test_annotations(annotation: object, nics: tuple[Nic, ...]) -> None:
    assert pod(annotation).network == Network(nics)


@pytest.mark.parametrize(
    ("annotation", "where", "what"),
    [
        ("moon", "[0].kind", "user, nat, bridge"),
        ("[", "", "not JSON"),
        ("user,user", "[1]", "one user-mode network"),
        ("nat,nat:default", "[1]", "already"),
        ("bridge", "[0].bridge", "required"),
        ("nat:Big", "[0].name", "not a name"),
        ([{"kind": "bridge", "bridge": "br0,script=/x", "addresses": ["1.2.3.4/8"]}], "[0].bridge", "interface"),
        ([{"kind": "bridge", "bridge": "br0", "addresses": ["1.2.3.4"]}], "[0].addresses[0]", "no prefix"),
        ([{"kind": "bridge", "bridge": "br0", "addresses": ["1.2.3.4/8"], "gateways": ["1.0.0.1", "1.0.0.2"]}], "[0].gateways", "two"),
        ([{"kind": "bridge", "bridge": "br0", "dhcp": False}], "[0].addresses", "required"),
        ([{"kind": "bridge", "bridge": "br0", "dhcp": False, "accept_ra": True}], "[0].addresses", "required"),
        ([{"kind": "bridge", "bridge": "br0", "dhcp": True, "addresses": ["1.2.3.4/8"]}], "[0].addresses", "network's to give"),
        ([{"kind": "bridge", "bridge": "br0", "gateways": ["1.2.3.4"]}], "[0].gateways", "network's to give"),
        ([{"kind": "nat", "dhcp": True}], "[0].dhcp", "bridge of the host's own"),
        ([{"kind": "user", "accept_ra": True}], "[0].accept_ra", "bridge of the host's own"),
        ([{"kind": "bridge", "bridge": "br0", "vlan": 4095, "addresses": ["1.2.3.4/8"]}], "[0].vlan", "4094"),
        ([{"kind": "nat", "vlan": 5}], "[0].vlan", "bridge of the host's own"),
        ([{"kind": "nat", "addresses": ["10.83.0.9/24"]}], "[0].addresses[0]", "not an IP address"),
        ([{"kind": "nat", "mac": "53:54:00:00:00:01"}], "[0].mac", "address of a NIC"),
        ([{"kind": "nat", "mtu": 9000}], "[0].mtu", "1500"),
        ([{"kind": "nat", "adresses": []}], "[0].adresses", "unknown field"),
        ([{"kind": "nat", "mac": "52:54:00:00:00:01"}, {"kind": "user", "mac": "52:54:00:00:00:01"}], "[1].mac", "twice"),
        (["user", *({"kind": "nat", "name": f"n{number}"} for number in range(8))], "", "at most 8"),
    ],
)
def test_refusals(annotation: object, where: str, what: str) -> None:
    with pytest.raises(InvalidManifest, match=what) as caught:
        pod(annotation)
    assert caught.value.where == f"metadata.annotations[hyper.pods/network]{where}"


@pytest.mark.parametrize(
    ("annotation", "host_ip", "refusal"),
    [
        ("user", "::", "IPv6 needs a nat network"),
        ("nat", "::1", "loopback"),
        ('[{"kind": "bridge", "bridge": "br0", "addresses": ["1.2.3.4/8"]}]', "127.0.0.1", "addresses of its own"),
        ("nat", "::", ""),
        ("nat", "", ""),
        ("user", "0.0.0.0", ""),
    ],
)
def test_published_ports(annotation: str, host_ip: str, refusal: str) -> None:
    ports = [{"containerPort": 80, "hostPort": 8080, **({"hostIP": host_ip} if host_ip else {})}]
    if not refusal:
        assert pod(annotation, ports=ports).published_ports
        return
    with pytest.raises(InvalidManifest) as caught:
        pod(annotation, ports=ports)
    assert refusal in str(caught.value) + (caught.value.remedy or "")
    assert caught.value.where is not None
    assert caught.value.where.startswith("spec.containers[0].ports[0].host")


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "192.0.2.1", True),
        ("::", "2001:db8::1", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("0.0.0.0", "::", False),
        ("2001:db8::1", "2001:db8::2", False),
    ],
)
def test_one_port_on_several_addresses(first: str, second: str, collide: bool) -> None:
    ports = [{"containerPort": 80, "hostPort": 8080, "hostIP": address} for address in (first, second)]
    if collide:
        with pytest.raises(InvalidManifest, match="already published"):
            pod("nat", ports=ports)
    else:
        assert [port.host_ip for port in pod("nat", ports=ports).published_ports] == [first, second]
    assert pod("nat", ports=[ports[0], {**ports[0], "protocol": "UDP"}]).published_ports


def test_white_lists() -> None:
    assert pod("nat", published_from="10.0.0.0/8, 192.0.2.1 fd00::/8").network.published_from == ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")
    for annotation, text in (("nat", "10.0.0.1/8"), ("nat", "everybody"), ("user", "10.0.0.0/8")):
        with pytest.raises(InvalidManifest) as caught:
            pod(annotation, published_from=text)
        assert caught.value.where == "metadata.annotations[hyper.pods/published-from]"


def test_networks_of_the_module() -> None:
    manifest = {"kind": "Pod", "metadata": {"name": "web", "annotations": {"a": "b"}}}
    other = {"kind": "ConfigMap", "metadata": {"name": "settings"}}
    made: Any = annotated([manifest, other, "web"], ["nat", {"kind": "user"}])
    assert json.loads(made[0]["metadata"]["annotations"].pop("hyper.pods/network")) == ["nat", {"kind": "user"}]
    assert made == [manifest, other, "web"]
    assert annotated([manifest], None) == [manifest]
    with pytest.raises(InvalidManifest, match="otherwise"):
        annotated([{"kind": "Pod", "metadata": {"annotations": {"hyper.pods/network": "user"}}}], ["nat"])
    with pytest.raises(InvalidManifest, match="user, nat, bridge"):
        annotated([manifest], ["moon"])


def test_a_network_finds_a_place() -> None:
    """Beside the other networks, and beside what the host has already; a default route is no obstacle."""
    assert subnet("a", [], ["0.0.0.0/0", "10.0.0.0/24"], [], "fd12:3456:789a::/48") == Subnet("a", 0, "10.83.0.0/24", "fd12:3456:789a::/64")
    assert subnet("a", [PLACE], ["10.83.1.128/25"], ["hyper2"], "fd12:3456:789a::/48") == Subnet("a", 3, "10.83.3.0/24", "fd12:3456:789a:3::/64")
    assert subnet("a", [], [], [], "").ipv6 == ""
    with pytest.raises(NoRoom):
        subnet("a", [], ["10.0.0.0/8"], [], "")


def test_links() -> None:
    """Addresses from the pool that nobody has, the same number in both families; the first NIC that has a gateway has the route."""
    user, front, back = links("web", (Nic(), Nic("nat", network="default"), Nic("nat", network="backend", mtu=1400)), PLACES, {"default": {"10.83.0.2"}})
    assert (user.addresses, user.gateways, user.name_server, user.tap) == (("10.0.2.15/24",), ("10.0.2.2",), "10.0.2.3", "")
    assert front.addresses == ("10.83.0.3/24", "fd12:3456:789a::3/64")
    assert (front.gateways, front.name_server, front.bridge) == (("fd12:3456:789a::1",), "10.83.0.1", "hyper0")
    assert (back.addresses, back.gateways, back.mtu, back.bridge) == (("10.83.1.2/24",), (), 1400, "hyper1")
    assert len({user.mac, front.mac, back.mac}) == 3
    assert len({front.tap, back.tap}) == 2
    assert all(len(link.tap) <= 15 for link in (front, back))


def test_a_pod_keeps_its_address() -> None:
    nic = (Nic("nat", network="default"),)
    former = links("web", nic, PLACES, {"default": {"10.83.0.2", "10.83.0.3"}})
    assert links("web", nic, PLACES, {}, former) == former
    asked = links("web", (Nic("nat", network="default", addresses=("10.83.0.77",)),), PLACES, {}, former)
    assert asked[0].bare == ("10.83.0.77", "fd12:3456:789a::4d")


@pytest.mark.parametrize("asked", ["10.83.0.1", "10.83.0.0", "10.83.0.255", "10.83.1.5", "10.83.0.5", "fd00::5"])
def test_addresses_that_cannot_be_had(asked: str) -> None:
    with pytest.raises(AddressTaken):
        links("web", (Nic("nat", network="default", addresses=(asked,)),), PLACES, {"default": {"10.83.0.5"}})


def test_a_full_network() -> None:
    taken = {str(address) for address in ipaddress.ip_network(PLACE.ipv4)}
    with pytest.raises(NoRoom):
        links("web", (Nic("nat", network="default"),), PLACES, {"default": taken})


def test_what_the_guest_is_told() -> None:
    """Interfaces, hosts, resolver and the pod's own address, which the manifest could not know."""
    made = pod("nat", env="--listen=$(IP):80")
    assert made.containers[0].env[0].shown == "status.podIP"
    given = links("web", made.network.nics, PLACES, {})
    plan = launch_plan(made, {"app": "sha256:" + "a" * 64}, {"sha256:" + "a" * 64: ImageConfig()}, given)
    assert plan.interfaces[0].addresses == given[0].addresses
    assert plan.resolv_conf == b"nameserver 10.83.0.1\nsearch pods.internal\n"
    assert b"10.83.0.2\tweb\nfd12:3456:789a::2\tweb\n" in plan.hosts
    assert (plan.containers[0].argv, dict(plan.containers[0].env)["IP"]) == (("serve", "--listen=10.83.0.2:80"), "10.83.0.2")


def test_rules_come_and_go_together() -> None:
    """Whatever a pod adds is taken away: every element and chain."""
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 53, "hostPort": 53, "hostIP": "0.0.0.0", "protocol": "UDP"}]
    made = pod("nat", ports=[*ports, {"containerPort": 81, "hostPort": 81, "hostIP": "2001:db8::5"}], published_from="10.0.0.0/8, fd00::/8")
    up, down = pod_rules(links("web", made.network.nics, PLACES, {}), made.published_ports, made.network.published_from)
    added = [line.split(" : ")[0] if " published" in line else line for line in up.splitlines() if line.startswith("add element inet")]
    assert [line.replace("add", "delete").rstrip(" }") for line in added] == [line.rstrip(" }") for line in down.splitlines() if " inet " in line]
    assert "published4 { tcp . 127.0.0.1 . 8080 : 10.83.0.2 . 80 }" in up
    assert "published4_any { udp . 53 : 10.83.0.2 . 53 }" in up
    assert "published6 { tcp . 2001:db8::5 . 81 : fd12:3456:789a::2 . 81 }" in up


def test_ports_change_while_a_pod_runs() -> None:
    """What stays is not touched."""
    given = links("web", (Nic("nat", network="default"),), PLACES, {})
    kept, gone, new = Port(80, "TCP", 8080), Port(81, "TCP", 81), Port(82, "UDP", 82, "::")
    text = change(given, ((kept, gone), ()), ((kept, new), ("10.0.0.0/8",))).splitlines()
    assert text[0] == "delete element inet hyper0 published4 { tcp . 127.0.0.1 . 81 }"
    assert "add element inet hyper0 published6_any { udp . 82 : fd12:3456:789a::2 . 82 }" in text
    assert "add element inet hyper0 from4 { 10.83.0.2 . 10.0.0.0/8 }" in text
    assert not any("8080" in line for line in text)
    assert change(given, ((kept,), ()), ((kept,), ())) == ""


def test_link_local() -> None:
    assert str(link_local("52:54:00:12:34:56")) == "fe80::5054:ff:fe12:3456"


def test_units() -> None:
    """The network's unit is there as long as pods need it; the name server ends with it and does not keep it."""
    plan = _network.network_plan(PLACE, directory=Path("/var/lib/hyper/networks/default"), run_dir=Path("/run/hyper/networks/default"))
    texts = _network_units.texts(plan)
    network, dns = texts["hyper-network@default.service"].splitlines(), texts["hyper-dns@default.service"].splitlines()
    assert "StopWhenUnneeded=yes" in network
    assert "PartOf=hyper-network@default.service" in dns
    assert not any(line.startswith(("Requires", "BindsTo")) for line in dns)
    assert sum(line.startswith("ExecStart=") for line in network) == len(plan.up)
    assert "--listen-address=10.83.0.1" in "\n".join(dns)


def test_unit_of_a_pod() -> None:
    """Root's steps stand around QEMU, which may open tap devices then, and only then."""
    given = links("web", (Nic("nat", network="default"),), PLACES, {})
    paths: dict[str, Any] = {"directory": Path("/p"), "hosts": {"default": Path("/r/hosts")}}
    plan = _network.network_plan(PLACE, directory=Path("/n"), run_dir=Path("/r"))
    before, after = _network.before("web", given, uid=7, **paths), _network.after("web", given, **paths)
    plain = Unit("hyper-pod@web", "Pod web", ("sh", "-netdev", "user,id=net0"), Path("/p"), Path("/run/hyper/pods/web"), "nobody")
    tapped = replace(plain, argv=("sh", "-netdev", "tap,id=net0"), before=before, after=after, networks=(plan,))
    without, text = (unit_text(unit, Path("/link"), ()).splitlines() for unit in (plain, tapped))
    assert set(text) - set(without) >= {"Requires=hyper-network@default.service", "After=hyper-network@default.service", "DeviceAllow=/dev/net/tun rw"}
    assert sum(line.startswith(("ExecStartPre=+", "ExecStartPre=-+")) for line in text) == len(before)
    assert sum(line.startswith(("ExecStopPost=+", "ExecStopPost=-+")) for line in text) == len(after)
    assert not any("tun" in line or "ExecStopPost" in line for line in without)


def test_steps_of_a_pod() -> None:
    """Nothing for a user-mode network; what comes before begins with what comes after, so that no residue hinders it."""
    paths: dict[str, Any] = {"directory": Path("/p"), "hosts": {"default": Path("/r/hosts")}}
    assert _network.before("web", links("web", (Nic(),), {}, {}), uid=7, **paths) == ()
    given: tuple[Link, ...] = links("web", (Nic("nat", network="default"),), PLACES, {})
    before, after = _network.before("web", given, uid=7, **paths), _network.after("web", given, **paths)
    assert before[: len(after)] == after
    assert ("ip", "tuntap", "add", "dev", given[0].tap, "mode", "tap", "user", "7") in [step.argv for step in before]


def test_a_tap_is_in_its_vlan_before_it_is_up() -> None:
    tagged = links("web", (Nic("bridge", bridge="br0", addresses=("1.2.3.4/8",), vlan=5), Nic("bridge", bridge="br0", addresses=("1.2.3.5/8",))), {}, {})
    steps = [step.argv for step in _network.before("web", tagged, uid=7, directory=Path("/p"), hosts={})]
    add, up = ("bridge", "vlan", "add", "dev", tagged[0].tap, "vid", "5", "pvid", "untagged"), ("ip", "link", "set", "dev", tagged[0].tap, "up")
    assert steps.index(("bridge", "vlan", "del", "dev", tagged[0].tap, "vid", "1-4094")) < steps.index(add) < steps.index(up)
    assert sum(step[0] == "bridge" for step in steps) == 2


def test_what_a_guest_is_told_that_is_given_its_address() -> None:
    """The plan names a place for the address that only the guest will know; the first NIC that may be given a route takes it."""
    made = pod(["nat", "bridge:br0"], env="--listen=$(IP):80"), pod([{"kind": "bridge", "bridge": "br0", "dhcp": True, "accept_ra": True}, "nat"], env="$(IP)")
    plans = []
    for each in made:
        given = links("web", each.network.nics, PLACES, {})
        plans.append(launch_plan(each, {"app": "sha256:" + "a" * 64}, {"sha256:" + "a" * 64: ImageConfig()}, given))
    second, first = (plan.interfaces for plan in plans)
    assert [(each.dhcp, each.routed, each.resolver, each.names) for each in second] == [(False, (), False, ""), (True, (), False, "")]
    assert [(each.dhcp, each.advertised, each.routed, each.resolver, each.names) for each in first] == [
        (True, True, (4, 6), False, "web"),
        (False, False, (), False, ""),
    ]
    assert plans[0].containers[0].argv == ("serve", "--listen=10.83.0.2:80")
    assert (plans[1].containers[0].argv, dict(plans[1].containers[0].env)["IP"]) == (("serve", "{{pod-address}}"), "{{pod-address}}")
    alone = pod("bridge:br0", env="x")
    [interface] = launch_plan(alone, {"app": "sha256:" + "a" * 64}, {"sha256:" + "a" * 64: ImageConfig()}, links("web", alone.network.nics, {}, {})).interfaces
    assert (interface.addresses, interface.dhcp, interface.resolver) == ((), True, True)


@pytest.mark.parametrize(
    ("mode", "lack"),
    [
        (0o666, None),
        (0o600, "QEMU's account nobody may not open tap devices"),
        (0o664, "QEMU's account nobody may not open tap devices"),
        (None, "no tap devices"),
    ],
)
def test_taps_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None, lack: str | None) -> None:
    device = tmp_path / "tun"
    if mode is not None:
        device.touch()
        device.chmod(mode)
    monkeypatch.setattr(_network_host, "_TUN", device)
    found = _network_host.lack_of_taps(Host(tmp_path, tmp_path, "nobody"))
    assert (found is None) == (lack is None)
    assert found is None or lack in found[0]
