# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper label``, ``hyper port list``, ``add``, ``rm``: a part of a pod's definition is changed, and the pod goes on."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from hyperstart import api, patch_api
from hyperstart._arguments import Subparsers, command, options_of
from hyperstart._cli_change import change
from hyperstart._output import table
from hyperstart._reporter import Reporter
from hyperstart.results import PodState


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    parser = command(
        subparsers,
        "label",
        label,
        usage="[OPTIONS] POD [KEY=VALUE… KEY-…]",
        summary="set labels of a pod, and take labels away",
        description="KEY=VALUE sets a label, KEY- takes one away; the pod goes on meanwhile. Without any, its labels are printed.",
        examples="""
            hyper label web tier=front
            hyper label web tier=back trial-
            hyper label web
        """,
        changes=True,
    )
    parser.add_argument("pod", metavar="POD")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE|KEY-")
    _change_options(parser)

    group = subparsers.add_parser(
        "port",
        help="list, publish and take back ports of a pod",
        description="List, publish and take back ports of a pod, which goes on meanwhile.",
        epilog="examples:\n  hyper port list web\n  hyper port add web 8080:80\n  hyper port rm web 8080",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = command(
        verbs, "list", list_, group="port", usage="[OPTIONS] POD…", summary="list the published ports of pods", examples="hyper port list web", aliases=["ls"]
    )
    parser.add_argument("pods", nargs="+", metavar="POD")
    parser = command(
        verbs,
        "add",
        change(lambda a, o: patch_api.publish_ports(name=a.pod, ports=a.ports, restart=a.restart, **o)),
        group="port",
        usage="[OPTIONS] POD [IP:]HOST:CONTAINER[/udp]…",
        summary="publish ports of a pod",
        description="Without an IP a port is published on 127.0.0.1 alone. A port of the host that the pod publishes otherwise is changed.",
        examples="""
            hyper port add web 8080:80
            hyper port add web 0.0.0.0:5353:53/udp
        """,
        changes=True,
    )
    _ports(parser, "[IP:]HOST:CONTAINER[/udp]")
    parser = command(
        verbs,
        "rm",
        change(lambda a, o: patch_api.unpublish_ports(name=a.pod, ports=a.ports, restart=a.restart, **o)),
        group="port",
        usage="[OPTIONS] POD [IP:]HOST[:CONTAINER][/udp]…",
        summary="take published ports of a pod back",
        description="A port that is not published is nothing to do.",
        examples="""
            hyper port rm web 8080
            hyper port rm web 5353/udp
        """,
        changes=True,
    )
    _ports(parser, "[IP:]HOST[:CONTAINER][/udp]")


def label(arguments: argparse.Namespace) -> int:
    """Set labels and take them away, or print them."""
    if not arguments.words:
        return _labels(arguments)
    wanted: dict[str, str] = {}
    removed = []
    for word in arguments.words:
        key, equals, value = word.partition("=")
        if equals and key:
            wanted[key] = value
        elif not equals and word.endswith("-") and word != "-":
            removed.append(word[:-1])
        else:
            arguments.parser.error(f"{word}: write KEY=VALUE to set a label, KEY- to take it away")
    for key in removed:
        if key in wanted:
            arguments.parser.error(f"{key} is both set and taken away")
    return change(lambda a, o: patch_api.label_pod(name=a.pod, labels=wanted, remove=removed, restart=a.restart, **o))(arguments)


def list_(arguments: argparse.Namespace) -> int:
    """List published ports."""
    with Reporter(sys.stderr, what="looking at the pods") as reporter:
        result = patch_api.list_ports(names=arguments.pods, **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps([{"host": pod.host, "pod": pod.name, **port} for pod in result.pods for port in pod.published_ports]))
    else:
        print(ports_table(result.pods), end="")
    return 0


def ports_table(pods: tuple[PodState, ...]) -> str:
    """One line a port; the host only where there is more than one."""
    several = len({pod.host for pod in pods}) > 1
    rows = [[pod.name, *([pod.host] if several else []), *_row(port)] for pod in pods for port in pod.published_ports]
    if not rows:
        return "No published ports. Publish one: hyper port add POD 8080:80\n"
    return table(["POD", *(["HOST"] if several else []), "PUBLISHED AT", "PORT", "CONTAINER"], rows)


def _row(port: Any) -> list[str]:
    address = f"[{port['hostIP']}]" if ":" in port["hostIP"] else port["hostIP"]
    return [f"{address}:{port['hostPort']}", f"{port['containerPort']}/{port['protocol'].lower()}", port["container"]]


def _labels(arguments: argparse.Namespace) -> int:
    with Reporter(sys.stderr, what=f"looking at {arguments.pod}") as reporter:
        result = api.list_pods(names=[arguments.pod], **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps([{"host": pod.host, "pod": pod.name, "labels": dict(pod.labels or {})} for pod in result.pods]))
    else:
        print("".join(f"{key}={value}\n" for pod in result.pods for key, value in (pod.labels or {}).items()), end="")
    return 0


def _ports(parser: argparse.ArgumentParser, form: str) -> None:
    parser.add_argument("pod", metavar="POD")
    parser.add_argument("ports", nargs="+", metavar=form)
    _change_options(parser)


def _change_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--diff", action="store_true", help="show the definition before and after")
    parser.add_argument("--restart", action="store_true", help="restart the guest where this cannot be changed while it runs")
