# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper history``, ``rollback``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime

from hyperstart import history_api
from hyperstart._arguments import Subparsers, command, options_of
from hyperstart._cli_change import change
from hyperstart._output import age, table
from hyperstart._reporter import Reporter
from hyperstart.results import Revision


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    parser = command(
        subparsers,
        "history",
        history,
        usage="[OPTIONS] POD",
        summary="list the definitions that a pod has had",
        examples="""
            hyper history web
            hyper history web --json
        """,
    )
    parser.add_argument("pod", metavar="POD")
    parser = command(
        subparsers,
        "rollback",
        change(
            lambda a, o: history_api.rollback_pod(name=a.pod, revision=a.revision, wait=a.wait, wait_timeout=a.timeout, **o),
            "bringing {} back",
        ),
        usage="[OPTIONS] POD [REVISION]",
        summary="bring a pod back to a former definition",
        description="Without a revision, to the one before the present. A pod that does not run is not started.",
        examples="""
            hyper rollback web
            hyper rollback web 3
            hyper rollback web --check --diff
        """,
        changes=True,
    )
    parser.add_argument("pod", metavar="POD")
    parser.add_argument("revision", nargs="?", type=int, metavar="REVISION")
    parser.add_argument("--diff", action="store_true", help="show the definitions before and after")
    parser.add_argument("--wait", choices=["ready", "running", "none"], help="what to wait for (default: running)")
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="how long to wait (default: 300)")


def history(arguments: argparse.Namespace) -> int:
    """List the revisions."""
    with Reporter(sys.stderr, what=f"looking at {arguments.pod}") as reporter:
        result = history_api.pod_history(name=arguments.pod, **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps([revision.as_json() for revision in result.revisions]))
    else:
        print(revisions_table(result.revisions), end="")
    return 0


def revisions_table(revisions: Sequence[Revision], *, now: datetime | None = None) -> str:
    """One line a revision; the host only where there is more than one."""
    several = len({revision.host for revision in revisions}) > 1
    headers = [*(["HOST"] if several else []), "REVISION", "AGE", "CONTAINERS", ""]
    rows = [
        [
            *([revision.host] if several else []),
            str(revision.revision),
            age(revision.changed_at, now=now),
            ", ".join(f"{container['name']} ({container['image']})" for container in revision.definition["containers"]),
            "now" if revision.current else "",
        ]
        for revision in revisions
    ]
    return table(headers, rows)
