# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper top``, ``stats``, ``events``: what pods do and use. They go by direct roads, and by a play where only Ansible can reach a host."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _usage
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._inside_log import Wanted
from ansible_collections.hyper.pods.plugins.module_utils._log import parse

from hyperstart import _road, api, watch_api
from hyperstart._arguments import Subparsers, command, options_of
from hyperstart._cli_inside import roads
from hyperstart._cli_logs import since
from hyperstart._output import size, span, table
from hyperstart._road import NoRoad

_CLEAR = "\x1b[H\x1b[J"


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    parser = command(
        subparsers,
        "top",
        top,
        usage="[OPTIONS] POD…",
        summary="list the processes of pods' containers",
        examples="hyper top web",
    )
    parser.add_argument("pods", nargs="+", metavar="POD")
    parser = command(
        subparsers,
        "stats",
        stats,
        usage="[OPTIONS] [POD…]",
        summary="show what pods and their containers use, again and again",
        description="Without a POD, of all that run. CPU: percent of one CPU. Bytes of disks and networks are the pod's, from its start.",
        examples="""
            hyper stats
            hyper stats --no-stream --json web shop
        """,
    )
    parser.add_argument("pods", nargs="*", metavar="POD")
    parser.add_argument("--no-stream", action="store_true", help="once, and not until it is interrupted")
    parser = command(
        subparsers,
        "events",
        events,
        usage="[OPTIONS] POD [CONTAINER]",
        summary="show what became of a pod and its containers",
        examples="""
            hyper events web
            hyper events --follow --since 10m shop
        """,
    )
    parser.add_argument("pod", metavar="POD")
    parser.add_argument("container", metavar="CONTAINER", nargs="?", help="only this one")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens, until the pod ends")
    parser.add_argument("--since", type=since, metavar="TIME", help="nothing older: a time such as 2026-01-31T12:00:00Z, or a span such as 10m")


def top(arguments: argparse.Namespace) -> int:
    """List processes."""
    try:
        with _controls(arguments, arguments.pods) as controls:
            found: Sequence[Mapping[str, Any]] = [each for pod, control in controls.items() for each in _usage.processes(pod, control.sample())]
    except NoRoad:
        found = watch_api.pod_processes(names=arguments.pods, **options_of(arguments)).processes
    print(json.dumps(found) if arguments.json else top_text(found), end="\n" if arguments.json else "")
    return 0


def stats(arguments: argparse.Namespace) -> int:
    """Show usage."""
    pods = arguments.pods or [pod.name for pod in api.list_pods(**options_of(arguments)).pods if pod.phase == "Running"]
    while True:
        try:
            with _controls(arguments, pods) as controls:
                used: Sequence[Mapping[str, Any]] = _usage.sampled(controls)
        except NoRoad:
            used = watch_api.pod_usage(names=pods, **options_of(arguments)).usage
        again = not arguments.no_stream
        head = _CLEAR if again and sys.stdout.isatty() and not arguments.json else ""
        print(head + (json.dumps(used) + "\n" if arguments.json else stats_text(used)), end="", flush=True)
        if not again:
            return 0


def events(arguments: argparse.Namespace) -> int:
    """Show events."""
    try:
        ways = roads(arguments)
    except NoRoad:
        if arguments.follow or arguments.since:
            raise
        told = list(watch_api.pod_events(name=arguments.pod, container=arguments.container, **options_of(arguments)).happened)
        print(json.dumps(told) if arguments.json else "".join(map(event_text, told)), end="\n" if arguments.json else "")
        return 0
    wanted = Wanted(arguments.container, None, arguments.since, follow=arguments.follow)
    _, log = _road.find(ways, arguments.pod, lambda way: way.log(arguments.pod, wanted))
    with contextlib.closing(log):
        found = _events(arguments.pod, log.blocks)
        if arguments.json and not arguments.follow:
            print(json.dumps(list(found)))
            return 0
        for each in found:
            print(json.dumps(each) if arguments.json else event_text(each), end="\n" if arguments.json else "", flush=arguments.follow)
    return 0


def top_text(processes: Sequence[Mapping[str, Any]]) -> str:
    """A line a process; with the pod's name where there are several."""
    several = len({process["pod"] for process in processes}) > 1
    headers = [*(["POD"] if several else []), "CONTAINER", "PID", "PPID", "UID", "STATE", "CPU", "MEMORY", "AGE", "COMMAND"]
    rows = [
        [
            *([process["pod"]] if several else []),
            process["container"],
            *(str(process[name]) for name in ("pid", "parent", "uid", "state")),
            f"{process['cpu']:.1f}s",
            size(process["memory"]),
            span(process["age"]),
            _printable(process["command"]),
        ]
        for process in processes
    ]
    return table(headers, rows)


def stats_text(used: Sequence[Mapping[str, Any]]) -> str:
    """A line a container, and one for its pod, whose disks and networks are shared."""
    rows = []
    for pod in used:
        block, net = (f"{size(pod[first])} / {size(pod[second])}" for first, second in (("blockRead", "blockWritten"), ("netReceived", "netSent")))
        percent = sum(container["cpuPercent"] for container in pod["containers"])
        count = sum(container["processes"] for container in pod["containers"])
        rows.append([pod["pod"], f"{percent:.1f}%", f"{size(pod['memory'])} / {size(pod['memoryTotal'])}", str(count), block, net])
        rows += [
            [f"  {container['name']}", f"{container['cpuPercent']:.1f}%", size(container["memory"]), str(container["processes"]), "", ""]
            for container in pod["containers"]
        ]
    return table(["POD", "CPU", "MEMORY", "PIDS", "BLOCK READ / WRITTEN", "NET RECEIVED / SENT"], rows)


def event_text(event: Mapping[str, Any]) -> str:
    """``2026-01-31T12:00:00Z shop/web exited code=1 reason=Error``."""
    where = f"{event['pod']}/{event['container']}" if event["container"] else event["pod"]
    values = " ".join(f"{name}={json.dumps(value) if not value or ' ' in value else value}" for name, value in event["values"].items() if value)
    return _printable(" ".join(word for word in (f"{event['time'][:19]}Z", where, event["event"], values) if word)) + "\n"


@contextlib.contextmanager
def _controls(arguments: argparse.Namespace, pods: Sequence[str]) -> Iterator[dict[str, Control]]:
    """Pods' control ports, by the pods' names. Raises NoRoad and what the road and Control raise."""
    ways = roads(arguments)

    def control(pod: str) -> Control:
        _, port = _road.find(ways, pod, lambda way: way.port(pod, None))
        return Control.over(port.connection, pod, port.lock)

    with contextlib.ExitStack() as stack:
        yield {pod: stack.enter_context(control(pod)) for pod in pods}


def _events(pod: str, blocks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for block in blocks:
        for text in block.split(b"\n")[:-1]:
            with contextlib.suppress(Malformed):
                line = parse(text)
                if line.stream == "event":
                    yield _usage.event(pod, line)


def _printable(text: str) -> str:
    """What a guest says must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
