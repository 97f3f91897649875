# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of a pod's control ports: ask hyperstart for its state, run a command in a container, stop the pod (docs/wire.md)."""

from __future__ import annotations

import io
import os
import signal as signals
import socket
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._channel import (
    AllPortsBusy,
    Channel,
    Deadline,
    GuestTimeout,
    GuestUnreachable,
    connect,
    take_port,
)
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._fields import FLAG, MESSAGE, NUMBER, PAIR, TEXT, Kind, field, fields
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame
from ansible_collections.hyper.pods.plugins.module_utils._sample import SAMPLE, Sample
from ansible_collections.hyper.pods.plugins.module_utils._status import STATUS, ContainerStatus, Status

__all__ = [
    "AllPortsBusy",
    "ContainerStatus",
    "Control",
    "ExecFailed",
    "ExecResult",
    "GuestTimeout",
    "GuestUnreachable",
    "RequestRefused",
    "Status",
]

ANSWER_TIMEOUT = 10.0


class RequestRefused(HyperError):
    """hyperstart answered that it cannot do what was asked."""


class ExecFailed(HyperError):
    """A command could not be started. code: what a shell would exit with (127 not found, 126 cannot be executed), or None."""

    def __init__(self, message: str, *, where: str | None = None, code: int | None = None) -> None:
        super().__init__(message, where=where)
        self.code = code


@dataclass(frozen=True)
class ExecResult:
    """How a command ended. code: 0-255, 128 + signal when a signal ended it; the outputs are empty where a callback took them."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""
    signal: int | None = None


class Window(Protocol):
    """A terminal's size, in lines and columns, and a descriptor that can be read when it may have changed; ``size`` takes note of that."""

    def fileno(self) -> int: ...

    def size(self) -> tuple[int, int]: ...


class Control:
    """One client of a running pod, by one of its ports. Use it as a context manager; its end ends what it runs in the pod."""

    def __init__(self, channel: Channel, where: str, lock: int | None = None) -> None:
        self._channel = channel
        self._where = where
        self._lock = lock
        self._last_id = 0
        self._running: int | None = None

    @classmethod
    def connect(cls, run_dir: Path, timeout: float, *, alive: Callable[[], bool] = lambda: True) -> Control:
        """Take the first free port of the pod whose sockets lie in ``run_dir`` and greet the guest; ready for requests on return.

        timeout: seconds for all of it; give a guest that is only booting enough. alive: says whether QEMU still runs, so that a socket which
        is not there is waited for no longer than sensible. Raises GuestUnreachable, GuestTimeout, AllPortsBusy.
        """
        deadline = Deadline(timeout)
        lock, path = take_port(run_dir, deadline)
        try:
            channel = Channel(connect(path, deadline, alive), str(path))
            try:
                channel.greet(deadline)
            except BaseException:
                channel.close()
                raise
        except BaseException:
            os.close(lock)
            raise
        return cls(channel, str(run_dir), lock)

    @classmethod
    def over(cls, connection: socket.socket, where: str, lock: int | None = None, timeout: float = 30.0) -> Control:
        """Greet the guest by a connection to a port that was taken elsewhere; both are this client's to close. Raises GuestUnreachable, GuestTimeout."""
        control = cls(Channel(connection, where), where, lock)
        try:
            control._channel.greet(Deadline(timeout))
        except BaseException:
            control.close()
            raise
        return control

    def close(self) -> None:
        """Let the port go. A second call does nothing."""
        self._channel.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Control:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def status(self, timeout: float = ANSWER_TIMEOUT) -> Status:
        """The pod's state now. Raises GuestTimeout, GuestUnreachable."""
        request = self._request(tag.FRAME_STATUS)
        return STATUS.decode(self._answer(request, tag.FRAME_STATUS, Deadline(timeout)))

    def watch(self, timeout: float | None) -> Iterator[Status]:
        """The pod's state now and after every change; stop iterating when you have seen enough.

        Raises GuestTimeout after ``timeout`` seconds in all (None: never), GuestUnreachable when the guest has powered off.
        """
        request = self._request(tag.FRAME_WATCH)
        deadline = Deadline(timeout)
        while True:
            yield STATUS.decode(self._answer(request, tag.FRAME_STATUS, deadline))

    def stop(self, grace_period: int | None = None, timeout: float = ANSWER_TIMEOUT) -> None:
        """Have the pod stop in order and power off; returns when hyperstart has begun to.

        grace_period: seconds until SIGKILL for every container; None: each container's own. Raises GuestTimeout, GuestUnreachable, RequestRefused.
        """
        payload = b"" if grace_period is None else field(tag.STOP_GRACE_PERIOD, NUMBER.encode(grace_period))
        self._answer(self._request(tag.FRAME_STOP, payload), tag.FRAME_OK, Deadline(timeout))

    def update(
        self, *, replace: Sequence[str] = (), retune: Sequence[str] = (), rollback: bool = False, secrets: bytes = b"", timeout: float = ANSWER_TIMEOUT
    ) -> None:
        """Have the pod brought to the newer plan that its plan's disk holds; returns when hyperstart has begun to.

        replace: containers that are ended and begun anew; retune: those that go on with other limits. All that the plan leaves alone goes on. rollback: the
        plan is that of before the last update. secrets: the values that the plan leaves out, as their disk has them. Raises RequestRefused, of which
        nothing has come; GuestTimeout, GuestUnreachable.
        """
        payload = b"".join(
            (
                *(field(tag.UPDATE_REPLACE, TEXT.encode(name)) for name in replace),
                *(field(tag.UPDATE_RETUNE, TEXT.encode(name)) for name in retune),
                field(tag.UPDATE_ROLLBACK, FLAG.encode(rollback)),
            )
        )
        for start in range(0, len(secrets), tag.FRAME_MAX_PAYLOAD):
            # With the id that the request is about to have.
            self._channel.send(Frame(tag.FRAME_SECRETS, self._last_id + 1, secrets[start : start + tag.FRAME_MAX_PAYLOAD]))
        self._answer(self._request(tag.FRAME_UPDATE, payload), tag.FRAME_OK, Deadline(timeout))

    def kill(self, container: str | None, number: int, timeout: float = ANSWER_TIMEOUT) -> None:
        """Send a signal to the main process of a container, or of every one that runs. Raises GuestTimeout, GuestUnreachable, RequestRefused."""
        payload = _optional(tag.KILL_CONTAINER, TEXT, container) + field(tag.KILL_SIGNAL, NUMBER.encode(number))
        self._answer(self._request(tag.FRAME_KILL, payload), tag.FRAME_OK, Deadline(timeout))

    def restart(self, container: str, grace_period: int | None = None, timeout: float = ANSWER_TIMEOUT) -> None:
        """Have a container end, if it runs, and start anew; returns when hyperstart has begun to.

        grace_period: seconds until SIGKILL; None: the container's own. Raises GuestTimeout, GuestUnreachable, RequestRefused.
        """
        payload = field(tag.RESTART_CONTAINER, TEXT.encode(container))
        if grace_period is not None:
            payload += field(tag.RESTART_GRACE_PERIOD, NUMBER.encode(grace_period))
        self._answer(self._request(tag.FRAME_RESTART, payload), tag.FRAME_OK, Deadline(timeout))

    def release(self, serial: str, timeout: float = ANSWER_TIMEOUT) -> None:
        """Make sure that a disk can be taken away: no volume of the plan is on it, and nobody has it mounted any more. Raises RequestRefused; GuestTimeout,
        GuestUnreachable.
        """
        self._answer(self._request(tag.FRAME_RELEASE, field(tag.RELEASE_SERIAL, TEXT.encode(serial))), tag.FRAME_OK, Deadline(timeout))

    def begin(self, time_ns: int, seed: bytes, timeout: float = ANSWER_TIMEOUT) -> None:
        """Have the copy of a template become a guest of its own; returns when it has begun to look for its disks.

        time_ns: nanoseconds since 1970. seed: BEGIN_SEED_SIZE bytes that nobody else was given. Raises GuestTimeout, GuestUnreachable, RequestRefused.
        """
        payload = field(tag.BEGIN_TIME, NUMBER.encode(time_ns)) + field(tag.BEGIN_SEED, seed)
        self._answer(self._request(tag.FRAME_BEGIN, payload), tag.FRAME_OK, Deadline(timeout))

    def sample(self, timeout: float = ANSWER_TIMEOUT) -> Sample:
        """What the containers use now, as the guest's kernel counts it. Raises GuestTimeout, GuestUnreachable, RequestRefused."""
        deadline = Deadline(timeout)
        part = whole = SAMPLE.decode(self._answer(self._request(tag.FRAME_SAMPLE), tag.FRAME_SAMPLE, deadline))
        while part.continues and part.processes:
            request = self._request(tag.FRAME_SAMPLE, field(tag.SAMPLE_AFTER, NUMBER.encode(part.processes[-1].pid)))
            part = SAMPLE.decode(self._answer(request, tag.FRAME_SAMPLE, deadline))
            whole = replace(whole, processes=whole.processes + part.processes)
        return whole

    def exec(
        self,
        container: str | None,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        workdir: str | None = None,
        user: str | None = None,
        stdin: bytes | BinaryIO | io.RawIOBase | None = None,
        on_stdout: Callable[[bytes], object] | None = None,
        on_stderr: Callable[[bytes], object] | None = None,
        window: Window | None = None,
        detached: bool = False,
        tree: int | None = None,
        attach: bool = False,
        guest: bool = False,
        on_stdin: Callable[[bytes], bytes] | None = None,
        timeout: float | None = None,
    ) -> ExecResult:
        """Run a command in a container and wait for its end.

        container: None is the pod's first. env: on top of the container's own. workdir, user: None is the container's own. stdin: bytes, or a
        file; a pipe, socket or terminal is read by its descriptor as data comes. on_stdout, on_stderr: are given the output as it comes;
        without them it is collected. window: the command gets a terminal of this size, and changes of it; all it writes is stdout then. detached:
        return when it has been started, with code 0; it has no stdin and its output is lost. tree: no command, but TREE_SEND or
        TREE_RECEIVE, of which ``argv`` is the place. attach: no command, but the container's own
        streams from now on, until it ends, with its code.
        guest: in hyperstart's own namespaces, as root with all capabilities; the container only lends its files.
        on_stdin: is given what was read and returns what is sent of it. timeout: seconds, None: forever.
        Raises ExecFailed, GuestTimeout (the command is killed; a container goes on), GuestUnreachable.
        """
        pairs = tuple(env.items()) if isinstance(env, Mapping) else tuple(env)
        payload = b"".join(
            (
                _optional(tag.EXEC_CONTAINER, TEXT, container),
                *(field(tag.EXEC_ARGV, TEXT.encode(word)) for word in argv),
                *(field(tag.EXEC_ENV, PAIR.encode(pair)) for pair in pairs),
                _optional(tag.EXEC_WORKDIR, TEXT, workdir),
                _optional(tag.EXEC_USER, TEXT, user),
                field(tag.EXEC_STDIN, FLAG.encode(stdin is not None)),
                field(tag.EXEC_DETACHED, FLAG.encode(detached)) if detached else b"",
                field(tag.EXEC_ATTACH, FLAG.encode(attach)) if attach else b"",
                field(tag.EXEC_GUEST, FLAG.encode(guest)) if guest else b"",
                b"" if tree is None else field(tag.EXEC_TREE, NUMBER.encode(tree)),
                *(field(number, NUMBER.encode(value)) for number, value in zip((tag.EXEC_ROWS, tag.EXEC_COLUMNS), _size(window) if window else ())),
            )
        )
        if len(payload) > tag.FRAME_MAX_PAYLOAD:
            raise ExecFailed(f"the command and its environment have {len(payload)} bytes, at most {tag.FRAME_MAX_PAYLOAD} are possible", where=container)
        deadline = Deadline(timeout)
        request = self._running = self._request(tag.FRAME_EXEC, payload)
        source = _Stdin(stdin, on_stdin)
        collected: dict[int, list[bytes]] = {tag.FRAME_STDOUT: [], tag.FRAME_STDERR: []}
        take = {
            tag.FRAME_STDOUT: on_stdout or collected[tag.FRAME_STDOUT].append,
            tag.FRAME_STDERR: on_stderr or collected[tag.FRAME_STDERR].append,
        }
        try:
            while True:
                feeding = source.wanted and self._channel.backlog < tag.FRAME_MAX_PAYLOAD
                waits = [source.descriptor] if feeding and source.descriptor is not None else []
                if feeding and not waits:
                    source.send(self._channel, request)
                    continue
                frame = self._channel.receive(deadline, [*waits, *([window.fileno()] if window else [])])
                if frame is None:
                    if window and window.fileno() in self._channel.readable:
                        rows, columns = _size(window)
                        sizes = field(tag.RESIZE_ROWS, NUMBER.encode(rows)) + field(tag.RESIZE_COLUMNS, NUMBER.encode(columns))
                        self._channel.send(Frame(tag.FRAME_RESIZE, request, sizes))
                    if source.descriptor in self._channel.readable:
                        source.send(self._channel, request)
                elif frame.id != request:
                    continue
                elif frame.type in take:
                    take[frame.type](frame.payload)
                elif frame.type == tag.FRAME_CREDIT:
                    source.credit += NUMBER.decode(frame.payload)
                elif frame.type == tag.FRAME_OK:
                    return ExecResult(0)
                elif frame.type == tag.FRAME_EXIT:
                    ends = dict(fields(frame.payload))
                    return ExecResult(
                        code=NUMBER.decode(ends.get(tag.EXIT_CODE, b"")),
                        stdout=b"".join(collected[tag.FRAME_STDOUT]),
                        stderr=b"".join(collected[tag.FRAME_STDERR]),
                        signal=NUMBER.decode(ends[tag.EXIT_SIGNAL]) if tag.EXIT_SIGNAL in ends else None,
                    )
                elif frame.type == tag.FRAME_ERROR:
                    errors = dict(fields(frame.payload))
                    code = NUMBER.decode(errors[tag.ERROR_CODE]) if tag.ERROR_CODE in errors else None
                    raise ExecFailed(MESSAGE.decode(errors.get(tag.ERROR_MESSAGE, b"")), where=container, code=code)
        except GuestTimeout:
            if not attach:
                self.signal(signals.SIGKILL)
            raise GuestTimeout(f"the {'container' if attach else 'command'} did not end within {timeout} seconds", where=container) from None
        finally:
            self._running = None

    def signal(self, number: int) -> None:
        """Send a signal to the command that ``exec`` waits for: for signal handlers and callbacks. Does nothing when there is none."""
        if self._running is not None:
            self._channel.send(Frame(tag.FRAME_SIGNAL, self._running, field(tag.SIGNAL_NUMBER, NUMBER.encode(number))))

    def _request(self, type_: int, payload: bytes = b"") -> int:
        self._last_id += 1
        self._channel.send(Frame(type_, self._last_id, payload))
        return self._last_id

    def _answer(self, request: int, wanted: int, deadline: Deadline) -> bytes:
        while True:
            frame = self._channel.receive(deadline)
            if frame is None or frame.id != request:
                continue
            if frame.type == wanted:
                return frame.payload
            if frame.type == tag.FRAME_ERROR:
                raise RequestRefused(MESSAGE.decode(dict(fields(frame.payload)).get(tag.ERROR_MESSAGE, b"")), where=self._where)


class _Stdin:
    """Where a command's stdin comes from, and how much of it the guest takes now.

    credit: bytes; descriptor: to be waited for before each read, None where reading never blocks.
    """

    def __init__(self, stdin: bytes | BinaryIO | io.RawIOBase | None, on_stdin: Callable[[bytes], bytes] | None = None) -> None:
        self._on_stdin = on_stdin
        self._file = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        self._ended = stdin is None
        self.credit = 0
        self.descriptor = None if self._file is None else _descriptor(self._file)

    @property
    def wanted(self) -> bool:
        """Whether there is more to read and the guest would take it."""
        return not self._ended and self.credit > 0

    def send(self, channel: Channel, request: int) -> None:
        """Read what fits into one frame and into the credit, and send it; nothing is sent at the end, which is a frame of its own."""
        most = min(self.credit, tag.FRAME_MAX_PAYLOAD)
        data = b"" if self._file is None else self._file.read(most) or b"" if self.descriptor is None else os.read(self.descriptor, most)
        self._ended = not data
        if data and self._on_stdin:
            data = self._on_stdin(data)
            if not data:
                return
        self.credit -= len(data)
        channel.send(Frame(tag.FRAME_STDIN, request, data))


def _descriptor(file: BinaryIO | io.RawIOBase) -> int | None:
    try:
        descriptor = file.fileno()
    except OSError:
        return None
    # Python may have read ahead in a regular file, so that is read by its own method; it does not block.
    return None if stat.S_ISREG(os.fstat(descriptor).st_mode) else descriptor


def _size(window: Window) -> tuple[int, int]:
    rows, columns = window.size()
    # A terminal that does not know its size says 0; to the guest that would be none.
    return rows or 24, columns or 80


def _optional(number: int, kind: Kind, value: str | None) -> bytes:
    return b"" if value is None else field(number, kind.encode(value))
