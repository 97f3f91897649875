# SPDX-License-Identifier: GPL-3.0-or-later
"""From the networks that a pod asks for to its links: bridges, taps, addresses, and the commands that make them. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import USER_ADDRESS, Nic
from ansible_collections.hyper.pods.plugins.module_utils._steps import NetworkPlan, Step

DOMAIN = "pods.internal"
# QEMU's user-mode network (docs of -netdev user): its gateway and its name server.
_USER_PREFIX, _USER_GATEWAY, _USER_NAME_SERVER = 24, "10.0.2.2", "10.0.2.3"
# Of the private addresses (RFC 1918) a range that no container engine, libvirt or home router begins with.
_POOL = ipaddress.IPv4Network("10.83.0.0/16")
_SUBNET_PREFIX = 24
_FIRST_HOST, _LAST_HOST = 2, 254
# $1: the bridge. Forwarding on makes a host forget the routes that routers told it, unless accept_ra is 2 (ip-sysctl,
# accept_ra). A shell that reads byte by byte gets the first alone, and then the end of the file: that is no failure.
_FORWARD = (
    "set -e; cd /proc/sys/net; on() { read -r now <$1 || :; [ $now = 1 ] || echo 1 >$1; }; on ipv4/ip_forward; on ipv4/conf/$1/route_localnet; "
    "[ -e ipv6/conf/all/forwarding ] || exit 0; read -r now <ipv6/conf/all/forwarding || :; [ $now != 1 ] || exit 0; "
    "for file in ipv6/conf/*/accept_ra; do read -r now <$file || :; [ $now != 1 ] || echo 2 >$file; done; echo 1 >ipv6/conf/all/forwarding"
)


# $1: the bridge.
_FILTERS = 'case $(ip -details link show dev "$1") in *" vlan_filtering 1 "*) ;; *) echo "the bridge $1 does not filter VLANs" >&2; exit 1;; esac'
_LAST_VLAN = 4094


class AddressTaken(HyperError):
    """An address that a pod asks for is not there to be given."""


class NoRoom(HyperError):
    """All addresses, or all networks, are given."""


@dataclass(frozen=True)
class Subnet:
    """A nat network of the host. index: its place in the pool, and its bridge's number; ipv6: "" on a host without it."""

    name: str
    index: int
    ipv4: str
    ipv6: str

    @property
    def bridge(self) -> str:
        return f"hyper{self.index}"

    @property
    def gateways(self) -> tuple[str, ...]:
        """The host's own addresses on it."""
        return tuple(str(ipaddress.ip_network(subnet)[1]) for subnet in (self.ipv4, self.ipv6) if subnet)


@dataclass(frozen=True)
class Link:
    """A NIC of a pod with all that was chosen for it. tap: the host's end of it, "" in user mode; addresses: with prefixes, those that the host says; vlan,
    dhcp, accept_ra: as in Nic. routed: the families (4, 6) whose default route the network may say."""

    kind: str
    mac: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...] = ()
    mtu: int | None = None
    network: str = ""
    bridge: str = ""
    tap: str = ""
    name_server: str = ""
    vlan: int | None = None
    dhcp: bool = False
    accept_ra: bool = False
    routed: tuple[int, ...] = ()

    @property
    def bare(self) -> tuple[str, ...]:
        """The addresses without prefixes."""
        return tuple(address.partition("/")[0] for address in self.addresses)


def host_address(links: Sequence[Link]) -> str:
    """Where a pod with these links reaches its host; "" where it has an address on bridges of others only."""
    return next((_USER_GATEWAY if link.kind == "user" else link.name_server for link in links if link.kind != "bridge"), "")


def mac(name: str, index: int = 0) -> str:
    """A locally administered address that is the same at every start of a pod of this name."""
    digest = hashlib.sha256((f"{name}/{index}" if index else name).encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def subnet(name: str, others: Collection[Subnet], routed: Collection[str], interfaces: Collection[str], ula: str) -> Subnet:
    """A place for a new network. routed: the host's routes, CIDR; interfaces: names that are taken; ula: a /48 (RFC 4193), "" without IPv6. Raises NoRoom."""
    taken = {other.index for other in others}
    routes = [ipaddress.IPv4Network(route) for route in routed]
    for index, candidate in enumerate(_POOL.subnets(new_prefix=_SUBNET_PREFIX)):
        if index in taken or f"hyper{index}" in interfaces or any(route.prefixlen and route.overlaps(candidate) for route in routes):
            continue
        ipv6 = str(ipaddress.IPv6Network((int(ipaddress.IPv6Network(ula)[0]) + (index << 64), 64))) if ula else ""
        return Subnet(name, index, str(candidate), ipv6)
    raise NoRoom(f"no part of {_POOL} is free for the network {name}", remedy="Remove pods of other networks")


def links(pod: str, nics: Sequence[Nic], subnets: Mapping[str, Subnet], taken: Mapping[str, Collection[str]], former: Sequence[Link] = ()) -> tuple[Link, ...]:
    """The links of a pod. taken: network → the addresses of other pods. former: those that it had; it keeps its addresses. Raises AddressTaken, NoRoom."""
    made: list[Link] = []
    routed: set[int] = set()
    for index, nic in enumerate(nics):
        own_mac = nic.mac or mac(pod, index)
        if nic.kind == "user":
            link = Link("user", own_mac, (f"{USER_ADDRESS}/{_USER_PREFIX}",), (_USER_GATEWAY,), nic.mtu, name_server=_USER_NAME_SERVER)
        elif nic.kind == "nat":
            place = subnets[nic.network]
            had = next((link.bare for link in former if link.network == nic.network), ())
            addresses = _pool_addresses(pod, nic, place, set(taken.get(nic.network, ())), had)
            link = Link("nat", own_mac, addresses, place.gateways, nic.mtu, nic.network, place.bridge, _tap(pod, index), place.gateways[0])
        else:
            link = Link("bridge", own_mac, nic.addresses, nic.gateways, nic.mtu, bridge=nic.bridge, tap=_tap(pod, index), vlan=nic.vlan)
            link = replace(link, dhcp=nic.dhcp, accept_ra=nic.accept_ra)
        # One default route a family: the first NIC's that has one, or is given one.
        gateways = tuple(gateway for gateway in link.gateways if ipaddress.ip_address(gateway).version not in routed)
        routed |= {ipaddress.ip_address(gateway).version for gateway in gateways}
        offered = tuple(version for version, asked in ((4, link.dhcp), (6, link.accept_ra)) if asked and version not in routed)
        routed |= set(offered)
        made.append(replace(link, gateways=gateways, routed=offered))
    return tuple(made)


def _tap(pod: str, index: int) -> str:
    """A name of at most 15 bytes (IFNAMSIZ) for each NIC of each pod."""
    return f"hp{hashlib.sha256(pod.encode()).hexdigest()[:10]}n{index}"


def _pool_addresses(pod: str, nic: Nic, place: Subnet, taken: set[str], had: Sequence[str]) -> tuple[str, ...]:
    """One address a family, with the same last number in both where neither is asked for."""
    networks = [ipaddress.ip_network(text) for text in (place.ipv4, place.ipv6) if text]
    asked = {ipaddress.ip_address(text).version: ipaddress.ip_address(text) for text in nic.addresses}
    for address in asked.values():
        network = next((each for each in networks if each.version == address.version), None)
        if network is None or address not in network or address in (network[0], network[1], network[-1]):
            have = " and ".join(map(str, networks))
            raise AddressTaken(f"{address} is no address for a pod of the network {place.name}, which has {have}", where=f"pod {pod}")
        if str(address) in taken:
            raise AddressTaken(f"{address} is another pod's on the network {place.name}", where=f"pod {pod}", remedy="Ask for another address, or for none")
    kept = {ipaddress.ip_address(text) for text in had}
    numbers = [int(address) - int(network[0]) for network in networks for address in kept if address in network]
    made = []
    for network in networks:
        free = (network[number] for number in (*numbers, *range(_FIRST_HOST, _LAST_HOST + 1)) if _FIRST_HOST <= number <= _LAST_HOST)
        chosen = asked.get(network.version) or next((each for each in free if str(each) not in taken), None)
        if chosen is None:
            remedy = f"Use another network: hyper.pods/network: nat:{place.name}-2"
            raise NoRoom(f"the network {place.name} has no address left", where=f"pod {pod}", remedy=remedy)
        numbers.insert(0, int(chosen) - int(network[0]))
        made.append(f"{chosen}/{network.prefixlen}")
    return tuple(made)


def network_plan(place: Subnet, *, directory: Path, run_dir: Path) -> NetworkPlan:
    """How a nat network is made and unmade. directory: holds its rules (RULES); run_dir: of its own, gone after a reboot."""
    bridge, hosts = place.bridge, run_dir / "hosts"
    down = (
        Step(("nft", "delete", "table", "inet", bridge), may_fail=True),
        Step(("nft", "delete", "table", "bridge", bridge), may_fail=True),
        Step(("ip", "link", "delete", "dev", bridge), may_fail=True),
        Step(("rm", "-rf", str(run_dir))),
        Step(("rmdir", "--ignore-fail-on-non-empty", str(run_dir.parent)), may_fail=True),
    )
    addresses = [Step(("ip", "address", "add", f"{gateway}/{_prefix(place, gateway)}", "dev", bridge, *_nodad(gateway))) for gateway in place.gateways]
    up = (
        Step(("ip", "link", "delete", "dev", bridge), may_fail=True),
        # An address of its own: otherwise it takes those of its taps in turn.
        Step(("ip", "link", "add", "name", bridge, "address", mac(place.ipv4), "type", "bridge", "stp_state", "0", "forward_delay", "0")),
        *addresses,
        # The rules come first: nobody is ever on the network without them.
        Step(("nft", "-f", str(directory / RULES))),
        Step(("sh", "-c", _FORWARD, "sh", bridge)),
        Step(("ip", "link", "set", "dev", bridge, "up")),
        Step(("mkdir", "-p", "-m", "755", str(hosts))),
    )
    dns = (
        *("dnsmasq", "--conf-file=/dev/null", "--no-hosts", f"--hostsdir={hosts}", "--bind-interfaces", "--except-interface=lo"),
        *(f"--listen-address={gateway}" for gateway in place.gateways),
        *(f"--local=/{DOMAIN}/", "--domain-needed"),
    )
    return NetworkPlan(place.name, bridge, up, down, dns, hosts)


RULES = "rules.nft"
POD_UP, POD_DOWN, POD_HOSTS = "network-up.nft", "network-down.nft", "network-hosts"


def _prefix(place: Subnet, gateway: str) -> int:
    return ipaddress.ip_network(place.ipv6 if ":" in gateway else place.ipv4).prefixlen


def _nodad(gateway: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in gateway else ()


def before(pod: str, wanted: Sequence[Link], *, uid: int, directory: Path, hosts: Mapping[str, Path]) -> tuple[Step, ...]:
    """What makes a pod's taps, before its QEMU starts. uid: QEMU's; directory: the pod's own; hosts: network → the directory of its names."""
    taps = [link for link in wanted if link.tap]
    if not taps:
        return ()
    # What a host left behind that was cut off.
    steps = [*after(pod, wanted, directory=directory, hosts=hosts)]
    for link in taps:
        steps.append(Step(("ip", "tuntap", "add", "dev", link.tap, "mode", "tap", "user", str(uid))))
        # The host itself is not on the tap: it gets no address of IPv6 there.
        steps.append(Step(("ip", "link", "set", "dev", link.tap, "mtu", str(max(link.mtu or 0, 1500)), "addrgenmode", "none", "master", link.bridge)))
        steps += _access_port(link)
    if any(link.network for link in taps):
        steps.append(Step(("nft", "-f", str(directory / POD_UP))))
    steps += [Step(("ip", "link", "set", "dev", link.tap, "up")) for link in taps]
    steps += [Step(("cp", "--preserve=mode", str(directory / f"{POD_HOSTS}.{link.network}"), str(hosts[link.network] / pod))) for link in taps if link.network]
    return tuple(steps)


def _access_port(link: Link) -> tuple[Step, ...]:
    """What makes a tap, which is not up yet, a port of its VLAN and of no other: whatever the bridge gives each new port is taken away."""
    if link.vlan is None:
        return ()
    return (
        # A bridge that looks at no tags, after a boot for example, would let the pod into all VLANs.
        Step(("sh", "-c", _FILTERS, "sh", link.bridge)),
        Step(("bridge", "vlan", "del", "dev", link.tap, "vid", f"1-{_LAST_VLAN}")),
        Step(("bridge", "vlan", "add", "dev", link.tap, "vid", str(link.vlan), "pvid", "untagged")),
    )


def after(pod: str, wanted: Sequence[Link], *, directory: Path, hosts: Mapping[str, Path]) -> tuple[Step, ...]:
    """What leaves nothing of a pod's taps, after its QEMU has ended."""
    taps = [link for link in wanted if link.tap]
    steps = [Step(("rm", "-f", str(hosts[link.network] / pod))) for link in taps if link.network]
    if any(link.network for link in taps):
        steps.append(Step(("nft", "-f", str(directory / POD_DOWN)), may_fail=True))
    steps += [Step(("ip", "link", "delete", "dev", link.tap), may_fail=True) for link in taps]
    return tuple(steps)


def names(pod: str, link: Link) -> str:
    """A pod's lines for the name server of a network (hosts(5))."""
    return "".join(f"{address}\t{pod}.{DOMAIN}\t{pod}\n" for address in link.bare)
