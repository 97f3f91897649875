# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's log begun anew when it has reached its size, while QEMU writes it: the file gets another name, under which QEMU goes on, until it is told by QMP to
open the new one. It does so between two writes, so that no byte is lost and each comes after the one before it.

What can be cut off at any point is so: ``log`` is always there, and the files, one after the other, are always the log.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _log, _log_files, _log_limits
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._log_limits import Limits
from ansible_collections.hyper.pods.plugins.module_utils._qemu_process import Process, running
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp, QmpRefused, QmpUnreachable

_LOG, _CONSOLE = "log", "console.log"
# Hidden, as all that a cut-off run leaves: when the pod is started again they go, and QEMU opens what there is.
_FRESH, _UNOPENED = ".log", ".log.unopened"
# A hostile guest can make up containers without end.
_EVENTS_MOST = 1 << 20
_OF_A_KIND = 2
_LINE_MOST = 1 << 20


def rotate(host: Host, pod: str) -> None:
    """Begin the log of a pod that runs anew if it is large enough, and bring to its end what a call before could not; of the kernel's console, when that has
    become as large, nothing is kept. Raises OSError where the pod is being removed.
    """
    directory = host.pod_dir(pod)
    unopened = directory / _UNOPENED
    flooded = _size(directory / _CONSOLE) > Limits().size
    if _due(directory) is None and not unopened.exists() and not flooded:
        return
    with running(host.pod_run_dir(pod)) as process:
        # One that is just being started opens what there is; only who starts it may change that.
        if process is None:
            return
        _shift(directory)
        # What fails here is done at the next call.
        with contextlib.suppress(QmpUnreachable, QmpRefused), Qmp.connect(host.pod_run_dir(pod) / QMP_SOCKET) as qmp:
            if flooded:
                _open(qmp, process, directory / _CONSOLE, append=False)
            if unopened.exists():
                _open(qmp, process, directory / _LOG, append=True)
                unopened.unlink()


def rotate_ended(host: Host, pod: str) -> None:
    """Likewise, of a pod whose guest is off and stays so meanwhile."""
    if _due(host.pod_dir(pod)) is not None:
        _shift(host.pod_dir(pod))


def _due(directory: Path) -> Limits | None:
    return _log_limits.due(directory / _LOG, directory / "pod.json")


def dropped(sizes: Sequence[int], limits: Limits) -> int:
    """How many of the files, the oldest, go when the newest is about to get a successor. sizes: the newest first; it stays, also where it has become too large.

    All of them have as much room as so many files of their size: one that could not be closed in time takes that of others.
    """
    room, kept = limits.size * limits.files, 0
    for size in sizes[: limits.files - 1]:
        room -= size
        if room < 0 and kept:
            break
        kept += 1
    return len(sizes) - kept


def essence(lines: Iterable[bytes]) -> bytes:
    """Of a log's lines those that tell of the guest's last life what became of it and its containers (``_log.last_life`` makes the same of them): of each
    container the first event, so that their order stays, and of each kind of event the last two."""
    events: list[tuple[str, str, bytes]] = []
    for text in lines:
        found = _log.event_of(text)
        if found is not None:
            if _log.begins_life(found):
                events.clear()
            events.append((found.container, found.word, text))
    firsts = {container: index for index, (container, _, _) in reversed(list(enumerate(events)))}
    seen: Counter[tuple[str, str]] = Counter()
    kept: list[bytes] = []
    room = _EVENTS_MOST
    for index, (container, word, text) in reversed(list(enumerate(events))):
        seen[container, word] += 1
        if seen[container, word] <= _OF_A_KIND or firsts[container] == index:
            room -= len(text)
            # The first of all is the life's beginning.
            if room >= 0 or not index:
                kept.append(text)
    return b"".join(reversed(kept))


def _shift(directory: Path) -> None:
    """Give each file its next name, and the log a new file, if no other run has done so meanwhile."""
    with _log_files.held(directory / _LOG, alone=True):
        limits = _due(directory)
        if limits is not None:
            _shift_held(directory, limits)


def _shift_held(directory: Path, limits: Limits) -> None:
    log, first = directory / _LOG, directory / f"{_LOG}.1"
    if not (first.exists() and log.samefile(first)):
        older = [directory / f"{_LOG}.{number}" for number in _log_files.numbered(directory, _LOG)]
        gone = dropped([_size(file) for file in (log, *older)], limits)
        if gone:
            _forget(older[-gone:], (log, *older)[-gone - 1])
            older = older[:-gone]
        for rank, file in reversed(list(enumerate(older, start=2))):
            file.rename(directory / f"{_LOG}.{max(rank, int(file.suffix[1:]))}")
        os.link(log, first)
    facts = log.stat()
    fresh = directory / _FRESH
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchown(handle, facts.st_uid, facts.st_gid)
    finally:
        os.close(handle)
    (directory / _UNOPENED).touch(0o600)
    fresh.replace(log)


def _forget(files: Sequence[Path], following: Path) -> None:
    """Remove the oldest files, but for the essence of them. files: the newest of them first; following: the one after that."""
    events = following.with_name(f"{_LOG}.{_log_files.EVENTS}")
    lines, rest = _events([events, *reversed(files)])
    if rest:
        with following.open("rb") as file:
            lines.append(rest + file.readline(_LINE_MOST))
    # Who begins to read in the middle of a line must not take the rest of it for one: a container may have written there what looks like it.
    mark = b"rest of " if rest else b""
    fresh = events.with_name(_FRESH)
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(essence(lines) + mark)
        file.flush()
        os.fsync(handle)
    fresh.replace(events)
    for old in reversed(files):
        old.unlink()


def _events(files: Sequence[Path]) -> tuple[list[bytes], bytes]:
    """The lines that are events, and a line that has not ended."""
    lines, rest = [], b""
    for each in files:
        with contextlib.suppress(FileNotFoundError), each.open("rb") as file:
            while text := file.readline(_LINE_MOST):
                rest = rest[:_LINE_MOST] + text
                if rest.endswith(b"\n"):
                    if _log.is_event(rest):
                        lines.append(rest)
                    rest = b""
    return lines, rest


def _open(qmp: Qmp, process: Process, file: Path, *, append: bool) -> None:
    """Have QEMU close the file that it took for this one, and open it."""
    path = str(file).replace(",", ",,")
    backend = {"type": "file", "data": {"out": str(file), "append": append}}
    for word in process.argv:
        if word.startswith("file,id=") and f",path={path}," in f"{word},":
            qmp.execute("chardev-change", id=word[len("file,id=") :].partition(",")[0], backend=backend)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
