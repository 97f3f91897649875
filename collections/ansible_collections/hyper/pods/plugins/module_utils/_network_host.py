# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of one host: which there are, who has which address, and the files that make them.

A network lies in ``networks/NAME/``, from its first pod to its last; a pod's links lie in its own directory, which is all that says that an address is taken.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import secrets
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _command, _network, _network_rules
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import USER_ADDRESS, Network
from ansible_collections.hyper.pods.plugins.module_utils._network import Link, Subnet
from ansible_collections.hyper.pods.plugins.module_utils._status import InterfaceStatus
from ansible_collections.hyper.pods.plugins.module_utils._steps import NetworkPlan, Step

_FILE = "network.json"
_TUN = Path("/dev/net/tun")


class NoNetwork(HyperError):
    """The host lacks what a pod's network needs."""


@dataclass(frozen=True)
class Assignment:
    """The links that a pod gets, and the networks that they are on."""

    links: tuple[Link, ...]
    subnets: Mapping[str, Subnet] = field(default_factory=dict)


@dataclass(frozen=True)
class Ends:
    """What goes on around a pod's QEMU: the commands before and after it, and the networks that are there as long as it runs."""

    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    networks: tuple[NetworkPlan, ...] = ()


def require(host: Host, network: Network) -> None:
    """Raises, before anything is changed, CommandMissing or NoNetwork where a host cannot give a pod its networks."""
    kinds = {nic.kind for nic in network.nics}
    if kinds == {"user"}:
        return
    for program in ("ip", *(("nft", "dnsmasq") if "nat" in kinds else ())):
        _command.find(program)
    if lack := lack_of_taps(host):
        raise NoNetwork(lack[0], where=str(_TUN), remedy=lack[1])
    bridges = _bridges() if "bridge" in kinds else {}
    for nic in network.nics:
        if nic.bridge and nic.bridge not in bridges:
            raise NoNetwork("this host has no such bridge", where=nic.bridge, remedy="Make it first, or name one that is there: ip link show type bridge")
        if nic.vlan is not None:
            _command.find("bridge")
            if not bridges[nic.bridge]:
                remedy = (
                    f"Turn filtering on, and let the VLAN through at the bridge's other ports: ip link set dev {nic.bridge} type bridge vlan_filtering 1; "
                    f"bridge vlan add dev PORT vid {nic.vlan}"
                )
                raise NoNetwork(f"the bridge does not filter VLANs, so nothing is kept in VLAN {nic.vlan}", where=nic.bridge, remedy=remedy)


def lack_of_taps(host: Host) -> tuple[str, str] | None:
    """Why QEMU cannot use tap devices, and what to do; None where it can. Raises NotPrepared."""
    if not _TUN.exists():
        return "the kernel has no tap devices", "Load the module tun: modprobe tun"
    if not host.qemu_may_open(_TUN):
        return f"QEMU's account {host.qemu_user} may not open tap devices", f"Let it, as udev does where it runs: chmod 0666 {_TUN}, or prepare the host"
    return None


@contextlib.contextmanager
def assigned(host: Host, pod: Pod) -> Iterator[Assignment]:
    """What a pod gets. Nobody else is given an address until the block ends; keep() is called in it. Writes nothing itself. Raises AddressTaken, NoRoom."""
    names = [nic.network for nic in pod.network.nics if nic.network]
    if not names:
        yield Assignment(_network.links(pod.name, pod.network.nics, {}, {}))
        return
    with _alone(host):
        subnets = _subnets(host)
        for name in names:
            if name not in subnets:
                subnets[name] = _network.subnet(name, subnets.values(), _routes(), _interfaces(), _ula(subnets.values()))
        taken: dict[str, set[str]] = {}
        for other, link in _all_links(host):
            if other != pod.name and link.network:
                taken.setdefault(link.network, set()).update(link.bare)
        made = _network.links(pod.name, pod.network.nics, subnets, taken, links(host, pod.name))
        yield Assignment(made, {name: subnets[name] for name in names})


def keep(host: Host, pod: Pod, assignment: Assignment) -> None:
    """Write what assigned() gave, into the pod's directory, which is there."""
    directory = host.pod_dir(pod.name)
    if pod.network.nics == Network().nics:
        (directory / _FILE).unlink(missing_ok=True)
        return
    for place in assignment.subnets.values():
        make_dir(network_dir(host, place.name))
        _write(network_dir(host, place.name) / _network.RULES, _network_rules.network_rules(place))
        _write(network_dir(host, place.name) / _FILE, json.dumps(asdict(place), indent=1))
    _write_rules(directory, pod, assignment.links)
    for link in assignment.links:
        if link.network:
            _write(directory / f"{_network.POD_HOSTS}.{link.network}", _network.names(pod.name, link))
    _write(directory / _FILE, json.dumps([asdict(link) for link in assignment.links], indent=1))


def republish(host: Host, before: Pod, after: Pod) -> None:
    """Change the published ports of a pod that runs on a nat network, in one transaction; both are on the same networks. Raises CommandFailed."""
    given = links(host, after.name)
    text = _network_rules.change(given, (before.published_ports, before.network.published_from), (after.published_ports, after.network.published_from))
    if text:
        _command.run(["nft", "-f", "-"], stdin=text)
    _write_rules(host.pod_dir(after.name), after, given)


def _write_rules(directory: Path, pod: Pod, given: Sequence[Link]) -> None:
    up, down = _network_rules.pod_rules(given, pod.published_ports, pod.network.published_from)
    for file, text in ((_network.POD_UP, up), (_network.POD_DOWN, down)):
        if text:
            _write(directory / file, text)


def links(host: Host, name: str) -> tuple[Link, ...]:
    """What a pod was given; empty where it has what every pod has that says nothing."""
    try:
        items: list[dict[str, Any]] = json.loads((host.pod_dir(name) / _FILE).read_bytes())
        return tuple(Link(**{key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}) for item in items)  # type: ignore[arg-type]
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return ()


def addresses(host: Host, name: str, given: Sequence[InterfaceStatus] = ()) -> tuple[str, ...]:
    """A pod's own addresses, that of its first NIC first. given: what its guest says of the NICs that the network gives addresses."""
    told = {interface.mac: interface.addresses for interface in given}
    made = links(host, name)
    # A guest is not to be believed of what the host decides.
    own = (text for link in made for text in (*(told.get(link.mac, ()) if link.dhcp or link.accept_ra else ()), *link.bare))
    return tuple(dict.fromkeys(own)) if made else (USER_ADDRESS,)


def ends(host: Host, name: str) -> Ends:
    """What goes on around the QEMU of a pod."""
    given = links(host, name)
    if not any(link.tap for link in given):
        return Ends()
    subnets = _subnets(host)
    plans = {link.network: plan(host, subnets[link.network]) for link in given if link.network}
    places = {network: each.hosts for network, each in plans.items()}
    directory = host.pod_dir(name)
    before = _network.before(name, given, uid=host.qemu_ids()[0], directory=directory, hosts=places)
    return Ends(before, _network.after(name, given, directory=directory, hosts=places), tuple(plans.values()))


def plan(host: Host, place: Subnet) -> NetworkPlan:
    """How a network of this host is made and unmade."""
    return _network.network_plan(place, directory=network_dir(host, place.name), run_dir=host.run_dir / "networks" / place.name)


def network_dir(host: Host, name: str) -> Path:
    return host.state_dir / "networks" / name


@contextlib.contextmanager
def unused(host: Host) -> Iterator[tuple[str, ...]]:
    """The networks that no pod is on any more. When the block ends, their files are gone."""
    if not (host.state_dir / "networks").is_dir():
        yield ()
        return
    with _alone(host):
        used = {link.network for _, link in _all_links(host)}
        names = tuple(name for name in _subnets(host) if name not in used)
        yield names
        for name in names:
            shutil.rmtree(network_dir(host, name))
        with contextlib.suppress(OSError):
            # Empty, but for another's.
            (host.state_dir / "networks").rmdir()


def _alone(host: Host) -> contextlib.AbstractContextManager[None]:
    return locked(host.lock_path("network", "all"), what="the host's networks")


def _write(path: Path, text: str) -> None:
    write_atomic(path, text.encode(), mode=0o644)


def _subnets(host: Host) -> dict[str, Subnet]:
    found = {}
    for file in sorted((host.state_dir / "networks").glob(f"*/{_FILE}")):
        place = Subnet(**json.loads(file.read_bytes()))
        found[place.name] = place
    return found


def _all_links(host: Host) -> Iterator[tuple[str, Link]]:
    for file in (host.state_dir / "pods").glob(f"[!.]*/{_FILE}"):
        for link in links(host, file.parent.name):
            yield file.parent.name, link


def _bridges() -> dict[str, bool]:
    """The host's bridges, and whether they filter VLANs."""
    found: list[dict[str, Any]] = json.loads(_command.run(["ip", "-json", "-details", "link", "show", "type", "bridge"]).stdout or "[]")
    # An older ip says {} of what it leaves out.
    return {link["ifname"]: bool(link["linkinfo"]["info_data"].get("vlan_filtering")) for link in found if "ifname" in link}


def _interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def _routes() -> list[str]:
    """Where the host sends packets: the destinations of its routes of IPv4."""
    found: list[dict[str, Any]] = json.loads(_command.run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout or "[]")
    return [str(route["dst"]) for route in found if route.get("dst", "default")[0].isdigit()]


def _ula(others: Collection[Subnet]) -> str:
    """The host's own /48 of IPv6 (RFC 4193), random, and the same for all its networks; "" where the kernel has no IPv6."""
    known = next((place.ipv6 for place in others if place.ipv6), "")
    if known:
        return str(ipaddress.IPv6Network(known).supernet(new_prefix=48))
    try:
        disabled = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").read_text().strip() == "1"
    except FileNotFoundError:
        disabled = True
    if disabled:
        return ""
    number = secrets.token_hex(5)
    return f"fd{number[:2]}:{number[2:6]}:{number[6:]}::/48"
