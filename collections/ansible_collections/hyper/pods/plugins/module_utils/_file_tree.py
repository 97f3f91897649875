# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files as streams of entries (docs/wire.md): what an entry is, and how a stream that arrives in pieces is read.

What a guest sends is not trusted: see ``_file_tree_receive``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._fields import BYTES, FLAG, NUMBER, TEXT, Part, Record

LENGTH = struct.Struct("<I")
# Attributes of users, and access lists: what gives nobody a right.
HARMLESS = ("user.", "system.posix_acl_")


class BadTree(HyperError):
    """What came out of a container is not what it may send, or cannot be put where it should go."""


@dataclass(frozen=True)
class Attribute:
    """An extended attribute."""

    name: str
    value: bytes = b""


@dataclass(frozen=True)
class Entry:
    """A file of any kind. path: relative, "" is the root of the tree; mode: with the kind, as stat(2) has it; time: nanoseconds since 1970, of its last change;
    size: bytes that follow; target: of a symbolic link; same: the path of an entry before that it is a hard link of; leave: a directory's last entry,
    behind all that is in it, with its attributes."""

    mode: int
    uid: int
    gid: int
    time: int
    path: str = ""
    size: int = 0
    target: str = ""
    same: str = ""
    device: int = 0
    attributes: tuple[Attribute, ...] = ()
    leave: bool = False


_ATTRIBUTE = Record(Attribute, Part(tag.ATTRIBUTE_NAME, "name", TEXT), Part(tag.ATTRIBUTE_VALUE, "value", BYTES))
ENTRY = Record(
    Entry,
    Part(tag.ENTRY_PATH, "path", TEXT),
    Part(tag.ENTRY_MODE, "mode", NUMBER),
    Part(tag.ENTRY_UID, "uid", NUMBER),
    Part(tag.ENTRY_GID, "gid", NUMBER),
    Part(tag.ENTRY_TIME, "time", NUMBER),
    Part(tag.ENTRY_SIZE, "size", NUMBER),
    Part(tag.ENTRY_TARGET, "target", TEXT),
    Part(tag.ENTRY_SAME, "same", TEXT),
    Part(tag.ENTRY_DEVICE, "device", NUMBER),
    Part(tag.ENTRY_ATTRIBUTE, "attributes", _ATTRIBUTE.kind, many=True),
    Part(tag.ENTRY_LEAVE, "leave", FLAG),
)


class Reader:
    """Reads a stream that comes in pieces. Who derives from it is told of each entry, of the content behind it, and of the content's end."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._left = 0
        self.ended = False

    def take(self, entry: Entry) -> None:
        """An entry; ``content`` and ``close`` follow where it has a size."""
        raise NotImplementedError

    def content(self, data: bytes) -> None:
        """A part of the last entry's content."""

    def close(self) -> None:
        """The last entry's content has ended."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises BadTree."""
        self._held += data
        while self._step():
            pass

    def _step(self) -> bool:
        if self._left:
            part = bytes(self._held[: self._left])
            if not part:
                return False
            self.content(part)
            del self._held[: len(part)]
            self._left -= len(part)
            if not self._left:
                self.close()
            return True
        if self.ended or len(self._held) < LENGTH.size:
            return False
        (length,) = LENGTH.unpack_from(self._held)
        if length > tag.ENTRY_MAX_SIZE:
            raise BadTree(f"an entry has {length} bytes", where="the container")
        if len(self._held) < LENGTH.size + length:
            return False
        data = bytes(self._held[LENGTH.size : LENGTH.size + length])
        del self._held[: LENGTH.size + length]
        if not length:
            self.ended = True
            return False
        entry = ENTRY.decode(data)
        self.take(entry)
        self._left = entry.size
        return True
