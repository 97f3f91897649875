# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's end of a direct road into a pod, for what cannot wait for a play: a control port, found and passed on byte for byte.

It needs few other modules, and no file on the host: the control node sends the sources of all (``SOURCES``) through a shell's standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._channel import Deadline, connect, take_port
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import BadName, BrokenRecord, ContainerNotFound, PodNotFound, PodNotRunning, PodPaused
from ansible_collections.hyper.pods.plugins.module_utils._qemu_process import running
from ansible_collections.hyper.pods.plugins.module_utils._qmp import is_paused

# This module and all that it uses, each after those that it uses itself.
SOURCES: tuple[str, ...] = ("_errors", "_tags", "_host", "_frames", "_channel", "_guest", "_pid_file", "_qemu_process", "_pod_errors", "_qmp", "_inside")
# How long a guest that is booting, or one whose ports are all in use, is waited for, in seconds.
CONNECT_TIMEOUT = 30.0
_CHUNK = 1 << 18
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Port:
    """A connection to a free control port of a pod. container: the one that was named, or the pod's first; lock: keeps the port taken while it is open;
    tty, stdin: whether the container has a terminal, and reads."""

    container: str
    connection: socket.socket
    lock: int | None = None
    tty: bool = False
    stdin: bool = False

    def close(self) -> None:
        """Let it go unused."""
        self.connection.close()
        if self.lock is not None:
            os.close(self.lock)


def containers(host: Host, pod: str) -> tuple[list[str], list[str]]:
    """The names of a pod's containers and of its init containers; quicker than to read all of its definition. Raises BadName, PodNotFound, BrokenRecord."""
    main, init = _definitions(host, pod)
    return list(main), list(init)


def _definitions(host: Host, pod: str) -> tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
    if not _NAME.fullmatch(pod):
        raise BadName(pod)
    file = host.pod_dir(pod) / "pod.json"
    try:
        spec = json.loads(file.read_bytes())["definition"]["spec"]
        return {item["name"]: item for item in spec["containers"]}, {item["name"]: item for item in spec.get("initContainers") or ()}
    except FileNotFoundError:
        raise PodNotFound(pod, sorted(path.parent.name for path in (host.state_dir / "pods").glob("[!.]*/pod.json"))) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenRecord(f"cannot be read: {error}", where=str(file), remedy=f"Remove the pod and run it again: hyper rm {pod}") from None


def port(host: Host, pod: str, container: str | None, timeout: float = CONNECT_TIMEOUT) -> Port:
    """A control port of a pod that runs. Raises as ``containers``, ContainerNotFound, PodNotRunning, PodPaused, AllPortsBusy, GuestUnreachable."""
    main, init = _definitions(host, pod)
    chosen, run_dir = container or next(iter(main)), host.pod_run_dir(pod)
    definition = {**init, **main}.get(chosen)
    if definition is None:
        raise ContainerNotFound(pod, chosen, [*init, *main])

    def alive() -> bool:
        with running(run_dir) as process:
            return process is not None

    if not alive():
        raise PodNotRunning(pod)
    if is_paused(run_dir / QMP_SOCKET):
        raise PodPaused(pod)
    deadline = Deadline(timeout)
    lock, path = take_port(run_dir, deadline)
    try:
        return Port(chosen, connect(path, deadline, alive), lock, definition.get("tty") is True, definition.get("stdin") is True)
    except BaseException:
        os.close(lock)
        raise


def serve(request: Mapping[str, Any]) -> None:
    """Answer a request that came with the sources, in a line of JSON, and pass on what standard input and output carry from then on."""
    host = Host(Path(request["state_dir"]), Path(request["run_dir"]))
    try:
        taken = port(host, request["pod"], request["container"])
    except (HyperError, OSError) as error:
        answer(failure(error))
        return
    answer({"container": taken.container, "tty": taken.tty, "stdin": taken.stdin})
    with taken.connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        _relay(taken.connection.fileno())


def failure(error: HyperError | OSError) -> dict[str, str | None]:
    """An error as the other end is told of it."""
    if isinstance(error, OSError):
        return {"error": "OSError", "message": (error.strerror or str(error)).lower(), "where": error.filename and str(error.filename), "remedy": None}
    return {"error": type(error).__name__, "message": error.message, "where": error.where, "remedy": error.remedy}


def answer(value: Mapping[str, object]) -> None:
    """Write what the other end reads first."""
    data = json.dumps(value).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def _relay(connection: int) -> None:
    """Between standard input and output and a socket, until either has ended. What one side does not take yet is not read from the other."""
    ways = {0: connection, connection: 1}
    held = {0: b"", connection: b""}
    for descriptor in (0, 1, connection):
        os.set_blocking(descriptor, False)
    while True:
        poll = select.poll()
        events = {0: 0, 1: 0, connection: 0}
        for source, target in ways.items():
            events[target if held[source] else source] |= select.POLLOUT if held[source] else select.POLLIN
        for descriptor, wanted in events.items():
            # One that is not asked for anything still tells of its end.
            poll.register(descriptor, wanted)
        ready = dict(poll.poll())
        for source, target in ways.items():
            with contextlib.suppress(BlockingIOError):
                if not held[source] and ready.get(source, 0) & ~select.POLLOUT:
                    held[source] = os.read(source, _CHUNK)
                    if not held[source]:
                        return
                while held[source]:
                    held[source] = held[source][os.write(target, held[source]) :]
        if ready.get(1, 0) & (select.POLLERR | select.POLLHUP):
            return
