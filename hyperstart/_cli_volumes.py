# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper volume create``, ``ls``, ``inspect``, ``rm``, ``prune``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime

from hyperstart import volume_api
from hyperstart._arguments import Subparsers, command, options_of, pairs
from hyperstart._output import age, size, table
from hyperstart._reporter import Reporter
from hyperstart.results import VolumesResult, VolumeState


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
