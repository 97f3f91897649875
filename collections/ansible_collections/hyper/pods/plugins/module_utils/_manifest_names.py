# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pod's processes find others by name: hostAliases, dnsPolicy, dnsConfig.

Source: Kubernetes, "DNS for Services and Pods" and "Adding entries to Pod /etc/hosts". A host has no cluster's DNS, so every policy but ``None`` is the
host's own resolver.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes
from ansible_collections.hyper.pods.plugins.module_utils._tree import DNS_LABEL, InvalidManifest, Node

_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_OPTION = re.compile(r"[^\s:]+")
# What a resolver reads at most (resolv.conf(5), and Kubernetes for the list of domains).
_SERVERS_LIMIT = 3
_SEARCHES_LIMIT = 32


@dataclass(frozen=True)
class Names:
    """aliases: (address, names) for /etc/hosts; own_servers: whether the host's resolver is left out; options: as resolv.conf has them, ``ndots:2``."""

    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    own_servers: bool = False
    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def hosts(self) -> str:
        """The aliases as lines of /etc/hosts."""
        return "".join("\t".join((address, *names)) + "\n" for address, names in self.aliases)

    def resolv_conf(self, server: str, domain: str = "") -> str:
        """resolv.conf; server: the host's resolver as the guest reaches it, "" where it does not; domain: in which that knows the pods."""
        servers = dict.fromkeys((*(() if self.own_servers or not server else (server,)), *self.servers))
        lines = [f"nameserver {each}\n" for each in servers]
        searches = dict.fromkeys((*((domain,) if domain and not self.own_servers else ()), *self.searches))
        if searches:
            lines.append(f"search {' '.join(searches)}\n")
        if self.options:
            lines.append(f"options {' '.join(self.options)}\n")
        return "".join(lines)


def names(spec: Node) -> Names:
    """Read a pod's spec. Raises InvalidManifest."""
    aliases = tuple(_alias(node) for node in spec.nodes("hostAliases"))
    own = spec.choice("dnsPolicy", _POLICIES, "ClusterFirst") == "None"
    config = spec.node("dnsConfig")
    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    if config is not None:
        servers, searches = config.strings("nameservers") or (), config.strings("searches") or ()
        for index, server in enumerate(servers):
            _address(server, f"{config.at('nameservers')}[{index}]")
        for index, domain in enumerate(searches):
            if domain != ".":
                _domain(domain.removesuffix("."), f"{config.at('searches')}[{index}]")
        if len(servers) > _SERVERS_LIMIT - (not own):
            raise config.fail("nameservers", f"has {len(servers)} items; a resolver takes {_SERVERS_LIMIT}, the host's own among them unless dnsPolicy is None")
        if len(searches) > _SEARCHES_LIMIT:
            raise config.fail("searches", f"has {len(searches)} items; a resolver takes {_SEARCHES_LIMIT}")
        options = tuple(_option(node) for node in config.nodes("options"))
        config.done(_kubernetes.DNS_CONFIG)
    if own and not servers:
        raise spec.fail("dnsConfig", "needs a name server, since dnsPolicy is None")
    return Names(aliases, own, servers, searches, options)


def _alias(node: Node) -> tuple[str, tuple[str, ...]]:
    address = node.required_string("ip")
    _address(address, node.at("ip"))
    hostnames = node.strings("hostnames") or ()
    for index, name in enumerate(hostnames):
        _domain(name, f"{node.at('hostnames')}[{index}]")
    node.done(_kubernetes.HOST_ALIAS)
    return address, hostnames


def _option(node: Node) -> str:
    name, value = node.required_string("name"), node.string("value")
    for field, text in (("name", name), ("value", value)):
        if text and not _OPTION.fullmatch(text):
            raise node.fail(field, f"{text!r} is no word")
    node.done(_kubernetes.DNS_OPTION)
    return f"{name}:{value}" if value else name


def _address(text: str, where: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise InvalidManifest(f"{text!r} is not an IP address", where=where) from None
    if "%" in text:
        raise InvalidManifest(f"{text!r} has a zone, which a guest has not", where=where)


def _domain(text: str, where: str) -> None:
    if len(text) > 253 or not all(DNS_LABEL.fullmatch(part) for part in text.split(".")):
        raise InvalidManifest(f"{text!r} is not a domain name", where=where)
