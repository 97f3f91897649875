# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is doing, for whoever watches: lines of JSON appended to a file on the host, and the seconds of each stage."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Progress:
    """Takes messages from several threads. path: a file that the watcher made, or None; one that has gone is no reason to fail."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.timings: dict[str, dict[str, float]] = {}

    def say(self, pod: str, stage: str, message: str = "") -> None:
        """Tell the watcher. stage: a word such as pull, boot; message: for people."""
        if self._path is None:
            return
        line = json.dumps({"pod": pod, "stage": stage, "message": message}) + "\n"
        with self._lock:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line)
            except OSError:
                self._path = None

    @contextmanager
    def stage(self, pod: str, stage: str, message: str = "") -> Iterator[None]:
        """Tell that a stage begins, and keep how many seconds it took."""
        self.say(pod, stage, message)
        began = time.monotonic()
        try:
            yield
        finally:
            self.add(pod, stage, time.monotonic() - began)

    def add(self, pod: str, stage: str, seconds: float) -> None:
        """Count seconds towards a stage of a pod."""
        with self._lock:
            stages = self.timings.setdefault(pod, {})
            stages[stage] = round(stages.get(stage, 0.0) + seconds, 3)
