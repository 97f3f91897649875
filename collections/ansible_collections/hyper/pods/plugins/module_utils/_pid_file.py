# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that wrote a pid file, held so that its pid cannot come to mean another."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Writer:
    """A process that runs. pidfd: refers to this very process, whatever its pid means later."""

    pid: int
    pidfd: int
    argv: tuple[str, ...]


@contextlib.contextmanager
def writer(pid_file: Path, word: str) -> Iterator[Writer | None]:
    """The process that wrote the file, or None.

    A pid file may be left from a process that was killed, and its number be another's now: the process itself must have ``word`` on its command line.
    """
    try:
        pid = int(pid_file.read_text())
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError):
        yield None
        return
    try:
        # Read after the pidfd was opened, so that both speak of one process. A zombie's is empty.
        argv = tuple(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0"))
    except OSError:
        argv = ()
    try:
        yield Writer(pid, pidfd, argv) if word in argv else None
    finally:
        os.close(pidfd)
