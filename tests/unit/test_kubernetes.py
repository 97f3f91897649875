# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of fields, the parser, the document and Kubernetes' own schema say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes_validate
import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _manifest_objects
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes import CLAIM_FORMS, FORMS, Field
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported

from tests.support.manifests import FULL, at, placed
from tests.support.schema import VERSION, accepts, changed, definitions, example, field_validator, mutations, validator
from tools import manifest_doc

FIELDS = [pytest.param(path, name, field, id=f"{path}.{name}") for path, _, fields in FORMS for name, field in fields.items()]


@pytest.mark.parametrize(("path", "kind", "fields"), [pytest.param(*form, id=f"{form[1]} {form[0]}") for form in (*FORMS, *CLAIM_FORMS) if form[1]])
def test_the_table_names_every_field_of_the_api(path: str, kind: str, fields: Mapping[str, Field]) -> None:
    assert set(fields) == set(definitions()[kind]["properties"]), path


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


def mappings(value: object, path: str) -> Iterator[Mapping[str, Any]]:
    """What stands at a form's path; where several fields have one form, at any of them."""
    if not path:
        assert isinstance(value, dict)
        yield value
        return
    part, _, rest = path.partition(".")
    alike = {"containers[]": ("containers", "initContainers"), "livenessProbe": ("livenessProbe", "readinessProbe", "startupProbe")}
    names = {**alike, "postStart": ("postStart", "preStop"), "limits": ("limits", "requests")}.get(part, (part.removesuffix("[]"),))
    for name in names:
        inner = value.get(name) if isinstance(value, dict) else None
        for item in inner if isinstance(inner, list) else [inner] if inner is not None else []:
            yield from mappings(item, rest)


# A status is ignored as a whole: it says how a pod fared elsewhere, in the words of whatever version.
HONOURED = [
    pytest.param(path, name, id=f"{path}.{name}")
    for path, _, fields in FORMS
    for name, field in fields.items()
    if field.fate == "honoured" and name != "status"
]


@pytest.mark.parametrize(("path", "name"), HONOURED)
def test_the_full_manifest_says_everything(path: str, name: str) -> None:
    """So that the next test tries every field."""
    assert any(each.get(name) is not None for each in mappings(FULL, path))


@pytest.mark.slow
def test_what_the_schema_rejects_is_rejected() -> None:
    """Every field that is honoured, with values of every wrong type."""
    parse(FULL)
    kubernetes_validate.validate(FULL, VERSION, strict=True)
    accepted = []
    tried = 0
    for path, value in mutations(FULL):
        if accepts("Pod", None, path, value):
            continue
        tried += 1
        try:
            parse(changed(FULL, path, value))
        except InvalidManifest:
            continue
        accepted.append((path, value))
    assert tried > 500
    assert not accepted


NOTED = [pytest.param(path, kind, name, id=f"{kind}.{name}") for path, kind, fields in FORMS if kind for name, field in fields.items() if field.fate == "noted"]


@pytest.mark.parametrize(("path", "kind", "name"), NOTED)
def test_what_the_schema_rejects_of_a_noted_field_is_rejected(path: str, kind: str, name: str) -> None:
    whole = example(definitions()[kind]["properties"][name])
    assert field_validator(kind, name).is_valid(whole)
    assert parse(placed(path, name, whole)).noted == (f"{at(path)}.{name}",)
    accepted = []
    for place, value in mutations(whole):
        if accepts(kind, name, place, value):
            continue
        try:
            parse(placed(path, name, changed(whole, place, value)))
        except InvalidManifest:
            continue
        accepted.append((place, value))
    assert not accepted


META = {"name": "a", "namespace": "default", "labels": {"a": "b"}, "annotations": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z"}
BESIDE = [
    {"kind": "ConfigMap", "data": {"a": "b"}, "binaryData": {"c": "AA=="}, "immutable": True},
    {"kind": "Secret", "type": "Opaque", "data": {"a": "AA=="}, "stringData": {"b": "c"}, "immutable": False},
    {
        "kind": "PersistentVolumeClaim",
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "volumeMode": "Filesystem",
            "storageClassName": "fast",
            "volumeAttributesClassName": "gold",
        },
    },
]


@pytest.mark.parametrize("document", BESIDE, ids=lambda document: document["kind"])
def test_what_the_schema_rejects_beside_a_pod_is_rejected(document: dict[str, Any]) -> None:
    whole = {"apiVersion": "v1", "metadata": META, **document}
    rules = validator(document["kind"])
    assert rules.is_valid(whole)
    _manifest_objects.parse(whole)
    accepted = []
    for place, value in mutations(whole):
        wrong = changed(whole, place, value)
        if rules.is_valid(wrong):
            continue
        try:
            _manifest_objects.parse(wrong)
        except InvalidManifest:
            continue
        accepted.append((place, value))
    assert not accepted
