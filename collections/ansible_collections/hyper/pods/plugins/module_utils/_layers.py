# SPDX-License-Identifier: GPL-3.0-or-later
"""Flatten the layers of an image into one tree, the lowest first, as a container would see them.

Whiteouts and opaque directories: https://github.com/opencontainers/image-spec/blob/main/layer.md.
A whiteout hides lower layers only, wherever it stands in its own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, NoSpace
from ansible_collections.hyper.pods.plugins.module_utils._layer_stream import LayerTooLarge, StreamError, ahead, layer_chunks
from ansible_collections.hyper.pods.plugins.module_utils._rootfs import Refused, Rootfs, split
from ansible_collections.hyper.pods.plugins.module_utils._tar import Entry, Stream, TarError, entries

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
# Notes that aufs kept in its own directories (.wh..wh.plnk, .wh..wh.aufs): of no meaning here.
_AUFS = b".wh..wh."


@dataclass(frozen=True)
class Limits:
    """What an image may be at most, all its layers together: bytes (uncompressed), and files."""

    size: int = 64 << 30
    files: int = 2_000_000


@dataclass(frozen=True)
class Layer:
    """One layer: its blob, and the digest that its uncompressed content must have.

    top: where it is set, the directory of the archive that holds the tree, which is whole, without whiteouts; what lies beside it is left out.
    """

    blob: Path
    diff_id: str
    top: bytes = b""


def flatten(image: str, layers: Sequence[Layer], target: Path, budget: int, limits: Limits | None = None) -> None:
    """Write the tree of ``layers`` (the lowest first) into the empty directory ``target``.

    budget: bytes that may be written there. Raises BadImage for what is hostile, malformed or not what its digest says; OutOfBudget or XattrUnsupported when
    another workspace may do; NoSpace when the disk is full.
    """
    limits = limits or Limits()
    count = _Count(limits)
    root = Rootfs(target, budget)
    try:
        for number, layer in enumerate(layers):
            _apply(image, root, number, layer, count)
        root.finish()
    finally:
        root.close()


class _Count:
    """What is left of the limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.size = limits.size
        self.files = limits.files

    def spend(self, size: int) -> None:
        self.size -= size
        self.files -= 1
        if self.size < 0:
            raise Refused(f"the image has more than {self.limits.size} bytes")
        if self.files < 0:
            raise Refused(f"the image has more than {self.limits.files} files")


def _apply(image: str, root: Rootfs, number: int, layer: Layer, count: _Count) -> None:
    name = b""
    chunks = ahead(layer_chunks(layer.blob, layer.diff_id, count.size))
    stream = Stream(chunks)
    where = f"layer {number + 1} ({layer.diff_id[7:19]})"
    try:
        for entry in entries(stream):
            name = entry.name
            count.spend(entry.size)
            if layer.top:
                _put_below(layer.top, root, number, entry, stream)
            else:
                _put(root, number, entry, stream)
            name = b""
        stream.drain()
    except LayerTooLarge:
        raise BadImage(image, f"{where}: the image expands to more than {count.limits.size} bytes") from None
    except (TarError, Refused, StreamError) as error:
        raise BadImage(image, f"{where}: {_shown(name)}{error}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(image, "there is no room to unpack it") from None
        # The kernel refuses what no honest archive asks for: an attribute on a symlink, a name with bytes that the file system forbids.
        raise BadImage(image, f"{where}: {_shown(name)}{error.strerror}") from None
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _shown(name: bytes) -> str:
    return f"{os.fsdecode(name[:200])!r}: " if name else ""


def _put_below(top: bytes, root: Rootfs, number: int, entry: Entry, stream: Stream) -> None:
    parts = split(entry.name)
    if parts[:1] != [top]:
        stream.skip(entry.stored)
        return
    if entry.kind == "link":
        target = split(entry.link)
        if target[:1] != [top]:
            raise Refused(f"is a hard link to {os.fsdecode(entry.link[:200])}, outside of {os.fsdecode(top)}")
        entry = entry._replace(link=b"/".join(target[1:]))
    root.add(entry, parts[1:], number, stream.copy)


def _put(root: Rootfs, number: int, entry: Entry, stream: Stream) -> None:
    parts = split(entry.name)
    last = parts[-1] if parts else b""
    if not last.startswith(_WHITEOUT):
        root.add(entry, parts, number, stream.copy)
        return
    stream.skip(entry.stored)
    if last == _OPAQUE:
        root.empty_lower(parts[:-1], number)
    elif not last.startswith(_AUFS):
        hidden = last[len(_WHITEOUT) :]
        if hidden in (b"", b".", b".."):
            raise Refused("is a whiteout of no name")
        root.remove_lower([*parts[:-1], hidden], number)
