# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for what a pod is to become. The guest tells of every change, so nothing is asked twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _log
from ansible_collections.hyper.pods.plugins.module_utils._channel import Deadline, GuestTimeout, GuestUnreachable
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._status import Status

_TAIL = 20


class ContainerFailed(HyperError):
    """A container of the pod could not be started."""


class GuestFailed(HyperError):
    """The guest ended, or never came up."""


class WaitTimeout(HyperError):
    """The pod did not become what was waited for in time."""


def until_running(host: Host, name: str, *, timeout: float, alive: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Wait until every container has been started, or the pod has completed. Raises ContainerFailed, GuestFailed, WaitTimeout."""
    _watch(host, name, frozenset({"Running", "Succeeded", "Failed"}), timeout, alive, say)


def until_completed(host: Host, name: str, *, timeout: float, alive: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Wait until every container has ended and the guest is off. Raises ContainerFailed, GuestFailed, WaitTimeout."""
    deadline = Deadline(timeout)
    _watch(host, name, frozenset({"Succeeded", "Failed"}), timeout, alive, say)
    while alive():
        if deadline.passed:
            raise WaitTimeout("the guest did not power off in time", where=f"pod {name}")
        # The process belongs to the supervisor, not to us: its end is not ours to be told of.
        time.sleep(0.02)


def _watch(host: Host, name: str, phases: frozenset[str], timeout: float, alive: Callable[[], bool], say: Callable[[str], None]) -> None:
    seen = ""
    try:
        with Control.connect(host.pod_run_dir(name), timeout=timeout, alive=alive) as control:
            for status in control.watch(timeout=timeout):
                _refuse_start_errors(name, status)
                running = sum(container.state == "running" for container in status.containers)
                text = f"{running}/{len(status.containers)} containers running"
                if text != seen:
                    say(text)
                    seen = text
                if status.phase in phases:
                    return
    except GuestTimeout:
        raise WaitTimeout(
            f"did not become {' or '.join(sorted(phases))} within {timeout:g} s" + _last_words(host, name),
            where=f"pod {name}",
            remedy=f"Look at it: hyper logs {name}",
        ) from None
    except GuestUnreachable:
        _judge_end(host, name)


def _judge_end(host: Host, name: str) -> None:
    """The guest is gone: in order, or not."""
    life = _log.last_life(host.pod_dir(name) / "log")
    if life is None:
        raise GuestFailed("the guest ended before hyperstart came up" + _console(host.pod_dir(name)), where=f"pod {name}")
    status = life.status()
    _refuse_start_errors(name, status)
    if not life.ended:
        raise GuestFailed((status.message or "the guest ended without an orderly power-off") + _last_words(host, name), where=f"pod {name}")


def _refuse_start_errors(name: str, status: Status) -> None:
    for container in status.containers:
        if container.reason == "StartError" or (container.state == "waiting" and container.reason == "CrashLoopBackOff" and "StartError" in container.message):
            raise ContainerFailed(
                f"could not be started: {container.message or 'see its log'}",
                where=f"pod {name}, container {container.name}",
                remedy=f"Correct its command or image and run the pod again; remove it by: hyper rm {name}",
            )


def _last_words(host: Host, name: str) -> str:
    """The end of the pod's log, for an error's text."""
    lines = [f"{line.container} {line.message.decode(errors='replace')}" for line in _log.read(host.pod_dir(name) / "log", tail=_TAIL)]
    return "; its last lines:\n" + "\n".join(lines) if lines else ""


def _console(directory: Path) -> str:
    try:
        text = (directory / "console.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip()][-_TAIL:]
    return "; its console said:\n" + "\n".join(lines) if lines else ""
