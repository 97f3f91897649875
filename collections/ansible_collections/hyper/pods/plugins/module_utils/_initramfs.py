# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's first file system: hyperstart and the kernel's modules that it loads. Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Loaded when the containers run, since nothing of theirs needs them: the power button and the word about a panic.
CAN_WAIT = frozenset(("button.ko", "evdev.ko", "pvpanic.ko", "pvpanic-pci.ko"))


@dataclass(frozen=True)
class Module:
    """A kernel module: the name of its file, and the file."""

    name: str
    data: bytes


def build(init: bytes, modules: Sequence[Module]) -> bytes:
    """An uncompressed cpio archive (newc) with /init, /modules/order and the modules.

    The order: one file name a line, each after those it needs; those after the empty line are loaded when the containers run.

    The same input gives the same bytes. Uncompressed, since unpacking an lz4 archive made the emulated boot longer by more than reading 1 MB costs.
    """
    return b"".join(_archive(init, modules))


def build_extra(name: str, modules: Sequence[Module]) -> bytes:
    """An archive to be put behind the other: modules that only some pods need, and /modules/NAME.order, in which they are one a line."""
    files = [(f"{name}.order", "".join(f"{module.name}\n" for module in modules).encode()), *((module.name, module.data) for module in modules)]
    return b"".join(_entries([(f"modules/{file}", stat.S_IFREG | 0o644, data, (0, 0)) for file, data in files]))


def _archive(init: bytes, modules: Sequence[Module]) -> Iterator[bytes]:
    # The kernel opens /dev/console for init before any file system is mounted.
    return _entries(
        [
            ("dev", stat.S_IFDIR | 0o755, b"", (0, 0)),
            ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
            ("init", stat.S_IFREG | 0o755, init, (0, 0)),
            ("modules", stat.S_IFDIR | 0o755, b"", (0, 0)),
            ("modules/order", stat.S_IFREG | 0o644, _order(modules), (0, 0)),
            *((f"modules/{module.name}", stat.S_IFREG | 0o644, module.data, (0, 0)) for module in modules),
        ]
    )


def _entries(entries: Sequence[tuple[str, int, bytes, tuple[int, int]]]) -> Iterator[bytes]:
    for inode, (name, mode, data, device) in enumerate(entries, start=1):
        yield _entry(name, data, inode=inode, mode=mode, device=device)
    yield _entry("TRAILER!!!", b"", inode=0, mode=0, device=(0, 0))


def _order(modules: Sequence[Module]) -> bytes:
    """One name a line; an empty line before the first that can wait, after which all wait."""
    first = next((index for index, module in enumerate(modules) if module.name in CAN_WAIT), len(modules))
    names = [module.name for module in modules]
    return "".join(f"{name}\n" for name in (*names[:first], "", *names[first:])).encode()


def _entry(name: str, data: bytes, *, inode: int, mode: int, device: tuple[int, int]) -> bytes:
    """One file, as Documentation/driver-api/early-userspace/buffer-format.rst of the kernel has it."""
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return _padded(header) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
