# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of fields, the parser, the document and Kubernetes' own schema say the same."""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Mapping
from typing import Any

import kubernetes_validate
import pytest
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes import CLAIM_FORMS, FORMS, Field
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported

from tests.support.manifests import FULL, at, placed
from tests.support.schema import VERSION, changed, mutations, validator
from tools import manifest_doc

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
        assert str(caught.value) == f"{caught.value.where}: not supported: {field.text}"
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


def test_what_the_schema_rejects_is_rejected() -> None:
    """Every field that is honoured or noted, with values of every wrong type."""
    parse(FULL)
    kubernetes_validate.validate(FULL, VERSION, strict=True)
    rules = validator("Pod")
    accepted = []
    tried = 0
    for path, value in mutations(FULL):
        manifest = changed(FULL, path, value)
        if rules.is_valid(manifest):
            continue
        tried += 1
        try:
            parse(manifest)
        except InvalidManifest:
            continue
        accepted.append((path, value))
    assert tried > 500
    assert not accepted
