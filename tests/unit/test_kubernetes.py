# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of fields, the parser, the document and Kubernetes' own schema say the same."""

from __future__ import annotations

import copy
import functools
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import referencing
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes import CLAIM_FORMS, FORMS, Field
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported

from tests.support.manifests import FULL, at, placed
from tools import manifest_doc

VERSION = "1.34"
FIELDS = [pytest.param(path, name, field, id=f"{path}.{name}") for path, _, fields in FORMS for name, field in fields.items()]


@functools.cache
def schema() -> Mapping[str, Any]:
    files = importlib.resources.files("kubernetes_validate") / f"kubernetes-json-schema/v{VERSION}.0-local-strict/_definitions.json"
    definitions: Mapping[str, Any] = json.loads(files.read_text())["$defs"]
    return {name.rpartition(".")[2]: definition for name, definition in definitions.items() if ".core.v1." in name or name.endswith(".meta.v1.ObjectMeta")}


@pytest.mark.parametrize(("path", "kind", "fields"), [pytest.param(*form, id=f"{form[1]} {form[0]}") for form in (*FORMS, *CLAIM_FORMS) if form[1]])
def test_the_table_names_every_field_of_the_api(path: str, kind: str, fields: Mapping[str, Field]) -> None:
    assert set(fields) == set(schema()[kind]["properties"]), path


@pytest.mark.parametrize(("path", "name", "field"), FIELDS)
def test_the_parser_does_what_the_table_says(path: str, name: str, field: Field) -> None:
    """No reader accepts an object of no YAML type: who looks at the field says so, who does not is caught."""
    with pytest.raises(InvalidManifest) as caught:
        parse(placed(path, name, object()))
    assert caught.value.where == f"{at(path)}.{name}".lstrip("."), caught.value
    assert isinstance(caught.value, NotSupported) == (field.fate == "refused"), caught.value
    if field.fate == "refused":
        assert str(caught.value).endswith(f"not supported: {field.text}")
    else:
        assert re.search(r"must be |is required", str(caught.value)), caught.value


def test_the_document_is_made_from_the_table() -> None:
    assert manifest_doc.DOCUMENT.read_text() == manifest_doc.document(), "run: make docs"


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("spec", "nodeSelector", {"disk": "ssd"}),
        ("spec", "serviceAccountName", "robot"),
        ("spec", "tolerations", [{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]),
        ("spec", "affinity", {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}),
        ("metadata", "creationTimestamp", "2026-01-01T00:00:00Z"),
        ("spec.containers[]", "resizePolicy", [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]),
    ],
)
def test_what_is_noted_is_named_and_changes_nothing(path: str, name: str, value: object) -> None:
    pod = parse(placed(path, name, value))
    assert pod.noted == (f"{at(path)}.{name}",)
    assert pod == parse(placed(path, name, None))


def _mutations(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every place of a manifest with values of other types, and every mapping with a name that nobody knows."""
    wrong: list[object] = ["word", -7, 1.5, True, [], {}, ["word"], [5], {"key": 5}, [None], {"surprise": {}}]
    for other in wrong:
        if type(other) is not type(value) or other != value:
            yield path, other
    if isinstance(value, dict):
        yield (*path, "surprise"), 1
        for key, item in value.items():
            yield from _mutations(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mutations(item, (*path, index))


def _changed(path: tuple[str | int, ...], value: object) -> Any:
    manifest: Any = copy.deepcopy(FULL)
    if not path:
        return value
    node = manifest
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return manifest


def test_what_the_schema_rejects_is_rejected() -> None:
    """Every field that is honoured or noted, with values of every wrong type."""
    parse(FULL)
    kubernetes_validate.validate(FULL, VERSION, strict=True)
    validator = _validator()
    accepted = []
    tried = 0
    for path, value in _mutations(FULL):
        manifest = _changed(path, value)
        if validator.is_valid(manifest):
            continue
        tried += 1
        try:
            parse(manifest)
        except InvalidManifest:
            continue
        accepted.append((path, value))
    assert tried > 500
    assert not accepted


def _validator() -> Any:
    base = importlib.resources.files("kubernetes_validate") / f"kubernetes-json-schema/v{VERSION}.0-local-strict"
    pod, definitions = (json.loads((base / name).read_text()) for name in ("pod-v1.json", "_definitions.json"))
    registry: Any = referencing.Registry()
    for contents in (pod, definitions):
        registry = referencing.Resource.from_contents(contents) @ registry
    return jsonschema.validators.Draft202012Validator(pod, registry=registry)
