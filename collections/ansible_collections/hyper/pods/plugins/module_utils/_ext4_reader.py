# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an ext4 file system from its image, as hostile input: a guest could write what it liked on its disk.

So it is mounted by no kernel and parsed by no program in C: what is malformed raises Ext4Error, and costs no more than the file is long.
Format: https://docs.kernel.org/filesystems/ext4/ (Data Structures). Only what mkfs.ext4 makes by itself is read; other features are refused.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = 2
_MAGIC = 0xEF53
_EXTENT_MAGIC = 0xF30A
_XATTR_MAGIC = 0xEA020000
_EXTENTS_FLAG = 0x80000
_INLINE_FLAG = 0x10000000
_RECOVER = 0x4
# filetype, recover, extents, 64bit, flex_bg, csum_seed: none changes how what is read here lies.
_KNOWN = 0x2 | _RECOVER | 0x40 | 0x80 | 0x200 | 0x2000
_PREFIXES = {1: b"user.", 2: b"system.posix_acl_access", 3: b"system.posix_acl_default", 4: b"trusted.", 6: b"security.", 7: b"system."}
_UNWRITTEN = 32768
_EXTENT_DEPTH = 5
# The most that a directory or the attributes of a file may take.
_DIRECTORY_LIMIT = 256 << 20
_SYMLINK_LIMIT = 4096


class Ext4Error(ValueError):
    """The file system is malformed, or has what is not read here."""


class NotClean(Ext4Error):
    """It was not unmounted: what was written last may stand in its journal alone."""


@dataclass(frozen=True)
class Inode:
    """A file. mtime, ctime: nanoseconds since the epoch; device: (major, minor) of a device node."""

    number: int
    mode: int
    uid: int
    gid: int
    size: int
    links: int
    mtime: int
    ctime: int
    flags: int
    block: bytes
    acl: int
    rest: bytes

    @property
    def device(self) -> tuple[int, int]:
        old, new = struct.unpack_from("<II", self.block)
        if old:
            return (old >> 8) & 0xFF, old & 0xFF
        return (new & 0xFFF00) >> 8, (new & 0xFF) | ((new >> 12) & 0xFFF00)


class Ext4:
    """A context manager on the image ``path``, which must be a file and no link. Raises Ext4Error, NotClean, OSError."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self._length = os.fstat(self._fd).st_size
            self._read_superblock()
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Ext4:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._fd)

    def _read_superblock(self) -> None:
        data = self._read(1024, 1024)
        number, self._first, exponent = struct.unpack_from("<I", data, 0)[0], *struct.unpack_from("<II", data, 0x14)
        magic, revision = struct.unpack_from("<H", data, 0x38)[0], struct.unpack_from("<I", data, 0x4C)[0]
        incompatible = struct.unpack_from("<I", data, 0x60)[0]
        if magic != _MAGIC or revision != 1 or exponent > 6:
            raise Ext4Error("it is no ext4")
        if incompatible & ~_KNOWN:
            raise Ext4Error(f"it has features that are not read (incompat {incompatible & ~_KNOWN:#x})")
        if incompatible & _RECOVER:
            raise NotClean("it was not unmounted")
        self._block = 1024 << exponent
        self._inodes = number
        self._per_group = struct.unpack_from("<I", data, 0x28)[0]
        self._inode_size = struct.unpack_from("<H", data, 0x58)[0]
        wide = bool(incompatible & 0x80)
        self._descriptor = struct.unpack_from("<H", data, 0xFE)[0] if wide else 32
        if not self._per_group or not 128 <= self._inode_size <= self._block or not 32 <= self._descriptor <= 1024:
            raise Ext4Error("its superblock is malformed")

    def _read(self, offset: int, length: int) -> bytes:
        if offset < 0 or offset + length > self._length:
            raise Ext4Error("it points outside of itself")
        data = os.pread(self._fd, length, offset)
        if len(data) != length:
            raise Ext4Error("it ends early")
        return data

    def inode(self, number: int) -> Inode:
        """The inode of a number."""
        if not 0 < number <= self._inodes:
            raise Ext4Error(f"it has no inode {number}")
        group, index = divmod(number - 1, self._per_group)
        descriptor = self._read((self._first + 1) * self._block + group * self._descriptor, self._descriptor)
        table = struct.unpack_from("<I", descriptor, 8)[0]
        if self._descriptor >= 64:
            table |= struct.unpack_from("<I", descriptor, 0x28)[0] << 32
        data = self._read(table * self._block + index * self._inode_size, self._inode_size)
        mode, uid, size, _, ctime, mtime, _, gid, links = struct.unpack_from("<HHIIIIIHH", data)
        flags = struct.unpack_from("<I", data, 0x20)[0]
        acl, size_high = struct.unpack_from("<II", data, 0x68)
        acl_high, uid_high, gid_high = struct.unpack_from("<HHH", data, 0x76)
        rest, ctime_extra, mtime_extra = b"", 0, 0
        if self._inode_size > 132:
            extra = struct.unpack_from("<H", data, 0x80)[0]
            if 128 + extra > self._inode_size:
                raise Ext4Error(f"inode {number} is malformed")
            if extra >= 12:
                ctime_extra, mtime_extra = struct.unpack_from("<II", data, 0x84)
            rest = data[128 + extra :]
        return Inode(
            number,
            mode,
            uid | uid_high << 16,
            gid | gid_high << 16,
            size | size_high << 32,
            links,
            _time(mtime, mtime_extra),
            _time(ctime, ctime_extra),
            flags,
            data[0x28:0x64],
            acl | acl_high << 32,
            rest,
        )

    def _runs(self, inode: Inode) -> Iterator[tuple[int, int, int]]:
        """(first block in the file, blocks, first block on the disk), in order. Holes and what was never written are left out."""
        if inode.flags & _INLINE_FLAG or not inode.flags & _EXTENTS_FLAG:
            raise Ext4Error(f"inode {inode.number} has no extents")
        end = 0
        for block, length, start in self._extents(inode.block, None):
            if block < end:
                raise Ext4Error(f"the extents of inode {inode.number} overlap")
            written = length <= _UNWRITTEN
            end = block + (length if written else length - _UNWRITTEN)
            if written:
                yield block, length, start

    def _extents(self, node: bytes, expected: int | None) -> Iterator[tuple[int, int, int]]:
        """The leaves below a node. expected: its depth, which falls by one at each step, so that no way down is long."""
        magic, entries, _, depth = struct.unpack_from("<HHHH", node)
        if magic != _EXTENT_MAGIC or 12 + 12 * entries > len(node) or depth > _EXTENT_DEPTH or expected not in (None, depth):
            raise Ext4Error("an extent tree is malformed")
        for index in range(entries):
            block, second, third = struct.unpack_from("<III", node, 12 + 12 * index)
            if depth == 0:
                yield block, second & 0xFFFF, third | (second >> 16) << 32
            else:
                yield from self._extents(self._read((second | (third & 0xFFFF) << 32) * self._block, self._block), depth - 1)

    def data(self, inode: Inode) -> Iterator[tuple[int, bytes]]:
        """The written parts of a file, (offset, bytes), in order; between them are zeros."""
        for block, length, start in self._runs(inode):
            for step in range(0, length, 64):
                count = min(64, length - step)
                offset = (block + step) * self._block
                left = inode.size - offset
                if left <= 0:
                    return
                yield offset, self._read((start + step) * self._block, count * self._block)[:left]

    def link(self, inode: Inode) -> bytes:
        """Where a symlink leads."""
        if inode.size > _SYMLINK_LIMIT:
            raise Ext4Error(f"the symlink {inode.number} is too long")
        if inode.size < len(inode.block) and not inode.flags & _EXTENTS_FLAG:
            return inode.block[: inode.size]
        return self._whole(inode)

    def _whole(self, inode: Inode) -> bytes:
        result = bytearray(inode.size)
        for offset, part in self.data(inode):
            result[offset : offset + len(part)] = part
        return bytes(result)

    def entries(self, directory: Inode) -> list[tuple[bytes, int]]:
        """The names in a directory and their inodes' numbers, sorted."""
        if not stat.S_ISDIR(directory.mode):
            raise Ext4Error(f"inode {directory.number} is no directory")
        if directory.size > min(_DIRECTORY_LIMIT, self._length):
            raise Ext4Error(f"the directory {directory.number} is too large")
        data = self._whole(directory)
        found: dict[bytes, int] = {}
        position = 0
        while position + 8 <= len(data):
            number, record, length = struct.unpack_from("<IHB", data, position)
            # Of an index block, the whole looks like one entry without an inode.
            record = record or 65536
            if record < 8 or record % 4 or position + record > len(data) or (number and 8 + length > record):
                raise Ext4Error(f"the directory {directory.number} is malformed")
            if number:
                name = data[position + 8 : position + 8 + length]
                if name not in (b".", b".."):
                    if not name or b"/" in name or b"\0" in name or name in found:
                        raise Ext4Error(f"the directory {directory.number} has a name that cannot be: {name[:80]!r}")
                    found[name] = number
            position += record
        return sorted(found.items())

    def lookup(self, path: str) -> Inode | None:
        """The inode at a path of directories, from the root; None where there is none. Links are not followed."""
        inode = self.inode(ROOT)
        for part in os.fsencode(path).split(b"/"):
            number = dict(self.entries(inode)).get(part) if stat.S_ISDIR(inode.mode) else None
            if number is None:
                return None
            inode = self.inode(number)
        return inode

    def xattrs(self, inode: Inode) -> dict[bytes, bytes]:
        """The extended attributes of a file, as getxattr(2) gives them."""
        found: dict[bytes, bytes] = {}
        if len(inode.rest) >= 8 and struct.unpack_from("<I", inode.rest)[0] == _XATTR_MAGIC:
            found.update(_attributes(inode.rest[4:], 0))
        if inode.acl:
            block = self._read(inode.acl * self._block, self._block)
            if struct.unpack_from("<I", block)[0] != _XATTR_MAGIC:
                raise Ext4Error(f"the attributes of inode {inode.number} are malformed")
            found.update(_attributes(block, 32))
        return found


def _attributes(data: bytes, position: int) -> Iterator[tuple[bytes, bytes]]:
    """Entries from ``position`` on; values lie at offsets from the start of ``data``."""
    while position + 4 <= len(data) and struct.unpack_from("<I", data, position)[0]:
        if position + 16 > len(data):
            raise Ext4Error("an attribute is malformed")
        length, prefix, offset, other, size = struct.unpack_from("<BBHII", data, position)
        name = data[position + 16 : position + 16 + length]
        if other or prefix not in _PREFIXES or len(name) != length or offset + size > len(data) or b"\0" in name:
            raise Ext4Error("an attribute is malformed, or of a kind that is not read")
        value = data[offset : offset + size]
        yield _PREFIXES[prefix] + name, _acl(value) if prefix in (2, 3) else value
        position += (16 + length + 3) & ~3


def _acl(value: bytes) -> bytes:
    """ext4's own short form of an access list → the kernel's (POSIX_ACL_XATTR_VERSION)."""
    result = struct.pack("<I", 2)
    position = 4
    while position + 4 <= len(value):
        tag, permissions = struct.unpack_from("<HH", value, position)
        position += 4
        owner = 0xFFFFFFFF
        if tag in (0x02, 0x08):  # ACL_USER, ACL_GROUP
            if position + 4 > len(value):
                raise Ext4Error("an access list is malformed")
            (owner,) = struct.unpack_from("<I", value, position)
            position += 4
        result += struct.pack("<HHI", tag, permissions, owner)
    return result


def _time(seconds: int, extra: int) -> int:
    signed = seconds - (1 << 32) if seconds & 0x80000000 else seconds
    return (signed + ((extra & 3) << 32)) * 10**9 + min(extra >> 2, 10**9 - 1)
