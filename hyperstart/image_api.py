# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with the images of hosts, beside pulling them; in the form of hyperstart.api."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from hyperstart import api
from hyperstart._ansible import Options, Play
from hyperstart.errors import BadDefinition
from hyperstart.results import ImageDetailsResult, ImagesResult, ImageState


def inspect_images(*, names: Sequence[str], **options: Unpack[Options]) -> ImageDetailsResult:
    """Images in full: configuration, layers, names, and the pods that hold them. Raises OperationFailed for one that a host has not."""
    return api._play("inspect_image.yml", {"image_names": _named(names)}, options, _details_result)


def remove_images(*, names: Sequence[str], force: bool = False, **options: Unpack[Options]) -> ImagesResult:
    """Remove names, and each image with its last. force: also of images that pods hold; the pods go on."""
    return api._play("remove_image.yml", {"image_names": _named(names), "image_force": force or None}, options, changes_result)


def tag_image(*, name: str, tags: Sequence[str], **options: Unpack[Options]) -> ImagesResult:
    """Give an image of the hosts more names; short ones are under ``localhost/``."""
    return api._play("tag_image.yml", {"image_name": name, "image_tags": _named(tags)}, options, changes_result)


def prune_images(*, every: bool = False, layers: bool = False, **options: Unpack[Options]) -> ImagesResult:
    """Remove what killed pulls have left; every: all images that no pod holds; layers: those that images were made from, which pods do not need."""
    return api._play("prune_images.yml", {"image_all": every or None, "image_layers": layers or None}, options, changes_result)


def changes_result(play: Play) -> ImagesResult:
    """What modules that change images return."""
    actions = tuple((result.host, str(line)) for result in play.results for line in result.values.get("actions") or ())
    freed = sum(int(result.values.get("freed") or 0) for result in play.results)
    return ImagesResult(*api._base(play), api._collect(play.results, "images", ImageState.of), actions, freed)


def _details_result(play: Play) -> ImageDetailsResult:
    return ImageDetailsResult(*api._base(play), api._collect(play.results, "images", lambda host, values: {"host": host, **values}))


def _named(names: Sequence[str]) -> list[str]:
    if not names:
        raise BadDefinition("no image is named", where="images", remedy="Name at least one")
    return list(names)
