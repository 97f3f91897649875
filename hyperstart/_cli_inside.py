# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper exec``: what is done inside a pod that runs. It goes by a direct road, without a play, and loads little: a person waits for it."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import sys

from hyperstart import _road
from hyperstart._arguments import Subparsers, command, pairs, words_after
from hyperstart._road import NoRoad, Road


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    exec_parser = command(
        subparsers,
        "exec",
        exec_,
        usage="[OPTIONS] POD [-c CONTAINER] -- COMMAND…",
        summary="run a command in a container",
        description="It reads standard input, unless that is a terminal and -i is not given, and exits with the command's exit code.",
        examples="""
            hyper exec web -- nginx -t
            hyper exec -it web -- sh
            hyper exec shop -c redis -- redis-cli ping
            hyper exec shop -c db -- psql < dump.sql
        """,
        json=False,
        interactive=True,
    )
    exec_parser.add_argument("words", nargs=argparse.REMAINDER, metavar="POD -- COMMAND…")
    exec_parser.add_argument("-c", "--container", metavar="CONTAINER", help="the container (default: the pod's first)")
    exec_parser.add_argument("-i", "--interactive", action="store_true", help="pass on standard input, also from a terminal")
    exec_parser.add_argument("-t", "--tty", action="store_true", help="give the command a terminal: this one")
    exec_parser.add_argument("-d", "--detach", action="store_true", help="leave the command running, without input and output")
    exec_parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help="a variable; without a value it is taken from here")
    exec_parser.add_argument("-w", "--workdir", metavar="DIRECTORY", help="the working directory")
    exec_parser.add_argument("-u", "--user", metavar="USER[:GROUP]", help="the user, a name or a number")
    exec_parser.add_argument("--timeout", type=int, metavar="SECONDS", help="end the command after so long")


def exec_(arguments: argparse.Namespace) -> int:
    """Run a command in a container."""
    words = words_after(arguments)
    rest = words[2:] if words[1:2] == ["--"] else words[1:]
    if not words or words[0] == "--":
        arguments.parser.error("name a pod, for example: hyper exec web -- ps")
    if not rest:
        arguments.parser.error(f"give a command, for example: hyper exec {words[0]} -- ps")
    env = pairs(arguments.env, "--env", arguments.parser)
    if arguments.detach and (arguments.tty or arguments.interactive):
        arguments.parser.error("--detach goes without --tty and --interactive")
    from_terminal = sys.stdin is not None and sys.stdin.isatty()
    if arguments.tty and not from_terminal:
        arguments.parser.error("--tty: standard input is not a terminal")
    try:
        ways = roads(arguments)
    except NoRoad:
        if arguments.tty or arguments.detach:
            raise
        return _played(arguments, words[0], rest, env)
    from ansible_collections.hyper.pods.plugins.module_utils._control import Control, ExecFailed

    _, port = _road.find(ways, words[0], lambda way: way.port(words[0], arguments.container))
    takes_stdin = not arguments.detach and sys.stdin is not None and (arguments.interactive or not from_terminal)
    with Control.over(port.connection, words[0], port.lock) as control, contextlib.ExitStack() as stack:
        window = None
        if arguments.tty:
            from hyperstart._terminal import Terminal

            env.setdefault("TERM", os.environ.get("TERM", "xterm"))
            window = stack.enter_context(Terminal(sys.stdin.fileno(), raw=arguments.interactive))
        try:
            return control.exec(
                port.container,
                rest,
                env=env,
                workdir=arguments.workdir,
                user=arguments.user,
                stdin=sys.stdin.buffer if takes_stdin else None,
                on_stdout=lambda data: _write(1, data),
                on_stderr=lambda data: _write(2, data),
                window=window,
                detached=arguments.detach,
                timeout=arguments.timeout,
            ).code
        except ExecFailed as failed:
            if failed.code is None:
                raise
            stack.close()
            print(failed.message, file=sys.stderr)
            return failed.code


def roads(arguments: argparse.Namespace) -> list[Road]:
    """The ways to the hosts that the command line names. Raises NoRoad."""
    if arguments.ask_become_pass:
        arguments.become_password = getattr(arguments, "become_password", None) or getpass.getpass("BECOME password: ")
    return _road.roads(inventory=arguments.inventory or (), limit=arguments.limit, become_password=getattr(arguments, "become_password", None))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _played(arguments: argparse.Namespace, pod: str, words: list[str], env: dict[str, str]) -> int:
    """The same by a play, for a host that only Ansible can reach."""
    from hyperstart import api
    from hyperstart._arguments import options_of
    from hyperstart._reporter import Reporter

    stdin = sys.stdin.buffer.read() if sys.stdin is not None and not sys.stdin.isatty() else None
    with Reporter(sys.stderr, what="running the command") as reporter:
        result = api.exec_pod(
            pod=pod,
            command=words,
            container=arguments.container,
            env=env,
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
