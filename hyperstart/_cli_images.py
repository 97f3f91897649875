# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper images``, ``pull``, ``rmi``, ``tag``, ``image inspect``, ``image prune``."""

from __future__ import annotations

import argparse
import json
import sys

from hyperstart import api
from hyperstart._arguments import Subparsers, command, options_of, registry_options, tls_verify
from hyperstart._output import images_table, size
from hyperstart._output_hosts import lines_text
from hyperstart._reporter import Reporter
from hyperstart.store_results import ImagesResult


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
            hyper pull --signature-policy /etc/containers/strict.json shop
        """,
    )
    parser.add_argument("names", nargs="+", metavar="IMAGE")
    parser.add_argument("--source", metavar="SOURCE", help="where to take a single image from, such as oci-archive:/srv/web.tar on the host")
    parser.add_argument("--pull", choices=["missing", "always"], default="always", help="missing keeps what is there (default: always)")
    parser.add_argument("--signature-policy", metavar="FILE", help="which images may be pulled, a file on the host (containers-policy.json)")
    registry_options(parser)
    parser = command(
        subparsers,
        "rmi",
        rmi,
        usage="[OPTIONS] IMAGE…",
        summary="remove images from hosts",
        description="An image goes with its last name. One that pods hold is refused.",
        examples="""
            hyper rmi redis:7
            hyper rmi --force nginx
        """,
        changes=True,
    )
    parser.add_argument("names", nargs="+", metavar="IMAGE")
    parser.add_argument("-f", "--force", action="store_true", help="although pods hold it; they go on")
    parser = command(
        subparsers,
        "tag",
        tag,
        usage="[OPTIONS] IMAGE NAME…",
        summary="give an image of the hosts more names",
        examples="""
            hyper tag web registry.example.com/shop/web:1.2
            hyper tag redis:7 cache
        """,
        changes=True,
    )
    parser.add_argument("name", metavar="IMAGE")
    parser.add_argument("tags", nargs="+", metavar="NAME")
    _add_group(subparsers)


def _add_group(subparsers: Subparsers) -> None:
    group = subparsers.add_parser(
        "image",
        help="inspect and prune images",
        description="Work on images.",
        epilog="examples:\n  hyper image inspect nginx\n  hyper image prune --all",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    ).add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = command(
        group,
        "inspect",
        inspect,
        usage="[OPTIONS] IMAGE…",
        summary="show images in full, as JSON",
        examples="hyper image inspect nginx",
        json=False,
        group="image",
    )
    parser.add_argument("names", nargs="+", metavar="IMAGE")
    # It prints JSON in any case.
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    parser = command(
        group,
        "prune",
        prune,
        usage="[OPTIONS]",
        summary="remove what hosts do not need of images",
        description="Without options: what pulls that were killed have left.",
        examples="""
            hyper image prune --all --check
            hyper image prune --all
        """,
        changes=True,
        group="image",
    )
    parser.add_argument("-a", "--all", action="store_true", help="all images that no pod holds")
    parser.add_argument("--layers", action="store_true", help="the layers that images were made from; pods need them not, but push, save, commit and build do")


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
            signature_policy=arguments.signature_policy,
            authfile=arguments.authfile,
            tls_verify=tls_verify(arguments),
            **options_of(arguments, reporter),
        )
    return _show_images(arguments, result)


def rmi(arguments: argparse.Namespace) -> int:
    """Remove images."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"removing {', '.join(arguments.names)}") as reporter:
        result = image_api.remove_images(names=arguments.names, force=arguments.force, **options_of(arguments, reporter))
    return _show_changes(arguments, result, "There is no such image")


def tag(arguments: argparse.Namespace) -> int:
    """Give an image names."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what="naming the image") as reporter:
        result = image_api.tag_image(name=arguments.name, tags=arguments.tags, **options_of(arguments, reporter))
    return _show_changes(arguments, result, "Nothing to do: it has these names")


def inspect(arguments: argparse.Namespace) -> int:
    """Show images in full."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what="looking at the images") as reporter:
        result = image_api.inspect_images(names=arguments.names, **options_of(arguments, reporter))
    print(json.dumps([dict(image) for image in result.images], indent=None if arguments.json else 2))
    return 0


def prune(arguments: argparse.Namespace) -> int:
    """Remove what is not needed."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what="looking for what is not needed") as reporter:
        result = image_api.prune_images(every=arguments.all, layers=arguments.layers, **options_of(arguments, reporter))
    code = _show_changes(arguments, result, "Nothing to remove" if not result.freed else "")
    if result.freed > 0 and not arguments.json:
        print(f"{size(result.freed)} freed")
    return code


def _show_images(arguments: argparse.Namespace, result: ImagesResult) -> int:
    print(json.dumps([image.as_json() for image in result.images]) if arguments.json else images_table(result.images), end="\n" if arguments.json else "")
    return 0


def _show_changes(arguments: argparse.Namespace, result: ImagesResult, nothing: str) -> int:
    if arguments.json:
        print(json.dumps(result.as_json()))
    else:
        print(lines_text(result.actions, check=arguments.check, nothing=nothing).lstrip("\n"), end="")
    return 0
