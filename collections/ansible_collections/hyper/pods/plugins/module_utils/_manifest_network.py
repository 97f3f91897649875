# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of a pod, which its annotations say: Kubernetes has no field for them.

``hyper.pods/network`` is a list of words (``nat``, ``nat:backend, bridge:br0``), or JSON: a list of such words and of mappings that say more.
``hyper.pods/published-from`` is a list of networks; published ports answer to them alone.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.hyper.pods.plugins.module_utils._tree import DNS_LABEL, InvalidManifest, Node, NotSupported

T = TypeVar("T")

NETWORK = "hyper.pods/network"
PUBLISHED_FROM = "hyper.pods/published-from"
DEFAULT_NETWORK = "default"
# QEMU's user-mode network (docs of -netdev user): the guest's place.
USER_ADDRESS = "10.0.2.15"
KINDS = ("user", "nat", "bridge")

_MAX_NICS = 8
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# A name of an interface as the kernel takes it (dev_valid_name), without what a comma-separated list of QEMU's would read.
_INTERFACE = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,15}")
# IPv6 needs 1280 (RFC 8200); a bridge of ours carries what Ethernet does.
_MTU_LOW, _MTU_ETHERNET, _MTU_HIGH = 1280, 1500, 65521
_NETWORK_NAME_MAX = 40


@dataclass(frozen=True)
class Nic:
    """One NIC as it is asked for. kind: user, nat, bridge.

    network: a nat network's name. bridge: the host's interface; vlan: the VLAN that its frames are of there, None: they are not tagged. addresses: of
    a nat NIC without a prefix, of a bridge NIC with one. mac: "" for one that is made from the pod's name. dhcp: the bridge's network gives it an
    address of IPv4; accept_ra: its routers give it addresses of IPv6.
    """

    kind: str = "user"
    network: str = ""
    bridge: str = ""
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    mac: str = ""
    mtu: int | None = None
    vlan: int | None = None
    dhcp: bool = False
    accept_ra: bool = False


@dataclass(frozen=True)
class Network:
    """All NICs of a pod, in order, and who may reach its published ports (CIDR; empty: everybody)."""

    nics: tuple[Nic, ...] = (Nic(),)
    published_from: tuple[str, ...] = ()

    @property
    def publisher(self) -> Nic | None:
        """The NIC that published ports lead to: the first that is not on a bridge."""
        return next((nic for nic in self.nics if nic.kind != "bridge"), None)


def network(annotations: Mapping[str, str], where: str) -> Network:
    """Read a pod's annotations. where: their path. Raises InvalidManifest."""
    made = Network(_nics(annotations.get(NETWORK, ""), f"{where}[{NETWORK}]"), _networks(annotations.get(PUBLISHED_FROM, ""), f"{where}[{PUBLISHED_FROM}]"))
    if made.published_from and (made.publisher is None or made.publisher.kind != "nat"):
        raise NotSupported(f"{where}[{PUBLISHED_FROM}]", "only a nat network tells who connects", f"Set the annotation {NETWORK}: nat")
    return made


def document(network: Network) -> dict[str, Any]:
    """The networks in brief, as ``--diff`` shows them."""
    nics = [{name: value for name, value in vars(nic).items() if value} for nic in network.nics]
    return {"nics": nics, **({"publishedFrom": list(network.published_from)} if network.published_from else {})}


def annotated(manifests: Sequence[T], networks: Sequence[object] | None) -> list[T]:
    """The manifests, those of Pods with ``networks`` as their annotation. Raises InvalidManifest where one has an annotation that says otherwise."""
    if not networks:
        return list(manifests)
    text = json.dumps(list(networks), sort_keys=True)
    _nics(text, "networks")
    return [_with(manifest, text) for manifest in manifests]


def _with(manifest: Any, text: str) -> Any:
    if not isinstance(manifest, Mapping) or manifest.get("kind") != "Pod":
        return manifest
    metadata = manifest.get("metadata")
    own = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(own, (Mapping, type(None))):
        return manifest
    if (own or {}).get(NETWORK, text) != text:
        raise InvalidManifest("the pod's own annotation says otherwise", where=f"metadata.annotations[{NETWORK}]", remedy="Say it in one place")
    return {**manifest, "metadata": {**metadata, "annotations": {**(own or {}), NETWORK: text}}}


def check_published(network: Network, host_ip: str, where: str) -> None:
    """Refuse a published port that the pod's networks cannot lead to it. host_ip: the host's address. Raises InvalidManifest."""
    kind = network.publisher.kind if network.publisher else "bridge"
    if kind == "bridge":
        raise NotSupported(where, "a pod on a bridge has addresses of its own there", f"Remove the field, or add a NIC: {NETWORK}: nat, bridge:…")
    if ":" not in host_ip:
        return
    if kind == "user":
        raise InvalidManifest(f"{host_ip!r} is not an IPv4 address", where=where, remedy=f"IPv6 needs a nat network: {NETWORK}: nat")
    if ipaddress.ip_address(host_ip).is_loopback:
        raise NotSupported(where, "Linux forwards nothing from the loopback address of IPv6", "Publish on 127.0.0.1, or on another address of the host")


def _nics(text: str, where: str) -> tuple[Nic, ...]:
    items = _items(text.strip(), where)
    nics = tuple(_nic(item, f"{where}[{index}]") for index, item in enumerate(items)) or (Nic(),)
    if len(nics) > _MAX_NICS:
        raise InvalidManifest(f"has {len(nics)} NICs; a pod has at most {_MAX_NICS}", where=where)
    for index, nic in enumerate(nics):
        if nic.kind == "user" and any(other.kind == "user" for other in nics[:index]):
            raise InvalidManifest("there is one user-mode network", where=f"{where}[{index}]")
        if nic.kind == "nat" and any(other.network == nic.network for other in nics[:index]):
            raise InvalidManifest(f"the pod is on the network {nic.network!r} already", where=f"{where}[{index}]")
        if nic.mac and any(other.mac == nic.mac for other in nics[:index]):
            raise InvalidManifest(f"{nic.mac!r} occurs twice", where=f"{where}[{index}].mac")
    return nics


def _items(text: str, where: str) -> list[Any]:
    if not text.startswith(("[", "{")):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidManifest(f"is not JSON: {error}", where=where) from None
    return value if isinstance(value, list) else [value]


def _nic(item: object, where: str) -> Nic:
    if isinstance(item, str):
        kind, _, name = item.partition(":")
        item = {"kind": kind, **({"bridge" if kind == "bridge" else "name": name} if name else {})}
    node = Node(item, where)
    kind = node.choice("kind", KINDS, "")
    if not kind:
        raise node.fail("kind", f"is required: one of {', '.join(KINDS)}")
    mac = (node.string("mac") or "").lower()
    if mac and (not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00"):
        raise node.fail("mac", f"{mac!r} is not the address of a NIC", "Write six bytes, such as 52:54:00:12:34:56")
    mtu = node.integer("mtu", _MTU_LOW, _MTU_HIGH if kind == "bridge" else _MTU_ETHERNET)
    vlan, dhcp, accept_ra = node.integer("vlan", 1, 4094), node.boolean("dhcp"), node.boolean("accept_ra")
    for field, said in (("vlan", vlan), ("dhcp", dhcp), ("accept_ra", accept_ra)):
        if said and kind != "bridge":
            raise NotSupported(node.at(field), "only a bridge of the host's own has that", 'Attach the pod to one: {"kind": "bridge", "bridge": "br0", …}')
    if kind == "user":
        made = Nic(kind, mac=mac, mtu=mtu)
    elif kind == "nat":
        name = node.string("name") or DEFAULT_NETWORK
        if not DNS_LABEL.fullmatch(name) or len(name) > _NETWORK_NAME_MAX:
            raise node.fail("name", f"{name!r} is not a name: lower-case letters, digits and '-', at most {_NETWORK_NAME_MAX}")
        made = Nic(kind, network=name, addresses=_addresses(node, "addresses", prefix=False), mac=mac, mtu=mtu)
    else:
        bridge = node.required_string("bridge")
        if not _INTERFACE.fullmatch(bridge):
            raise node.fail("bridge", f"{bridge!r} is not the name of an interface")
        addresses, gateways = _addresses(node, "addresses", prefix=True), _addresses(node, "gateways", prefix=False)
        dhcp = not addresses if dhcp is None else dhcp
        for field, values in (("addresses", addresses), ("gateways", gateways)):
            if dhcp and any("." in value for value in values):
                raise node.fail(field, "with dhcp, addresses of IPv4 are the network's to give", "Remove dhcp, or what is of IPv4")
        if not addresses and not dhcp:
            raise node.fail("addresses", "is required", "Give the pod an address with its prefix, such as 192.168.1.20/24, or let it use dhcp")
        made = Nic(kind, "", bridge, addresses, gateways, mac, mtu, vlan, dhcp, bool(accept_ra))
    node.done()
    if kind == "nat" or made.gateways:
        for field, values in (("addresses", made.addresses if kind == "nat" else ()), ("gateways", made.gateways)):
            versions = [ipaddress.ip_address(value).version for value in values]
            if len(versions) != len(set(versions)):
                raise node.fail(field, "has two of one family")
    return made


def _addresses(node: Node, name: str, *, prefix: bool) -> tuple[str, ...]:
    """Addresses in their usual spelling."""
    made = []
    for index, text in enumerate(node.strings(name) or ()):
        where = f"{node.at(name)}[{index}]"
        try:
            if prefix and "/" not in text:
                raise InvalidManifest(f"{text!r} has no prefix", where=where, remedy=f"Write for example {text}/24")
            address = ipaddress.ip_interface(text) if prefix else ipaddress.ip_address(text)
        except ValueError:
            raise InvalidManifest(f"{text!r} is not an IP address", where=where) from None
        if address.is_multicast or address.is_unspecified or address.is_loopback or "%" in text:
            raise InvalidManifest(f"{text!r} is not an address that a NIC can have", where=where)
        made.append(str(address))
    return tuple(made)


def _networks(text: str, where: str) -> tuple[str, ...]:
    made = []
    for word in re.split(r"[\s,]+", text.strip()):
        if not word:
            continue
        try:
            made.append(str(ipaddress.ip_network(word)))
        except ValueError as error:
            raise InvalidManifest(f"{word!r} is not a network: {error}", where=where, remedy="Write networks as 10.0.0.0/8, with commas between") from None
    return tuple(dict.fromkeys(made))
