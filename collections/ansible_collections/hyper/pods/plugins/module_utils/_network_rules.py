# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of nat networks for nft(8). Pure.

Each network has two tables of its own, named as its bridge, and touches no others: ``inet`` (NAT, published ports, who may reach whom) and ``bridge``
(each tap may send as its own MAC and addresses only). What a pod adds to them, it takes away again, each in one transaction.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Port
from ansible_collections.hyper.pods.plugins.module_utils._network import Link, Subnet

# %(bridge)s and so on. NAT comes a little before that of others (whose chains stand at -100 and 100, firewalld's at -90), filters before theirs (0).
_NETWORK = """\
table inet %(bridge)s
delete table inet %(bridge)s
table bridge %(bridge)s
delete table bridge %(bridge)s
table inet %(bridge)s {
	map published4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }
	map published4_any { type inet_proto . inet_service : ipv4_addr . inet_service; }
	map published6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . inet_service; }
	map published6_any { type inet_proto . inet_service : ipv6_addr . inet_service; }
	set limited4 { type ipv4_addr; }
	set limited6 { type ipv6_addr; }
	set from4 { type ipv4_addr . ipv4_addr; flags interval; }
	set from6 { type ipv6_addr . ipv6_addr; flags interval; }

	chain publish {
		meta l4proto { tcp, udp } dnat ip to meta l4proto . ip daddr . th dport map @published4
		meta l4proto { tcp, udp } fib daddr type local dnat ip to meta l4proto . th dport map @published4_any
		meta l4proto { tcp, udp } dnat ip6 to meta l4proto . ip6 daddr . th dport map @published6
		meta l4proto { tcp, udp } fib daddr type local dnat ip6 to meta l4proto . th dport map @published6_any
	}
	# The host's loopback addresses can be routed here, for ports that are published on them; a guest that makes use of that is not heard.
	chain guard {
		type filter hook prerouting priority raw; policy accept;
		iifname "%(bridge)s" ip daddr 127.0.0.0/8 drop
	}
	chain prerouting {
		type nat hook prerouting priority dstnat - 5; policy accept;
		jump publish
	}
	chain output {
		type nat hook output priority -105; policy accept;
		jump publish
	}
	chain postrouting {
		type nat hook postrouting priority srcnat - 5; policy accept;
		ip saddr %(ipv4)s oifname != "%(bridge)s" masquerade
		ip saddr %(ipv4)s oifname "%(bridge)s" ct status dnat masquerade
		ip saddr 127.0.0.0/8 oifname "%(bridge)s" masquerade
%(postrouting6)s	}
	chain forward {
		type filter hook forward priority filter - 5; policy accept;
		oifname != "%(bridge)s" accept
		ct status dnat ct direction original ip daddr @limited4 ip daddr . ip saddr != @from4 drop
		ct status dnat ct direction original ip6 daddr @limited6 ip6 daddr . ip6 saddr != @from6 drop
		ct state established,related accept
		ct status dnat accept
		iifname "%(bridge)s" accept
		drop
	}
}
table bridge %(bridge)s {
	map guests { type ifname : verdict; }
	chain prerouting {
		type filter hook prerouting priority -300; policy accept;
		iifname vmap @guests
	}
}
"""
_POSTROUTING6 = """\
		ip6 saddr %(ipv6)s oifname != "%(bridge)s" masquerade
		ip6 saddr %(ipv6)s oifname "%(bridge)s" ct status dnat masquerade
"""
# A neighbour advertisement's target stands 8 bytes behind the beginning of ICMPv6 (RFC 4861, 4.4).
_GUEST = """\
ether saddr != {mac} drop
ether type arp arp saddr ether != {mac} drop
ether type arp arp saddr ip != {ipv4} drop
ether type arp accept
ether type ip ip saddr != {ipv4} drop
ether type ip udp sport 67 drop
ether type ip accept
ether type != ip6 drop
icmpv6 type {{ nd-router-advert, nd-redirect }} drop
icmpv6 type nd-neighbor-advert @th,64,128 != {{ {targets} }} drop
ip6 saddr {{ {ipv6} }} accept
ip6 saddr :: icmpv6 type {{ nd-neighbor-solicit, mld2-listener-report }} accept
drop
"""


def network_rules(place: Subnet) -> str:
    """The tables of a network, anew where they are there."""
    values = {"bridge": place.bridge, "ipv4": place.ipv4, "ipv6": place.ipv6}
    return _NETWORK % {**values, "postrouting6": _POSTROUTING6 % values if place.ipv6 else ""}


def pod_rules(links: Sequence[Link], ports: Sequence[Port], published_from: Sequence[str]) -> tuple[str, str]:
    """What a pod adds to the tables of its networks, and what takes that away. ports: those that are published, by the first link that is no bridge's."""
    up: list[str] = []
    down: list[str] = []
    publisher = next((link for link in links if link.kind != "bridge"), None)
    for link in links:
        if link.kind != "nat":
            continue
        table = f"bridge {link.bridge}"
        up.append(f"add chain {table} {link.tap}")
        up += [f"add rule {table} {link.tap} {rule}" for rule in _guest(link)]
        up.append(f'add element {table} guests {{ "{link.tap}" : jump {link.tap} }}')
        down += [f'delete element {table} guests {{ "{link.tap}" }}', f"flush chain {table} {link.tap}", f"delete chain {table} {link.tap}"]
        if link is publisher:
            elements = _elements(link, ports, published_from)
            up += _adding(link, elements)
            down += _deleting(link, elements)
    return "".join(f"{line}\n" for line in up), "".join(f"{line}\n" for line in down)


def change(links: Sequence[Link], before: tuple[Sequence[Port], Sequence[str]], after: tuple[Sequence[Port], Sequence[str]]) -> str:
    """What brings the rules of a pod from some ports, and who may reach them, to others; what stays is not touched."""
    link = next((link for link in links if link.kind != "bridge"), None)
    if link is None or link.kind != "nat":
        return ""
    former, latter = _elements(link, *before), _elements(link, *after)
    gone, new = [each for each in former if each not in latter], [each for each in latter if each not in former]
    return "".join(f"{line}\n" for line in (*_deleting(link, gone), *_adding(link, new)))


def _elements(link: Link, ports: Sequence[Port], published_from: Sequence[str]) -> list[tuple[str, str, str]]:
    """(map or set, key, value) of all that publishes ports."""
    return [*_published(link, ports), *(_limits(link, published_from) if ports and published_from else ())]


def _adding(link: Link, elements: Sequence[tuple[str, str, str]]) -> list[str]:
    return [f"add element inet {link.bridge} {name} {{ {key}{f' : {value}' if value else ''} }}" for name, key, value in elements]


def _deleting(link: Link, elements: Sequence[tuple[str, str, str]]) -> list[str]:
    return [f"delete element inet {link.bridge} {name} {{ {key} }}" for name, key, _ in elements]


def _guest(link: Link) -> list[str]:
    addresses = [ipaddress.ip_address(text) for text in link.bare]
    ipv6 = [link_local(link.mac), *(address for address in addresses if isinstance(address, ipaddress.IPv6Address))]
    ipv4 = next(address for address in addresses if address.version == 4)
    targets = ", ".join(f"{int(address):#x}" for address in ipv6)
    return _GUEST.format(mac=link.mac, ipv4=ipv4, ipv6=", ".join(map(str, ipv6)), targets=targets).splitlines()


def link_local(mac: str) -> ipaddress.IPv6Address:
    """The address that a kernel gives a NIC by itself (RFC 4291, appendix A)."""
    part = bytes.fromhex(mac.replace(":", ""))
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([part[0] ^ 2]) + part[1:3] + b"\xff\xfe" + part[3:])


def _published(link: Link, ports: Sequence[Port]) -> Iterator[tuple[str, str, str]]:
    """(map, key, value) for each port and each family that its address is of."""
    for port in ports:
        host = ipaddress.ip_address(port.host_ip)
        address = next((text for text in link.bare if ipaddress.ip_address(text).version == host.version), None)
        if address is None:
            continue
        name, protocol = f"published{host.version}", port.protocol.lower()
        target = f"{address} . {port.container_port}"
        if host.is_unspecified:
            yield f"{name}_any", f"{protocol} . {port.host_port}", target
        else:
            yield name, f"{protocol} . {host} . {port.host_port}", target


def _limits(link: Link, published_from: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for text in link.bare:
        version = ipaddress.ip_address(text).version
        yield f"limited{version}", text, ""
        for network in published_from:
            if ipaddress.ip_network(network).version == version:
                yield f"from{version}", f"{text} . {network}", ""
