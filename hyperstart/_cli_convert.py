# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper convert``."""

from __future__ import annotations

import argparse
import json
import sys

from hyperstart import _manifests
from hyperstart._arguments import Subparsers, command
from hyperstart._output import manifests_text


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "convert",
        convert,
        usage="[OPTIONS] FILE",
        summary="print a Hyper podfile or a Compose file as a Kubernetes manifest",
        description="What a manifest cannot say is refused. Nothing is run, and no host is asked.",
        examples="""
            hyper convert web.pod
            hyper convert compose.yaml
            hyper convert --json web.pod
        """,
        hosts=False,
    )
    parser.add_argument("file", metavar="FILE", help="a podfile, a Compose file or a manifest, YAML or JSON; - is standard input")


def convert(arguments: argparse.Namespace) -> int:
    """Print manifests."""
    file = arguments.file
    manifests = _manifests.convert(sys.stdin.read(), where="standard input") if file == "-" else _manifests.convert_file(file)
    print(json.dumps(manifests) if arguments.json else manifests_text(manifests), end="\n" if arguments.json else "")
    return 0
