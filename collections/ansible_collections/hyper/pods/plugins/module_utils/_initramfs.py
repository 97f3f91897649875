# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's first file system: hyperstart and the kernel's modules that it loads. Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Module:
    """A kernel module: the name of its file, and the file."""

    name: str
    data: bytes


def build(init: bytes, modules: Sequence[Module]) -> bytes:
    """An uncompressed cpio archive (newc) with /init, /modules/order (one file name a line, each after those it needs) and the modules.

    The same input gives the same bytes. Uncompressed, since unpacking an lz4 archive made the emulated boot longer by more than reading 1 MB costs.
    """
    return b"".join(_archive(init, modules))


def _archive(init: bytes, modules: Sequence[Module]) -> Iterator[bytes]:
    # The kernel opens /dev/console for init before any file system is mounted.
    entries = [
        ("dev", stat.S_IFDIR | 0o755, b"", (0, 0)),
        ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
        ("init", stat.S_IFREG | 0o755, init, (0, 0)),
        ("modules", stat.S_IFDIR | 0o755, b"", (0, 0)),
        ("modules/order", stat.S_IFREG | 0o644, "".join(f"{module.name}\n" for module in modules).encode(), (0, 0)),
        *((f"modules/{module.name}", stat.S_IFREG | 0o644, module.data, (0, 0)) for module in modules),
    ]
    for inode, (name, mode, data, device) in enumerate(entries, start=1):
        yield _entry(name, data, inode=inode, mode=mode, device=device)
    yield _entry("TRAILER!!!", b"", inode=0, mode=0, device=(0, 0))


def _entry(name: str, data: bytes, *, inode: int, mode: int, device: tuple[int, int]) -> bytes:
    """One file, as Documentation/driver-api/early-userspace/buffer-format.rst of the kernel has it."""
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return _padded(header) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
