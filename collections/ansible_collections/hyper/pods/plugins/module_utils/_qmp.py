# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's machine protocol (docs/interop/qmp-spec.rst of QEMU): commands to a running guest, and its events."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError


class QmpUnreachable(HyperError):
    """No QEMU serves the socket, it went away, or it did not answer in time."""


class QmpRefused(HyperError):
    """QEMU answered a command with an error."""


class Qmp:
    """One session. Events that arrive while an answer is awaited are kept for ``events``."""

    def __init__(self, connection: socket.socket, path: Path, timeout: float) -> None:
        self._connection = connection
        self._path = path
        self._timeout = timeout
        self._rest = b""
        self._events: deque[dict[str, Any]] = deque()

    @classmethod
    @contextlib.contextmanager
    def connect(cls, path: Path, timeout: float = 5.0) -> Iterator[Qmp]:
        """Open a session at the socket ``path``. timeout: seconds for the connection and for each answer. Raises QmpUnreachable."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            try:
                connection.connect(str(path))
            except OSError as error:
                raise QmpUnreachable(f"QEMU does not answer: {error.strerror or error}", where=str(path)) from None
            qmp = cls(connection, path, timeout)
            qmp._message(time.monotonic() + timeout)  # the greeting
            qmp.execute("qmp_capabilities")
            yield qmp

    def execute(self, command: str, **arguments: object) -> Any:
        """Run a command and give its ``return``. An underscore in an argument's name stands for a hyphen. Raises QmpRefused, QmpUnreachable."""
        return self._answer(command, {name.replace("_", "-"): value for name, value in arguments.items()})

    def _answer(self, command: str, arguments: Mapping[str, object], descriptors: Sequence[int] = ()) -> Any:
        request = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        try:
            # Far less than a socket takes at once; only so descriptors can go with it.
            socket.send_fds(self._connection, [request], descriptors) if descriptors else self._connection.sendall(request)
        except OSError as error:
            raise QmpUnreachable(f"QEMU went away: {error.strerror or error}", where=str(self._path)) from None
        deadline = time.monotonic() + self._timeout
        while True:
            message = self._message(deadline)
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise QmpRefused(f"{command}: {message['error'].get('desc', '')}", where=str(self._path))
            elif "return" in message:
                return message["return"]

    def send_file(self, name: str, descriptor: int) -> None:
        """Give QEMU an open file under a name that other commands take: it need not, and cannot, open it itself. Raises QmpRefused, QmpUnreachable."""
        self._answer("getfd", {"fdname": name}, [descriptor])

    def add_file(self, descriptor: int, label: str) -> str:
        """Give QEMU an open file; the path by which its block devices open it, as often as they like, with the rights of the descriptor."""
        added = self._answer("add-fd", {"opaque": label}, [descriptor])
        return f"/dev/fdset/{added['fdset-id']}"

    def remove_files(self, label: str) -> None:
        """Take back the files that were given with this label; who has them open keeps them."""
        for given in self.execute("query-fdsets"):
            if any(file.get("opaque") == label for file in given["fds"]):
                self.execute("remove-fd", fdset_id=given["fdset-id"])

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """The events as they come, for at most ``timeout`` seconds; ends early when QEMU ends."""
        deadline = time.monotonic() + timeout
        while True:
            while self._events:
                yield self._events.popleft()
            try:
                message = self._message(deadline)
            except QmpUnreachable:
                return
            if "event" in message:
                yield message

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError("timed out")
                self._connection.settimeout(left)
                chunk = self._connection.recv(65536)
            except OSError as error:
                raise QmpUnreachable(f"QEMU does not answer: {error.strerror or error}", where=str(self._path)) from None
            if not chunk:
                raise QmpUnreachable("QEMU went away", where=str(self._path))
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


def is_paused(path: Path, timeout: float = 3.0) -> bool:
    """Whether the guest of the QEMU that serves ``path`` is held. A QEMU that does not answer, or is gone, holds nothing."""
    try:
        with Qmp.connect(path, timeout) as qmp:
            return bool(qmp.execute("query-status")["status"] == "paused")
    except (QmpUnreachable, QmpRefused):
        return False
