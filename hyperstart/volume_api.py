# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on volumes of hosts, as functions; see ``api``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Unpack

from hyperstart._ansible import Options, Play
from hyperstart._operation import base, collect, perform
from hyperstart.errors import BadDefinition
from hyperstart.store_results import VolumesResult, VolumeState


def create_volumes(
    *,
    names: Sequence[str],
    size: str | int | None = None,
    mode: Literal["Filesystem", "Block"] | None = None,
    labels: Mapping[str, str] | None = None,
    **options: Unpack[Options],
) -> VolumesResult:
    """Make volumes, or grow those that are there. size: bytes, or a text such as ``20Gi``; 10 GiB unless given. mode: Filesystem unless given."""
    variables = {
        "volume_names": _named(names),
        "volume_size": None if size is None else str(size),
        "volume_mode": mode,
        "volume_labels": dict(labels) if labels else None,
    }
    return perform("create_volume.yml", variables, options, _result)


def snapshot_volume(*, name: str, snapshot: str, **options: Unpack[Options]) -> VolumesResult:
    """Copy a volume, with which no pod may run, as it is now to a new one called ``snapshot``."""
    return perform("create_volume.yml", {"volume_names": [snapshot], "volume_source": name}, options, _result)


def import_volume(*, name: str, file: str, mode: Literal["Filesystem", "Block"] | None = None, **options: Unpack[Options]) -> VolumesResult:
    """Make a volume from a file of the host, such as ``export_volume`` writes it. file: an absolute path."""
    return perform("create_volume.yml", {"volume_names": [name], "volume_source": file, "volume_mode": mode}, options, _result)


def export_volume(*, name: str, file: str, force: bool = False, **options: Unpack[Options]) -> VolumesResult:
    """Write the disk of a volume, with which no pod may run, to a file of the host. file: an absolute path; force: overwrite what holds something else."""
    return perform("export_volume.yml", {"volume_name": name, "volume_file": file, "volume_force": force or None}, options, _result)


def remove_volumes(*, names: Sequence[str], **options: Unpack[Options]) -> VolumesResult:
    """Remove volumes and all that is on them. A name that no volume has changes nothing; one that a pod is defined with is an error."""
    return perform("remove_volume.yml", {"volume_names": _named(names)}, options, _result)


def prune_volumes(*, labels: Mapping[str, str] | None = None, **options: Unpack[Options]) -> VolumesResult:
    """Remove all volumes that no pod is defined with. labels: only those that have all of them."""
    return perform("prune_volumes.yml", {"volume_labels": dict(labels) if labels else None}, options, _result)


def list_volumes(*, names: Sequence[str] | None = None, **options: Unpack[Options]) -> VolumesResult:
    """The volumes of the hosts, all or those that are named. Raises BadDefinition when no host has a volume of one of the names."""
    result = perform("list_volumes.yml", {}, options, _result)
    if names is None:
        return result
    for name in names:
        if not any(volume.name == name for volume in result.volumes):
            raise BadDefinition(f"there is no volume {name}", remedy="See them all: hyper volume ls")
    return VolumesResult(result.changed, result.warnings, result.events, tuple(volume for volume in result.volumes if volume.name in names), result.actions)


def _named(names: Sequence[str]) -> list[str]:
    if not names:
        raise BadDefinition("no volume is named", where="names", remedy="Name at least one; see them all: hyper volume ls")
    return list(names)


def _result(play: Play) -> VolumesResult:
    actions = tuple(line for result in play.results for line in result.values.get("actions") or ())
    return VolumesResult(*base(play), collect(play.results, "volumes", VolumeState.of), actions)
