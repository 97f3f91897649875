# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests of docs/examples are Kubernetes' own, and what its schema rejects in them is rejected here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _manifest_objects
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.plugin_utils import forms

from tests.support.schema import VERSION, accepts, changed, mutations

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "docs/examples").glob("*.yaml"))


def documents(path: Path) -> list[Any]:
    return forms.load_manifests(path.read_text(), where=path.name)


def parse(manifests: list[Any]) -> list[_manifest.Pod]:
    definitions, objects = _manifest_objects.split(manifests)
    return [_manifest.parse(definition, objects) for definition in definitions]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted_by_kubernetes_and_here(path: Path) -> None:
    for manifest in documents(path):
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    [pod] = parse(documents(path))
    assert (pod.name, pod.noted) == (path.stem, ())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_the_schema_rejects_in_an_example_is_rejected(path: Path) -> None:
    """Each place of each document with values of other types and unknown fields."""
    manifests = documents(path)
    accepted, tried = [], 0
    for index, manifest in enumerate(manifests):
        for place, value in mutations(manifest):
            # Another kind is another matter, and a manifest that is no mapping has none.
            if place in ((), ("kind",), ("apiVersion",)):
                continue
            if accepts(manifest["kind"], None, place, value):
                continue
            wrong = changed(manifest, place, value)
            tried += 1
            try:
                parse([*manifests[:index], wrong, *manifests[index + 1 :]])
            except InvalidManifest:
                continue
            accepted.append((manifest["kind"], place, value))
    assert tried > 50
    assert not accepted
