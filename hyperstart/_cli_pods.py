# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper list``, ``logs``, ``exec``, ``stop``, ``start``, ``restart``, ``rm``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from hyperstart import api
from hyperstart._ansible import Options
from hyperstart._arguments import Subparsers, command, options_of, pairs, words_after
from hyperstart._output import actions_text, log_text, pods_table
from hyperstart._reporter import Reporter
from hyperstart.errors import OperationFailed
from hyperstart.results import PodsResult

_CHANGES: tuple[tuple[str, str, str, Callable[[argparse.Namespace, Options], PodsResult]], ...] = (
    ("stop", "stop pods; what they wrote stays", "stopping", lambda a, o: api.stop_pods(names=a.pods, grace_period=a.grace_period, **o)),
    ("start", "start pods that were stopped or have ended", "starting", lambda a, o: api.start_pods(names=a.pods, wait_timeout=a.timeout, **o)),
    (
        "restart",
        "stop pods and start them again",
        "restarting",
        lambda a, o: api.restart_pods(names=a.pods, grace_period=a.grace_period, wait_timeout=a.timeout, **o),
    ),
    ("rm", "remove pods and all that they wrote", "removing", lambda a, o: api.remove_pods(names=a.pods, grace_period=a.grace_period, **o)),
)


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    command(
        subparsers,
        "list",
        list_,
        usage="[OPTIONS]",
        summary="list pods",
        aliases=["ps"],
        examples="""
            hyper list
            hyper list --json
            hyper list --inventory hosts.yml
        """,
    )
    logs_parser = command(
        subparsers,
        "logs",
        logs,
        usage="[OPTIONS] POD [CONTAINER]",
        summary="show what a pod's containers wrote",
        examples="""
            hyper logs web
            hyper logs web nginx --tail 20
        """,
    )
    logs_parser.add_argument("pod", metavar="POD")
    logs_parser.add_argument("container", metavar="CONTAINER", nargs="?", help="only this one")
    logs_parser.add_argument("--tail", type=int, metavar="LINES", help="only the last lines")
    exec_parser = command(
        subparsers,
        "exec",
        exec_,
        usage="[OPTIONS] POD [-c CONTAINER] -- COMMAND…",
        summary="run a command in a container",
        description="It reads standard input, unless that is a terminal, and exits with the command's exit code.",
        examples="""
            hyper exec web -- nginx -t
            hyper exec shop -c redis -- redis-cli ping
            hyper exec shop -c db -- psql < dump.sql
        """,
        json=False,
    )
    exec_parser.add_argument("words", nargs=argparse.REMAINDER, metavar="POD -- COMMAND…")
    exec_parser.add_argument("-c", "--container", metavar="CONTAINER", help="the container (default: the pod's first)")
    exec_parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help="a variable; without a value it is taken from here")
    exec_parser.add_argument("-w", "--workdir", metavar="DIRECTORY", help="the working directory")
    exec_parser.add_argument("-u", "--user", metavar="USER[:GROUP]", help="the user, a name or a number")
    exec_parser.add_argument("--timeout", type=int, metavar="SECONDS", help="end the command after so long")
    for name, summary, doing, operation in _CHANGES:
        parser = command(
            subparsers,
            name,
            _change(doing, operation),
            usage="[OPTIONS] POD…",
            summary=summary,
            examples=f"""
                hyper {name} web
                hyper {name} web shop
            """,
            changes=True,
        )
        parser.add_argument("pods", nargs="+", metavar="POD")
        if name != "start":
            parser.add_argument("--grace-period", type=int, metavar="SECONDS", help="how long containers may take to end (default: the pod's own)")
        if name in ("start", "restart"):
            parser.add_argument("--timeout", type=int, metavar="SECONDS", help="how long to wait for the containers to run (default: 300)")


def list_(arguments: argparse.Namespace) -> int:
    """List pods; those of the hosts that answered, if others did not."""
    failure: OperationFailed | None = None
    with Reporter(sys.stderr, what="looking at the pods") as reporter:
        try:
            result = api.list_pods(**options_of(arguments, reporter))
        except OperationFailed as error:
            if not isinstance(error.result, PodsResult):
                raise
            result, failure = error.result, error
    if arguments.json:
        print(json.dumps([pod.as_json() for pod in result.pods]))
    else:
        print(pods_table(result.pods), end="")
    if failure is not None:
        raise failure
    return 0


def logs(arguments: argparse.Namespace) -> int:
    """Show a log."""
    with Reporter(sys.stderr, what="reading the log") as reporter:
        result = api.pod_logs(pod=arguments.pod, container=arguments.container, tail=arguments.tail, **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps([line.as_json() for line in result.lines]))
    else:
        print(log_text(result.lines), end="")
    return 0


def exec_(arguments: argparse.Namespace) -> int:
    """Run a command in a container."""
    words = words_after(arguments)
    rest = words[2:] if words[1:2] == ["--"] else words[1:]
    if not words or words[0] == "--":
        arguments.parser.error("name a pod, for example: hyper exec web -- ps")
    if not rest:
        arguments.parser.error(f"give a command, for example: hyper exec {words[0]} -- ps")
    stdin = sys.stdin.buffer.read() if sys.stdin is not None and not sys.stdin.isatty() else None
    with Reporter(sys.stderr, what="running the command") as reporter:
        result = api.exec_pod(
            pod=words[0],
            command=rest,
            container=arguments.container,
            env=pairs(arguments.env, "--env", arguments.parser),
            workdir=arguments.workdir,
            user=arguments.user,
            stdin=stdin,
            timeout=arguments.timeout,
            **options_of(arguments, reporter),
        )
    for stream, data in ((sys.stdout, result.stdout), (sys.stderr, result.stderr)):
        stream.buffer.write(data)
        stream.flush()
    return result.exit_code


def _change(doing: str, operation: Callable[[argparse.Namespace, Options], PodsResult]) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        with Reporter(sys.stderr, what=f"{doing} {', '.join(arguments.pods)}") as reporter:
            result = operation(arguments, options_of(arguments, reporter))
        if arguments.json:
            print(json.dumps(result.as_json()))
        else:
            print(actions_text(arguments.pods, result.actions, check=arguments.check), end="")
        return 0

    return run
