# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper cp``: files into a container and out of it, by a direct road. The container needs no program for it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._control import Control

from hyperstart import _road
from hyperstart._arguments import Subparsers, command
from hyperstart._cli_inside import roads
from hyperstart._tree_stream import BadTree, Receiver, Stream, pieces


@dataclass(frozen=True)
class Place:
    """A path in a container, or with an empty pod one of this machine. container: None is the pod's first."""

    path: str
    pod: str = ""
    container: str | None = None

    @property
    def name(self) -> str:
        """What the tree is called where it comes to; "" when it is what is in a directory, and not the directory, that is meant (DIRECTORY/.)."""
        last = self.path.rstrip("/").rpartition("/")[2]
        return "" if last in ("", ".", "..") else last


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
        (_out if source.pod else _into)(control, port.container, source, target, left_out.append)
    if arguments.json:
        print(json.dumps({"left_out": left_out}))
    else:
        for text in left_out:
            print(f"hyper: {text}", file=sys.stderr)
    return 1 if left_out else 0


Complain = Callable[[str], object]


def _into(control: Control, container: str, source: Place, target: Place, complain: Complain) -> None:
    try:
        os.lstat(source.path)
        stream = Stream(pieces(source.path if source.name else os.path.join(source.path, "."), complain))
        words = [target.path, *([source.name] if source.name else [])]
        result = control.exec(container, words, tree=tag.TREE_RECEIVE, stdin=stream)
    except OSError as error:
        raise BadTree((error.strerror or str(error)).lower(), where=error.filename) from None
    _hear(container, result.stderr, complain, failed=result.code != 0)


def _out(control: Control, container: str, source: Place, target: Place, complain: Complain) -> None:
    root = target.path
    if os.path.isdir(root):
        root = os.path.join(root, source.name) if source.name else root
    elif root.endswith("/"):
        raise BadTree("is no directory", where=target.path)
    with Receiver(root.rstrip("/") or "/", complain) as receiver:
        result = control.exec(container, [source.path], tree=tag.TREE_SEND, on_stdout=receiver.feed)
        _hear(container, result.stderr, complain, failed=result.code != 0 or not receiver.ended)


def _hear(container: str, said: bytes, complain: Complain, *, failed: bool) -> None:
    """Pass on what the container's side said; it may not write to this terminal as it likes."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line]
    for line in lines or (["the copy was not completed"] if failed else []):
        complain(f"{container}: " + "".join(letter if letter.isprintable() else "?" for letter in line))
