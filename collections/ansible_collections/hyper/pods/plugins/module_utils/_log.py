# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's log: what its containers wrote and what became of them, readable when the guest is off (docs/wire.md)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from ansible_collections.hyper.pods.plugins.module_utils import _log_files
from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._status import ContainerStatus, Phase, Status

# In the words of the kubelet, and of hyperstart.
DEADLINE = "Pod was active on the node longer than the specified deadline"

Stream = Literal["stdout", "stderr", "event"]

_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr|event) ([FP]) (\S+) (.*)", re.DOTALL)
# A value that was too long for hyperstart lacks its closing quote.
_VALUE = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)(?:"|\\?$)|(\S*))', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
# Every line starts with a time of 30 bytes, so an event is found by memory search alone and its line starts there.
_EVENT_MARK = b"Z event F "
_BEFORE_MARK = 29
_CHUNK = 1 << 18
# hyperstart cuts lines at 16 KiB; what has no line's end for this long is not of its making.
_MAX_LINE = 1 << 20


class Line(NamedTuple):
    """One line of the log. time: UTC, RFC 3339 with nanoseconds; partial: the message's line goes on; container: "-" is the pod."""

    time: str
    stream: Stream
    partial: bool
    container: str
    message: bytes

    @property
    def timestamp(self) -> float:
        """Seconds since 1970."""
        try:
            whole = datetime.fromisoformat(self.time[:19]).replace(tzinfo=timezone.utc)
        except ValueError:
            return 0.0  # digits, but no date: a guest that went wrong is not to be believed, and not to fail on
        return whole.timestamp() + float(f"0{self.time[19:-1]}")


@dataclass(frozen=True)
class Event:
    """Something that hyperstart did or saw. container: "-" is the pod; time: seconds since 1970."""

    word: str
    container: str
    values: dict[str, str]
    time: float


@dataclass(frozen=True)
class Life:
    """What the log tells of the guest's last life, from its ``boot`` on, or from the host's ``start`` when no boot came after it.

    ended: it powered off in order, so phase is final and every container's state is its last; otherwise the guest still runs, or was killed.
    phase: Pending before every container was started. failure: why the plan could not be carried out, "" when it could.
    message: why it was evicted, if it was.
    """

    version: str
    started_at: float
    phase: Phase
    ended: bool = False
    cause: str = ""
    failure: str = ""
    containers: tuple[ContainerStatus, ...] = ()
    message: str = ""

    def status(self) -> Status:
        """The same as the guest would have reported it at that time; containers that it had not come to yet are missing."""
        if self.cause == "deadline":
            return Status(self.phase, DEADLINE, self.containers, "DeadlineExceeded", self.started_at)
        if self.cause == "evicted":
            return Status(self.phase, self.message, self.containers, "Evicted", self.started_at)
        return Status(self.phase, self.failure, self.containers, started_at=self.started_at)


def parse(line: bytes) -> Line:
    """One line, with or without its newline. Raises Malformed."""
    found = _line(line[:-1] if line.endswith(b"\n") else line)
    if found is None:
        raise Malformed(f"not a line of a pod's log: {line[:80]!r}")
    return found


def event(line: Line) -> Event:
    """The event that a line of the stream ``event`` tells."""
    word, _, rest = line.message.decode(errors="replace").partition(" ")
    values = {match[1]: _unquote(match[2]) if match[2] is not None else match[3] for match in _VALUE.finditer(rest)}
    return Event(word, line.container, values, line.timestamp)


def is_event(text: bytes) -> bool:
    """Whether a line, if it is one, is an event; quick."""
    return text.startswith(_EVENT_MARK, _BEFORE_MARK)


def event_of(text: bytes) -> Event | None:
    """The event that a whole line tells; None when it is none."""
    line = _line(text[:-1]) if is_event(text) and text.endswith(b"\n") else None
    return None if line is None else event(line)


def begins_life(found: Event) -> bool:
    """Whether nothing that was told before concerns the guest any more."""
    return found.word in ("boot", "start") and found.container == "-"


def read(path: Path, *, container: str | None = None, tail: int | None = None, events: bool = False) -> Iterator[Line]:
    """The containers' output in order, of all lives of the guest.

    container: only of this one. tail: only the last so many whole lines (parts of one line count as one). events: hyperstart's own lines too.
    A line that is damaged or still being written is passed over. Raises FileNotFoundError.
    """

    def wanted(line: Line) -> bool:
        return (events or line.stream != "event") and (container is None or line.container == container)

    with _log_files.opened(path) as file:
        if tail is None:
            yield from filter(wanted, _lines(file))
            return
        lines: list[Line] = []
        count = 0
        for line in filter(wanted, _lines_backwards(file)):
            count += not line.partial
            if count > tail:
                break
            lines.append(line)
    yield from reversed(lines)


def joined(lines: Iterable[Line]) -> Iterator[Line]:
    """Lines whose parts were put together again; what a container has not ended yet comes last."""
    parts: dict[tuple[str, Stream], list[Line]] = {}
    for line in lines:
        held = parts.setdefault((line.container, line.stream), [])
        held.append(line)
        if not line.partial:
            yield line._replace(message=b"".join(part.message for part in held))
            held.clear()
    for held in parts.values():
        if held:
            yield held[-1]._replace(message=b"".join(part.message for part in held))


def mark_start(path: Path) -> None:
    """Write that the host is about to start the guest, so that what a former life ended with is not taken for this one's."""
    now = time.time_ns()
    whole = datetime.fromtimestamp(now // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    line = f"{whole}.{now % 10**9:09d}Z event F - start\n".encode()
    with _log_files.opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        # A guest that was killed may have left half a line.
        if file.read(1) not in (b"", b"\n"):
            line = b"\n" + line
    # QEMU's user owns the file: it must not be able to lead root elsewhere by a link.
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def last_life(path: Path) -> Life | None:
    """The guest's last life; None when it has never come so far as to say anything, or there is no log. Cost: what was written since its boot."""
    try:
        file = _log_files.opened(path)
    except FileNotFoundError:
        return None
    events: list[Event] = []
    with file:
        for found in _events_backwards(file):
            events.append(found)
            if begins_life(found):
                break
        else:
            return None
    return _life(reversed(events))


def _life(events: Iterator[Event]) -> Life:
    first = next(events)
    life = Life(version=first.values.get("version", ""), started_at=first.time, phase="Pending")
    containers: dict[str, ContainerStatus] = {}
    for found in events:
        if found.word == "removed" and found.container != "-":
            containers.pop(found.container, None)
        elif found.container != "-":
            containers[found.container] = _container(containers.get(found.container) or ContainerStatus(found.container, "waiting"), found)
        elif found.word == "running":
            life = replace(life, phase="Running")
        elif found.word == "stopping":
            life = replace(life, phase="Stopping", cause=found.values.get("cause", ""), message=found.values.get("message", ""))
        elif found.word == "failed":
            life = replace(life, phase="Failed", failure=found.values.get("message", ""))
        elif found.word == "poweroff":
            life = replace(life, phase="Succeeded" if found.values.get("phase") == "Succeeded" else "Failed", ended=True)
    return replace(life, containers=tuple(containers.values()))


def _container(status: ContainerStatus, found: Event) -> ContainerStatus:
    values = found.values
    if found.word == "started":
        return replace(
            status,
            state="running",
            reason="",
            message="",
            pid=_number(values.get("pid")),
            restart_count=_number(values.get("restarts")) or 0,
            started_at=found.time,
            ready=True,
            started=True,
            turned_at=found.time,
        )
    if found.word in ("ready", "unready"):
        ready = found.word == "ready"
        # Who has to earn its readiness says so as it starts: it has not turned then.
        turned_at = status.finished_at if not ready and status.turned_at == status.started_at else found.time
        return replace(status, ready=ready, started=ready or values.get("started") == "1", message=values.get("message", ""), turned_at=turned_at)
    if found.word in ("exited", "end"):
        return replace(
            status,
            state="terminated",
            ready=False,
            started=False,
            reason=values.get("reason", ""),
            message=values.get("message", status.message),
            pid=None,
            exit_code=_number(values.get("code")),
            signal=_number(values.get("signal")) or None,
            restart_count=_number(values.get("restarts")) or status.restart_count,
            finished_at=found.time if found.word == "exited" or status.finished_at is None else status.finished_at,
            last_reason=values.get("reason", ""),
            last_message=values.get("message", status.message),
            last_started_at=status.started_at,
            last_word=values.get("said", "" if found.word == "exited" else status.last_word),
            turned_at=found.time if status.ready else status.turned_at,
        )
    return status


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _unquote(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text)


def _line(text: bytes) -> Line | None:
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    time, stream, kind, container, message = match.groups()
    name: Stream = "event" if stream == b"event" else "stdout" if stream == b"stdout" else "stderr"
    return Line(time.decode(), name, kind == b"P", container.decode(errors="replace"), message)


def _lines(file: BinaryIO) -> Iterator[Line]:
    for text in file:
        line = _line(text[:-1]) if text.endswith(b"\n") else None
        if line is not None:
            yield line


def _lines_backwards(file: BinaryIO) -> Iterator[Line]:
    for _, block in blocks_backwards(file):
        # What follows the block's last newline is no whole line.
        yield from filter(None, map(_line, reversed(block.split(b"\n")[:-1])))


def _events_backwards(file: BinaryIO) -> Iterator[Event]:
    for _, block in blocks_backwards(file):
        end = len(block)
        while (mark := block.rfind(_EVENT_MARK, 0, end)) >= 0:
            end = mark
            start = mark - _BEFORE_MARK
            stop = block.find(b"\n", mark)
            if start >= 0 and block[start - 1 : start] in (b"", b"\n") and stop >= 0:
                line = _line(block[start:stop])
                if line is not None:
                    yield event(line)


def blocks_backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The file from its end to its start, in blocks that begin where a line begins, after their offsets; an unfinished line at the file's end is left out."""
    position = file.seek(0, os.SEEK_END)
    rest = b""
    ended = False
    while position > 0:
        size = min(_CHUNK, position)
        position -= size
        file.seek(position)
        block = file.read(size) + rest
        if not ended:
            block = block[: block.rfind(b"\n") + 1]
            ended = bool(block)
        start = 0 if position == 0 else block.find(b"\n") + 1
        rest = block[:start] if start <= _MAX_LINE else b""
        yield position + start, block[start:]
