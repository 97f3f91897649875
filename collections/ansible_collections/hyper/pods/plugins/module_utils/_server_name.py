# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of servers whose names a host knows. A guest's init knows numbers only."""

from __future__ import annotations

import functools
import ipaddress
import socket

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError


class ServerUnknown(HyperError):
    """A server's name leads nowhere that a guest could reach."""


@functools.cache
def address(server: str) -> str:
    """Of a name or an address; during one run it stays the same. Raises ServerUnknown."""
    try:
        return str(ipaddress.ip_address(server))
    except ValueError:
        pass
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(server, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise ServerUnknown(f"the host does not know its address: {error.strerror or error}", where=f"server {server}", remedy="Give its address") from None
    reached = [text for text in found if not ipaddress.ip_address(text.partition("%")[0]).is_loopback and "%" not in text]
    if not reached:
        raise ServerUnknown("is the host's own loopback, which is not the guest's", where=f"server {server}", remedy="Give an address of it that others reach")
    # A pod's own network always has the older family.
    return min(reached, key=lambda text: ":" in text)
