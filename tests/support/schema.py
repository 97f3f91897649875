# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' published schema, and manifests that are wrong in one place."""

from __future__ import annotations

import copy
import functools
import importlib.resources
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import referencing

VERSION = "1.34"


def mutations(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every place of a manifest with values of other types, and every mapping with a name that nobody knows."""
    wrong: list[object] = ["word", -7, 1.5, True, [], {}, ["word"], [5], {"key": 5}, [None], {"surprise": {}}]
    for other in wrong:
        if type(other) is not type(value) or other != value:
            yield path, other
    if isinstance(value, dict):
        yield (*path, "surprise"), 1
        for key, item in value.items():
            yield from mutations(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from mutations(item, (*path, index))


def changed(manifest: Any, path: tuple[str | int, ...], value: object) -> Any:
    """A copy of a manifest with another value at a place."""
    manifest = copy.deepcopy(manifest)
    if not path:
        return value
    node = manifest
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return manifest


@functools.cache
def validator(kind: str) -> Any:
    """Kubernetes' own schema of a kind, strict: no unknown fields."""
    base = importlib.resources.files("kubernetes_validate") / f"kubernetes-json-schema/v{VERSION}.0-local-strict"
    schema, definitions = (json.loads((base / name).read_text()) for name in (f"{kind.lower()}-v1.json", "_definitions.json"))
    registry: Any = referencing.Registry()
    for contents in (schema, definitions):
        registry = referencing.Resource.from_contents(contents) @ registry
    return jsonschema.validators.Draft202012Validator(schema, registry=registry)
