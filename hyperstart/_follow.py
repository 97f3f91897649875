# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a pod's log while it is being written, on the machine where it lies."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self

from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._log import Line, parse

_POLL_SECONDS = 0.05
_CHUNK = 1 << 16


class LogFollower:
    """A context manager that gives each line of containers' output to ``on_line``, in a thread, from the file's first line on.

    When it is left it reads what is still to be read: a file that was removed meanwhile stays readable, since it is open.
    """

    def __init__(self, path: Path, on_line: Callable[[Line], None]) -> None:
        self._path = path
        self._on_line = on_line
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
                self._read(file)
                return
            self._stopped.wait(_POLL_SECONDS)

    def _read(self, file: BinaryIO) -> None:
        rest = b""
        while True:
            last = self._stopped.is_set()
            while data := file.read(_CHUNK):
                *whole, rest = (rest + data).split(b"\n")
                for text in whole:
                    with contextlib.suppress(Malformed):
                        line = parse(text)
                        if line.stream != "event":
                            self._on_line(line)
            if last:
                return
            self._stopped.wait(_POLL_SECONDS)
