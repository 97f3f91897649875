# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree that comes out of a container, put where it should go.

It is a guest's word, and is not trusted: no name leads out of the directory that was chosen, no link is followed, and nothing that could give its
reader rights is made: no devices, no set-user-ID and set-group-ID bits, no attributes but those of users, and access lists.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from ansible_collections.hyper.pods.plugins.module_utils._file_tree import HARMLESS, BadTree, Entry, Reader


class Receiver(Reader):
    """Puts a tree that comes in pieces where it should go. root: what the tree's own root becomes; complain: is told of what is left out."""

    def __init__(self, root: str, complain: Callable[[str], object]) -> None:
        super().__init__()
        self._root = root
        self._complain = complain
        self._file: BinaryIO | None = None
        self._entry: Entry | None = None
        self._directories: set[str] = set()
        self._files: set[str] = set()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises BadTree."""
        try:
            super().feed(data)
        except OSError as error:
            raise BadTree((error.strerror or str(error)).lower(), where=repr(error.filename or self._root)) from None
        except (ValueError, OverflowError) as error:
            # A name that holds a NUL, a number that is none of this system's.
            raise BadTree(str(error), where="the container") from None

    def take(self, entry: Entry) -> None:
        """Make what an entry says."""
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
        self._entry = entry
        if not entry.size:
            self.close()

    def content(self, data: bytes) -> None:
        """Write a part of a file; that of what is left out goes nowhere."""
        if self._file is not None:
            self._file.write(data)

    def close(self) -> None:
        """Give a file that is whole its attributes."""
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
        if attribute.name.startswith(HARMLESS):
            # Not every file system has them.
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, attribute.name, attribute.value)
    os.utime(descriptor, ns=(entry.time, entry.time))
