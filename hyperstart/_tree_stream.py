# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files as streams of entries (docs/wire.md): one of this machine as it goes into a container, and one that comes out of it.

What comes out is a guest's word, and is not trusted: no name leads out of the directory that was chosen, no link is followed, and nothing
that could give its reader rights is made: no devices, no set-user-ID and set-group-ID bits, no attributes but those of users, and access lists.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._fields import BYTES, FLAG, NUMBER, TEXT, Part, Record

_LENGTH = struct.Struct("<I")
_CHUNK = 1 << 16
_OURS_ALONE = ("trusted.", "security.selinux")
_HARMLESS = ("user.", "system.posix_acl_")


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
    yield b"".join((*held, _LENGTH.pack(0)))


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
    return _LENGTH.pack(len(data)) + data


def _attributes(file: str) -> tuple[Attribute, ...]:
    try:
        names = [name for name in os.listxattr(file, follow_symlinks=False) if not name.startswith(_OURS_ALONE)]
        return tuple(Attribute(name, os.getxattr(file, name, follow_symlinks=False)) for name in names)
    except OSError:
        return ()


class Receiver:
    """Puts a tree that comes in pieces where it should go. root: what the tree's own root becomes; complain: is told of what is left out."""

    def __init__(self, root: str, complain: Callable[[str], object]) -> None:
        self._root = root
        self._complain = complain
        self._held = bytearray()
        self._file: BinaryIO | None = None
        self._entry: Entry | None = None
        self._left = 0
        self._directories: set[str] = set()
        self._files: set[str] = set()
        self.ended = False

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises BadTree."""
        self._held += data
        try:
            while self._step():
                pass
        except OSError as error:
            raise BadTree((error.strerror or str(error)).lower(), where=repr(error.filename or self._root)) from None
        except (ValueError, OverflowError) as error:
            # A name that holds a NUL, a number that is none of this system's.
            raise BadTree(str(error), where="the container") from None

    def _step(self) -> bool:
        if self._left:
            part = self._held[: self._left]
            if not part:
                return False
            if self._file is not None:
                self._file.write(part)
            del self._held[: len(part)]
            self._left -= len(part)
            if not self._left:
                self._close()
            return True
        if self.ended or len(self._held) < _LENGTH.size:
            return False
        (length,) = _LENGTH.unpack_from(self._held)
        if length > tag.ENTRY_MAX_SIZE:
            raise BadTree(f"an entry has {length} bytes", where="the container")
        if len(self._held) < _LENGTH.size + length:
            return False
        data = bytes(self._held[_LENGTH.size : _LENGTH.size + length])
        del self._held[: _LENGTH.size + length]
        if not length:
            self.ended = True
            return False
        self._take(ENTRY.decode(data))
        return True

    def _take(self, entry: Entry) -> None:
        parent, _, name = entry.path.rpartition("/")
        if entry.path and (name in ("", ".", "..") or parent not in self._directories):
            raise BadTree("a name that leads out of the tree, or by a link", where=repr(entry.path))
        if not entry.path and (self._directories or self._files) and not entry.leave:
            raise BadTree("the tree has two roots", where="the container")
        path = os.path.join(self._root, entry.path) if entry.path else self._root
        if entry.leave:
            if entry.path not in self._directories:
                raise BadTree("is no directory of the tree", where=repr(entry.path))
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                _finish(descriptor, entry)
            finally:
                os.close(descriptor)
            return
        kind = stat.S_IFMT(entry.mode)
        if kind not in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK):
            self._complain(f"{entry.path!r}: devices and pipes stay in the container")
            return
        _make_way(path, directory=kind == stat.S_IFDIR)
        if kind == stat.S_IFDIR:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
            self._directories.add(entry.path)
            return
        if kind == stat.S_IFLNK:
            os.symlink(entry.target, path)
            if os.geteuid() == 0:
                os.lchown(path, entry.uid, entry.gid)
            os.utime(path, ns=(entry.time, entry.time), follow_symlinks=False)
            self._files.add("/")  # there is a root
            return
        if entry.same:
            if entry.same not in self._files:
                raise BadTree("a hard link of what is not in the tree", where=repr(entry.path))
            os.link(os.path.join(self._root, entry.same), path, follow_symlinks=False)
            self._files.add(entry.path)
            return
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb")
        self._files.add(entry.path or "/")
        self._entry, self._left = entry, entry.size
        if not entry.size:
            self._close()

    def _close(self) -> None:
        file, entry = self._file, self._entry
        self._file = self._entry = None
        if file is not None and entry is not None:
            with file:
                file.flush()
                _finish(file.fileno(), entry)


def _make_way(path: str, *, directory: bool) -> None:
    """What is in the way goes, but for directories: one is only ever merged with another."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(there.st_mode):
        if not directory:
            raise IsADirectoryError(21, "is a directory here, and not in the container", path)
        return
    if directory:
        raise NotADirectoryError(20, "is a directory in the container, and not here", path)
    os.unlink(path)


def _finish(descriptor: int, entry: Entry) -> None:
    mode = entry.mode & 0o1777
    if os.geteuid() == 0:
        os.fchown(descriptor, entry.uid, entry.gid)
    os.fchmod(descriptor, mode)
    for attribute in entry.attributes:
        if attribute.name.startswith(_HARMLESS):
            # Not every file system has them.
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, attribute.name, attribute.value)
    os.utime(descriptor, ns=(entry.time, entry.time))
