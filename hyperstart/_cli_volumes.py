# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper volume create``, ``ls``, ``inspect``, ``rm``, ``prune``, ``snapshot``, ``export``, ``import``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from hyperstart import volume_api
from hyperstart._arguments import Subparsers, command, options_of, pairs
from hyperstart._output import age, size, table
from hyperstart._reporter import Reporter
from hyperstart.store_results import VolumesResult, VolumeState


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    group = subparsers.add_parser(
        "volume",
        help="make, show and remove volumes, which outlive pods",
        description="Make, show and remove volumes, which outlive pods. A pod uses one by a persistentVolumeClaim of its name.",
        epilog="examples:\n  hyper volume create shop-data --size 20Gi\n  hyper volume ls",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = command(
        verbs,
        "create",
        create,
        group="volume",
        usage="[OPTIONS] VOLUME…",
        summary="make volumes, or grow those that are there",
        examples="""
            hyper volume create shop-data
            hyper volume create --size 20Gi --label app=shop shop-data
            hyper volume create --block --size 1Gi raw
        """,
        changes=True,
    )
    parser.add_argument("names", nargs="+", metavar="VOLUME")
    parser.add_argument("--size", metavar="SIZE", help="such as 512M or 20Gi, in powers of 1024 (default: 10Gi)")
    parser.add_argument("--block", action="store_true", help="without a filesystem")
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    command(verbs, "ls", show, group="volume", usage="[OPTIONS]", summary="list the volumes that hosts have", examples="hyper volume ls", aliases=["list"])
    parser = command(
        verbs, "inspect", inspect, group="volume", usage="[OPTIONS] VOLUME…", summary="print volumes as JSON", examples="hyper volume inspect shop-data"
    )
    parser.add_argument("names", nargs="+", metavar="VOLUME")
    parser = command(
        verbs,
        "rm",
        remove,
        group="volume",
        usage="[OPTIONS] VOLUME…",
        summary="remove volumes and all that is on them",
        description="A volume that a pod is defined with is not removed, whether the pod runs or not.",
        examples="hyper volume rm shop-data",
        changes=True,
    )
    parser.add_argument("names", nargs="+", metavar="VOLUME")
    parser = command(
        verbs,
        "prune",
        prune,
        group="volume",
        usage="[OPTIONS]",
        summary="remove all volumes that no pod is defined with",
        examples="""
            hyper volume prune --check
            hyper volume prune --label app=shop
        """,
        changes=True,
    )
    parser.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="only volumes that have this label")
    _add_copies(verbs)


def _add_copies(verbs: Subparsers) -> None:
    parser = command(
        verbs,
        "snapshot",
        snapshot,
        group="volume",
        usage="[OPTIONS] VOLUME NEW-VOLUME",
        summary="copy a volume as it is now",
        description="No pod may run with it. Blocks are shared where the host's filesystem can do so.",
        examples="hyper volume snapshot shop-data shop-data-before-upgrade",
        changes=True,
    )
    parser.add_argument("name", metavar="VOLUME")
    parser.add_argument("snapshot", metavar="NEW-VOLUME")
    parser = command(
        verbs,
        "export",
        export,
        group="volume",
        usage="[OPTIONS] VOLUME FILE",
        summary="write the disk of a volume to a file of its host",
        description="No pod may run with it. The file is raw and sparse.",
        examples="hyper volume export shop-data /srv/backup/shop-data.img",
        changes=True,
    )
    parser.add_argument("name", metavar="VOLUME")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--force", action="store_true", help="overwrite a file that holds something else")
    parser = command(
        verbs,
        "import",
        import_,
        group="volume",
        usage="[OPTIONS] FILE VOLUME",
        summary="make a volume from a file of its host, as export writes it",
        examples="hyper volume import /srv/backup/shop-data.img shop-data",
        changes=True,
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("name", metavar="VOLUME")
    parser.add_argument("--block", action="store_true", help="without a filesystem")


def snapshot(arguments: argparse.Namespace) -> int:
    """Copy a volume."""
    with Reporter(sys.stderr, what="copying the volume") as reporter:
        result = volume_api.snapshot_volume(name=arguments.name, snapshot=arguments.snapshot, **options_of(arguments, reporter))
    return _done(arguments, result)


def export(arguments: argparse.Namespace) -> int:
    """Write a volume to a file."""
    with Reporter(sys.stderr, what="writing the volume") as reporter:
        file = os.path.abspath(arguments.file)
        result = volume_api.export_volume(name=arguments.name, file=file, force=arguments.force, **options_of(arguments, reporter))
    return _done(arguments, result)


def import_(arguments: argparse.Namespace) -> int:
    """Make a volume from a file."""
    with Reporter(sys.stderr, what="reading the volume") as reporter:
        mode: Literal["Block"] | None = "Block" if arguments.block else None
        result = volume_api.import_volume(name=arguments.name, file=os.path.abspath(arguments.file), mode=mode, **options_of(arguments, reporter))
    return _done(arguments, result)


def create(arguments: argparse.Namespace) -> int:
    """Make volumes."""
    with Reporter(sys.stderr, what="making volumes") as reporter:
        result = volume_api.create_volumes(
            names=arguments.names,
            size=arguments.size,
            mode="Block" if arguments.block else None,
            labels=pairs(arguments.label, "--label", arguments.parser),
            **options_of(arguments, reporter),
        )
    return _done(arguments, result)


def remove(arguments: argparse.Namespace) -> int:
    """Remove volumes."""
    with Reporter(sys.stderr, what="removing volumes") as reporter:
        result = volume_api.remove_volumes(names=arguments.names, **options_of(arguments, reporter))
    return _done(arguments, result)


def prune(arguments: argparse.Namespace) -> int:
    """Remove what no pod uses."""
    with Reporter(sys.stderr, what="removing volumes") as reporter:
        result = volume_api.prune_volumes(labels=pairs(arguments.label, "--label", arguments.parser), **options_of(arguments, reporter))
    return _done(arguments, result)


def show(arguments: argparse.Namespace) -> int:
    """List volumes."""
    with Reporter(sys.stderr, what="looking at the volumes") as reporter:
        result = volume_api.list_volumes(**options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps([volume.as_json() for volume in result.volumes]))
    else:
        print(volumes_table(result.volumes), end="")
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """Print volumes as JSON."""
    with Reporter(sys.stderr, what="looking at the volumes") as reporter:
        result = volume_api.list_volumes(names=arguments.names, **options_of(arguments, reporter))
    print(json.dumps([volume.as_json() for volume in result.volumes], indent=None if arguments.json else 2))
    return 0


def volumes_table(volumes: Sequence[VolumeState], *, now: datetime | None = None) -> str:
    """One line a volume, as ``hyper volume ls`` shows it; the host only where there is more than one."""
    if not volumes:
        return "No volumes. Make one: hyper volume create VOLUME\n"
    several = len({volume.host for volume in volumes}) > 1
    headers = ["VOLUME", *(["HOST"] if several else []), "SIZE", "ON DISK", "MODE", "PODS", "AGE"]
    rows = [
        [
            volume.name,
            *([volume.host] if several else []),
            size(volume.size),
            size(volume.allocated or 0),
            volume.mode,
            ", ".join(volume.pods) or "-",
            age(volume.created_at, now=now),
        ]
        for volume in volumes
    ]
    return table(headers, rows)


def _done(arguments: argparse.Namespace, result: VolumesResult) -> int:
    if arguments.json:
        print(json.dumps({"changed": result.changed, "volumes": [volume.as_json() for volume in result.volumes], "actions": list(result.actions)}))
    else:
        would = "would " if arguments.check else ""
        print("".join(f"{would}{line}\n" for line in result.actions) or "nothing to do\n", end="")
    return 0
