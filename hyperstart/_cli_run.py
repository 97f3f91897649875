# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper run``, ``create``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _manifest_network
from ansible_collections.hyper.pods.plugins.module_utils._host import STATE_DIR, Host
from ansible_collections.hyper.pods.plugins.module_utils._log import Line
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions

from hyperstart import api
from hyperstart._ansible import Event, is_local
from hyperstart._arguments import Subparsers, command, options_of, pairs, registry_options, tls_verify
from hyperstart._follow import LogFollower
from hyperstart._manifests import parse_manifests, read_manifests
from hyperstart._output import actions_text, diffs_text, log_text, pod_report
from hyperstart._reporter import Reporter
from hyperstart.errors import HyperError
from hyperstart.life_api import create_pods
from hyperstart.results import PodsResult, PodState


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "run",
        run,
        usage="[OPTIONS] IMAGE [COMMAND…] | -p IMAGE… | -f FILE",
        summary="run a pod",
        description="It returns when the containers run; with --rm when they have ended, with the first exit code that is not 0.",
        examples="""
            hyper run nginx
            hyper run --name web --publish 8080:80 --memory 512M nginx
            hyper run -p nginx rails logstash cronjob
            hyper run --name shop --network nat --publish 0.0.0.0:80:80 nginx
            hyper run --rm busybox echo hello
            hyper run -f pod.yaml
        """,
        changes=True,
    )
    _add_arguments(parser, starts=True)
    parser = command(
        subparsers,
        "create",
        create,
        usage="[OPTIONS] IMAGE [COMMAND…] | -p IMAGE… | -f FILE",
        summary="define a pod without starting it",
        description="Images and disks are put in place, so that `hyper start` is quick. It takes what `hyper run` takes.",
        examples="""
            hyper create --name web --publish 8080:80 nginx
            hyper create -f pod.yaml
        """,
        changes=True,
    )
    _add_arguments(parser, starts=False)
    parser.set_defaults(rm=False)


def _add_arguments(parser: argparse.ArgumentParser, *, starts: bool) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="IMAGE [COMMAND…]", help="an image, and arguments in place of its own command")
    parser.add_argument("-p", "--pod", nargs="*", metavar="IMAGE", help="several images, a container each, named after it")
    parser.add_argument("-f", "--file", action="append", metavar="FILE", help="Pod manifests, a Hyper podfile or a Compose file; - is standard input")
    pod = parser.add_argument_group("the pod")
    pod.add_argument("--name", help="the pod's name (default: the first image's and five random characters)")
    pod.add_argument("--cpus", metavar="NUMBER", help="virtual CPUs of the pod, whatever its definition says")
    pod.add_argument("--memory", metavar="SIZE", help="memory of the pod, such as 512M or 2G, whatever its definition says")
    pod.add_argument(
        "-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help="a variable of every container; without a value it is taken from here"
    )
    pod.add_argument("--publish", action="append", default=[], metavar="[IP:]HOST:CONTAINER[/udp]", help="publish a port, on 127.0.0.1 unless an IP is given")
    pod.add_argument(
        "--network", action="append", default=[], metavar="NETWORK", help="user, nat, nat:NAME; again for a second NIC (default: user, QEMU's own)"
    )
    pod.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="a label of the pod")
    how = parser.add_argument_group("how")
    if starts:
        how.add_argument("--rm", action="store_true", help="stay in the foreground, show the output, remove the pod at its end, exit with its code")
    how.add_argument("--replace", action="store_true", help="change a pod of this name that another definition made")
    how.add_argument("--pull", choices=["missing", "always", "never"], help="when to pull the images (default: missing)")
    if starts:
        how.add_argument("--timeout", type=int, metavar="SECONDS", help="how long to wait for the containers to run (default: 300)")
        how.add_argument("--wait", choices=["ready", "running", "completed", "none"], help="what to wait for (default: running)")
        how.add_argument("--no-rollback", action="store_true", help="leave a running pod as it is when a container that was changed fails")
        how.add_argument("--progress-deadline", type=int, metavar="SECONDS", help="how long a changed container may take to be ready (default: 120)")
        how.add_argument("--min-ready", type=int, metavar="SECONDS", help="how long a changed container has to stay ready (default: 0)")
    how.add_argument("--diff", action="store_true", help="show the definitions before and after")
    registry_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the pods."""
    manifests = _manifests(arguments)
    return _run_once(arguments, manifests) if arguments.rm and not arguments.check else _run(arguments, manifests)


def create(arguments: argparse.Namespace) -> int:
    """Define the pods."""
    return _run(arguments, _manifests(arguments), starts=False)


def _manifests(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    parser: argparse.ArgumentParser = arguments.parser
    images, words = _images(arguments)
    if arguments.file:
        if images:
            parser.error("-f takes the images from the file; name no image beside it")
        refused = [name for name in ("name", "env", "publish", "label") if getattr(arguments, name)]
        if refused:
            parser.error(f"--{refused[0]} goes with images; with -f write it in the file")
        manifests = [manifest for file in arguments.file for manifest in _read(file)]
        return _networked(arguments, definitions.sized(manifests, arguments.cpus, arguments.memory))
    if not images:
        parser.error("name an image, or a file with -f; for example: hyper run nginx")
    manifest = api.pod_manifest(
        images=images,
        name=arguments.name,
        command=words,
        env=pairs(arguments.env, "--env", parser),
        publish=arguments.publish,
        labels=pairs(arguments.label, "--label", parser),
        cpus=arguments.cpus,
        memory=arguments.memory,
        restart_policy="Never" if arguments.rm else None,
    )
    return _networked(arguments, [manifest])


def _networked(arguments: argparse.Namespace, manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The manifests, with the networks of the command line."""
    return _manifest_network.annotated(manifests, arguments.network)


def _images(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The images, and the command of a single one."""
    if arguments.pod is None:
        words = arguments.words
        rest = words[2:] if words[1:2] == ["--"] else words[1:]
        return words[:1], rest
    images = [*arguments.pod]
    words = arguments.words
    while words:
        options = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
        images += words[:options]
        arguments.words = []
        if words[options:]:
            former, arguments.pod = arguments.pod, []
            arguments.parser.parse_args(words[options:], arguments)
            images += arguments.pod
            arguments.pod = former
        words = arguments.words
    return images, []


def _read(file: str) -> list[dict[str, Any]]:
    return parse_manifests(sys.stdin.read(), where="standard input") if file == "-" else read_manifests(file)


def _run(arguments: argparse.Namespace, manifests: list[dict[str, Any]], *, starts: bool = True) -> int:
    names = [_manifest.name_of(pod) for pod in _pods(manifests)]
    began = time.monotonic()
    operation: Callable[..., PodsResult] = create_pods
    if starts:
        operation = partial(
            api.run_pods,
            wait=arguments.wait,
            wait_timeout=arguments.timeout,
            rollback=False if arguments.no_rollback else None,
            progress_deadline=arguments.progress_deadline,
            min_ready_seconds=arguments.min_ready,
        )
    with Reporter(sys.stderr, what=f"{'running' if starts else 'creating'} {names[0]}") as reporter:
        result = operation(
            manifests=manifests,
            pull=arguments.pull,
            conflict="converge" if arguments.replace or arguments.file else "refuse",
            authfile=arguments.authfile,
            tls_verify=tls_verify(arguments),
            **options_of(arguments, reporter),
        )
    seconds = time.monotonic() - began
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(result.as_json()))
        return 0
    if arguments.diff:
        print(diffs_text(result.diffs), end="")
    if arguments.check or not result.changed:
        print(actions_text(names, result.actions, check=arguments.check), end="")
    if not arguments.check:
        print("\n".join(pod_report(pod, seconds=seconds) for pod in result.pods), end="")
    return 0


def _run_once(arguments: argparse.Namespace, manifests: list[dict[str, Any]]) -> int:
    names = [_manifest.name_of(pod) for pod in _pods(manifests)]
    begun = threading.Event()
    options = options_of(arguments)
    live = not arguments.json and is_local(options) and os.geteuid() == 0
    with ExitStack() as stack:
        reporter = stack.enter_context(Reporter(sys.stderr, what=f"running {names[0]}"))
        printer = _Printer(reporter, several=_several(manifests))

        def on_event(event: Event) -> None:
            reporter.event(event)
            # From here on the pod is ours to remove: the playbook has refused a name that was there before.
            if event.get("event") == "playbook_on_task_start" and event.get("event_data", {}).get("task_action") == "hyper.pods.pod":
                begun.set()

        options["on_event"] = on_event
        options["on_progress"] = reporter.step
        if live:
            host = Host(Path(os.environ.get("HYPER_STATE_DIR") or STATE_DIR))
            for name in names:
                stack.enter_context(LogFollower(host.pod_dir(name) / "log", printer.line))
        try:
            result = api.run_pods_once(
                manifests=manifests, pull=arguments.pull, authfile=arguments.authfile, tls_verify=tls_verify(arguments), logs=not live, **options
            )
        except HyperError:
            # The playbook has cleaned up behind itself.
            raise
        except BaseException:
            if begun.is_set():
                api.remove_pods(names=names, grace_period=0, **options_of(arguments))
            raise
    if arguments.json:
        print(json.dumps({**result.as_json(), "lines": [line.as_json() for line in result.lines]}))
    elif not live:
        for stream, file in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            print(log_text([line for line in result.lines if line.stream == stream]), end="", file=file)
    return _exit_code(result.pods)


def _pods(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what stands beside the pods: ConfigMaps, Secrets."""
    return [manifest for manifest in manifests if manifest["kind"] == "Pod"]


def _several(manifests: list[dict[str, Any]]) -> bool:
    """Whether more than one container may write."""
    specs = [pod.get("spec") for pod in _pods(manifests)]
    lists = [spec.get(name) for spec in specs if isinstance(spec, dict) for name in ("initContainers", "containers")]
    return sum(len(containers) for containers in lists if isinstance(containers, list)) > 1


def _exit_code(pods: tuple[PodState, ...]) -> int:
    """The first exit code that is not 0, in the order of the definitions."""
    codes = [container.exit_code for pod in pods for container in pod.containers]
    return next((code for code in codes if code), 0)


class _Printer:
    """Prints containers' output as it comes, byte for byte; with the container's name in front where there are several."""

    def __init__(self, reporter: Reporter, *, several: bool) -> None:
        self._reporter = reporter
        self._several = several
        self._lock = threading.Lock()
        self._goes_on: dict[tuple[str, str], bool] = {}

    def line(self, line: Line) -> None:
        """Print one line of the log."""
        self._reporter.stop()
        key = (line.container, line.stream)
        prefix = f"{line.container} | ".encode() if self._several and not self._goes_on.get(key) else b""
        self._goes_on[key] = line.partial
        stream = (sys.stdout if line.stream == "stdout" else sys.stderr).buffer
        with self._lock:
            stream.write(prefix + line.message + (b"" if line.partial else b"\n"))
            stream.flush()
