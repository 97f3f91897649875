# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or absent, and locks that say who waits for whom."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError


class LockTimeout(HyperError):
    """Another run holds the lock and did not let it go in time."""


def make_dir(path: Path, *, mode: int = 0o755, owner: tuple[int, int] | None = None) -> None:
    """Make a directory and its parents (0755) if absent; its own mode and owner are set each time."""
    path.mkdir(parents=True, exist_ok=True)
    if (path.stat().st_mode & 0o7777) != mode:
        path.chmod(mode)
    if owner is not None and os.geteuid() == 0:
        os.chown(path, *owner)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace ``path`` by ``data`` so that a reader, or a crash, sees the old file or the new one and nothing between."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            if owner is not None and os.geteuid() == 0:
                os.fchown(file.fileno(), *owner)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def provide(path: Path, *, owner: tuple[int, int]) -> None:
    """Make a file that ``owner`` alone reads and writes, empty where it is new; one that is there keeps what it has."""
    # Its owner may be a QEMU that was taken over: a link of its making must not lead root elsewhere.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(handle, *owner)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, *, what: str, timeout: float = 600.0) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path`` (made if absent); a second run waits up to ``timeout`` seconds.

    The kernel lets go of the lock when the process ends, however it ends. The file itself stays.
    """
    make_dir(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout
        pause = 0.01
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            if time.monotonic() > deadline:
                raise LockTimeout(f"{what} is being changed by another run", where=str(path), remedy="Wait until it ends and run this again")
            # flock has no time limit of its own; the pause grows so that a long wait costs nothing.
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        yield
    finally:
        os.close(handle)
