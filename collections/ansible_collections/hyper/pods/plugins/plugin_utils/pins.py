# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file names images, and the same file with each of them pinned to a digest; all else in it stays as it is written. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import BadDefinition

# Where a manifest, a podfile and a Compose file have mappings with an image: * is each item.
_PLACES = (
    ("spec", "containers", "*"),
    ("spec", "initContainers", "*"),
    ("containers", "*"),
    ("services", "*"),
)
_VOLUMES = ("spec", "volumes", "*", "image")
# Of a List.
_LISTED = ("items", "*")


@dataclass(frozen=True)
class Named:
    """An image that a file names. start, end: where, in characters; quote: how it is quoted, or empty."""

    image: str
    start: int
    end: int
    quote: str


def images(text: str, *, where: str) -> list[Named]:
    """The images of a file, in its order. Raises BadDefinition for what is no YAML (JSON is)."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise BadDefinition(f"cannot be read as YAML: {str(error).splitlines()[0]}", where=where) from None
    nodes: dict[int, yaml.ScalarNode] = {}
    for document in documents:
        for node in _scalars(document):
            # One that an alias repeats is written once.
            nodes[node.start_mark.index] = node
    return [Named(node.value, start, node.end_mark.index, node.style or "") for start, node in sorted(nodes.items()) if node.style not in ("|", ">")]


def pinned(text: str, named: list[Named], digests: Mapping[str, str]) -> str:
    """The text with ``@DIGEST`` behind each image that ``digests`` has."""
    for item in reversed(named):
        if item.image in digests:
            text = f"{text[: item.start]}{item.quote}{item.image}@{digests[item.image]}{item.quote}{text[item.end :]}"
    return text


def digests(asked: Sequence[str], images: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The digest of each name for which a registry has one. images: what the module hyper.pods.image says of the names, each host's in their order.

    Raises BadDefinition where hosts do not agree.
    """
    found: dict[str, str] = {}
    for index, image in enumerate(images):
        name = asked[index % len(asked)]
        if not image.get("source") or image["reference"].startswith("localhost/") or not image.get("digest"):
            continue
        if found.setdefault(name, image["digest"]) != image["digest"]:
            raise BadDefinition(f"hosts see different images: {found[name]} and {image['digest']}", where=name, remedy="Choose one host with --limit")
    return found


def open_images(named: Sequence[Named]) -> list[str]:
    """The images that can be pinned, each once."""
    return list(dict.fromkeys(item.image for item in named if is_open(item.image)))


def is_open(image: str) -> bool:
    """Whether an image can be pinned, and is not: a variable of a Compose file has no value yet."""
    return "@" not in image and "$" not in image and bool(image)


def _scalars(document: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    for each in (document, *_at(document, _LISTED)):
        for place in _PLACES:
            for holder in _at(each, place):
                yield from _values(holder, "image")
        for holder in _at(each, _VOLUMES):
            yield from _values(holder, "reference")


def _at(node: yaml.Node | None, place: tuple[str, ...]) -> Iterator[yaml.Node]:
    if not place:
        if node is not None:
            yield node
    elif place[0] == "*":
        items = node.value if isinstance(node, yaml.SequenceNode) else [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else []
        for item in items:
            yield from _at(item, place[1:])
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            # A podfile's fields may be written in any case.
            if isinstance(key, yaml.ScalarNode) and key.value.lower() == place[0].lower():
                yield from _at(value, place[1:])


def _values(holder: yaml.Node, name: str) -> Iterator[yaml.ScalarNode]:
    yield from (node for node in _at(holder, (name,)) if isinstance(node, yaml.ScalarNode))
