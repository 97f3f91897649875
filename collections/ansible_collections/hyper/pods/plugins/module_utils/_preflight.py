# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host before a pod is started, so that a refusal changes nothing."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _quantity
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Port


class PortTaken(HyperError):
    """A port that a pod publishes is in use on the host."""


class NotEnoughMemory(HyperError):
    """The host cannot hold the pod's memory."""


def check_ports(ports: Iterable[Port], pod: str, holders: Mapping[Port, str]) -> None:
    """Try to bind each port that the pod publishes. holders: what other pods publish, and which; rules of a network bind nothing. Raises PortTaken."""
    for port in ports:
        if port.host_port is None:
            continue
        kind = socket.SOCK_STREAM if port.protocol == "TCP" else socket.SOCK_DGRAM
        holder = next((name for other, name in holders.items() if port.collides(other)), None)
        place = f"{port.published.partition('-')[0]}/{port.protocol.lower()}"
        if holder:
            raise PortTaken(f"port {place} is taken by pod {holder}", where=f"pod {pod}", remedy="Publish another host port, or free this one")
        with socket.socket(socket.AF_INET6 if ":" in port.host_ip else socket.AF_INET, kind) as probe:
            if ":" in port.host_ip:
                # The other family is published by itself.
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port.protocol == "TCP":
                # As QEMU binds it: connections that linger from a former pod do not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((port.host_ip, port.host_port))
                if port.protocol == "TCP":
                    probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortTaken(
                        f"port {place} is taken by another program", where=f"pod {pod}", remedy="Publish another host port, or free this one"
                    ) from None
                if error.errno == errno.EADDRNOTAVAIL:
                    raise PortTaken(f"this host has no address {port.host_ip}", where=f"pod {pod}", remedy="Publish on an address of the host") from None
                raise PortTaken(f"port {place} cannot be used: {error.strerror}", where=f"pod {pod}", remedy="Publish another host port") from None


def host_memory_mib() -> int:
    """The host's memory in MiB (proc(5), /proc/meminfo: MemTotal)."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    raise HyperError("has no MemTotal", where="/proc/meminfo")


def check_memory(pods: Iterable[Pod], running: Iterable[Pod], total_mib: int) -> None:
    """Refuse what would promise more memory than the host has. pods: those to be started; running: those that have theirs."""
    given = sum(pod.memory_mib for pod in running)
    for pod in pods:
        if given + pod.memory_mib > total_mib:
            needed, total, held = (_quantity.human(amount * _quantity.MIB) for amount in (pod.memory_mib, total_mib, given))
            raise NotEnoughMemory(
                f"needs {needed} of memory; of the host's {total}, {held} are given to pods",
                where=f"pod {pod.name}",
                remedy="Lower spec.resources.limits.memory (--memory), or stop other pods",
            )
        given += pod.memory_mib
