# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper restart``, ``kill``, ``pause``, ``unpause``, ``rename``, ``wait``."""

from __future__ import annotations

import argparse
import json
import sys

from hyperstart import api, life_api
from hyperstart._arguments import Subparsers, command, options_of
from hyperstart._cli_pods import change
from hyperstart._output import actions_text
from hyperstart._reporter import Reporter


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    parser = command(
        subparsers,
        "restart",
        change(
            "restarting",
            lambda a, o: api.restart_pods(names=a.pods, containers=a.container, grace_period=a.grace_period, wait_timeout=a.timeout, **o),
        ),
        usage="[OPTIONS] POD…",
        summary="stop pods, or some of their containers, and start them again",
        examples="""
            hyper restart web
            hyper restart shop -c cache
        """,
        changes=True,
    )
    _pods(parser)
    _containers(parser)
    parser.add_argument("--grace-period", type=int, metavar="SECONDS", help="how long containers may take to end (default: the pod's own)")
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="how long to wait for the containers to run (default: 300)")
    parser = command(
        subparsers,
        "kill",
        change("killing", lambda a, o: life_api.kill_pods(names=a.pods, containers=a.container, signal=a.signal, **o)),
        usage="[OPTIONS] POD…",
        summary="send a signal to the main processes of pods' containers",
        description="A whole pod that is killed by SIGKILL is stopped at once, and stays so; otherwise the restart policy decides what follows.",
        examples="""
            hyper kill web
            hyper kill --signal HUP shop -c nginx
        """,
        changes=True,
    )
    _pods(parser)
    _containers(parser)
    parser.add_argument("-s", "--signal", metavar="SIGNAL", help="the signal, a name or a number (default: KILL)")
    parser = command(
        subparsers,
        "pause",
        change("pausing", lambda a, o: life_api.pause_pods(names=a.pods, **o)),
        usage="[OPTIONS] POD…",
        summary="hold pods; what they have in memory stays",
        examples="hyper pause web",
        changes=True,
    )
    _pods(parser)
    parser = command(
        subparsers,
        "unpause",
        change("unpausing", lambda a, o: life_api.unpause_pods(names=a.pods, **o)),
        usage="[OPTIONS] POD…",
        summary="let pods go on that are paused",
        examples="hyper unpause web",
        changes=True,
    )
    _pods(parser)
    parser = command(
        subparsers,
        "rename",
        rename,
        usage="[OPTIONS] POD NEW",
        summary="give a pod another name",
        description="The pod must be stopped. What it wrote, its revisions and its volumes stay.",
        examples="""
            hyper rename web shop
            hyper rename web shop --check
        """,
        changes=True,
    )
    parser.add_argument("pod", metavar="POD")
    parser.add_argument("new", metavar="NEW")
    parser = command(
        subparsers,
        "wait",
        wait,
        usage="[OPTIONS] POD…",
        summary="wait for pods, and exit with their exit code",
        description="The exit code is the first of their containers' that is not 0; 1 also when the time was over.",
        examples="""
            hyper wait job
            hyper wait --for ready --timeout 60 web
        """,
    )
    _pods(parser)
    parser.add_argument("--for", dest="condition", choices=["running", "ready", "completed"], help="what to wait for (default: completed)")
    parser.add_argument("--timeout", type=int, metavar="SECONDS", help="how long to wait (default: as long as it takes)")


def rename(arguments: argparse.Namespace) -> int:
    """Rename a pod."""
    with Reporter(sys.stderr, what=f"renaming {arguments.pod}") as reporter:
        result = life_api.rename_pod(name=arguments.pod, new_name=arguments.new, **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps(result.as_json()))
    else:
        print(actions_text([arguments.pod], result.actions, check=arguments.check), end="")
    return 0


def wait(arguments: argparse.Namespace) -> int:
    """Wait for pods."""
    with Reporter(sys.stderr, what=f"waiting for {', '.join(arguments.pods)}") as reporter:
        result = life_api.wait_pods(names=arguments.pods, condition=arguments.condition, timeout=arguments.timeout, **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps(result.as_json()))
    else:
        print("".join(f"{pod.name}: {pod.phase}\n" for pod in result.pods), end="")
    return result.exit_code


def _pods(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pods", nargs="+", metavar="POD")


def _containers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--container", action="append", default=[], metavar="CONTAINER", help="only this container; may be repeated")
