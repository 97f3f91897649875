# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's terminal that is handed to a command in a pod: raw, and its size."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import tty
from types import FrameType
from typing import Self


class Terminal:
    """A context manager around the terminal at a descriptor. raw: in it every key is given as it is pressed; afterwards all is as it was, however it ends.

    It is a ``Window`` of ``Control.exec``: SIGWINCH makes ``fileno`` readable.
    """

    def __init__(self, descriptor: int, *, raw: bool) -> None:
        self._descriptor = descriptor
        self._raw = raw
        self._stack = contextlib.ExitStack()
        self._reads, self._writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def __enter__(self) -> Self:
        self._stack.callback(os.close, self._reads)
        self._stack.callback(os.close, self._writes)
        self._stack.callback(signal.signal, signal.SIGWINCH, signal.signal(signal.SIGWINCH, self._changed))
        if self._raw:
            self._stack.callback(termios.tcsetattr, self._descriptor, termios.TCSADRAIN, termios.tcgetattr(self._descriptor))
            # What was typed meanwhile is kept: the person does not wait for us.
            tty.setraw(self._descriptor, termios.TCSADRAIN)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def fileno(self) -> int:
        """Readable when the size may have changed."""
        return self._reads

    def size(self) -> tuple[int, int]:
        """Lines and columns."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reads, 4096)
        columns, lines = os.get_terminal_size(self._descriptor)
        return lines, columns

    def _changed(self, _number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._writes, b"\0")
