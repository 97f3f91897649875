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
def _file(name: str) -> Any:
    base = importlib.resources.files("kubernetes_validate") / f"kubernetes-json-schema/v{VERSION}.0-local-strict"
    return json.loads((base / name).read_text())


@functools.cache
def definitions() -> dict[str, Any]:
    """The schemas of what a Pod is made of, by their kind's short name."""
    found = {name: item for name, item in _file("_definitions.json")["$defs"].items() if ".core.v1." in name or name.endswith(".meta.v1.ObjectMeta")}
    return {name.rpartition(".")[2]: item for name, item in found.items()}


@functools.cache
def _registry() -> Any:
    """Of the file of definitions; looked through once, not by each validator."""
    return (referencing.Resource.from_contents(_file("_definitions.json")) @ referencing.Registry()).crawl()


def _validator(schema: Any) -> Any:
    registry = referencing.Resource.from_contents(schema) @ _registry()
    return jsonschema.validators.Draft202012Validator(schema, registry=registry)


@functools.cache
def validator(kind: str) -> Any:
    """Kubernetes' own schema of a kind, strict: no unknown fields."""
    return _validator(_file(f"{kind.lower()}-v1.json"))


def field_validator(kind: str, field: str) -> Any:
    """The same of one field of a part of it, such as PodSpec."""
    return _part_validator(json.dumps(definitions()[kind]["properties"][field]))


def accepts(kind: str, field: str | None, path: tuple[str | int, ...], value: object) -> bool:
    """Whether the schema of a kind, or of one of its fields, takes a value at a place of a manifest of which it takes all the rest."""
    schema = definitions()[kind] if field is None else definitions()[kind]["properties"][field]
    for part in path:
        schema = _resolved(schema)
        schema = schema["items"] if isinstance(part, int) else schema.get("properties", {}).get(part, schema.get("additionalProperties", True))
        if isinstance(schema, bool):
            return schema
    return bool(_part_validator(json.dumps(schema)).is_valid(value))


@functools.cache
def _part_validator(schema: str) -> Any:
    return _validator({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "field.json", **_absolute(json.loads(schema))})


def _resolved(schema: Any) -> Any:
    return _file("_definitions.json")["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _absolute(schema: Any) -> Any:
    """References within the file of definitions, as references to it."""
    if isinstance(schema, dict):
        place = _file("_definitions.json").get("$id", "")
        return {key: f"{place}{item}" if key == "$ref" and str(item).startswith("#") else _absolute(item) for key, item in schema.items()}
    return [_absolute(item) for item in schema] if isinstance(schema, list) else schema


def example(schema: Any) -> Any:
    """A value that says everything that a schema has a name for."""
    schema = _resolved(schema)
    if "properties" in schema:
        return {name: example(item) for name, item in schema["properties"].items()}
    kinds = schema.get("type", "object")
    kind = next(each for each in ([kinds] if isinstance(kinds, str) else kinds) if each != "null")
    if kind == "array":
        return [example(schema["items"])]
    if kind == "object":
        return {"key": example(schema["additionalProperties"])} if isinstance(schema.get("additionalProperties"), dict) else {}
    return {"string": "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else "word", "integer": 1, "boolean": True, "number": 1}[kind]
