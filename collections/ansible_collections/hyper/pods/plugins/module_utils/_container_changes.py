# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container has changed in its root filesystem, as the tar of an image layer: overlayfs's upper directory on a scratch disk, read as hostile input.

overlayfs marks what is gone by character devices 0:0, and directories that hide what lies below by an attribute (kernel.org, filesystems/overlayfs);
image layers have ``.wh.NAME`` and ``.wh..wh..opq`` for that (OCI image-spec, layer.md).
"""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterator

from ansible_collections.hyper.pods.plugins.module_utils._ext4_reader import Ext4, Ext4Error, Inode

_OVERLAY = b"trusted.overlay."
_OPAQUE = b"trusted.overlay.opaque"
# The file's content, or its place, would be elsewhere: hyperstart mounts without either.
_ELSEWHERE = (b"trusted.overlay.redirect", b"trusted.overlay.metacopy")
_WHITEOUT = b".wh."
_DEPTH_LIMIT = 256
_BLOCK = 512
_CHUNK = 1 << 20
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


class Changes:
    """The changes below the directory ``upper``. size, files: what they may be at most; newest: the latest change, known when all was read, in nanoseconds."""

    def __init__(self, disk: Ext4, upper: Inode, *, size: int, files: int) -> None:
        self._disk = disk
        self._upper = upper
        self._size = size
        self._files = files
        self._names: dict[int, bytes] = {}
        self._directories: set[int] = set()
        self.newest = 0

    def tar(self) -> Iterator[bytes]:
        """The layer, piece by piece; the same changes give the same bytes. Raises Ext4Error."""
        yield from self._directory(b"", self._upper, 0)
        yield bytes(2 * _BLOCK)

    def _directory(self, path: bytes, inode: Inode, depth: int) -> Iterator[bytes]:
        if inode.number in self._directories or depth > _DEPTH_LIMIT:
            raise Ext4Error("its directories make a circle, or are nested too deeply")
        self._directories.add(inode.number)
        attributes = self._disk.xattrs(inode)
        if any(name in attributes for name in _ELSEWHERE):
            raise Ext4Error(f"{path!r} has its content elsewhere")
        self._count(inode)
        yield from self._entry(path or b".", inode, attributes)
        if attributes.get(_OPAQUE) == b"y":
            yield from _header(_join(path, b".wh..wh..opq"))
        for name, number in self._disk.entries(inode):
            below = self._disk.inode(number)
            full = _join(path, name)
            if name.startswith(_WHITEOUT):
                raise Ext4Error(f"{full!r} has a name that means something else in a layer")
            if stat.S_ISDIR(below.mode):
                yield from self._directory(full, below, depth + 1)
            else:
                yield from self._file(path, name, below)

    def _file(self, path: bytes, name: bytes, inode: Inode) -> Iterator[bytes]:
        full = _join(path, name)
        kind = stat.S_IFMT(inode.mode)
        self._count(inode)
        if kind == stat.S_IFCHR and inode.device == (0, 0):
            yield from _header(_join(path, _WHITEOUT + name))
            return
        if kind == stat.S_IFSOCK:
            # Nobody listens there any more; a tar has no word for it.
            return
        if kind not in _KINDS:
            raise Ext4Error(f"{full!r} is of no kind that there is")
        if inode.links > 1 and inode.number in self._names:
            yield from _header(full, type=tarfile.LNKTYPE, linkname=_text(self._names[inode.number]))
            return
        self._names[inode.number] = full
        attributes = self._disk.xattrs(inode)
        if any(mark in attributes for mark in _ELSEWHERE):
            raise Ext4Error(f"{full!r} has its content elsewhere")
        yield from self._entry(full, inode, attributes)
        if kind == stat.S_IFREG:
            yield from self._content(inode)

    def _entry(self, path: bytes, inode: Inode, attributes: dict[bytes, bytes]) -> Iterator[bytes]:
        kind = stat.S_IFMT(inode.mode)
        kept = {f"SCHILY.xattr.{_text(name)}": _text(value) for name, value in sorted(attributes.items()) if not name.startswith(_OVERLAY)}
        seconds, fraction = divmod(inode.mtime, 10**9)
        if fraction and seconds >= 0:
            kept["mtime"] = f"{seconds}.{fraction:09d}"
        major, minor = inode.device if kind in (stat.S_IFCHR, stat.S_IFBLK) else (0, 0)
        yield from _header(
            path + (b"/" if kind == stat.S_IFDIR else b""),
            type=_KINDS[kind],
            mode=stat.S_IMODE(inode.mode),
            uid=inode.uid,
            gid=inode.gid,
            mtime=max(seconds, 0),
            size=inode.size if kind == stat.S_IFREG else 0,
            linkname=_text(self._disk.link(inode)) if kind == stat.S_IFLNK else "",
            devmajor=major,
            devminor=minor,
            pax_headers=kept,
        )

    def _content(self, inode: Inode) -> Iterator[bytes]:
        position = 0
        for offset, part in self._disk.data(inode):
            yield from _zeros(offset - position)
            yield part
            position = offset + len(part)
        yield from _zeros(inode.size - position)
        yield bytes(-inode.size % _BLOCK)

    def _count(self, inode: Inode) -> None:
        self.newest = max(self.newest, inode.ctime)
        self._files -= 1
        if stat.S_ISREG(inode.mode):
            self._size -= inode.size
        if self._files < 0 or self._size < 0:
            raise Ext4Error("its changes are larger than an image may be")


def _header(path: bytes, **facts: object) -> Iterator[bytes]:
    info = tarfile.TarInfo(_text(path))
    info.mode = 0
    for name, value in facts.items():
        setattr(info, name, value)
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _join(path: bytes, name: bytes) -> bytes:
    return path + b"/" + name if path else name


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        step = min(count, _CHUNK)
        yield bytes(step)
        count -= step
