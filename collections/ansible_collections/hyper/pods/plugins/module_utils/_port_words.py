# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports as people write them: ``[IP:]HOST:CONTAINER[/udp]``, and the port of the host alone where one is taken back. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

_NUMBERS = re.compile(r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?P<host>\d+):(?P<container>\d+)")
# Of three parts the first is an address, of two it may be one: an address has a dot or a bracket.
_PLACE = re.compile(r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[0-9]*\.[0-9.]+):)?(?P<host>\d+)(?::(?P<container>\d+))?")
_PUBLISH = "Write [IP:]HOST_PORT:CONTAINER_PORT[/tcp|/udp], for example 8080:80 or 0.0.0.0:5353:53/udp"
_TAKE_BACK = "Write [IP:]HOST_PORT[:CONTAINER_PORT][/tcp|/udp], for example 8080 or 5353/udp"


class BadPort(HyperError):
    """A text that names no port."""


@dataclass(frozen=True)
class Place:
    """A port of the host that something is published at; ip and container_port are None where that does not matter."""

    host_port: int
    protocol: str = "TCP"
    ip: str | None = None
    container_port: int | None = None


def published(text: str, *, where: str = "publish") -> dict[str, Any]:
    """``[IP:]HOST:CONTAINER[/udp]`` → a container port of a manifest. Without an IP it is published on 127.0.0.1 alone; an IPv6 address stands in brackets.

    Raises BadPort.
    """
    place = _read(text, _NUMBERS, where, "is not a published port", _PUBLISH)
    return {"containerPort": place.container_port, "hostPort": place.host_port, "hostIP": place.ip or "127.0.0.1", "protocol": place.protocol}


def place(text: str, *, where: str = "unpublish") -> Place:
    """``[IP:]HOST[:CONTAINER][/udp]``, what is to be taken back. Raises BadPort."""
    return _read(text, _PLACE, where, "is not a port of the host", _TAKE_BACK)


def address(text: str) -> str:
    """An IP address in the one form that it is compared in; what is none stays as it is, for the manifest's own check."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _read(text: str, form: re.Pattern[str], where: str, complaint: str, remedy: str) -> Place:
    numbers, _slash, protocol = str(text).partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in {"tcp", "udp"}:
        raise BadPort(f"{text}: the protocol {protocol} is not known", where=where, remedy=remedy)
    match = form.fullmatch(numbers)
    if match is None:
        raise BadPort(f"{text} {complaint}", where=where, remedy=remedy)
    for number in (match["host"], match["container"]):
        if number is not None and not 1 <= int(number) <= 65535:
            raise BadPort(f"{text}: {number} is not a port, ports go from 1 to 65535", where=where, remedy=remedy)
    ip, container = match["ip"], match["container"]
    return Place(int(match["host"]), protocol.upper(), ip.strip("[]") if ip else None, int(container) if container else None)
