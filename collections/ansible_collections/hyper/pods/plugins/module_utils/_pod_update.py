# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a pod while its guest runs: containers are added, replaced and removed, the others go on; and back again when that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _launch, _manifest, _plan_disk, _pod_files, _pod_guest, _pod_ports, _record, _wait
from ansible_collections.hyper.pods.plugins.module_utils._channel import Deadline, GuestTimeout, GuestUnreachable
from ansible_collections.hyper.pods.plugins.module_utils._control import Control, RequestRefused
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._plan import RESTARTS_CONTAINER, STARTS_CONTAINER, Action

_ANSWER_TIME = 10.0
# Beyond a container's grace period.
_ENDING_TIME = 15.0
# What of a guest's refusals passes: a container still ends because of a former update, or a disk that was plugged in is not seen yet (docs/wire.md).
_UNSEEN = "waiting for the disk"
_PASSING = ("still ending", _UNSEEN)
_LOOK = 0.02


class UpdateFailed(HyperError):
    """A pod could not be changed while it ran."""


@dataclass(frozen=True)
class Running:
    """A pod whose guest runs. pid: of its QEMU; alive: whether it still runs; say: tells of progress."""

    host: Host
    name: str
    pid: int
    alive: Callable[[], bool]
    say: Callable[[str], None]

    @property
    def disk(self) -> Path:
        return _pod_files.plan_path(self.host, self.name)

    def connect(self) -> Control:
        return Control.connect(self.host.pod_run_dir(self.name), timeout=_ANSWER_TIME, alive=self.alive)

    def has_disk(self, serial: str) -> bool:
        """Whether an image is a disk of the guest's own, as QEMU was started."""
        return f"/{serial}.erofs".encode() in Path(f"/proc/{self.pid}/cmdline").read_bytes()


@dataclass(frozen=True)
class Policy:
    """How a change goes about it. deadline: seconds within which containers that begin have to be ready, None: nobody waits; stay: seconds that they
    have to stay so. rollback: else the former definition returns.
    """

    deadline: float | None = None
    stay: float = 0.0
    rollback: bool = False


@dataclass(frozen=True)
class Change:
    """What an update does to the containers. begun: replaced or added; retuned: go on with other limits and probes; doubted: of these those whose readiness
    another probe decides.
    """

    replaced: tuple[str, ...]
    begun: tuple[str, ...]
    retuned: tuple[str, ...]
    doubted: tuple[str, ...]


def change_of(actions: Sequence[Action], former: _launch.LaunchPlan, latter: _launch.LaunchPlan) -> Change:
    """From what was planned to what the guest is told. Pure."""
    replaced = tuple(action.container for action in actions if action.effect == RESTARTS_CONTAINER.format(action.container))
    added = tuple(action.container for action in actions if action.effect == STARTS_CONTAINER.format(action.container))
    before = {container.name: container for container in former.containers}
    retuned = tuple(
        container.name for container in latter.containers if container.name not in replaced and container.name in before and container != before[container.name]
    )
    after = {container.name: container for container in latter.containers}
    doubted = tuple(name for name in retuned if _readiness(before[name]) != _readiness(after[name]))
    return Change(replaced, (*replaced, *added), retuned, doubted)


def _readiness(container: _launch.Container) -> tuple[object, object]:
    return container.startup_probe, container.readiness_probe


def carry_out(
    running: Running,
    actions: Sequence[Action],
    former: _record.Record,
    latter: _record.Record,
    *,
    plans: tuple[_launch.LaunchPlan, _launch.LaunchPlan],
    secrets: tuple[bytes, bytes],
    disks: Mapping[str, Path],
    policy: Policy,
) -> HyperError | None:
    """Bring the guest from one record to the other. The record itself, and what a cold start needs, is the caller's.

    plans: what the two records mean to a guest without images behind its plan; secrets: what these leave out, as its disk has it. disks: image id → disk in
    the store. Returns what failed in a change that stays all the same, since it was not to be taken back. Raises UpdateFailed and others: then the pod is
    what it was.
    """
    change = change_of(actions, *plans)
    held = _plan_disk.read(running.disk)
    moved = plans[0] != plans[1]
    if moved:
        with running.connect() as control:
            kept = {_pod_guest.serial(image) for record in (former, latter) for image in record.images.values()}
            wanted = {_pod_guest.serial(image): disks[image] for image in latter.images.values() if image in disks}
            images = _plan_disk.add_images(running.disk, held, kept, {serial: disk for serial, disk in wanted.items() if not running.has_disk(serial)})
            written = _plan_disk.write(running.disk, held, _plan_disk.with_images(plans[1], images))
            try:
                _tell(control, change, secrets[1], timeout=_patience(former.pod))
            except RequestRefused as error:
                # Nothing has come of it; a cold start must not either.
                _plan_disk.write(running.disk, written, held.plan)
                raise UpdateFailed(error.message, where=f"pod {running.name}", remedy=f"Restart it: hyper restart {running.name}") from None
    try:
        _pod_ports.change(running.host, former.pod, latter.pod)
        failure = _settle(running, latter, change, policy)
        if failure is not None and policy.rollback:
            raise failure
    except HyperError as error:
        if not policy.rollback:
            raise
        outcome = _return(running, change, former, latter, plans, secrets[0])
        raise UpdateFailed(f"{error}; {outcome}", where=f"pod {running.name}", remedy="Correct the definition and run it again") from None
    return failure


def _return(
    running: Running,
    change: Change,
    former: _record.Record,
    latter: _record.Record,
    plans: tuple[_launch.LaunchPlan, _launch.LaunchPlan],
    secrets: bytes,
) -> str:
    """Bring the former definition back, and say how that went. secrets: those of the former."""
    held = _plan_disk.read(running.disk)
    try:
        if plans[0] != plans[1]:
            _plan_disk.write(running.disk, held, _plan_disk.with_images(plans[0], held.plan.images))
            with running.connect() as control:
                _tell(control, change, secrets, timeout=_patience(latter.pod), rollback=True)
        _pod_ports.change(running.host, latter.pod, former.pod)
        _until_begun(running, former, change.replaced, (), timeout=_patience(latter.pod), stay=0.0)
    except (HyperError, GuestTimeout, GuestUnreachable) as error:
        return f"its former definition could not be brought back: {error}"
    grown = former.pod.size != latter.pod.size
    return "its former definition is back" + "; its guest keeps the size that it was given until it is restarted" * grown


def _settle(running: Running, latter: _record.Record, change: Change, policy: Policy) -> HyperError | None:
    """Wait for what begins; what has become of it."""
    if policy.deadline is None or not (change.begun or change.doubted):
        return None
    try:
        _until_begun(running, latter, change.begun, change.doubted, timeout=policy.deadline, stay=policy.stay)
    except HyperError as error:
        return error
    return None


def _until_begun(running: Running, record: _record.Record, begun: Sequence[str], doubted: Sequence[str], *, timeout: float, stay: float) -> None:
    names = [container.name for container in record.pod.all_containers]
    _wait.until_begun(running.host, running.name, begun, doubted, names, timeout=timeout, stay=stay, alive=running.alive, say=running.say)


def _patience(pod: _manifest.Pod) -> float:
    return pod.grace_period + _ENDING_TIME


def _tell(control: Control, change: Change, secrets: bytes, *, timeout: float, rollback: bool = False) -> None:
    """Send the update; who is still ending because of a former one is waited for, and so are disks that were plugged in."""
    deadline = Deadline(timeout)
    while True:
        try:
            control.update(replace=change.replaced, retune=change.retuned, rollback=rollback, secrets=secrets)
            return
        except RequestRefused as error:
            if not any(obstacle in error.message for obstacle in _PASSING) or deadline.passed:
                raise
            if _UNSEEN in error.message:
                # Of what its kernel sees of its machine the guest tells nobody.
                time.sleep(_LOOK)
                continue
        with suppress(GuestTimeout):
            # The state now, and the next one.
            statuses = control.watch(timeout=min(1.0, deadline.left() or 0.0))
            next(statuses)
            next(statuses)
