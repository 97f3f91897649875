# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a pod: wanted and observed → actions. Pure, so a check, a diff and the real run cannot disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields

from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container

LIVE = "live"
RESTARTS_GUEST = "restarts the guest"
STARTS_GUEST = "starts the guest"
STOPS_GUEST = "stops the guest"

# What the running guest need not hear of.
_LIVE_FIELDS = frozenset({"labels", "annotations"})


@dataclass(frozen=True)
class Observed:
    """A pod as the host has it.

    pod: its definition, or None where there is none. images: container name → image id. residue: something of a pod that was half
    made or half removed lies on the host. running: its guest runs. due: it does not, but will be started again without being asked for.
    completed: its containers ended by themselves and the guest powered off.
    """

    pod: Pod | None = None
    images: Mapping[str, str] | None = None
    residue: bool = False
    running: bool = False
    due: bool = False
    completed: bool = False


@dataclass(frozen=True)
class Wanted:
    """A pod as the user wants it. images: container name → image id; a name is absent where the image has yet to be pulled (check mode)."""

    pod: Pod
    images: Mapping[str, str]


@dataclass(frozen=True)
class Action:
    """One step. action: create, update, start, stop, restart, delete. effect: what the running pod feels of it. reason: why."""

    pod: str
    action: str
    effect: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def converge(wanted: Wanted, observed: Observed, *, start: bool) -> tuple[Action, ...]:
    """Bring the pod to its definition and, where ``start``, to run.

    A pod that completed stays completed: its definition says when its containers are due again. A definition that changed is run anew.
    """
    name = wanted.pod.name
    if observed.pod is None:
        create = Action(name, "create", LIVE, "there is no pod of this name")
        return (create, Action(name, "start", STARTS_GUEST, "the pod is new")) if start else (create,)
    changes = tuple(_changes(wanted, observed))
    felt = [reason for reason, live in changes if not live]
    actions = []
    if changes:
        effect = RESTARTS_GUEST if felt and observed.running else LIVE
        actions.append(Action(name, "update", effect, "; ".join(reason for reason, _ in changes)))
    if start and not observed.running and (felt or not observed.completed):
        actions.append(Action(name, "start", STARTS_GUEST, "the definition changed" if felt else "the pod is not running"))
    return tuple(actions)


def start(name: str, observed: Observed) -> tuple[Action, ...]:
    """Run a pod that is defined, a completed one too."""
    return () if observed.running else (Action(name, "start", STARTS_GUEST, "the pod is not running"),)


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


def _changes(wanted: Wanted, observed: Observed) -> Iterator[tuple[str, bool]]:
    """Each difference in words, and whether a running guest may go on as it is."""
    before, after = observed.pod, wanted.pod
    if before is None:
        return
    for item in fields(Pod):
        if item.name in ("name", "containers", "init_containers") or not item.compare:
            continue
        if getattr(before, item.name) != getattr(after, item.name):
            yield f"{_camel(item.name)} changed", item.name in _LIVE_FIELDS
    former = {container.name: container for container in before.all_containers}
    latter = {container.name: container for container in after.all_containers}
    for name in former:
        if name not in latter:
            yield f"container {name} removed", False
    for name, container in latter.items():
        if name not in former:
            yield f"container {name} added", False
            continue
        for field_name in _container_changes(former[name], container):
            yield f"container {name}: {field_name} changed", False
        image, known = (observed.images or {}).get(name), wanted.images.get(name)
        if known is not None and image != known and former[name].image == container.image:
            yield f"container {name}: {container.image} is another image now ({_short(image)} → {_short(known)})", False
    if list(former) != list(latter) and set(former) == set(latter):
        yield "order of containers changed", False


def _container_changes(before: Container, after: Container) -> Iterator[str]:
    for item in fields(Container):
        # When an image is pulled decides which image it is; alone it changes nothing of the pod.
        if item.name != "image_pull_policy" and getattr(before, item.name) != getattr(after, item.name):
            yield _camel(item.name)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _short(image_id: str | None) -> str:
    return (image_id or "none").rpartition(":")[2][:12]
