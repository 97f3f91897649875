# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a pod: wanted and observed → actions. Pure, so a check, a diff and the real run cannot disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container, Port
from ansible_collections.hyper.pods.plugins.module_utils._manifest_files import FileVolume
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import ClaimVolume, EmptyDir, HostPath, ImageVolume, LimitedDir, NfsVolume

LIVE = "live"
RESTARTS_CONTAINER = "restarts container {}"
STARTS_CONTAINER = "starts container {}"
STOPS_CONTAINER = "stops container {}"
RESTARTS_GUEST = "restarts the guest"
STARTS_GUEST = "starts the guest"
STOPS_GUEST = "stops the guest"
RESUMES_GUEST = "resumes the guest"

# What changes while everything goes on. A field that stands nowhere here restarts the guest or, of a container, the container.
_LIVE_FIELDS = frozenset({"labels", "annotations", "grace_period", "restart_policy"})
_LIVE_SIDECAR_FIELDS = frozenset({"resources", "startup_probe", "liveness_probe", "readiness_probe"})
_LIVE_CONTAINER_FIELDS = _LIVE_SIDECAR_FIELDS | {"restart_policy"}
_LIVE_VOLUMES = (EmptyDir, FileVolume, ImageVolume)
DISK_VOLUMES = (ClaimVolume, LimitedDir)
# What a guest that runs cannot be given.
_FIXED_VOLUMES = {
    # Its memory is shared with who serves them, or not, from its start.
    HostPath: "files of the host are given to a guest when it starts",
    # Its kernel has the modules, or not, from its start.
    NfsVolume: "exports are mounted when a guest starts",
}
_FIRST_UNPRIVILEGED_PORT = 1024
_SIZE_FIELDS = frozenset({"cpus", "memory_mib"})
# Linux on x86-64 takes whole sections of memory.
MEMORY_STEP_MIB = 128
_RECORDED = frozenset({"labels changed", "annotations changed"})


@dataclass(frozen=True)
class Room:
    """The size of a guest that runs, and how far it can grow meanwhile. slots: how often memory can still be added."""

    cpus: int
    most_cpus: int
    memory_mib: int
    most_memory_mib: int
    slots: int

    def has_cpus(self, wanted: int) -> bool:
        """Whether the guest has so many processors, or can be given them."""
        return wanted <= self.most_cpus

    def has_memory(self, wanted_mib: int) -> bool:
        """Whether the guest has so much memory, or can be given it."""
        more = wanted_mib - self.memory_mib
        return more <= 0 or (more % MEMORY_STEP_MIB == 0 and wanted_mib <= self.most_memory_mib and self.slots > 0)


@dataclass(frozen=True)
class Slots:
    """Where a guest that runs takes disks and gives them back. free: how many have none; volumes: whose disks are in the others."""

    free: int
    volumes: frozenset[str]


@dataclass(frozen=True)
class Observed:
    """A pod as the host has it.

    pod: its definition, or None where there is none. images: container name → image id. residue: something of a pod that was half
    made or half removed lies on the host. running: its guest runs. rigid: it runs as a former version of Hyper started it, which could change nothing while
    it ran. due: it does not, but will be started again without being asked for.
    completed: its containers ended by themselves and the guest powered off. paused: its guest runs, but is held. room: how far its guest can grow, and slots:
    for disks, where somebody wants to know.
    """

    pod: Pod | None = None
    images: Mapping[str, str] | None = None
    residue: bool = False
    running: bool = False
    rigid: bool = False
    due: bool = False
    completed: bool = False
    paused: bool = False
    room: Room | None = None
    slots: Slots | None = None


@dataclass(frozen=True)
class Wanted:
    """A pod as the user wants it. images: container name → image id; a name is absent where the image has yet to be pulled (check mode)."""

    pod: Pod
    images: Mapping[str, str]


@dataclass(frozen=True)
class Action:
    """One step. action: create, update, start, stop, restart, pause, resume, kill, delete, pull. effect: what the running pod feels of it. reason: why.

    container: whose it is. signal: such as SIGHUP, of a kill.
    """

    pod: str
    action: str
    effect: str
    reason: str
    container: str = ""
    signal: str = ""

    def as_dict(self) -> dict[str, str]:
        """The form of a module's result; without the container where it is the pod's, and the signal where there is none."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("container", "signal")}


@dataclass(frozen=True)
class _Change:
    """One difference between two definitions, and what a guest that runs feels of it."""

    reason: str
    effect: str
    container: str = ""

    @property
    def recorded(self) -> bool:
        """Whether it is written down, and the guest need not hear of it."""
        return self.reason in _RECORDED


def converge(wanted: Wanted, observed: Observed, *, start: bool) -> tuple[Action, ...]:
    """Bring the pod to its definition and, where ``start``, to run.

    A pod that completed stays completed: its definition says when its containers are due again. A definition that changed is run anew.
    """
    name = wanted.pod.name
    if observed.pod is None:
        create = Action(name, "create", LIVE, "there is no pod of this name")
        return (create, Action(name, "start", STARTS_GUEST, "the pod is new")) if start else (create,)
    changes = tuple(_all_changes(wanted, observed))
    felt = any(not change.recorded for change in changes)
    actions = list(_updates(name, changes, observed))
    if observed.paused and (start or felt) and not any(action.effect == RESTARTS_GUEST for action in actions):
        # First of all: a guest that is held hears of no change.
        actions.insert(0, resume(name))
    if start and not observed.running and (felt or not observed.completed):
        actions.append(Action(name, "start", STARTS_GUEST, "the definition changed" if felt else "the pod is not running"))
    return tuple(actions)


def _updates(name: str, changes: Sequence[_Change], observed: Observed) -> Iterator[Action]:
    """One action for all that happens to the pod, one for each container that something happens to. A guest that is off feels nothing."""
    if not changes:
        return
    reasons = "; ".join(change.reason for change in changes)
    if not observed.running:
        yield Action(name, "update", LIVE, reasons)
        return
    rigid = observed.rigid and any(not change.recorded for change in changes)
    if rigid or any(change.effect == RESTARTS_GUEST for change in changes):
        yield Action(name, "update", RESTARTS_GUEST, reasons + "; it was started by a former version" * rigid)
        return
    restarted = {change.container for change in changes if change.effect == RESTARTS_CONTAINER.format(change.container)}
    for container in dict.fromkeys(change.container for change in changes):
        # What restarts a container brings its live changes along.
        own = [change for change in changes if change.container == container]
        effect = RESTARTS_CONTAINER.format(container) if container in restarted else own[0].effect
        yield Action(name, "update", effect, "; ".join(change.reason for change in own), container)


def start(name: str, observed: Observed) -> tuple[Action, ...]:
    """Run a pod that is defined, a completed one too."""
    if observed.paused:
        return (resume(name),)
    return () if observed.running else (Action(name, "start", STARTS_GUEST, "the pod is not running"),)


def resume(name: str) -> Action:
    """Let a pod go on that is held."""
    return Action(name, "resume", RESUMES_GUEST, "the pod is paused")


def stop(name: str, observed: Observed) -> tuple[Action, ...]:
    """End a pod and keep all that it has."""
    if observed.running:
        return (Action(name, "stop", STOPS_GUEST, "the pod is running"),)
    return (Action(name, "stop", LIVE, "the pod would be started again"),) if observed.due else ()


def restart(name: str, observed: Observed) -> tuple[Action, ...]:
    """Run a pod anew, whatever it does now."""
    if observed.running:
        return (Action(name, "restart", RESTARTS_GUEST, "a restart was asked for"),)
    return (Action(name, "start", STARTS_GUEST, "a restart was asked for"),)


def remove(name: str, observed: Observed) -> tuple[Action, ...]:
    """Leave nothing of a pod."""
    if observed.pod is not None or observed.running:
        return (Action(name, "delete", STOPS_GUEST if observed.running else LIVE, "the pod is defined"),)
    return (Action(name, "delete", LIVE, "something of it is left"),) if observed.residue else ()


def _all_changes(wanted: Wanted, observed: Observed) -> Iterator[_Change]:
    """Each difference, and what a guest that runs feels of it."""
    before, after = observed.pod, wanted.pod
    if before is None:
        return
    for item in fields(Pod):
        if item.name in ("name", "containers", "init_containers") or not item.compare:
            continue
        former, latter = getattr(before, item.name), getattr(after, item.name)
        if item.name == "volumes":
            yield from _volume_changes(former, latter, observed.slots)
            yield from _volume_image_changes(wanted, observed)
        elif former != latter:
            yield _Change(*_field_change(item.name, former, latter, observed.room))
    former_containers = {container.name: container for container in before.all_containers}
    latter_containers = {container.name: container for container in after.all_containers}
    for name, container in former_containers.items():
        if name not in latter_containers:
            yield _Change(f"container {name} removed", RESTARTS_GUEST if container.init else STOPS_CONTAINER.format(name), name)
    for name, container in latter_containers.items():
        if name not in former_containers:
            yield _Change(f"container {name} added", RESTARTS_GUEST if container.init else STARTS_CONTAINER.format(name), name)
        else:
            yield from _container_changes(former_containers[name], container, rules=_by_rules(after))
            yield from _image_changes(wanted, observed, former_containers[name], container)
    if set(former_containers) == set(latter_containers) and list(former_containers) != list(latter_containers):
        inits = [[container.name for container in pod.init_containers] for pod in (before, after)]
        yield _Change("order of containers changed", LIVE if inits[0] == inits[1] else RESTARTS_GUEST)


def _field_change(name: str, former: Any, latter: Any, room: Room | None) -> tuple[str, str]:
    """Why, and what a guest that runs feels of it."""
    reason = f"{_camel(name)} changed"
    if name not in _SIZE_FIELDS or room is None or latter < former:
        return reason, LIVE if name in _LIVE_FIELDS else RESTARTS_GUEST
    if room.has_cpus(latter) if name == "cpus" else room.has_memory(latter):
        return reason, LIVE
    limit = str(room.most_cpus) if name == "cpus" else f"{room.most_memory_mib} MiB, {room.slots} times by a multiple of {MEMORY_STEP_MIB} MiB"
    return f"{reason} (while it runs the guest can grow to {limit})", RESTARTS_GUEST


def _container_changes(before: Container, after: Container, *, rules: bool) -> Iterator[_Change]:
    for item in fields(Container):
        former, latter = getattr(before, item.name), getattr(after, item.name)
        # When an image is pulled decides which image it is; alone it changes nothing of the pod.
        if item.name == "image_pull_policy" or former == latter:
            continue
        effect = RESTARTS_CONTAINER.format(after.name)
        if item.name == "ports":
            effect = LIVE if rules or all(map(_is_live, _published(former) ^ _published(latter))) else RESTARTS_GUEST
        elif before.init or after.init:
            effect = LIVE if before.sidecar and after.sidecar and item.name in _LIVE_SIDECAR_FIELDS else RESTARTS_GUEST
        elif item.name in _LIVE_CONTAINER_FIELDS:
            effect = LIVE
        yield _Change(f"container {after.name}: {_camel(item.name)} changed", effect, after.name)


def _image_changes(wanted: Wanted, observed: Observed, before: Container, after: Container) -> Iterator[_Change]:
    image, known = (observed.images or {}).get(after.name), wanted.images.get(after.name)
    if known is not None and image != known and before.image == after.image:
        reason = f"container {after.name}: {after.image} is another image now ({_short(image)} → {_short(known)})"
        yield _Change(reason, RESTARTS_GUEST if after.init else RESTARTS_CONTAINER.format(after.name), after.name)


def _volume_image_changes(wanted: Wanted, observed: Observed) -> Iterator[_Change]:
    former = () if observed.pod is None else observed.pod.volumes
    for volume in wanted.pod.volumes:
        if isinstance(volume, ImageVolume) and volume in former:
            image, known = (observed.images or {}).get(volume.key), wanted.images.get(volume.key)
            if known is not None and image != known:
                yield _Change(f"volume {volume.name}: {volume.image} is another image now ({_short(image)} → {_short(known)})", RESTARTS_GUEST)


def _volume_changes(before: tuple[Any, ...], after: tuple[Any, ...], slots: Slots | None) -> Iterator[_Change]:
    former, latter = {volume.name: volume for volume in before}, {volume.name: volume for volume in after}
    free = slots.free if slots is not None else 0
    for name, volume in former.items():
        if name in latter:
            continue
        obstacle = "" if isinstance(volume, _LIVE_VOLUMES) else _obstacle_to_remove(volume, slots)
        yield _Change(f"volume {name} removed{obstacle}", RESTARTS_GUEST if obstacle else LIVE)
    for name, volume in latter.items():
        if name not in former:
            obstacle = "" if isinstance(volume, _LIVE_VOLUMES) else _obstacle_to_add(volume, free)
            # A slot that a volume leaves is free only afterwards.
            free -= isinstance(volume, DISK_VOLUMES)
            yield _Change(f"volume {name} added{obstacle}", RESTARTS_GUEST if obstacle else LIVE)
        elif volume != former[name]:
            files = isinstance(volume, FileVolume) and isinstance(former[name], FileVolume)
            yield _Change(f"volume {name} changed", LIVE if files else RESTARTS_GUEST)


def _obstacle_to_add(volume: Any, free: int) -> str:
    """Why a guest that runs cannot be given a volume; nothing where it can."""
    if isinstance(volume, DISK_VOLUMES):
        return "" if free > 0 else " (the guest has no free slot for its disk)"
    return f" ({_FIXED_VOLUMES[type(volume)]})"


def _obstacle_to_remove(volume: Any, slots: Slots | None) -> str:
    if isinstance(volume, DISK_VOLUMES):
        return "" if slots is not None and volume.name in slots.volumes else " (its disk is in no slot from which it can be taken while the guest runs)"
    return f" ({_FIXED_VOLUMES[type(volume)]})"


def _published(ports: tuple[Port, ...]) -> set[Port]:
    """What of ports reaches the host; the others, and their names, are notes."""
    return {replace(port, name="") for port in ports if port.host_port is not None}


def _by_rules(pod: Pod) -> bool:
    """Whether its ports are published by rules of the host, which bind nothing."""
    return pod.network.publisher is not None and pod.network.publisher.kind == "nat"


def _is_live(port: Port) -> bool:
    # QEMU is given the right to bind a lower one when it starts, or never.
    return port.host_port is not None and port.host_port >= _FIRST_UNPRIVILEGED_PORT


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _short(image_id: str | None) -> str:
    return (image_id or "none").rpartition(":")[2][:12]
