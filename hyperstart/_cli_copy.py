# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper cp``: files into a container and out of it, by a direct road. The container needs no program for it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _file_copy
from ansible_collections.hyper.pods.plugins.module_utils._control import Control

from hyperstart import _road
from hyperstart._arguments import Subparsers, command
from hyperstart._cli_inside import roads


@dataclass(frozen=True)
class Place:
    """A path in a container, or with an empty pod one of this machine. container: None is the pod's first."""

    path: str
    pod: str = ""
    container: str | None = None


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "cp",
        copy,
        usage="[OPTIONS] SOURCE POD[/CONTAINER]:PATH | POD[/CONTAINER]:PATH TARGET",
        summary="copy files into a container, or out of it",
        description="Where the target is a directory, the source comes into it; SOURCE/. is what is in a directory. Owners, modes, links, times and extended"
        " attributes are kept.",
        examples="""
            hyper cp site.conf web:/etc/nginx/conf.d/
            hyper cp web/nginx:/var/log/nginx ./logs
            hyper cp ./build/. shop/app:/srv
        """,
    )
    parser.add_argument("source", metavar="SOURCE", type=place)
    parser.add_argument("target", metavar="TARGET", type=place)


def place(text: str) -> Place:
    """A path as a person writes it. What begins with / or . is of this machine, whatever colons are in it."""
    where, colon, path = text.partition(":")
    if not colon or text.startswith(("/", ".")):
        return Place(text)
    pod, _, container = where.partition("/")
    return Place(path if path.startswith("/") else f"/{path}", pod, container or None)


def copy(arguments: argparse.Namespace) -> int:
    """Copy a tree."""
    source, target = arguments.source, arguments.target
    if bool(source.pod) == bool(target.pod):
        arguments.parser.error("one of the two is a path in a container, POD:PATH or POD/CONTAINER:PATH, the other one of this machine")
    left_out: list[str] = []
    far = source if source.pod else target
    _, port = _road.find(roads(arguments), far.pod, lambda way: way.port(far.pod, far.container))
    with Control.over(port.connection, far.pod, port.lock) as control:
        (_file_copy.out if source.pod else _file_copy.into)(control, port.container, source.path, target.path, left_out.append)
    if arguments.json:
        print(json.dumps({"left_out": left_out}))
    else:
        for text in left_out:
            print(f"hyper: {text}", file=sys.stderr)
    return 1 if left_out else 0
