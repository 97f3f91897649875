# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of this machine as a stream of entries, as it goes into a container."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ansible_collections.hyper.pods.plugins.module_utils._file_tree import ENTRY, LENGTH, Attribute, Entry

_CHUNK = 1 << 16
_OURS_ALONE = ("trusted.", "security.selinux")


class Stream(io.RawIOBase):
    """A file to read from that is what a generator gives."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        size = len(self._rest) if size < 0 else size
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data


def pieces(root: str, complain: Callable[[str], object]) -> Iterator[bytes]:
    """The stream of a tree of this machine. complain: is told of what is left out. Raises OSError for the root alone."""
    sent: dict[tuple[int, int], str] = {}
    held: list[bytes] = []
    size = 0
    for piece in _tree(root, "", os.lstat(root), sent, complain):
        # Small entries are many, and a frame each would cost more than they do.
        held.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join((*held, LENGTH.pack(0)))


def _tree(file: str, path: str, status: os.stat_result, sent: dict[tuple[int, int], str], complain: Callable[[str], object]) -> Iterator[bytes]:
    try:
        if stat.S_ISDIR(status.st_mode):
            names = sorted(os.listdir(file))
            yield _entry(status, path)
            for name in names:
                below = os.path.join(file, name)
                try:
                    found = os.lstat(below)
                except OSError as error:
                    complain(f"{below}: {error.strerror}")
                    continue
                yield from _tree(below, f"{path}/{name}" if path else name, found, sent, complain)
            yield _entry(status, path, leave=True, attributes=_attributes(file))
        elif stat.S_ISREG(status.st_mode):
            known = sent.setdefault((status.st_dev, status.st_ino), path) if status.st_nlink > 1 else path
            if known != path:
                yield _entry(status, path, same=known)
                return
            with open(file, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as content:
                yield _entry(status, path, size=status.st_size, attributes=_attributes(file))
                yield from _content(content, status.st_size, lambda why: complain(f"{file}: {why}"))
        elif stat.S_ISLNK(status.st_mode):
            yield _entry(status, path, target=os.readlink(file))
        elif not stat.S_ISSOCK(status.st_mode):
            device = os.major(status.st_rdev) << 32 | os.minor(status.st_rdev)
            yield _entry(status, path, device=0 if stat.S_ISFIFO(status.st_mode) else device)
    except OSError as error:
        if not path:
            raise
        complain(f"{file}: {error.strerror}")


def _content(file: io.RawIOBase | BinaryIO, size: int, complain: Callable[[str], object]) -> Iterator[bytes]:
    """Just so many bytes, whatever becomes of the file meanwhile."""
    while size > 0:
        try:
            data = file.read(min(size, _CHUNK)) or b""
        except OSError as error:
            complain(str(error.strerror))
            data = b""
        else:
            if not data:
                complain("has become shorter while it was read")
        size -= len(data)
        if data:
            yield data
            continue
        while size > 0:
            yield bytes(min(size, _CHUNK))
            size -= min(size, _CHUNK)


def _entry(status: os.stat_result, path: str, **more: object) -> bytes:
    entry = Entry(status.st_mode, status.st_uid, status.st_gid, max(0, status.st_mtime_ns), path, **more)  # type: ignore[arg-type]
    data = ENTRY.encode(entry)
    return LENGTH.pack(len(data)) + data


def _attributes(file: str) -> tuple[Attribute, ...]:
    try:
        names = [name for name in os.listxattr(file, follow_symlinks=False) if not name.startswith(_OURS_ALONE)]
        return tuple(Attribute(name, os.getxattr(file, name, follow_symlinks=False)) for name in names)
    except OSError:
        return ()
