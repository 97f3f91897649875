# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a pod's log while it is being written, on the machine where it lies."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self

from ansible_collections.hyper.pods.plugins.module_utils import _log_files
from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._log import Line, parse
from ansible_collections.hyper.pods.plugins.module_utils._log_watch import Watch

_POLL_SECONDS = 0.05
_CHUNK = 1 << 16


class LogFollower:
    """A context manager that gives each line of containers' output to ``on_line``, in a thread, from the log's first line on.

    When it is left it reads what is still to be read: a log that was removed meanwhile stays readable, since it is open.
    """

    def __init__(self, path: Path, on_line: Callable[[Line], None]) -> None:
        self._path = path
        self._on_line = on_line
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log", daemon=True)
        # Hangs up when there is to be an end.
        self._end, self._open = os.pipe()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopped.set()
        os.close(self._open)
        self._thread.join()
        os.close(self._end)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(FileNotFoundError), _log_files.opened(self._path) as file, Watch(self._path, (self._end,)) as watch:
                self._read(file, watch)
                return
            # There is no pod yet.
            self._stopped.wait(_POLL_SECONDS)

    def _read(self, file: BinaryIO, watch: Watch) -> None:
        rest, last = b"", False
        while True:
            while data := file.read(_CHUNK):
                *whole, rest = (rest + data).split(b"\n")
                for text in whole:
                    with contextlib.suppress(Malformed):
                        line = parse(text)
                        if line.stream != "event":
                            self._on_line(line)
            if last:
                return
            last = not watch.wait()
