# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper logs``: what a pod's containers wrote and write, by a direct road, without a play."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._inside_log import Wanted
from ansible_collections.hyper.pods.plugins.module_utils._log import Line, joined, parse

from hyperstart import _road
from hyperstart._arguments import Subparsers, command
from hyperstart._cli_inside import roads
from hyperstart._road import NoRoad

# Those that can be read on a dark and on a bright ground: cyan, yellow, green, magenta, blue, red.
_COLOURS = (36, 33, 32, 35, 34, 31)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "logs",
        logs,
        usage="[OPTIONS] POD [CONTAINER]",
        summary="show what a pod's containers wrote",
        examples="""
            hyper logs web
            hyper logs web nginx --tail 20
            hyper logs --follow --timestamps --since 10m shop
            hyper logs --previous web nginx
        """,
    )
    parser.add_argument("pod", metavar="POD")
    parser.add_argument("container", metavar="CONTAINER", nargs="?", help="only this one")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written, until the pod ends")
    parser.add_argument("--tail", type=_count, metavar="LINES", help="only the last lines")
    parser.add_argument("--since", type=since, metavar="TIME", help="nothing older: a time such as 2026-01-31T12:00:00Z, or a span such as 10m")
    parser.add_argument("-t", "--timestamps", action="store_true", help="put each line's time in front, UTC")
    parser.add_argument("-p", "--previous", action="store_true", help="what containers wrote in the run before their last one")


def logs(arguments: argparse.Namespace) -> int:
    """Show a log."""
    if arguments.previous and arguments.follow:
        arguments.parser.error("--previous has ended, there is nothing to --follow")
    wanted = Wanted(arguments.container, arguments.tail, arguments.since, arguments.previous, arguments.follow)
    try:
        ways = roads(arguments)
    except NoRoad:
        if arguments.follow or arguments.since or arguments.previous or arguments.timestamps:
            raise
        return _played(arguments)
    way, log = _road.find(ways, arguments.pod, lambda way: way.log(arguments.pod, wanted))
    out = sys.stdout.buffer
    with contextlib.closing(log):
        lines = _lines(log.blocks)
        if arguments.json:
            texts = as_json(lines, way.name, arguments.pod, stream=arguments.follow)
        else:
            names = log.containers if len(log.containers) > 1 and arguments.container is None else ()
            texts = as_text(lines, names, timestamps=arguments.timestamps, colours=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
        for text in texts:
            out.write(text)
            if arguments.follow:
                out.flush()
    return 0


def as_text(lines: Iterable[Line], names: Sequence[str], *, timestamps: bool, colours: bool) -> Iterator[bytes]:
    """Lines as a person reads them; with the container's name in front where ``names`` has any."""
    width = max((len(name) for name in names), default=0)
    heads = {}
    for number, name in enumerate(names):
        head = f"{name:<{width}} |"
        heads[name] = (f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{head}\x1b[0m " if colours else f"{head} ").encode()
    for line in lines:
        time = f"{line.time} ".encode() if timestamps else b""
        yield b"".join((heads.get(line.container, b""), time, line.message, b"\n"))


def as_json(lines: Iterable[Line], host: str, pod: str, *, stream: bool) -> Iterator[bytes]:
    """A list of objects; with ``stream`` an object a line, since a list would never end."""
    if not stream:
        yield b"["
    separator = ""
    for line in lines:
        values = {
            "host": host,
            "pod": pod,
            "container": line.container,
            "time": line.time,
            "stream": line.stream,
            "message": line.message.decode(errors="replace"),
        }
        yield f"{separator}{json.dumps(values)}".encode() if not stream else f"{json.dumps(values)}\n".encode()
        separator = ", "
    if not stream:
        yield b"]\n"


def since(text: str) -> str:
    """A time as the log writes it, from one that a person wrote: a span before now, or a time, which without a zone is local. Raises ArgumentTypeError."""
    span = re.fullmatch(r"(\d+)([smhd])", text)
    try:
        moment = datetime.now(UTC) - timedelta(seconds=int(span[1]) * _UNITS[span[2]]) if span else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text} is neither a time such as 2026-01-31T12:00:00Z nor a span such as 10m") from None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a number of lines")
    return int(text)


def _lines(blocks: Iterable[bytes]) -> Iterator[Line]:
    """What containers wrote."""

    def parsed() -> Iterator[Line]:
        for block in blocks:
            for text in block.split(b"\n")[:-1]:
                with contextlib.suppress(Malformed):
                    line = parse(text)
                    if line.stream != "event":
                        yield line

    return joined(parsed())


def _played(arguments: argparse.Namespace) -> int:
    """The same by a play, for a host that only Ansible can reach."""
    from hyperstart import api
    from hyperstart._arguments import options_of
    from hyperstart._output import log_text
    from hyperstart._reporter import Reporter

    with Reporter(sys.stderr, what="reading the log") as reporter:
        result = api.pod_logs(pod=arguments.pod, container=arguments.container, tail=arguments.tail, **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps([line.as_json() for line in result.lines]))
    else:
        print(log_text(result.lines), end="")
    return 0
