# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper images``, ``pull``, ``info``, ``prepare``."""

from __future__ import annotations

import argparse
import json
import sys

from hyperstart import api
from hyperstart._arguments import Subparsers, command, options_of, pairs, registry_options, tls_verify
from hyperstart._output import hosts_text, images_table
from hyperstart._reporter import Reporter
from hyperstart.results import ImagesResult


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    command(subparsers, "images", images, usage="[OPTIONS]", summary="list the images that hosts have", examples="hyper images")
    parser = command(
        subparsers,
        "pull",
        pull,
        usage="[OPTIONS] IMAGE…",
        summary="pull images, so that pods start without a registry",
        examples="""
            hyper pull nginx redis:7
            hyper pull --tls-verify false registry.local:5000/shop
            hyper pull --source oci-archive:/tmp/shop.tar shop
        """,
    )
    parser.add_argument("names", nargs="+", metavar="IMAGE")
    parser.add_argument("--source", metavar="SOURCE", help="where to take a single image from, such as oci-archive:/srv/web.tar on the host")
    parser.add_argument("--pull", choices=["missing", "always"], default="always", help="missing keeps what is there (default: always)")
    registry_options(parser)
    command(subparsers, "info", info, usage="[OPTIONS]", summary="show what hosts are made of, and whether KVM can be used", examples="hyper info")
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


def images(arguments: argparse.Namespace) -> int:
    """List images."""
    with Reporter(sys.stderr, what="looking at the images") as reporter:
        return _show_images(arguments, api.list_images(**options_of(arguments, reporter)))


def pull(arguments: argparse.Namespace) -> int:
    """Pull images."""
    with Reporter(sys.stderr, what=f"pulling {', '.join(arguments.names)}") as reporter:
        result = api.pull_images(
            names=arguments.names,
            source=arguments.source,
            pull=arguments.pull,
            authfile=arguments.authfile,
            tls_verify=tls_verify(arguments),
            **options_of(arguments, reporter),
        )
    return _show_images(arguments, result)


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


def _show_images(arguments: argparse.Namespace, result: ImagesResult) -> int:
    print(json.dumps([image.as_json() for image in result.images]) if arguments.json else images_table(result.images), end="\n" if arguments.json else "")
    return 0
