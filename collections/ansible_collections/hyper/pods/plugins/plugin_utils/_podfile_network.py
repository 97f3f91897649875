# SPDX-License-Identifier: GPL-3.0-or-later
"""A podfile's interfaces, published ports, and who may come to them, which a manifest says by ports and by annotations."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_network
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported
from ansible_collections.hyper.pods.plugins.plugin_utils import _parts
from ansible_collections.hyper.pods.plugins.plugin_utils._podfile_tree import PodfileNode

_ALL = ("0.0.0.0/0", "::/0")
# What a NIC's fields are called in a podfile, for errors.
_SPELLING = {"addresses[0]": "ip", "addresses": "ip", "gateways[0]": "gateway", "gateways": "gateway"}
_INTERFACE = _parts.refused(ifname="the guest names its NICs eth0, eth1, and so on", tap="a pod's taps are made for it")


def annotated(root: PodfileNode) -> dict[str, str]:
    """The annotations that say a pod's NICs, and who may connect to what it publishes."""
    nics = [_nic(node) for node in root.nodes("interfaces")]
    sources = _sources(root)
    if nics:
        network = json.dumps(nics)
        try:
            _manifest_network.network({_manifest_network.NETWORK: network}, "")
        except InvalidManifest as error:
            error.where = _as_spelled(root, error.where or "")
            raise
    else:
        # Only a nat network tells who connects.
        network = "nat" if sources else ""
    said = {_manifest_network.NETWORK: network, _manifest_network.PUBLISHED_FROM: ", ".join(sources)}
    return {name: value for name, value in said.items() if value}


def _nic(node: PodfileNode) -> dict[str, Any]:
    """As the annotation has it. Without a bridge of the host's it is on the network that the host has for its pods."""
    bridge, ip, gateway = node.string("bridge"), node.string("ip"), node.string("gateway")
    if bridge is None and gateway is not None:
        raise NotSupported(node.at("gateway"), "a network of the host's own has its gateway", "Remove the field, or name a bridge")
    address = ip if bridge is not None or ip is None else ip.partition("/")[0]
    parts = {
        "kind": "nat" if bridge is None else "bridge",
        "bridge": bridge,
        "addresses": [address] if address else None,
        "gateways": [gateway] if gateway else None,
        "mac": node.string("mac"),
    }
    node.done(_INTERFACE)
    return {name: value for name, value in parts.items() if value is not None}


def _as_spelled(root: PodfileNode, where: str) -> str:
    """A path in the annotation → the same in the podfile."""
    match = re.fullmatch(r"[^\]]*\](\[[0-9]+\])?\.?(.*)", where)
    index, field = (match[1] or "", match[2]) if match else ("", "")
    return f"{root.at('interfaces')}{index}{'.' if field else ''}{_SPELLING.get(field, field)}"


def published(root: PodfileNode) -> list[dict[str, Any]]:
    """The ports of the host that are mapped to the pod's, each with what it is for."""
    address = "0.0.0.0" if any(not _is_own(network) for network in _external(root)) else ""  # noqa: S104, asked for
    return [port for node in root.nodes("portmappings") for port in _mapping(node, address)]


def check_published(root: PodfileNode, said: dict[str, str], ports: list[tuple[str, dict[str, Any]]]) -> None:
    """Refuse ports that the pod's NICs cannot publish. ports: each after its path in the podfile."""
    network = _manifest_network.network(said, root.at("interfaces"))
    for where, port in ports:
        if "hostPort" in port:
            _manifest_network.check_published(network, port.get("hostIP", "127.0.0.1"), where)


def _mapping(node: PodfileNode, address: str) -> list[dict[str, Any]]:
    host, container = node.scalar("hostPort"), node.scalar("containerPort")
    protocol = node.string("protocol") or "tcp"
    if container is None:
        raise node.fail("containerPort", "is required")
    if host is None:
        raise NotSupported(node.at("hostPort"), "no port of the host is chosen for a pod", "Name one")
    node.done()
    return _parts.ports(node.path, str(host), str(container), protocol=protocol, ip=address)


def _external(root: PodfileNode) -> tuple[str, ...]:
    lists = root.node("portmappingWhiteLists")
    return () if lists is None else lists.strings("externalNetworks") or ()


def _sources(root: PodfileNode) -> list[str]:
    """The networks that alone may connect to mapped ports; none where all may, or only the host itself."""
    lists = root.node("portmappingWhiteLists")
    if lists is None:
        return []
    for index, network in enumerate(lists.strings("internalNetworks") or ()):
        if not _is_own(network):
            where = f"{lists.at('internalNetworks')}[{index}]"
            raise NotSupported(where, "nobody reaches a pod but by its published ports", "Remove the network, or put the pods on one network by interfaces")
    external = lists.strings("externalNetworks") or ()
    lists.done()
    if any(network in _ALL for network in external):
        return []
    for index, network in enumerate(external):
        try:
            _manifest_network.network({_manifest_network.NETWORK: "nat", _manifest_network.PUBLISHED_FROM: network}, "")
        except InvalidManifest as error:
            raise InvalidManifest(error.message, where=f"{lists.at('externalNetworks')}[{index}]", remedy=error.remedy) from None
    return [network for network in external if not _is_own(network)]


def _is_own(network: str) -> bool:
    """Whether it is the host's loopback, which may always connect."""
    return network.startswith("127.")
