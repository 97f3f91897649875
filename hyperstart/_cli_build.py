# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper build``, ``lock``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from hyperstart._arguments import Subparsers, command, options_of, pairs, registry_options, tls_verify
from hyperstart._cli_exchange import show
from hyperstart._reporter import Reporter


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    parser = command(
        subparsers,
        "build",
        build,
        usage="[OPTIONS] -t NAME DIRECTORY",
        summary="build an image of a Containerfile on hosts, with buildah",
        description="Its commands run on the host, in buildah's isolation: build what you trust.",
        examples="""
            hyper build -t shop/web:1.2 .
            hyper build -t web --file web/Containerfile --build-arg VERSION=1.2 --target release .
        """,
        changes=True,
    )
    parser.add_argument("context", metavar="DIRECTORY", help="a directory of this machine")
    parser.add_argument("-t", "--tag", metavar="NAME", required=True, help="what the image shall be called")
    parser.add_argument("-f", "--file", metavar="FILE", help="the Containerfile, within the directory (default: Containerfile, else Dockerfile)")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help="a value of an ARG; without a value it is taken from here")
    parser.add_argument("--target", metavar="STAGE", help="the stage to build (default: the last)")
    registry_options(parser)
    parser = command(
        subparsers,
        "lock",
        lock,
        usage="[OPTIONS] FILE",
        summary="pin the images of a manifest, a podfile or a Compose file to the digests that their tags have now",
        description="The file is printed with each image's digest behind its name, and all else, comments too, as it was. Nothing is pulled.",
        examples="""
            hyper lock shop.yaml > shop.lock.yaml
            hyper lock --in-place compose.yaml
        """,
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("-w", "--in-place", action="store_true", help="write the file, and print which images were pinned")
    registry_options(parser)


def build(arguments: argparse.Namespace) -> int:
    """Build an image."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"building {arguments.tag}") as reporter:
        result = image_api.build_image(
            context=arguments.context,
            name=arguments.tag,
            containerfile=arguments.file,
            build_args=pairs(arguments.build_arg, "--build-arg", arguments.parser),
            target=arguments.target,
            authfile=arguments.authfile,
            tls_verify=tls_verify(arguments),
            **options_of(arguments, reporter),
        )
    return show(arguments, result, "Nothing to do: the image is there")


def lock(arguments: argparse.Namespace) -> int:
    """Pin the images of a file."""
    from ansible_collections.hyper.pods.plugins.plugin_utils import pins

    from hyperstart import _manifests, image_api

    text = _manifests.read_text(arguments.file)
    named = pins.images(text, where=arguments.file)
    with Reporter(sys.stderr, what="asking the registries") as reporter:
        digests = image_api.resolve_images(
            names=pins.open_images(named),
            authfile=arguments.authfile,
            tls_verify=tls_verify(arguments),
            **options_of(arguments, reporter),
        )
    for image in dict.fromkeys(item.image for item in named):
        if image not in digests and "@" not in image:
            print(f"hyper: {image}: not pinned: {'its value is not known here' if '$' in image else 'no registry has it'}", file=sys.stderr)
    locked = pins.pinned(text, named, digests)
    if arguments.in_place and locked != text:
        _replace(Path(arguments.file), locked)
    if arguments.json:
        print(json.dumps({"changed": locked != text, "images": {image: f"{image}@{digest}" for image, digest in digests.items()}}))
    elif arguments.in_place:
        print("".join(f"{image}@{digest}\n" for image, digest in digests.items()) or "Nothing to do: all images are pinned\n", end="")
    else:
        print(locked, end="")
    return 0


def _replace(path: Path, text: str) -> None:
    """The file is the old one or the new one; its mode stays."""
    target = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(temporary, target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
