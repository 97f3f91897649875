# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper info``, ``df``, ``doctor``, ``prune``, ``prepare``."""

from __future__ import annotations

import argparse
import json
import sys

from hyperstart import api
from hyperstart._arguments import Subparsers, command, options_of, pairs
from hyperstart._output import hosts_text
from hyperstart._output_hosts import findings_text, lines_text, usage_text
from hyperstart._reporter import Reporter


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    command(subparsers, "info", info, usage="[OPTIONS]", summary="show what hosts are made of, and whether KVM can be used", examples="hyper info")
    command(
        subparsers,
        "df",
        df,
        usage="[OPTIONS]",
        summary="show what takes the hosts' disk: images, pods, volumes, versions of hyperstart",
        examples="hyper df",
    )
    parser = command(
        subparsers,
        "doctor",
        doctor,
        usage="[OPTIONS]",
        summary="show what is missing or wrong on hosts, each with its remedy",
        description="It exits with 1 when anything is an error; a warning is none.",
        examples="""
            hyper doctor
            hyper doctor --inventory hosts.yml --all
        """,
    )
    parser.add_argument("-a", "--all", action="store_true", help="also what is well")
    command(
        subparsers,
        "prune",
        prune,
        usage="[OPTIONS]",
        summary="remove what nothing on a host needs: old versions of hyperstart, what killed runs have left",
        description="Pods, volumes and images that have a name stay; for images: hyper image prune.",
        examples="""
            hyper prune --check
            hyper prune
        """,
        changes=True,
    )
    parser = command(
        subparsers,
        "prepare",
        prepare,
        usage="[OPTIONS]",
        summary="install what a host needs to run pods",
        examples="""
            hyper prepare
            hyper prepare --inventory hosts.yml
        """,
        changes=True,
    )
    parser.add_argument("-e", "--extra-vars", action="append", default=[], metavar="NAME=VALUE", help="a variable of the playbook prepare_host.yml")


def info(arguments: argparse.Namespace) -> int:
    """Show hosts."""
    with Reporter(sys.stderr, what="looking at the host") as reporter:
        result = api.host_info(**options_of(arguments, reporter))
    print(json.dumps(dict(result.hosts)) if arguments.json else hosts_text(result.hosts), end="\n" if arguments.json else "")
    return 0


def prepare(arguments: argparse.Namespace) -> int:
    """Prepare hosts."""
    with Reporter(sys.stderr, what="preparing") as reporter:
        options = options_of(arguments, reporter)
        options["on_event"] = reporter.event
        result = api.prepare_hosts(variables=pairs(arguments.extra_vars, "--extra-vars", arguments.parser), **options)
    if arguments.json:
        print(json.dumps({"changed": result.changed, "hosts": list(result.hosts)}))
    else:
        done = "would be changed" if arguments.check else "is prepared"
        print("".join(f"{host}: {done if result.changed else 'was prepared already'}\n" for host in result.hosts), end="")
    return 0


def df(arguments: argparse.Namespace) -> int:
    """Show what takes the disk."""
    from hyperstart import host_api

    with Reporter(sys.stderr, what="looking at the disk") as reporter:
        result = host_api.host_usage(**options_of(arguments, reporter))
    usages = {host: values["usage"] for host, values in result.hosts.items()}
    print(json.dumps(usages) if arguments.json else usage_text(usages), end="\n" if arguments.json else "")
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Show what is missing or wrong."""
    from hyperstart import host_api

    with Reporter(sys.stderr, what="looking at the host") as reporter:
        result = host_api.check_hosts(**options_of(arguments, reporter))
    findings = {host: values["findings"] for host, values in result.hosts.items()}
    print(json.dumps(findings) if arguments.json else findings_text(findings, every=arguments.all), end="\n" if arguments.json else "")
    return int(any(finding["level"] == "error" for found in findings.values() for finding in found))


def prune(arguments: argparse.Namespace) -> int:
    """Remove what nothing needs."""
    from hyperstart import host_api

    with Reporter(sys.stderr, what="looking for what nothing needs") as reporter:
        result = host_api.prune_hosts(**options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps({"changed": result.changed, "hosts": dict(result.hosts)}))
    else:
        actions = [(host, line) for host, values in result.hosts.items() for line in values["actions"]]
        print(lines_text(actions, check=arguments.check, nothing="Nothing to remove"), end="")
    return 0
