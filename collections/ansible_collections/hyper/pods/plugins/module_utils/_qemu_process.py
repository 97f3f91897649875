# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU process: found by its run directory, held so that its pid cannot come to mean another, waited for, ended."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._guest import PID_FILE

# What QEMU needs to flush its disks once it was told to quit.
_QUIT_TIME = 10.0


@dataclass(frozen=True)
class Process:
    """A QEMU that runs. pidfd: refers to this very process, whatever its pid means later."""

    pid: int
    pidfd: int
    argv: tuple[str, ...]

    @property
    def accelerator(self) -> str:
        """What it runs the guest with: kvm or tcg."""
        machine = next((after for word, after in zip(self.argv, self.argv[1:]) if word == "-machine"), "")
        match = re.search(r"\baccel=(\w+)", machine)
        return match[1] if match else ""

    def wait(self, timeout: float) -> bool:
        """Whether it ended within ``timeout`` seconds. A zombie has ended: some PID 1 are slow to reap."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout) * 1000))

    def end(self, timeout: float) -> None:
        """Give it ``timeout`` seconds to end by itself, then tell it to quit, then kill it; returns when it has ended."""
        if self.wait(timeout):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)
            if self.wait(_QUIT_TIME):
                return


@contextlib.contextmanager
def running(run_dir: Path) -> Iterator[Process | None]:
    """The QEMU whose run directory this is, or None.

    A pid file may be left from a QEMU that was killed, and its number be another process's now: the process must itself name the pid file.
    """
    pid_file = run_dir / PID_FILE
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
        yield Process(pid, pidfd, argv) if str(pid_file) in argv else None
    finally:
        os.close(pidfd)
