# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for pods, whoever has started them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _pod_exec, _pod_status, _record, _wait
from ansible_collections.hyper.pods.plugins.module_utils._channel import Deadline
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor

_FOREVER = 20 * 24 * 3600.0

_UNTIL: dict[str, Callable[..., None]] = {"running": _wait.until_running, "ready": _wait.until_ready, "completed": _wait.until_completed}


def wait(host: Host, names: Sequence[str], until: str, timeout: float | None) -> list[dict[str, Any]]:
    """Wait until every pod is running, ready or completed; returns them as pod_info reports them.

    A pod whose guest is off has completed. timeout: seconds for all of them, None: as long as it takes.
    Raises PodNotFound, PodNotRunning, ContainerFailed, GuestFailed, WaitTimeout.
    """
    supervision = supervisor(host)
    for name in names:
        _record.require(host, name)
    deadline = Deadline(timeout)
    # One after the other: what has come true of one while another was waited for is seen at once.
    for name in names:
        alive = _pod_status.alive(supervision, name)
        if until == "completed" and not alive() and _pod_status.look(host, supervision, name).status is not None:
            continue
        _pod_exec.find(host, name, None)
        left = deadline.left()
        _UNTIL[until](host, name, timeout=_FOREVER if left is None else left, alive=alive, say=lambda _: None)
    return [_pod_status.info(look) for look in _pod_status.look_all(host, supervision, list(names))]


def exit_code(pods: Sequence[dict[str, Any]]) -> int:
    """The first exit code that is not 0, in the order of the pods and their containers."""
    codes = [container["exitCode"] for pod in pods for container in pod["containers"]]
    return next((code for code in codes if code), 0)
