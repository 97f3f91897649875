# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's log lies in several files and is read as one: ``log``, which QEMU appends to, ``log.1`` and so on before it, the higher the older, and before
them all ``log.events``, the events of what had to go (_log_rotation.py makes them). A line may begin in one file and end in the next."""

from __future__ import annotations

import bisect
import contextlib
import fcntl
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

EVENTS = "events"
_BUFFER = 1 << 18


def opened(path: Path) -> BinaryIO:
    """All files of the log whose newest is ``path``, as one that can be read and sought in, and that grows; offsets stay, also when files are rotated
    or removed meanwhile. Raises FileNotFoundError."""
    return io.BufferedReader(_Whole(path), _BUFFER)


@contextlib.contextmanager
def held(path: Path, *, alone: bool = False) -> Iterator[int]:
    """The directory of a log, whose files keep their names meanwhile. alone: to give them others."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield directory
    finally:
        os.close(directory)


def numbered(directory: int | Path, name: str) -> list[int]:
    """The numbers of the older files, the newest of them first."""
    ends = (each.rpartition(f"{name}.") for each in os.listdir(directory))
    return sorted(int(number) for before, dot, number in ends if dot and not before and number.isascii() and number.isdigit())


class _Whole(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._name = path.name
        self._position = 0
        self._files: list[int] = []
        # Where each file begins. All but the last have their final size: who writes has gone on to a later one.
        self._begins: list[int] = []
        # Not by its path: that may come to be another pod's.
        self._directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # One that nobody can read is an error; which files there are is seen below.
            os.stat(path.name, dir_fd=self._directory)
            self._append(self._later(None) or self._later(None, empty=True)[-1:])
        except BaseException:
            self.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            self._grow()
            offset += self._begins[-1] + os.fstat(self._files[-1]).st_size
        elif whence == os.SEEK_CUR:
            offset += self._position
        self._position = max(0, offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while True:
            index = bisect.bisect_right(self._begins, self._position) - 1
            begin, end = self._begins[index], self._begins[index + 1] if index + 1 < len(self._begins) else None
            size = len(view) if end is None else min(len(view), end - self._position)
            data = os.pread(self._files[index], size, self._position - begin)
            if data:
                view[: len(data)] = data
                self._position += len(data)
                return len(data)
            if end is not None:
                # Its owner, QEMU, has made it shorter.
                self._position = end
            elif not self._grow():
                return 0

    def close(self) -> None:
        if not self.closed:
            for file in (*self._files, self._directory):
                os.close(file)
        super().close()

    def _grow(self) -> bool:
        """Take in the files that were begun after the last one, when there is something in them."""
        last = self._files[-1]
        try:
            if os.path.samestat(os.stat(self._name, dir_fd=self._directory), os.fstat(last)):
                return False
        except FileNotFoundError:
            return False
        later = self._later(last)
        self._append(later)
        return bool(later)

    def _append(self, files: list[int]) -> None:
        for file in files:
            self._begins.append(self._begins[-1] + os.fstat(self._files[-1]).st_size if self._files else 0)
            self._files.append(file)

    def _later(self, last: int | None, *, empty: bool = False) -> list[int]:
        """The files after ``last``, which may have gone, up to the one that is being written: an empty one is not written yet, while the one before it may be.

        empty: those as well.
        """
        files: list[int] = []
        fcntl.flock(self._directory, fcntl.LOCK_SH)
        try:
            names = [f"{self._name}.{number}" for number in reversed(numbered(self._directory, self._name))]
            for name in (*([f"{self._name}.{EVENTS}"] if last is None else []), *names, self._name):
                with contextlib.suppress(FileNotFoundError):
                    files.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self._directory))
        finally:
            fcntl.flock(self._directory, fcntl.LOCK_UN)
        facts = [os.fstat(file) for file in files]
        known = None if last is None else os.fstat(last)
        first = next((index + 1 for index, each in enumerate(facts) if known is not None and os.path.samestat(each, known)), 0)
        # A rotation that was cut off leaves the newest under two names.
        wanted = [index for index in range(first, len(files)) if index + 1 == len(files) or not os.path.samestat(facts[index], facts[index + 1])]
        while wanted and not empty and not facts[wanted[-1]].st_size:
            wanted.pop()
        for index in set(range(len(files))) - set(wanted):
            os.close(files[index])
        return [files[index] for index in wanted]
