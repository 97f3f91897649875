# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces of the tests' own: a host with an outside world, which reach nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000  # setns(2)


@dataclass(frozen=True)
class Namespace:
    """A network namespace, by its name below /run/netns."""

    name: str

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and what it starts meanwhile, is in the namespace; sockets stay where they were made."""
        with open("/proc/thread-self/ns/net") as former:
            with (Path("/run/netns") / self.name).open() as place:
                _enter(place.fileno())
            try:
                yield
            finally:
                _enter(former.fileno())

    def run(self, *argv: str) -> str:
        """What a command prints in it that must end with 0."""
        with self.entered():
            return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _enter(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace with nothing but loopback, gone when the block ends."""
    made = Namespace(f"hp{secrets.token_hex(4)}")
    subprocess.run(["ip", "netns", "add", made.name], check=True)
    try:
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", made.name], check=True)


@contextlib.contextmanager
def host_with_outside() -> Iterator[tuple[Namespace, Namespace]]:
    """A host at 192.0.2.1 and 2001:db8::1, and beside it, on the same wire, the world at 192.0.2.2, 192.0.2.200 and 2001:db8::2, which knows no way to pods."""
    with namespace() as host, namespace() as outside:
        host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", outside.name)
        for place, addresses in ((host, ("192.0.2.1/24", "2001:db8::1/64")), (outside, ("192.0.2.2/24", "192.0.2.200/24", "2001:db8::2/64"))):
            for address in addresses:
                place.run("ip", "address", "add", address, "dev", "wire", *(("nodad",) if ":" in address else ()))
            place.run("ip", "link", "set", "wire", "up")
        host.run("ip", "route", "add", "default", "via", "192.0.2.2")
        host.run("ip", "-6", "route", "add", "default", "via", "2001:db8::2")
        yield host, outside


def fetch(place: Namespace, host: str, port: int, *, source: str = "", timeout: float = 10) -> bytes:
    """What a web server answers to whoever asks from that place, after its head; raises OSError."""
    with place.entered():
        connection = socket.create_connection((host, port), timeout=timeout, source_address=(source, 0) if source else None)
    with connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.partition(b"\r\n\r\n")[2]


def listening(place: Namespace, address: str, port: int) -> socket.socket:
    """A TCP socket that listens there."""
    with place.entered():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = socket.create_server((address, port), family=family)
    server.settimeout(30)
    return server


def processes_in(place: Namespace) -> list[str]:
    """The command lines of what runs in a namespace."""
    inode = os.stat(Path("/run/netns") / place.name).st_ino
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.stat(process / "ns/net").st_ino == inode:
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if command]
