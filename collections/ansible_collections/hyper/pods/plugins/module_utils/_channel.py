# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's connection to one control port: a port taken, frames sent and received, the guest's greeting. Effects only; no requests."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._frames import Decoder, Frame, encode
from ansible_collections.hyper.pods.plugins.module_utils._tags import FRAME_HELLO, FRAME_MAX_PAYLOAD, HELLO_SIZE

PORTS = 8
# A guest that is up answers HELLO within milliseconds. One that is still booting has not opened its port: the bytes wait in the socket.
# So a missing answer is taken for a half frame of a former client only after this time, and less and less often then.
RESYNC_AFTER = 5.0
_PAUSE = 0.02
_CHUNK = 262144
# poll(2) takes milliseconds as an int.
_LONGEST_POLL = 2**31 - 1


class GuestUnreachable(HyperError):
    """Nobody serves the control port: the guest is off, or ended while it was asked."""


class GuestTimeout(HyperError):
    """The guest did not answer in time."""


class AllPortsBusy(HyperError):
    """Every control port of the guest is held by another client."""


class Deadline:
    """A point in time that several waits share. seconds: from now; None: never."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds until it comes, at least 0; None when it never comes."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.left() == 0.0


def take_port(run_dir: Path, deadline: Deadline) -> tuple[int, Path]:
    """Lock the first free port; waits for one until ``deadline``. Returns the lock's descriptor and the port's socket.

    Raises GuestUnreachable (no such directory: the pod has never run since the host started), AllPortsBusy.
    """
    while True:
        for number in range(PORTS):
            path = run_dir / f"control.{number}"
            try:
                lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except FileNotFoundError:
                raise GuestUnreachable("the guest is not running", where=str(run_dir)) from None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(lock)
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                continue
            return lock, path
        if deadline.passed:
            raise AllPortsBusy(f"all {PORTS} control ports of the guest are in use", where=str(run_dir), remedy="Try again when another command has ended")
        time.sleep(_PAUSE)


def connect(path: Path, deadline: Deadline, alive: Callable[[], bool]) -> socket.socket:
    """A connection to the port's socket; QEMU makes it while it starts, so this tries until ``deadline`` or until ``alive`` says no."""
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            if not alive():
                raise GuestUnreachable("the guest has ended", where=str(path)) from None
            if deadline.passed:
                raise GuestUnreachable(f"nobody serves the control port: {error.strerror}", where=str(path)) from None
            time.sleep(_PAUSE)
        except BaseException:
            connection.close()
            raise
        else:
            return connection


class Channel:
    """Frames over a connected stream socket. Sending never blocks: what the socket does not take waits in ``backlog``."""

    def __init__(self, connection: socket.socket, where: str) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._where = where
        self._decoder = Decoder()
        self._received: deque[Frame] = deque()
        self._unsent = bytearray()
        self.readable: frozenset[int] = frozenset()

    @property
    def backlog(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._unsent)

    def close(self) -> None:
        """End the connection; the guest ends every exec of it."""
        self._socket.close()

    def send(self, frame: Frame) -> None:
        """Send a frame, or queue it."""
        self._unsent += encode(frame)
        self._flush()

    def receive(self, deadline: Deadline, also: Collection[int] = ()) -> Frame | None:
        """The next frame; None as soon as one of the descriptors ``also`` can be read, ``readable`` then. Raises GuestTimeout, GuestUnreachable."""
        while not self._received:
            data, self.readable = self._wait(deadline, also)
            self._received.extend(self._decoder.feed(data))
            if self.readable:
                return None
        return self._received.popleft()

    def greet(self, deadline: Deadline, *, resync_after: float = RESYNC_AFTER) -> None:
        """Say HELLO until the guest answers, and drop everything before its answer. Raises GuestTimeout, GuestUnreachable.

        The greeting is repeated, behind as many zero bytes as a half frame of a former client can still lack, only when the socket has taken
        everything so far: a guest that does not read yet is not flooded. It answers each of several greetings, all before any later request.
        """
        hello = Frame(FRAME_HELLO, 0, secrets.token_bytes(HELLO_SIZE))
        self.send(hello)
        left = deadline.left()
        # Also who has little time repeats it once: else a port in a half frame would stay so for all who are in a hurry.
        patience = resync_after if left is None else min(resync_after, left / 2)
        answer = _Answer(encode(hello))
        while True:
            left = deadline.left()
            last = left is not None and left <= patience
            turn = deadline if last else Deadline(patience)
            try:
                while not answer.found:
                    answer.feed(self._wait(turn, ())[0])
                break
            except GuestTimeout:
                if last:
                    raise
                patience *= 2
                if not self._unsent:
                    self._unsent += bytes(FRAME_MAX_PAYLOAD)
                    self.send(hello)
        self._received.extend(self._decoder.feed(answer.rest))

    def _wait(self, deadline: Deadline, also: Collection[int]) -> tuple[bytes, frozenset[int]]:
        """What has come in the meantime: bytes of the guest, and which of ``also`` can be read. Sends what the socket takes."""
        # The time is looked at even when there is always something to read: a guest that never stops talking must not hold its client.
        while not deadline.passed:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            for descriptor in also:
                poll.register(descriptor, select.POLLIN)
            left = deadline.left()
            ready = dict(poll.poll(None if left is None else min(left * 1000, _LONGEST_POLL)))
            events = ready.get(self._socket.fileno(), 0)
            if events & select.POLLOUT:
                self._flush()
            data = self._read() if events & ~select.POLLOUT else b""
            readable = frozenset(descriptor for descriptor in also if descriptor in ready)
            if data or readable:
                return data, readable
        raise GuestTimeout("the guest did not answer in time", where=self._where)

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent[:_CHUNK])]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            # What the guest said before it ended may still be there to be read; reading finds the end.
            self._unsent.clear()

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return b""
        except ConnectionResetError:
            data = b""
        if not data:
            raise GuestUnreachable("the guest has ended", where=self._where)
        return data


class _Answer:
    """Looks for the greeting's answer by its very bytes: what is left over from a former client cannot imitate 16 random ones.

    A decoder would not do: a header made up by a container's output could have it wait for 64 KiB that never come.
    """

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self.rest = b""
        self.found = False

    def feed(self, data: bytes) -> None:
        before, found, after = (self.rest + data).partition(self._wanted)
        self.found = bool(found)
        self.rest = after if found else before[-len(self._wanted) :]
