# SPDX-License-Identifier: GPL-3.0-or-later
"""Files into a container and out of it. The container needs no program for it."""

from __future__ import annotations

import os
from collections.abc import Callable

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._file_tree import BadTree
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_compare import Describer, Description, differing
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_receive import Receiver
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_send import Stream, pieces

Complain = Callable[[str], object]
Connect = Callable[[], Control]


class _Seen(Exception):
    """The tree's root tells enough."""


def name_of(path: str) -> str:
    """What a tree is called where it comes to; "" when it is what is in a directory, and not the directory, that is meant (DIRECTORY/.)."""
    last = path.rstrip("/").rpartition("/")[2]
    return "" if last in ("", ".", "..") else last


def into(control: Control, container: str, source: str, target: str, complain: Complain) -> bool:
    """Copy a tree of this machine to a path of a container; returns whether the container took all of it. complain: is told of what is left out.

    Raises BadTree and what Control.exec raises.
    """
    name = name_of(source)
    try:
        stream = Stream(pieces(_read(source), complain))
        result = control.exec(container, [target, *([name] if name else [])], tree=tag.TREE_RECEIVE, stdin=stream)
    except OSError as error:
        raise BadTree((error.strerror or str(error)).lower(), where=error.filename) from None
    _hear(container, result.stderr, complain, failed=result.code != 0)
    return result.code == 0


def out(control: Control, container: str, source: str, target: str, complain: Complain) -> bool:
    """Copy a tree of a container to a path of this machine; likewise."""
    with Receiver(_root(source, target), complain) as receiver:
        result = control.exec(container, [source], tree=tag.TREE_SEND, on_stdout=receiver.feed)
        whole = result.code == 0 and receiver.ended
        _hear(container, result.stderr, complain, failed=not whole)
        return whole


def changes_into(connect: Connect, container: str, source: str, target: str) -> list[str]:
    """What ``into`` would change, relative to what is copied ("" is its root). connect: a client of the pod, as often as it takes. Raises as ``into``."""
    wanted = _described(_read(source))
    present = _describe_container(connect, container, f"{target.rstrip('/')}/{name_of(source) or '.'}")
    if present is None and name_of(source):
        # A directory would be where it comes to, and has nothing of its name.
        present = _describe_container(connect, container, target, directories=False)
    return differing(wanted, {} if present is None else present.files)


def changes_out(connect: Connect, container: str, source: str, target: str) -> list[str]:
    """What ``out`` would change; likewise. Raises BadTree where there is nothing to copy."""
    there = _describe_container(connect, container, source, received=True)
    if there is None:
        raise BadTree("there is no such file", where=f"{container}:{source}")
    root = _root(source, target)
    present = _described(root) if os.path.lexists(root) else {}
    return differing(there.files, present)


def _described(root: str) -> Description:
    """A tree of this machine. Whether all of it can be read is told when it is copied."""
    describer = Describer(owners=os.geteuid() == 0)
    try:
        for piece in pieces(root, lambda _: None):
            describer.feed(piece)
    except OSError as error:
        raise BadTree((error.strerror or str(error)).lower(), where=error.filename) from None
    return describer.files


def _describe_container(connect: Connect, container: str, path: str, *, directories: bool = True, received: bool = False) -> Describer | None:
    """A tree of a container; None where there is none, or where it is a directory and that would be no match."""
    describer = Describer(received=received, owners=not received or os.geteuid() == 0)

    def feed(data: bytes) -> None:
        describer.feed(data)
        if not directories and describer.is_directory:
            raise _Seen

    try:
        with connect() as control:
            result = control.exec(container, [path], tree=tag.TREE_SEND, on_stdout=feed)
    except _Seen:
        return None
    return describer if result.code == 0 and describer.ended else None


def _read(source: str) -> str:
    try:
        os.lstat(source)
    except OSError as error:
        raise BadTree((error.strerror or str(error)).lower(), where=source) from None
    return source if name_of(source) else os.path.join(source, ".")


def _root(source: str, target: str) -> str:
    """What the tree's own root becomes here."""
    name = name_of(source)
    if os.path.isdir(target):
        return (os.path.join(target, name) if name else target).rstrip("/") or "/"
    if target.endswith("/"):
        raise BadTree("is no directory", where=target)
    return target


def _hear(container: str, said: bytes, complain: Complain, *, failed: bool) -> None:
    """Pass on what the container's side said; it may not write to a terminal as it likes."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line]
    for line in lines or (["the copy was not completed"] if failed else []):
        complain(f"{container}: " + "".join(letter if letter.isprintable() else "?" for letter in line))
