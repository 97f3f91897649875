# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of an operator's actions on a guest that runs: it is held, goes on, its containers get signals or are restarted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp

# QEMU serves one client at a time: another operation may hold it for a while.
_QMP_TIMEOUT = 10.0
_CONNECT_TIMEOUT = 30.0


def pause(host: Host, name: str) -> None:
    """Hold the guest. Raises QmpUnreachable."""
    _execute(host, name, "stop")


def resume(host: Host, name: str) -> None:
    """Let the guest go on. Raises QmpUnreachable."""
    _execute(host, name, "cont")


def kill(host: Host, name: str, container: str | None, number: int, alive: Callable[[], bool]) -> None:
    """Send a signal to the main process of a container, or of all that run. Raises RequestRefused and what Control.connect raises."""
    with _control(host, name, alive) as control:
        control.kill(container, number)


def restart_container(host: Host, name: str, container: str, grace_period: int | None, alive: Callable[[], bool]) -> int:
    """Begin to restart a container; returns how often it had been restarted before. Raises RequestRefused and what Control.connect raises."""
    with _control(host, name, alive) as control:
        former = next((item.restart_count for item in control.status().containers if item.name == container), 0)
        control.restart(container, grace_period)
        return former


def _execute(host: Host, name: str, command: str) -> None:
    with Qmp.connect(host.pod_run_dir(name) / QMP_SOCKET, _QMP_TIMEOUT) as qmp:
        qmp.execute(command)


@contextmanager
def _control(host: Host, name: str, alive: Callable[[], bool]) -> Iterator[Control]:
    with Control.connect(host.pod_run_dir(name), timeout=_CONNECT_TIMEOUT, alive=alive) as control:
        yield control
