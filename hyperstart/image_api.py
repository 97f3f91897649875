# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with the images of hosts, beside pulling them; in the form of hyperstart.api."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Unpack

from ansible_collections.hyper.pods.plugins.plugin_utils import pins

from hyperstart import api
from hyperstart._ansible import Options, Play
from hyperstart._operation import base, collect, perform, registry_variables
from hyperstart.errors import BadDefinition
from hyperstart.results import Result
from hyperstart.store_results import ImageDetailsResult, ImagesResult, ImageState


def inspect_images(*, names: Sequence[str], **options: Unpack[Options]) -> ImageDetailsResult:
    """Images in full: configuration, layers, names, and the pods that hold them. Raises OperationFailed for one that a host has not."""
    return perform("inspect_image.yml", {"image_names": _named(names)}, options, _details_result)


def remove_images(*, names: Sequence[str], force: bool = False, **options: Unpack[Options]) -> ImagesResult:
    """Remove names, and each image with its last. force: also of images that pods hold; the pods go on."""
    return perform("remove_image.yml", {"image_names": _named(names), "image_force": force or None}, options, changes_result)


def tag_image(*, name: str, tags: Sequence[str], **options: Unpack[Options]) -> ImagesResult:
    """Give an image of the hosts more names; short ones are under ``localhost/``."""
    return perform("tag_image.yml", {"image_name": name, "image_tags": _named(tags)}, options, changes_result)


def prune_images(*, every: bool = False, layers: bool = False, **options: Unpack[Options]) -> ImagesResult:
    """Remove what killed pulls have left; every: all images that no pod holds; layers: those that images were made from, which pods do not need."""
    return perform("prune_images.yml", {"image_all": every or None, "image_layers": layers or None}, options, changes_result)


def push_images(
    *,
    names: Sequence[str],
    destination: str | None = None,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    **options: Unpack[Options],
) -> ImagesResult:
    """Push images to the registries that they are named after, or a single one to ``destination``. authfile: on the host."""
    variables = {"image_names": _named(names), "image_destination": destination, **registry_variables(authfile, tls_verify)}
    return perform("push_image.yml", variables, options, changes_result)


def save_images(*, names: Sequence[str], file: str | os.PathLike[str], **options: Unpack[Options]) -> ImagesResult:
    """Write images of one host to a file of this machine, an OCI archive."""
    return perform("save_image.yml", {"image_names": _named(names), "image_file": os.path.abspath(file)}, options, changes_result)


def load_images(*, file: str | os.PathLike[str], name: str | None = None, **options: Unpack[Options]) -> ImagesResult:
    """Bring the images of a file of this machine, an OCI archive or a Docker archive, to the hosts. name: of the file's only image, in place of its own."""
    return perform("load_image.yml", {"image_file": _file(file), "image_name": name}, options, changes_result)


def import_image(*, file: str | os.PathLike[str], name: str, changes: Sequence[str] = (), **options: Unpack[Options]) -> ImagesResult:
    """Make an image on the hosts of a file of this machine, a tar with a root filesystem. changes: lines of a Containerfile, such as ``CMD /bin/sh``."""
    variables = {"image_file": _file(file), "image_name": name, "image_changes": list(changes) or None}
    return perform("import_image.yml", variables, options, changes_result)


def commit_pod(
    *,
    pod: str,
    name: str,
    container: str | None = None,
    changes: Sequence[str] = (),
    author: str | None = None,
    comment: str | None = None,
    **options: Unpack[Options],
) -> ImagesResult:
    """Make an image of what a container of a stopped pod has changed. changes: lines of a Containerfile, such as ``CMD /bin/sh``."""
    variables = {
        "pod_name": pod,
        "pod_container": container,
        "image_name": name,
        "image_changes": list(changes) or None,
        "image_author": author,
        "image_comment": comment,
    }
    return perform("commit_pod.yml", variables, options, changes_result)


def resolve_images(
    *, names: Sequence[str], authfile: str | os.PathLike[str] | None = None, tls_verify: bool | None = None, **options: Unpack[Options]
) -> dict[str, str]:
    """The digests that registries have for these names now, as a host sees them; nothing is pulled. A name that only a host knows is left out.

    Raises OperationFailed; BadDefinition where hosts do not agree.
    """
    if not names:
        return {}
    asked = list(dict.fromkeys(names))
    options["check"] = True
    result = api.pull_images(names=asked, pull="always", authfile=authfile, tls_verify=tls_verify, **options)
    return pins.digests(asked, [{"reference": image.reference, "source": image.source, "digest": image.digest} for image in result.images])


def build_image(
    *,
    context: str | os.PathLike[str],
    name: str,
    containerfile: str | None = None,
    build_args: Mapping[str, str] | None = None,
    target: str | None = None,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    **options: Unpack[Options],
) -> ImagesResult:
    """Build an image on the hosts, with buildah, of a directory of this machine. containerfile: its path within the directory."""
    directory = os.path.abspath(context)
    if not os.path.isdir(directory):
        raise BadDefinition("there is no such directory", where=os.fspath(context), remedy="Name the directory with the Containerfile")
    variables = {
        "image_context": directory,
        "image_name": name,
        "image_containerfile": containerfile,
        "image_build_args": dict(build_args) if build_args else None,
        "image_target": target,
        **registry_variables(authfile, tls_verify),
    }
    return perform("build_image.yml", variables, options, changes_result)


def login_registry(
    *,
    registry: str,
    username: str,
    password: str,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    **options: Unpack[Options],
) -> Result:
    """Have the hosts keep credentials for a registry, when it takes them. authfile: a file on the host other than its own."""
    variables = {"registry_name": registry, "registry_username": username, "registry_password": password, **registry_variables(authfile, tls_verify)}
    return perform("login_registry.yml", variables, options, lambda play: Result(*base(play)))


def logout_registry(*, registry: str, authfile: str | os.PathLike[str] | None = None, **options: Unpack[Options]) -> Result:
    """Have the hosts forget their credentials for a registry."""
    return perform("logout_registry.yml", {"registry_name": registry, **registry_variables(authfile, None)}, options, lambda play: Result(*base(play)))


def changes_result(play: Play) -> ImagesResult:
    """What modules that change images return."""
    actions = tuple((result.host, str(line)) for result in play.results for line in result.values.get("actions") or ())
    freed = sum(int(result.values.get("freed") or 0) for result in play.results)
    return ImagesResult(*base(play), collect(play.results, "images", ImageState.of), actions, freed)


def _details_result(play: Play) -> ImageDetailsResult:
    return ImageDetailsResult(*base(play), collect(play.results, "images", lambda host, values: {"host": host, **values}))


def _named(names: Sequence[str]) -> list[str]:
    if not names:
        raise BadDefinition("no image is named", where="images", remedy="Name at least one")
    return list(names)


def _file(file: str | os.PathLike[str]) -> str:
    """Its absolute path: Ansible runs elsewhere."""
    path = os.path.abspath(file)
    if not os.path.isfile(path):
        raise BadDefinition("there is no such file", where=os.fspath(file), remedy="Name a file of this machine")
    return path
