# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU process: found by its run directory, held so that its pid cannot come to mean another, waited for, ended."""

from __future__ import annotations

import contextlib
import re
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._guest import PID_FILE
from ansible_collections.hyper.pods.plugins.module_utils._pid_file import Writer, writer

# What QEMU needs to flush its disks once it was told to quit.
_QUIT_TIME = 10.0


class Process(Writer):
    """A QEMU that runs."""

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
    """The QEMU whose run directory this is, or None."""
    pid_file = run_dir / PID_FILE
    with writer(pid_file, str(pid_file)) as found:
        yield Process(found.pid, found.pidfd, found.argv) if found is not None else None
