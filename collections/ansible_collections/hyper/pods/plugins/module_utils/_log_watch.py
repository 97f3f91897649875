# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until there may be more to read of a log: by inotify(7), for which Python has no words of its own, so that a log that is quiet costs nothing."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

# inotify(7): written to; its name has come to be another file's; gone.
_MODIFY, _ATTRIB, _DELETE_SELF, _MOVE_SELF = 0x2, 0x4, 0x400, 0x800
_MASK = _MODIFY | _ATTRIB | _DELETE_SELF | _MOVE_SELF
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
# A signal that comes just before a wait begins is seen by Python only after it. Where the kernel grants no more watches, the log is looked at so often.
_WAIT_MS, _PAUSE_MS = 1000, 250


class Watch:
    """A context manager. ends: descriptors; when one of them can be read, or hangs up, there will be no more."""

    def __init__(self, path: Path, ends: Sequence[int] = ()) -> None:
        self._path = os.fsencode(path)
        self._file = -1
        libc = ctypes.CDLL(None)
        self._add = libc.inotify_add_watch
        self._inotify = int(libc.inotify_init1(_FLAGS))
        self._poll = select.poll()
        for end in (*ends, *([self._inotify] if self._inotify >= 0 else [])):
            self._poll.register(end, select.POLLIN)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._inotify >= 0:
            os.close(self._inotify)

    def wait(self) -> bool:
        """Return when something may have been written since the call before, a second later at most; False once nothing will be."""
        if self._inotify < 0:
            return not self._poll.poll(_PAUSE_MS)
        # The name may have come to be another file's: what was written there before it was watched is read at once.
        file = int(self._add(self._inotify, self._path, _MASK))
        fresh, self._file = file >= 0 and file != self._file, file
        ready = [descriptor for descriptor, _ in self._poll.poll(0 if fresh else _WAIT_MS)]
        if any(descriptor != self._inotify for descriptor in ready):
            return False
        if ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._inotify, 1 << 16)
        return True
