# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to the volumes of a host, and what is refused: wanted and existing → changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _quantity
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_claims import DEFAULT_SIZE, Claim, whole


class VolumeNotFound(HyperError):
    """There is no volume of that name."""


class VolumeDiffers(HyperError):
    """A volume is there, and cannot become what is asked for."""


class VolumeInUse(HyperError):
    """A pod holds the volume."""


@dataclass(frozen=True)
class Volume:
    """A volume of the host. size: bytes; block: its disk holds no filesystem of ours; created_at: seconds since the epoch."""

    name: str
    size: int
    block: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0


@dataclass(frozen=True)
class Change:
    """One step. action: create, grow, label, delete, export. volume: as it is afterwards, or was; reason: why.

    file: what a volume begins with, or what it is exported to. form: of what it begins with, where a claim names that: raw, qcow2; then the file lies
    beneath what the host allows to pods.
    """

    action: str
    volume: Volume
    reason: str
    file: Path | None = None
    form: str = ""


def converge(claims: Iterable[Claim], existing: Mapping[str, Volume], now: float, sizes: Mapping[str, int] = {}) -> tuple[Change, ...]:
    """Bring volumes to what is claimed. sizes: of the disks that volumes begin with, in bytes, by the volume's name. Raises VolumeDiffers."""
    changes = []
    for claim in claims:
        volume = existing.get(claim.name)
        if volume is None and claim.source:
            [begun] = copy(claim, Path(claim.source), sizes[claim.name], False, existing, now)
            changes.append(replace(begun, form=claim.form))
            continue
        if volume is None:
            made = Volume(claim.name, claim.size or DEFAULT_SIZE, bool(claim.block), dict(claim.labels), now)
            changes.append(Change("create", made, f"there is no volume {claim.name}"))
            continue
        if claim.block is not None and claim.block != volume.block:
            raise VolumeDiffers(
                f"is {_mode(volume.block)}, not {_mode(claim.block)}", where=f"volume {claim.name}", remedy="Remove the volume, or use another name"
            )
        if claim.size is not None and claim.size < volume.size:
            raise VolumeDiffers(
                f"has {_quantity.human(volume.size)} and does not shrink to {_quantity.human(claim.size)}",
                where=f"volume {claim.name}",
                remedy="Ask for at least what it has, or use another name",
            )
        size = claim.size or volume.size
        if size > volume.size:
            grown = Volume(volume.name, size, volume.block, volume.labels, volume.created_at)
            changes.append(Change("grow", grown, f"{_quantity.human(size)} instead of {_quantity.human(volume.size)}"))
        if claim.labels and dict(claim.labels) != dict(volume.labels):
            changes.append(Change("label", Volume(volume.name, size, volume.block, dict(claim.labels), volume.created_at), "labels changed"))
    return tuple(changes)


def copy(claim: Claim, file: Path, size: int, block: bool, existing: Mapping[str, Volume], now: float) -> tuple[Change, ...]:
    """Make a volume that begins with what a file holds, and is at least as large; one that is there is left as ``converge`` has it.

    size: of the file, in bytes; block: what the volume is where the claim does not say. Raises VolumeDiffers.
    """
    if claim.name in existing:
        return converge([claim], existing, now)
    if claim.size is not None and claim.size < size:
        raise VolumeDiffers(
            f"{_quantity.human(claim.size)} do not hold the {_quantity.human(size)} of {file}", where=f"volume {claim.name}", remedy="Ask for at least that"
        )
    made = Volume(claim.name, claim.size or whole(size), block if claim.block is None else claim.block, dict(claim.labels), now)
    return (Change("create", made, f"there is no volume {claim.name}", file),)


def check_at_rest(name: str, holders: Mapping[str, str]) -> None:
    """Refuse to read a volume that is being written. holders: volume → the pod that runs with it. Raises VolumeInUse."""
    if name in holders:
        raise VolumeInUse(
            f"is held by pod {holders[name]}, which may be writing", where=f"volume {name}", remedy=f"Stop that pod first: hyper stop {holders[name]}"
        )


def after(existing: Mapping[str, Volume], changes: Iterable[Change]) -> dict[str, Volume]:
    """The volumes as they are when the changes are made."""
    result = dict(existing)
    for change in changes:
        if change.action == "delete":
            result.pop(change.volume.name, None)
        else:
            result[change.volume.name] = change.volume
    return result


def brief(volume: Volume | None) -> dict[str, Any] | None:
    """A volume as ``--diff`` shows it."""
    if volume is None:
        return None
    return {"size": _quantity.human(volume.size), "mode": "Block" if volume.block else "Filesystem", "labels": dict(volume.labels)}


def check_pods(pods: Iterable[Pod], volumes: Mapping[str, Volume]) -> None:
    """Refuse a pod whose claims are no volumes, or volumes of the other mode. volumes: as they will be. Raises VolumeNotFound, VolumeDiffers."""
    for pod in pods:
        for index, item in enumerate(pod.volumes):
            if item not in pod.claims:
                continue
            [claim] = [claim for claim in pod.claims if claim == item]
            where = f"pod {pod.name}: spec.volumes[{index}].persistentVolumeClaim.claimName"
            volume = volumes.get(claim.claim)
            if volume is None:
                raise VolumeNotFound(
                    f"there is no volume {claim.claim!r} on this host",
                    where=where,
                    remedy="Put its PersistentVolumeClaim beside the Pod, or make the volume: hyper volume create " + claim.claim,
                )
            if volume.block != claim.block:
                use = "volumeDevices" if volume.block else "volumeMounts"
                raise VolumeDiffers(f"volume {claim.claim} is {_mode(volume.block)}", where=where, remedy=f"Use it in {use}")


def check_holders(starting: Sequence[Pod], holders: Mapping[str, str]) -> None:
    """Refuse to start a pod while another has one of its volumes. holders: volume → the pod that runs with it. Raises VolumeInUse."""
    held = dict(holders)
    for pod in starting:
        for claim in pod.claims:
            holder = held.setdefault(claim.claim, pod.name)
            if holder != pod.name:
                raise VolumeInUse(f"volume {claim.claim} is held by pod {holder}", where=f"pod {pod.name}", remedy=f"Stop that pod first: hyper stop {holder}")


def removal(name: str, existing: Mapping[str, Volume], users: Mapping[str, Sequence[str]]) -> tuple[Change, ...]:
    """Remove a volume that no pod names. users: volume → pods that are defined with it. Raises VolumeInUse."""
    volume = existing.get(name)
    if volume is None:
        return ()
    if users.get(name):
        pods = ", ".join(users[name])
        raise VolumeInUse(f"is used by {'pods' if len(users[name]) > 1 else 'pod'} {pods}", where=f"volume {name}", remedy=f"Remove first: hyper rm {pods}")
    return (Change("delete", volume, "its removal was asked for"),)


def pruning(existing: Mapping[str, Volume], users: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> tuple[Change, ...]:
    """Remove all volumes that no pod names. labels: only those that have them."""
    return tuple(
        Change("delete", volume, "no pod uses it")
        for name, volume in sorted(existing.items())
        if not users.get(name) and all(volume.labels.get(key) == value for key, value in labels.items())
    )


def _mode(block: bool) -> str:
    return "a block volume" if block else "a volume with a filesystem"
