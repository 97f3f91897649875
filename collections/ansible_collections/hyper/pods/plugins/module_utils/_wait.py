# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for what a pod is to become. The guest tells of every change, so nothing is asked twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _log, _qemu_process
from ansible_collections.hyper.pods.plugins.module_utils._channel import Deadline, GuestTimeout, GuestUnreachable
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._status import ContainerStatus, Status

_TAIL = 20
_LOG_TIME = 5.0


class ContainerFailed(HyperError):
    """A container of the pod could not be started."""


class GuestFailed(HyperError):
    """The guest ended, or never came up."""


class WaitTimeout(HyperError):
    """The pod did not become what was waited for in time."""


def until_running(
    host: Host, name: str, *, timeout: float, alive: Callable[[], bool], say: Callable[[str], None], restarted: Mapping[str, int] | None = None
) -> None:
    """Wait until every container has been started, or the pod has completed. Raises ContainerFailed, GuestFailed, WaitTimeout.

    restarted: containers that are being restarted, and how often they had been before.
    """
    _watch(host, name, lambda status: _is_started(status, restarted or {}), "Running", timeout, alive, say)


def until_ready(host: Host, name: str, *, timeout: float, alive: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Wait until every container is ready, or the pod has completed. Raises ContainerFailed, GuestFailed, WaitTimeout."""
    _watch(host, name, _is_ready, "ready", timeout, alive, say)


def until_begun(
    host: Host,
    name: str,
    begun: Collection[str],
    doubted: Collection[str],
    names: Collection[str],
    *,
    timeout: float,
    stay: float,
    alive: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Wait, in a pod that is being changed, until the containers that begin are ready or have succeeded, and those that are not among ``names`` are gone.

    doubted: containers that go on, but have to become ready as well. stay: seconds that they all have to stay so. Raises ContainerFailed as soon as one that
    begins fails: then it would begin again and again. GuestFailed, WaitTimeout.
    """
    concerned = {*begun, *doubted}

    def settled(status: Status) -> bool:
        ours = [container for container in status.containers if container.name in concerned]
        for container in ours:
            if container.name in begun and container.last_reason and (container.restart_count or container.exit_code or container.state == "waiting"):
                raise _failed(host, name, container)
        there = {container.name for container in status.containers} == set(names)
        return there and all(container.ready or (container.state == "terminated" and container.exit_code == 0) for container in ours)

    deadline = Deadline(timeout)
    while True:
        _watch(host, name, settled, "ready", deadline.left() or 0.0, alive, say, concerned=concerned)
        if not stay or _stays(host, name, settled, stay, alive):
            return


def _stays(host: Host, name: str, settled: Callable[[Status], bool], seconds: float, alive: Callable[[], bool]) -> bool:
    try:
        with Control.connect(host.pod_run_dir(name), timeout=seconds, alive=alive) as control:
            return all(settled(status) for status in control.watch(timeout=seconds))
    except GuestTimeout:
        return True
    except GuestUnreachable:
        _judge_end(host, name)
        return True


def until_completed(host: Host, name: str, *, timeout: float, alive: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Wait until every container has ended and the guest is off. Raises ContainerFailed, GuestFailed, WaitTimeout."""
    deadline = Deadline(timeout)
    _watch(host, name, lambda status: status.phase in ("Succeeded", "Failed"), "completed", timeout, alive, say)
    with _qemu_process.running(host.pod_run_dir(name)) as process:
        if process is not None and not process.wait(deadline.left() or 0.0):
            raise WaitTimeout("the guest did not power off in time" + _last_words(host, name), where=f"pod {name}", remedy=f"Stop it: hyper stop {name}")


def _is_started(status: Status, restarted: Mapping[str, int]) -> bool:
    anew = all(item.restart_count > restarted[item.name] and item.state != "waiting" for item in status.containers if item.name in restarted)
    return status.phase in ("Succeeded", "Failed") or (status.phase == "Running" and anew)


def _is_ready(status: Status) -> bool:
    """Everything that stays is ready, and what has ended has succeeded."""
    return status.phase in ("Succeeded", "Failed") or (
        status.phase == "Running" and all(container.ready or (container.state == "terminated" and not container.exit_code) for container in status.containers)
    )


def _watch(
    host: Host,
    name: str,
    reached: Callable[[Status], bool],
    what: str,
    timeout: float,
    alive: Callable[[], bool],
    say: Callable[[str], None],
    *,
    concerned: Collection[str] | None = None,
) -> None:
    """concerned: the containers whose failure ends the wait, None: all."""
    seen, status = "", Status("Pending")
    try:
        with Control.connect(host.pod_run_dir(name), timeout=timeout, alive=alive) as control:
            for status in control.watch(timeout=timeout):
                _refuse_start_errors(host, name, status, concerned)
                running = sum(container.state == "running" for container in status.containers)
                text = f"{running}/{len(status.containers)} containers running"
                if text != seen:
                    say(text)
                    seen = text
                if reached(status):
                    if status.phase == "Failed":
                        _refuse_broken(name, _whole_life(host, name))
                    return
    except GuestTimeout:
        late = [container for container in status.containers if container.state != "terminated" and (what == "completed" or not container.ready)]
        culprit = next((container for container in late if concerned is None or container.name in concerned), None)
        about = "" if culprit is None else "; " + ", ".join(filter(None, (f"container {culprit.name} is {culprit.state}", culprit.reason, culprit.message)))
        # What the whole pod waits for: a disk, an address.
        about += f"; {status.message}" if status.message else ""
        raise WaitTimeout(
            f"was not {what} within {timeout:.0f} s{about}" + _last_words(host, name, culprit.name if culprit else None),
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
    _refuse_start_errors(host, name, status)
    _refuse_broken(name, life)
    if not life.ended:
        raise GuestFailed((status.message or "the guest ended without an orderly power-off") + _last_words(host, name), where=f"pod {name}")


def _whole_life(host: Host, name: str) -> _log.Life | None:
    """The life of a guest that says that it is over; what it wrote to the log takes another way, and may come a moment later."""
    deadline = Deadline(_LOG_TIME)
    while True:
        life = _log.last_life(host.pod_dir(name) / "log")
        if life is None or life.ended or deadline.passed:
            return life
        time.sleep(0.02)


def _refuse_broken(name: str, life: _log.Life | None) -> None:
    """A pod that could not be made at all, such as one whose volume cannot be mounted, did not fail by its containers."""
    if life is not None and life.failure:
        raise GuestFailed(
            f"could not be made in its guest: {life.failure}", where=f"pod {name}", remedy=f"Correct that and run it again; remove it by: hyper rm {name}"
        )


def _refuse_start_errors(host: Host, name: str, status: Status, concerned: Collection[str] | None = None) -> None:
    for container in status.containers:
        if concerned is not None and container.name not in concerned:
            continue
        if container.reason == "StartError" or (container.state == "waiting" and container.last_reason == "StartError"):
            raise _failed(host, name, container)


def _failed(host: Host, name: str, container: ContainerStatus) -> ContainerFailed:
    if "StartError" in (container.reason, container.last_reason):
        cause = container.last_message or container.message or "see its log"
        return ContainerFailed(
            f"could not be started: {cause}{_last_words(host, name, container.name)}",
            where=f"pod {name}, container {container.name}",
            remedy=f"Correct its command or image and run the pod again; remove it by: hyper rm {name}",
        )
    how = f"by signal {container.signal}" if container.signal else f"with {container.exit_code}"
    return ContainerFailed(
        f"ended {how}{': ' + container.last_message if container.last_message else ''}{_last_words(host, name, container.name)}",
        where=f"pod {name}, container {container.name}",
        remedy=f"Look at it: hyper logs {name}",
    )


def _last_words(host: Host, name: str, container: str | None = None) -> str:
    """The end of the pod's log for an error's text: of one container with what happened to it, or of all."""
    try:
        found = list(_log.read(host.pod_dir(name) / "log", tail=_TAIL, container=container, events=container is not None))
    except FileNotFoundError:
        return ""
    lines = [f"{line.container} {line.message.decode(errors='replace')}" for line in found]
    return "; its last lines:\n" + "\n".join(lines) if lines else ""


def _console(directory: Path) -> str:
    try:
        text = (directory / "console.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip()][-_TAIL:]
    return "; its console said:\n" + "\n".join(lines) if lines else ""
