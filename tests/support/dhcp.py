# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv4 as a server speaks it (RFC 2131, 2132): what a client asks, taken apart, and answers of every kind."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

_TYPES = {"discover": 1, "offer": 2, "request": 3, "ack": 5, "nak": 6}
_COOKIE = bytes.fromhex("63825363")


@dataclass(frozen=True)
class Answer:
    """What is lent, by whom ("" is left out); seconds: for how long."""

    address: str
    server: str
    mask: str = "255.255.255.0"
    seconds: int = 0xFFFFFFFF
    renew: int = 0
    rebind: int = 0


def question(data: bytes) -> dict[str, Any]:
    """type, own (the address that the client has), requested, hostname, and the bytes that an answer repeats."""
    options: dict[int, bytes] = {}
    at = 240
    while at < len(data) and data[at] != 255:
        if data[at]:
            options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
            at += 1 + data[at + 1]
        at += 1
    own, requested = (str(ipaddress.ip_address(packed)) if any(packed) else "" for packed in (data[12:16], options.get(50, b"")))
    kind = next(name for name, number in _TYPES.items() if number == options[53][0])
    return {"type": kind, "own": own, "requested": requested, "hostname": options.get(12, b"").decode(), "xid": data[4:8], "mac": data[28:34]}


def answer(asked: dict[str, Any], kind: str, lent: Answer, *, xid: bytes = b"") -> bytes:
    """An answer to what ``question`` gave."""
    own = ipaddress.ip_address(lent.address or "0.0.0.0").packed
    options = {53: bytes([_TYPES[kind]])}
    if lent.server:
        options[54] = ipaddress.ip_address(lent.server).packed
    if kind != "nak":
        options |= {1: ipaddress.ip_address(lent.mask).packed, 51: lent.seconds.to_bytes(4, "big")}
        options |= {code: value.to_bytes(4, "big") for code, value in ((58, lent.renew), (59, lent.rebind)) if value}
    head = bytes([2, 1, 6, 0]) + (xid or asked["xid"]) + bytes(8) + own + bytes(8) + asked["mac"] + bytes(202) + _COOKIE
    return head + b"".join(bytes([code, len(value)]) + value for code, value in options.items()) + b"\xff"
