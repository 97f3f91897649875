# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's end of a direct road to a pod's log: the part of it that is wanted, as it is, and what is written from then on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.hyper.pods.plugins.module_utils import _log_files
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._inside import SOURCES as PORT_SOURCES
from ansible_collections.hyper.pods.plugins.module_utils._inside import answer, containers, failure
from ansible_collections.hyper.pods.plugins.module_utils._log import blocks_backwards
from ansible_collections.hyper.pods.plugins.module_utils._log_watch import Watch
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import ContainerNotFound
from ansible_collections.hyper.pods.plugins.module_utils._qemu_process import running

# This module and all that it uses, each after those that it uses itself.
SOURCES = (*PORT_SOURCES, "_fields", "_status", "_log_files", "_log", "_log_watch", "_inside_log")
_CHUNK = 1 << 20


class NoPreviousRun(HyperError):
    """A container has been started only once, or never."""


@dataclass(frozen=True)
class Wanted:
    """Which lines. container: only its own; tail: the last so many whole ones; since: not before this time, as the log has it; previous: of each container the
    run before its last one; follow: go on until the guest ends."""

    container: str | None = None
    tail: int | None = None
    since: str | None = None
    previous: bool = False
    follow: bool = False


@dataclass(frozen=True)
class Log:
    """containers: those of the pod; blocks: whole lines of the log, hyperstart's own among them."""

    containers: tuple[str, ...]
    blocks: Iterator[bytes]

    def close(self) -> None:
        """Read no more of it."""
        close = getattr(self.blocks, "close", None)
        if close:
            close()


def open_log(host: Host, pod: str, wanted: Wanted, ends: Sequence[int] = ()) -> Log:
    """ends: descriptors; when one of them can be read, or hangs up, nobody follows any more. Raises as ``containers``, ContainerNotFound, NoPreviousRun."""
    main, init = containers(host, pod)
    names = (*init, *main)
    if wanted.container is not None and wanted.container not in names:
        raise ContainerNotFound(pod, wanted.container, list(names))
    path = host.pod_dir(pod) / "log"
    try:
        file = _log_files.opened(path)
    except FileNotFoundError:
        return Log(names, iter(()))
    try:
        chosen = [wanted.container] if wanted.container is not None else list(names)
        runs = _previous_runs(file, chosen) if wanted.previous else None
        if runs is not None and not runs:
            raise NoPreviousRun("has no previous run", where=f"pod {pod}" + (f", container {wanted.container}" if wanted.container else ""))
        keep = _filter(wanted, runs)
        start = 0 if wanted.tail is None else _start_of_tail(file, wanted.tail, keep)
        follow = wanted.follow and runs is None
        return Log(names, _followed(file, start, keep, path, host.pod_run_dir(pod), ends) if follow else _read(file, start, keep))
    except BaseException:
        file.close()
        raise


# Whether a line that begins at an offset is wanted; None: all are.
_Filter = Callable[[bytes, int], bool]


def _filter(wanted: Wanted, runs: Mapping[bytes, tuple[int, int]] | None) -> _Filter | None:
    container = None if wanted.container is None else wanted.container.encode()
    since = None if wanted.since is None else wanted.since.encode()
    if container is None and since is None and runs is None:
        return None

    def keep(line: bytes, offset: int) -> bool:
        words = line.split(b" ", 4)
        if len(words) < 5 or (container is not None and words[3] != container) or (since is not None and words[0] < since):
            return False
        if runs is None:
            return True
        begin, end = runs.get(words[3], (0, 0))
        return begin <= offset < end

    return keep


def _previous_runs(file: BinaryIO, containers: list[str]) -> dict[bytes, tuple[int, int]]:
    """Where the last run but one of each container begins and ends."""
    begins: dict[bytes, list[int]] = {name.encode(): [] for name in containers}
    offset = 0
    file.seek(0)
    for line in file:
        if line[30:38] == b" event F":
            words = line.split(b" ", 5)
            if len(words) > 4 and words[4].strip() == b"created" and words[3] in begins:
                begins[words[3]].append(offset)
        offset += len(line)
    return {name: (found[-2], found[-1]) for name, found in begins.items() if len(found) > 1}


def _start_of_tail(file: BinaryIO, tail: int, keep: _Filter | None) -> int:
    """Where the last so many lines begin that containers wrote; parts of one line count as one."""
    end, count = None, 0
    for offset, block in blocks_backwards(file):
        position = offset + len(block)
        end = position if end is None else end
        for text in reversed(block.split(b"\n")[:-1]):
            line = text + b"\n"
            position -= len(line)
            kind = line[31:39]
            if kind.startswith(b"event") or (keep is not None and not keep(line, position)):
                continue
            count += kind.endswith(b"F")
            if count > tail:
                return position + len(line)
    # Fewer lines than that, or none.
    return 0 if tail else end or 0


def _followed(file: BinaryIO, start: int, keep: _Filter | None, path: Path, run_dir: Path, ends: Sequence[int]) -> Iterator[bytes]:
    """As ``_read``, and what is written from then on, until the guest ends."""
    with running(run_dir) as process:
        if process is None:
            yield from _read(file, start, keep)
            return
        with Watch(path, (process.pidfd, *ends)) as watch:
            yield from _read(file, start, keep, watch.wait)


def _read(file: BinaryIO, start: int, keep: _Filter | None, more: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
    """Whole lines from an offset on, in blocks, and once more when ``more`` has said that there will be none."""
    with file:
        file.seek(start)
        rest, last = b"", False
        while True:
            while data := file.read(_CHUNK):
                data = rest + data
                cut = data.rfind(b"\n") + 1
                block, rest = data[:cut], data[cut:]
                if keep is not None:
                    block = b"".join(_kept(block, start, keep))
                start += cut
                if block:
                    yield block
            if last:
                return
            last = not more()


def _kept(block: bytes, offset: int, keep: _Filter) -> Iterator[bytes]:
    for text in block.split(b"\n")[:-1]:
        line = text + b"\n"
        if keep(line, offset):
            yield line
        offset += len(line)


def serve(request: Mapping[str, Any]) -> None:
    """Answer a request that came with the sources, in a line of JSON, and write the lines behind it until the other end has gone."""
    host = Host(Path(request["state_dir"]), Path(request["run_dir"]))
    try:
        log = open_log(host, request["pod"], Wanted(**request["wanted"]), ends=(0,))
    except (HyperError, OSError) as error:
        answer(failure(error))
        return
    answer({"containers": log.containers})
    with contextlib.suppress(BrokenPipeError):
        for block in log.blocks:
            view = memoryview(block)
            while view:
                view = view[os.write(1, view) :]
