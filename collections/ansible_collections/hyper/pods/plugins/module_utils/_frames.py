# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of the control ports: a pure codec that finds its way back after damage (docs/wire.md)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils._tags import FRAME_MAGIC, FRAME_MAX_PAYLOAD

_HEAD = struct.Struct("<HBBIII")
_MAGIC = struct.pack("<H", FRAME_MAGIC)


@dataclass(frozen=True)
class Frame:
    """One message. type: FRAME_HELLO to FRAME_SIGNAL; id: the request or stream that it belongs to; payload: at most 65536 bytes."""

    type: int
    id: int
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """The frame's bytes. Raises ValueError when the payload is too long for one frame."""
    if len(frame.payload) > FRAME_MAX_PAYLOAD:
        raise ValueError(f"a frame's payload of {len(frame.payload)} bytes exceeds {FRAME_MAX_PAYLOAD}")
    middle = struct.pack("<BBII", frame.type, 0, frame.id, len(frame.payload))
    return b"".join((_MAGIC, middle, struct.pack("<I", zlib.crc32(frame.payload, zlib.crc32(middle))), frame.payload))


class Decoder:
    """Takes bytes in pieces of any size and gives whole frames; from damaged bytes it drops one and looks for the next frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes. Exhaust the iterator before feeding more."""
        self._buffer += data
        position = 0
        while True:
            position = self._next_magic(position)
            if len(self._buffer) - position < _HEAD.size:
                break
            _, type_, flags, id_, length, checksum = _HEAD.unpack_from(self._buffer, position)
            if flags != 0 or length > FRAME_MAX_PAYLOAD:
                position += 1
                continue
            end = position + _HEAD.size + length
            if len(self._buffer) < end:
                break
            payload = bytes(self._buffer[position + _HEAD.size : end])
            if zlib.crc32(payload, zlib.crc32(self._buffer[position + 2 : position + 12])) != checksum:
                position += 1
                continue
            position = end
            yield Frame(type_, id_, payload)
        del self._buffer[:position]

    def _next_magic(self, position: int) -> int:
        found = self._buffer.find(_MAGIC, position)
        if found >= 0:
            return found
        # The last byte may be the first half of a magic.
        return max(position, len(self._buffer) - (1 if self._buffer.endswith(_MAGIC[:1]) else 0))
