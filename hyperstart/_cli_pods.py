# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper list``, ``inspect``, ``stop``, ``start``, ``rm``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from hyperstart import api, patch_api
from hyperstart._ansible import Options
from hyperstart._arguments import Subparsers, command, options_of
from hyperstart._output import actions_text, manifests_text, pods_table
from hyperstart._reporter import Reporter
from hyperstart.errors import OperationFailed
from hyperstart.results import PodsResult

_CHANGES: tuple[tuple[str, str, str, Callable[[argparse.Namespace, Options], PodsResult]], ...] = (
    ("stop", "stop pods; what they wrote stays", "stopping", lambda a, o: api.stop_pods(names=a.pods, grace_period=a.grace_period, **o)),
    ("start", "start pods that were stopped or have ended", "starting", lambda a, o: api.start_pods(names=a.pods, wait_timeout=a.timeout, **o)),
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
    inspect_parser = command(
        subparsers,
        "inspect",
        inspect,
        usage="[OPTIONS] POD…",
        summary="show all that is known of pods",
        description="Definition, status as Kubernetes has it, and guest, in YAML; of Secrets digests are shown, not the values.",
        examples="""
            hyper inspect web
            hyper inspect --json web shop
        """,
    )
    inspect_parser.add_argument("pods", nargs="+", metavar="POD")
    for name, summary, doing, operation in _CHANGES:
        parser = command(
            subparsers,
            name,
            change(doing, operation),
            usage="[OPTIONS] POD…",
            summary=summary,
            examples=f"""
                hyper {name} web
                hyper {name} web shop
            """,
            changes=True,
        )
        parser.add_argument("pods", nargs="+", metavar="POD")
        if name == "stop":
            _grace_period(parser)
        else:
            parser.add_argument("--timeout", type=int, metavar="SECONDS", help="how long to wait for the containers to run (default: 300)")
    parser = command(
        subparsers,
        "rm",
        remove,
        usage="[OPTIONS] POD…",
        summary="remove pods, or containers of a pod, and all that they wrote",
        examples="""
            hyper rm web
            hyper rm web shop
            hyper rm shop -c debug
        """,
        description="Exits with 1 when there is no pod, or container, of a name; the others are removed. With -c the pod and its other containers go on.",
        changes=True,
    )
    parser.add_argument("pods", nargs="+", metavar="POD")
    parser.add_argument("-c", "--container", action="append", default=[], metavar="CONTAINER", help="only this container of a single pod; may be repeated")
    parser.add_argument("--ignore", action="store_true", help="a name that no pod, or container, has is not an error")
    parser.add_argument("--restart", action="store_true", help="with -c: restart the guest where a container cannot be removed while it runs")
    _grace_period(parser)


def _grace_period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grace-period", type=int, metavar="SECONDS", help="how long containers may take to end (default: the pod's own)")


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


def inspect(arguments: argparse.Namespace) -> int:
    """Show pods with all that is known of them."""
    with Reporter(sys.stderr, what="looking at the pods") as reporter:
        result = api.inspect_pods(names=arguments.pods, **options_of(arguments, reporter))
    found = [pod.as_json() for pod in result.pods]
    print(json.dumps(found) + "\n" if arguments.json else manifests_text(found), end="")
    return 0


def change(doing: str, operation: Callable[[argparse.Namespace, Options], PodsResult]) -> Callable[[argparse.Namespace], int]:
    """A command that changes the pods ``arguments.pods`` and says what was done to each. doing: what is told meanwhile."""

    def run(arguments: argparse.Namespace) -> int:
        with Reporter(sys.stderr, what=f"{doing} {', '.join(arguments.pods)}") as reporter:
            result = operation(arguments, options_of(arguments, reporter))
        return _told(arguments, result, [])

    return run


def remove(arguments: argparse.Namespace) -> int:
    """Remove pods, or containers of one; what is not there is told when the others are removed."""
    if arguments.container and (len(arguments.pods) > 1 or arguments.grace_period is not None):
        arguments.parser.error("-c goes with a single pod, and without --grace-period")
    with Reporter(sys.stderr, what=f"removing {', '.join(arguments.container or arguments.pods)}") as reporter:
        options = options_of(arguments, reporter)
        if arguments.container:
            result = patch_api.remove_containers(name=arguments.pods[0], containers=arguments.container, restart=arguments.restart, **options)
        else:
            result = api.remove_pods(names=arguments.pods, grace_period=arguments.grace_period, **options)
    if arguments.container:
        befores = [diff["before"][arguments.pods[0]] for diff in result.diffs]
        found = {container["name"] for before in befores for key in ("initContainers", "containers") for container in before.get(key, ())}
        absent = [f"container {name} in pod {arguments.pods[0]}" for name in dict.fromkeys(arguments.container) if name not in found]
    else:
        removed = {action.pod for action in result.actions}
        absent = [f"pod {name}" for name in dict.fromkeys(arguments.pods) if name not in removed]
    return _told(arguments, result, [] if arguments.ignore else absent)


def _told(arguments: argparse.Namespace, result: PodsResult, absent: Sequence[str]) -> int:
    """Print what was done, then what was not there to be done to."""
    if arguments.json:
        print(json.dumps(result.as_json()))
    else:
        untouched = [] if absent else arguments.pods
        print(actions_text(untouched, result.actions, check=arguments.check), end="")
    for name in absent:
        print(f"hyper: there is no {name}", file=sys.stderr)
    return 1 if absent else 0
