# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper exec``, ``attach``: what is done inside a pod that runs. They go by a direct road, without a play, and load little: a person waits for them."""

from __future__ import annotations

import argparse
import base64
import contextlib
import getpass
import json
import os
import stat
import sys

from hyperstart import _road
from hyperstart._arguments import Subparsers, command, pairs, words_after
from hyperstart._road import NoRoad, Road

DETACH_KEYS = b"\x10\x11"


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
            hyper exec --guest web -- cat /proc/1/mounts
            hyper exec --json web -- nginx -v
        """,
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
    exec_parser.add_argument(
        "--guest", action="store_true", help="run it in the guest's own namespaces, as root, with the container's files; the guest's are in /proc/1/root"
    )
    exec_parser.add_argument("--timeout", type=int, metavar="SECONDS", help="end the command after so long")

    attach_parser = command(
        subparsers,
        "attach",
        attach,
        usage="[OPTIONS] POD [CONTAINER]",
        summary="show what a container writes from now on, and type into it",
        description="A container with `stdin: true` reads what is typed, one with `tty: true` has this terminal. It ends with the container and its code, or"
        " with ctrl-p ctrl-q, and the container goes on.",
        examples="""
            hyper attach web
            hyper attach --no-stdin shop redis
            echo save-all | hyper attach --json --timeout 5 game
        """,
    )
    attach_parser.add_argument("pod", metavar="POD")
    attach_parser.add_argument("container", metavar="CONTAINER", nargs="?", help="the container (default: the pod's first)")
    attach_parser.add_argument("--no-stdin", action="store_true", help="type nothing into it; ctrl-c leaves it then")
    attach_parser.add_argument("--timeout", type=int, metavar="SECONDS", help="leave it after so long; the container goes on")


class Detached(Exception):
    """The person has left."""


class DetachKeys:
    """Finds ctrl-p ctrl-q in what is typed, and raises Detached. What is not the second key of the two is typed with the first."""

    def __init__(self) -> None:
        self._held = b""

    def __call__(self, data: bytes) -> bytes:
        data = self._held + data
        if DETACH_KEYS in data:
            raise Detached
        self._held = DETACH_KEYS[:1] if data.endswith(DETACH_KEYS[:1]) else b""
        return data[: len(data) - len(self._held)]


def attach(arguments: argparse.Namespace) -> int:
    """Show what a container writes, and type into it."""
    from_terminal = sys.stdin is not None and sys.stdin.isatty()
    try:
        ways = roads(arguments)
    except NoRoad:
        if from_terminal and not arguments.no_stdin:
            raise
        return _attached_by_play(arguments)
    from ansible_collections.hyper.pods.plugins.module_utils._channel import GuestTimeout
    from ansible_collections.hyper.pods.plugins.module_utils._control import Control

    from hyperstart._terminal import Terminal

    _, port = _road.find(ways, arguments.pod, lambda way: way.port(arguments.pod, arguments.container))
    types = port.stdin and not arguments.no_stdin and sys.stdin is not None
    if not port.stdin and not arguments.no_stdin and sys.stdin is not None and _holds_something(sys.stdin.fileno()):
        print(
            f"hyper: container {port.container} reads nothing, so it is not given what comes here; `stdin: true` in its definition has it read", file=sys.stderr
        )
    seen: dict[int, list[bytes]] = {1: [], 2: []}
    code = None
    with Control.over(port.connection, arguments.pod, port.lock) as control, contextlib.ExitStack() as stack:
        window = stack.enter_context(Terminal(sys.stdin.fileno(), raw=types)) if port.tty and from_terminal else None
        with contextlib.suppress(Detached, GuestTimeout):
            code = control.exec(
                port.container,
                (),
                attach=True,
                stdin=sys.stdin.buffer if types else None,
                on_stdin=DetachKeys() if from_terminal else None,
                on_stdout=seen[1].append if arguments.json else lambda data: _write(1, data),
                on_stderr=seen[2].append if arguments.json else lambda data: _write(2, data),
                window=window,
                timeout=arguments.timeout,
            ).code
    return _as_json(code, b"".join(seen[1]), b"".join(seen[2])) if arguments.json else code or 0


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
    if arguments.guest and arguments.user is not None:
        arguments.parser.error("--guest goes without --user: it is root's")
    if arguments.json and arguments.tty:
        arguments.parser.error("--json goes without --tty")
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
            ended = control.exec(
                port.container,
                rest,
                env=env,
                workdir=arguments.workdir,
                user=arguments.user,
                stdin=sys.stdin.buffer if takes_stdin else None,
                on_stdout=None if arguments.json else lambda data: _write(1, data),
                on_stderr=None if arguments.json else lambda data: _write(2, data),
                window=window,
                detached=arguments.detach,
                guest=arguments.guest,
                timeout=arguments.timeout,
            )
        except ExecFailed as failed:
            if failed.code is None:
                raise
            stack.close()
            if arguments.json:
                return _as_json(failed.code, b"", f"{failed.message}\n".encode())
            print(failed.message, file=sys.stderr)
            return failed.code
    return _as_json(ended.code, ended.stdout, ended.stderr) if arguments.json else ended.code


def _as_json(code: int | None, stdout: bytes, stderr: bytes) -> int:
    """Print how a command or container ended, as text and byte for byte. code: None where it goes on."""
    texts = {name: data.decode(errors="replace") for name, data in (("stdout", stdout), ("stderr", stderr))}
    exact = {f"{name}Base64": base64.b64encode(data).decode() for name, data in (("stdout", stdout), ("stderr", stderr))}
    print(json.dumps({"exitCode": code, **texts, **exact}))
    return code or 0


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
    from hyperstart import inside_api
    from hyperstart._arguments import options_of
    from hyperstart._reporter import Reporter

    stdin = _piped()
    with Reporter(sys.stderr, what="running the command") as reporter:
        result = inside_api.exec_pod(
            pod=pod,
            command=words,
            container=arguments.container,
            env=env,
            workdir=arguments.workdir,
            user=arguments.user,
            stdin=stdin,
            guest=arguments.guest,
            timeout=arguments.timeout,
            **options_of(arguments, reporter),
        )
    return _shown(arguments, result.exit_code, result.stdout, result.stderr)


def _attached_by_play(arguments: argparse.Namespace) -> int:
    """The same by a play: what the container wrote is shown when it is over."""
    from hyperstart import inside_api
    from hyperstart._arguments import options_of
    from hyperstart._reporter import Reporter

    stdin = None if arguments.no_stdin else _piped()
    with Reporter(sys.stderr, what=f"attached to {arguments.pod}") as reporter:
        result = inside_api.attach_pod(
            pod=arguments.pod, container=arguments.container, stdin=stdin or None, timeout=arguments.timeout, **options_of(arguments, reporter)
        )
    return _shown(arguments, result.exit_code, result.stdout, result.stderr)


def _holds_something(descriptor: int) -> bool:
    """Whether a file or a pipe was put there by somebody, and not /dev/null or a terminal."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode)


def _piped() -> bytes | None:
    """All of standard input, unless it is a terminal."""
    return sys.stdin.buffer.read() if sys.stdin is not None and not sys.stdin.isatty() else None


def _shown(arguments: argparse.Namespace, code: int | None, stdout: bytes, stderr: bytes) -> int:
    if arguments.json:
        return _as_json(code, stdout, stderr)
    for stream, data in ((sys.stdout, stdout), (sys.stderr, stderr)):
        stream.buffer.write(data)
        stream.flush()
    return code or 0
