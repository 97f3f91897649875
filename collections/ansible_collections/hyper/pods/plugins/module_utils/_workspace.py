# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image lies while it is made: directories that vanish with the run that uses them, however it ends.

Each is held by a lock of the kernel's (flock), which the commands that work in it inherit. A directory whose lock is free
belongs to a run that was killed, and is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._image_files import blob_path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of one's own is made in it, mode 0700, its name not to be guessed
_GIB = 1 << 30
# The most that an image may take of the host's memory while it is unpacked.
_MEMORY_LIMIT = 4 * _GIB
# Layers are compressed to about a third, programs as well as texts.
_EXPANSION = 3


@dataclass(frozen=True)
class Staging:
    """One run's directory in the store ``images``; lock: descriptor of its lock."""

    images: Path
    path: Path
    lock: int

    @property
    def layout(self) -> Path:
        return self.path / "layout"

    @property
    def disk(self) -> Path:
        return self.path / "disk.erofs"

    @property
    def memory(self) -> Path:
        return _in_memory(self.path)


@contextlib.contextmanager
def staging(images: Path) -> Iterator[Staging]:
    """A new directory below ``images/staging``; those of killed runs are removed first."""
    for lock in (images / "staging").glob("*.lock"):
        _remove_if_left(lock)
    path, handle = _claim(images / "staging")
    try:
        path.mkdir(mode=0o700)
        yield Staging(images, path, handle)
    finally:
        _remove(path)
        os.close(handle)


def _claim(parent: Path) -> tuple[Path, int]:
    """A new name and its lock, taken before the directory is there, so that nobody takes it for a killed run's."""
    while True:
        path = parent / f"hyper-{secrets.token_hex(16)}"
        lock = path.with_suffix(".lock")
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(lock).st_ino == os.fstat(handle).st_ino:
                return path, handle
        # Another run swept between our open and our lock.
        os.close(handle)


def _remove_if_left(lock: Path) -> None:
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(lock.with_suffix(""))
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    for directory in (path, _in_memory(path)):
        # Only what root made: in /dev/shm others may make names too.
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(directory).st_uid == os.geteuid():
                shutil.rmtree(directory)
    path.with_suffix(".lock").unlink(missing_ok=True)


def _in_memory(path: Path) -> Path:
    return _MEMORY / path.name


@dataclass(frozen=True)
class Blobs:
    """The directory of layers, as an OCI layout has it, and a descriptor of its lock."""

    directory: Path
    lock: int

    def path(self, digest: str) -> Path:
        """Where the blob of a digest lies."""
        return blob_path(self.directory, digest)


@contextlib.contextmanager
def shared_blobs(images: Path, kept: Callable[[], Collection[str]]) -> Iterator[Blobs]:
    """The layers, for all runs that work with them. The first and the last remove all but ``kept()``: digests."""
    directory = images / "blobs"
    handle = os.open(images / "blobs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _clear_if_alone(handle, directory, kept)
        fcntl.flock(handle, fcntl.LOCK_SH)
        directory.mkdir(mode=0o700, exist_ok=True)
        try:
            yield Blobs(directory, handle)
        finally:
            _clear_if_alone(handle, directory, kept)
    finally:
        os.close(handle)


def _clear_if_alone(handle: int, directory: Path, kept: Callable[[], Collection[str]]) -> None:
    # Should another run hold the lock, ours is lost by the attempt: the end of our use in any case.
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        paths = {blob_path(directory, digest) for digest in kept()}
        for path in directory.iterdir():
            if path.name != "sha256":
                shutil.rmtree(path, ignore_errors=True)
        for path in (directory / "sha256").iterdir():
            if path not in paths:
                path.unlink()


def workspaces(stage: Staging, compressed: int) -> Iterator[AbstractContextManager[tuple[Path, int]]]:
    """Places to unpack layers of ``compressed`` bytes into, the quickest first: an empty directory each, and the bytes that it may take."""
    memory = _memory_budget()
    if compressed * _EXPANSION < memory:
        yield _directory(stage.memory, memory)
    disk = os.statvfs(stage.path)
    # Other services live on this file system as well.
    reserve = max(_GIB // 2, disk.f_blocks * disk.f_frsize // 20)
    yield _directory(stage.path / "tree", max(0, disk.f_bavail * disk.f_frsize - reserve))


@contextlib.contextmanager
def _directory(path: Path, budget: int) -> Iterator[tuple[Path, int]]:
    path.mkdir(mode=0o700)
    try:
        # The tree's root gets the mode that the image says, so nobody may get as far as there.
        tree = path / "root"
        tree.mkdir(mode=0o700)
        yield tree, budget
    finally:
        shutil.rmtree(path)


def _memory_budget() -> int:
    """Half of the memory that is free, and no more than the file system there takes; 0 where there is none."""
    try:
        shared = os.statvfs(_MEMORY)
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
    return min(available // 2, shared.f_bavail * shared.f_frsize, _MEMORY_LIMIT)
