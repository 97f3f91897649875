# SPDX-License-Identifier: GPL-3.0-or-later
"""What a long operation is doing, on stderr: one line that is rewritten on a terminal, plain lines elsewhere, nothing when it is over soon."""

from __future__ import annotations

import shutil
import threading
import time
from typing import Any, Self, TextIO

from hyperstart._ansible import Event, Progress

QUIET_SECONDS = 1.0
_DRAW_SECONDS = 0.2
_PLAIN_SECONDS = 2.0
_PLAIN_SILENCE_SECONDS = 15.0
_BRIEF = {"ansible.builtin.assert", "ansible.builtin.debug"}


class Reporter:
    """A context manager; give ``step`` as on_progress, and ``event`` as on_event where a playbook has many tasks. ``stop`` ends it early, when output of
    another kind begins. what: shown until a step is told."""

    def __init__(self, stream: TextIO, *, what: str) -> None:
        self._stream = stream
        self._tty = stream.isatty()
        self._message = what
        self._began = time.monotonic()
        self._printed = ("", 0.0)
        self._drawn = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def step(self, progress: Progress) -> None:
        """A step of a pod or an image."""
        text = progress.message or progress.stage
        self._message = f"{progress.pod}: {text}" if progress.pod else text

    def event(self, event: Event) -> None:
        """One of Ansible's events: a task's name is a step."""
        if event.get("event") == "playbook_on_task_start":
            data: dict[str, Any] = event.get("event_data", {})
            # Those that only show a result are over before anyone could read it, and often skipped.
            if data.get("task_action") not in _BRIEF:
                self._message = str(data.get("task") or self._message)

    def stop(self) -> None:
        """Say no more and leave the line clean."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _draw(self) -> None:
        if not self._stopped.wait(QUIET_SECONDS if self._tty else _PLAIN_SECONDS):
            self._line()
            while not self._stopped.wait(_DRAW_SECONDS):
                self._line()
        if self._drawn and self._tty:
            self._write("\r\x1b[K")

    def _line(self) -> None:
        elapsed = time.monotonic() - self._began
        text = f"{self._message} ({elapsed:.0f} s)"
        if self._tty:
            self._write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        else:
            message, at = self._printed
            due = elapsed - at >= (_PLAIN_SILENCE_SECONDS if message == self._message else _PLAIN_SECONDS)
            if message and not due:
                return
            self._printed = (self._message, elapsed)
            self._write(f"{text}\n")
        self._drawn = True

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads stderr any more; that is no reason to fail.
            self._stopped.set()
