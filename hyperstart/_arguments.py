# SPDX-License-Identifier: GPL-3.0-or-later
"""What several commands of ``hyper`` have in common on their command lines."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hyperstart._ansible import Options
    from hyperstart._reporter import Reporter


class Subparsers(Protocol):
    """What ``argparse.ArgumentParser.add_subparsers`` returns."""

    def add_parser(self, name: str, **kwargs: Any) -> argparse.ArgumentParser:
        """A parser for one command."""


def command(
    subparsers: Subparsers,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    usage: str,
    summary: str,
    examples: str,
    description: str = "",
    aliases: Sequence[str] = (),
    json: bool = True,
    changes: bool = False,
    hosts: bool = True,
    group: str = "",
    interactive: bool = False,
) -> argparse.ArgumentParser:
    """Add a command. run: called with the parsed arguments, returns the exit code. json, changes, hosts: whether it takes --json, --check and --diff,
    --inventory and --limit. group: the command that this one is part of. interactive: -i is
    not the inventory, it passes on standard input, as people know it of such a command."""
    lines = "\n".join(f"  {line.strip()}" for line in examples.strip().splitlines())
    parser = subparsers.add_parser(
        name,
        aliases=list(aliases),
        help=summary,
        usage=f"hyper {group} {name} {usage}".replace("  ", " ").rstrip(),
        description=f"{summary[0].upper()}{summary[1:]}.{' ' + description if description else ''}",
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if hosts:
        where = parser.add_argument_group("hosts")
        where.add_argument(
            *(() if interactive else ("-i",)),
            "--inventory",
            action="append",
            metavar="INVENTORY",
            help="inventory file, or hosts with commas; as Ansible's (default: this machine)",
        )
        where.add_argument("-l", "--limit", metavar="PATTERN", help="only the hosts of the inventory that match; as Ansible's")
        where.add_argument("-K", "--ask-become-pass", action="store_true", help="ask for the password that sudo wants on the hosts; as Ansible's")
    if json:
        parser.add_argument("--json", action="store_true", help="print the result as JSON and nothing else")
    if changes:
        parser.add_argument("--check", action="store_true", help="say what would be done and do nothing")
    parser.set_defaults(run=run, parser=parser)
    return parser


def options_of(arguments: argparse.Namespace, reporter: Reporter | None = None) -> Options:
    """The API's options that the command line gives."""
    options: Options = {}
    if arguments.inventory:
        options["inventory"] = arguments.inventory
    if arguments.limit:
        options["limit"] = arguments.limit
    if getattr(arguments, "check", False):
        options["check"] = True
    if getattr(arguments, "diff", False):
        options["diff"] = True
    if arguments.ask_become_pass:
        # Asked once for all that the command does.
        arguments.become_password = getattr(arguments, "become_password", None) or getpass.getpass("BECOME password: ")
        options["become_password"] = arguments.become_password
    if reporter is not None:
        options["on_progress"] = reporter.step
    return options


def words_after(arguments: argparse.Namespace) -> list[str]:
    """``arguments.words`` without the options that stand between the first word and the rest; those are parsed as well.

    argparse gives all that follows the first word to the rest. So ``exec POD -c web -- ps -e`` would lose ``-c``; but what follows ``--`` is the user's.
    """
    first, rest = arguments.words[:1], arguments.words[1:]
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        arguments.parser.parse_args(rest, arguments)
        rest = arguments.words
    return [*first, *rest]


def pairs(words: Sequence[str], option: str, parser: argparse.ArgumentParser) -> dict[str, str]:
    """NAME=VALUE words; of a NAME alone the value is taken from the environment, so that a secret need not stand on the command line."""
    result = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and name not in os.environ:
            parser.error(f"{option} {name}: there is no such variable in the environment; write {name}=VALUE")
        result[name] = value if equals else os.environ[name]
    return result


def registry_options(parser: argparse.ArgumentParser) -> None:
    """--authfile and --tls-verify."""
    group = parser.add_argument_group("registries")
    group.add_argument("--authfile", metavar="FILE", help="credentials, a file on the host as `skopeo login --authfile` writes it")
    group.add_argument("--tls-verify", choices=["true", "false"], help="false allows plain HTTP and unknown certificates")


def tls_verify(arguments: argparse.Namespace) -> bool | None:
    """The value of --tls-verify."""
    return None if arguments.tls_verify is None else bool(arguments.tls_verify == "true")
