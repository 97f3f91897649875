# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that nobody waits for: in a process of its own, that outlives the module, at the lowest priority."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError


def detached(work: Callable[[], object]) -> None:
    """Begin ``work`` and return. What goes wrong there is told to nobody, so it has to be something that can be left undone.

    The process that calls this has no other threads, and all that ``work`` needs is imported: the module's files go when the module ends.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _let_go()
            with contextlib.suppress(HyperError, OSError):
                work()
    finally:
        # Never back into what the caller would do next.
        os._exit(0)


def _let_go() -> None:
    """Of all that others wait for: Ansible for the end of the output, other runs for locks. On a machine that is busy this is to take nothing from anybody."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
