# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images of the form qcow2, read without QEMU: who made one may be anybody, and qemu-img follows what it names, any file of the host.

Source: QEMU, docs/interop/qcow2.txt. What leads out of the image (backing and data files), encryption, and what is younger than zlib is refused.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_INCOMPATIBLE_OFFSET = 72
# Incompatible features that change nothing of what is read: the image was not closed well, or its compression is told, which is checked.
_DIRTY, _CORRUPT, _COMPRESSION = 1, 2, 8
_COMPRESSION_OFFSET = 104
_OFFSET = 0x00FFFFFFFFFFFE00
_COMPRESSED = 1 << 62
_ZERO = 1
_SECTOR = 512
# As much of zeros is left out.
_PIECE = 65536


class BadDiskImage(HyperError):
    """A file is no qcow2 image, or one that cannot be read."""


@dataclass(frozen=True)
class Qcow2:
    """An image that is open. size: of the disk in it, in bytes."""

    handle: int
    size: int
    cluster_bits: int
    table_offset: int
    table_size: int

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits

    def clusters(self) -> Iterator[tuple[int, bytes]]:
        """What is not zero: offset in the disk, bytes. Raises BadDiskImage."""
        per_table = self.cluster_size // 8
        for first, table in enumerate(self._table(self.table_offset, self.table_size)):
            if not table & _OFFSET:
                continue
            for second, entry in enumerate(self._table(table & _OFFSET, per_table)):
                place = (first * per_table + second) << self.cluster_bits
                if place >= self.size:
                    return
                data = self._cluster(entry)
                if data:
                    yield place, data[: self.size - place]

    def _cluster(self, entry: int) -> bytes:
        if entry & _COMPRESSED:
            bits = 62 - (self.cluster_bits - 8)
            offset, sectors = entry & ((1 << bits) - 1), (entry & (_COMPRESSED - 1)) >> bits
            packed = _read(self.handle, (sectors + 1) * _SECTOR - offset % _SECTOR, offset, whole=False)
            try:
                data = zlib.decompressobj(-15).decompress(packed, self.cluster_size)
            except zlib.error as error:
                raise BadDiskImage(f"a compressed part of the qcow2 image cannot be read: {error}") from None
            if len(data) != self.cluster_size:
                raise BadDiskImage("a compressed part of the qcow2 image is cut off")
            return data
        if entry & _ZERO or not entry & _OFFSET:
            return b""
        return _read(self.handle, self.cluster_size, entry & _OFFSET, whole=False)

    def _table(self, offset: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}Q", _read(self.handle, 8 * count, offset))


def opened(handle: int) -> Qcow2:
    """The image that a descriptor is open at. Raises BadDiskImage."""
    head = os.pread(handle, _COMPRESSION_OFFSET + 1, 0)
    if len(head) < _HEADER.size or head[:4] != _MAGIC:
        raise BadDiskImage("is no qcow2 image")
    _, version, backing, _, cluster_bits, size, encryption, table_size, table_offset, *_ = _HEADER.unpack_from(head)
    features = struct.unpack_from(">Q", head, _INCOMPATIBLE_OFFSET)[0] if version == 3 and len(head) >= _INCOMPATIBLE_OFFSET + 8 else 0
    if version not in (2, 3):
        raise BadDiskImage(f"is a qcow2 image of version {version}; 2 and 3 can be read")
    if backing:
        raise BadDiskImage("is a qcow2 image on top of another one", remedy="Make it whole first: qemu-img convert -O qcow2 FILE WHOLE")
    if encryption:
        raise BadDiskImage("is an encrypted qcow2 image")
    other_compression = features & _COMPRESSION and head[_COMPRESSION_OFFSET:] != b"\0"
    if features & ~(_DIRTY | _CORRUPT | _COMPRESSION) or features & _CORRUPT or other_compression:
        raise BadDiskImage("is a qcow2 image with a data file, another compression than zlib, or damage", remedy="Convert it: qemu-img convert -O raw FILE RAW")
    if not 9 <= cluster_bits <= 21 or table_size > 32 * 2**20 // 8 or (size >> (2 * cluster_bits - 3)) > table_size:
        raise BadDiskImage("is a qcow2 image whose header is damaged")
    return Qcow2(handle, size, cluster_bits, table_offset, table_size)


def copy(image: Qcow2, target: int) -> None:
    """Write the disk in an image into an empty file; what is zero stays a hole. Raises BadDiskImage."""
    os.ftruncate(target, image.size)
    for place, data in image.clusters():
        for begin in range(0, len(data), _PIECE):
            piece = data[begin : begin + _PIECE]
            if piece.strip(b"\0"):
                _write(target, piece, place + begin)


def _write(target: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(target, view, place)
        place, view = place + done, view[done:]


def _read(handle: int, size: int, offset: int, *, whole: bool = True) -> bytes:
    """whole: else the file may end before, as that of an image's last cluster does."""
    try:
        data = os.pread(handle, size, offset)
    except OSError as error:
        raise BadDiskImage(f"the qcow2 image cannot be read: {error.strerror}") from None
    except OverflowError:
        raise BadDiskImage("the qcow2 image is cut off") from None
    if len(data) < size and whole:
        raise BadDiskImage("the qcow2 image is cut off")
    return data
