# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper push``, ``save``, ``load``, ``import``, ``commit``, ``login``, ``logout``."""

from __future__ import annotations

import argparse
import getpass
import json
import sys

from hyperstart._arguments import Subparsers, command, options_of, registry_options, tls_verify
from hyperstart._output_hosts import lines_text
from hyperstart._reporter import Reporter
from hyperstart.store_results import ImagesResult


def add(subparsers: Subparsers) -> None:
    """Add the commands."""
    parser = command(
        subparsers,
        "push",
        push,
        usage="[OPTIONS] IMAGE [DESTINATION]",
        summary="push an image of a host to a registry",
        examples="""
            hyper push registry.example.com/shop/web:1.2
            hyper push web registry.example.com/shop/web:1.2
        """,
        changes=True,
    )
    parser.add_argument("name", metavar="IMAGE")
    parser.add_argument("destination", metavar="DESTINATION", nargs="?", help="the name in the registry (default: the image's own)")
    registry_options(parser)
    parser = command(
        subparsers,
        "save",
        save,
        usage="[OPTIONS] -o FILE IMAGE…",
        summary="write images of a host to a file, an OCI archive",
        examples="hyper save -o shop.tar web redis:7",
        changes=True,
    )
    parser.add_argument("names", nargs="+", metavar="IMAGE")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="a file of this machine")
    parser = command(
        subparsers,
        "load",
        load,
        usage="[OPTIONS] FILE",
        summary="bring the images of a file to hosts: an OCI archive or a Docker archive",
        examples="""
            hyper load shop.tar
            hyper load --name web image.tar
        """,
        changes=True,
    )
    parser.add_argument("file", metavar="FILE", help="a file of this machine")
    parser.add_argument("--name", metavar="NAME", help="what its only image shall be called (default: as in the file)")
    parser = command(
        subparsers,
        "import",
        import_,
        usage="[OPTIONS] FILE NAME",
        summary="make an image of a tar with a root filesystem",
        examples="""
            hyper import rootfs.tar.gz base:1
            hyper import --change "CMD /bin/sh" --change "ENV LANG=C.UTF-8" rootfs.tar base:1
        """,
        changes=True,
    )
    parser.add_argument("file", metavar="FILE", help="a file of this machine")
    parser.add_argument("name", metavar="NAME", help="what the image shall be called")
    change_options(parser)
    parser = command(
        subparsers,
        "commit",
        commit,
        usage="[OPTIONS] POD NAME",
        summary="make an image of what a container of a stopped pod has changed",
        description="The changes become one layer on top of the container's image. What it wrote to volumes is not part of that.",
        examples="""
            hyper commit web web:configured
            hyper commit shop --container db --change "ENV PGDATA=/data" shop-db:1
        """,
        changes=True,
    )
    parser.add_argument("pod", metavar="POD")
    parser.add_argument("name", metavar="NAME", help="what the image shall be called")
    parser.add_argument("--container", metavar="CONTAINER", help="where the pod has several")
    parser.add_argument("-a", "--author", metavar="TEXT", help="who made it, for the image's history")
    parser.add_argument("-m", "--message", metavar="TEXT", help="what it is for, for the image's history")
    change_options(parser)
    parser = command(
        subparsers,
        "login",
        login,
        usage="[OPTIONS] REGISTRY",
        summary="have hosts keep credentials for a registry",
        description="The password is asked for, or read from standard input.",
        examples="""
            hyper login --username shop registry.example.com
            hyper login --username shop --password-stdin registry.example.com < password
        """,
        changes=True,
    )
    parser.add_argument("registry", metavar="REGISTRY")
    parser.add_argument("-u", "--username", metavar="NAME", required=True, help="the account")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    registry_options(parser)
    parser = command(
        subparsers,
        "logout",
        logout,
        usage="[OPTIONS] REGISTRY",
        summary="have hosts forget their credentials for a registry",
        examples="hyper logout registry.example.com",
        changes=True,
    )
    parser.add_argument("registry", metavar="REGISTRY")
    parser.add_argument("--authfile", metavar="FILE", help="a file on the host other than its own")


def change_options(parser: argparse.ArgumentParser) -> None:
    """--change and --entrypoint."""
    parser.add_argument(
        "-c", "--change", action="append", default=[], metavar="LINE", help="how it is to be run, as a line of a Containerfile; may be repeated"
    )
    parser.add_argument("--entrypoint", metavar="JSON|COMMAND", help="the same as --change ENTRYPOINT …")


def changes_of(arguments: argparse.Namespace) -> list[str]:
    """The lines that those options give."""
    return [*arguments.change, *([f"ENTRYPOINT {arguments.entrypoint}"] if arguments.entrypoint is not None else [])]


def push(arguments: argparse.Namespace) -> int:
    """Push an image."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"pushing {arguments.name}") as reporter:
        result = image_api.push_images(
            names=[arguments.name],
            destination=arguments.destination,
            authfile=arguments.authfile,
            tls_verify=tls_verify(arguments),
            **options_of(arguments, reporter),
        )
    return show(arguments, result, "Nothing to do: the registry has it")


def save(arguments: argparse.Namespace) -> int:
    """Save images."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"saving {', '.join(arguments.names)}") as reporter:
        result = image_api.save_images(names=arguments.names, file=arguments.output, **options_of(arguments, reporter))
    if arguments.json:
        print(json.dumps({**result.as_json(), "file": arguments.output}))
    else:
        print("".join(f"{image.reference}: {'would be ' if arguments.check else ''}saved\n" for image in result.images), end="")
    return 0


def load(arguments: argparse.Namespace) -> int:
    """Load images."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"loading {arguments.file}") as reporter:
        result = image_api.load_images(file=arguments.file, name=arguments.name, **options_of(arguments, reporter))
    return show(arguments, result, "Nothing to do: the images are there")


def import_(arguments: argparse.Namespace) -> int:
    """Import an image."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"importing {arguments.file}") as reporter:
        result = image_api.import_image(file=arguments.file, name=arguments.name, changes=changes_of(arguments), **options_of(arguments, reporter))
    return show(arguments, result, "Nothing to do: the image is there")


def commit(arguments: argparse.Namespace) -> int:
    """Commit a container's changes."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"making {arguments.name}") as reporter:
        result = image_api.commit_pod(
            pod=arguments.pod,
            container=arguments.container,
            name=arguments.name,
            changes=changes_of(arguments),
            author=arguments.author,
            comment=arguments.message,
            **options_of(arguments, reporter),
        )
    return show(arguments, result, "Nothing to do: the image is there")


def login(arguments: argparse.Namespace) -> int:
    """Log in."""
    from hyperstart import image_api

    password = sys.stdin.readline().rstrip("\r\n") if arguments.password_stdin else getpass.getpass(f"Password of {arguments.username}: ")
    with Reporter(sys.stderr, what=f"logging in to {arguments.registry}") as reporter:
        result = image_api.login_registry(
            registry=arguments.registry,
            username=arguments.username,
            password=password,
            authfile=arguments.authfile,
            tls_verify=tls_verify(arguments),
            **options_of(arguments, reporter),
        )
    return _say(arguments, result.changed, "would log in" if arguments.check else "logged in", "logged in already")


def logout(arguments: argparse.Namespace) -> int:
    """Log out."""
    from hyperstart import image_api

    with Reporter(sys.stderr, what=f"logging out of {arguments.registry}") as reporter:
        result = image_api.logout_registry(registry=arguments.registry, authfile=arguments.authfile, **options_of(arguments, reporter))
    return _say(arguments, result.changed, "would log out" if arguments.check else "logged out", "was not logged in")


def show(arguments: argparse.Namespace, result: ImagesResult, nothing: str) -> int:
    """What became of images: with ``--check`` what would be done, otherwise the images."""
    if arguments.json:
        print(json.dumps(result.as_json()))
    elif arguments.check or not result.changed:
        print(lines_text(result.actions if result.changed else (), check=arguments.check, nothing=nothing), end="")
    else:
        print("".join(f"{image.reference} {image.digest}\n" for image in result.images), end="")
    return 0


def _say(arguments: argparse.Namespace, changed: bool, done: str, nothing: str) -> int:
    word = done if changed else nothing
    print(json.dumps({"changed": changed, "registry": arguments.registry}) if arguments.json else f"{arguments.registry}: {word}")
    return 0
