# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of every form that describes pods become Pod manifests here: Kubernetes manifests, Hyper podfiles, Compose files; YAML or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.plugin_utils import compose, podfile
from ansible_collections.hyper.pods.plugins.plugin_utils._parts import Labels
from ansible_collections.hyper.pods.plugins.plugin_utils._podfile_storage import Fetch
from ansible_collections.hyper.pods.plugins.plugin_utils._yaml import ManifestLoader
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import BadDefinition, Manifest, check_manifests

Form = Literal["manifest", "podfile", "compose"]

_REMEDY = "Write a Kubernetes v1 Pod manifest: apiVersion, kind, metadata, spec"


def form_of(document: object) -> Form:
    """Which form a document has, by the fields that only one form has at its top; what has none of them is taken for a manifest."""
    if not isinstance(document, Mapping) or "kind" in document or "apiVersion" in document:
        return "manifest"
    names = {str(name).lower() for name in document}
    # A podfile's services are a list.
    if "services" in names and "containers" not in names:
        return "compose"
    return "podfile" if "containers" in names else "manifest"


def read(text: str, *, where: str) -> list[Any]:
    """The documents of a text, YAML or JSON; empty ones are left out. where: the text's name in errors. Raises BadDefinition."""
    wrong = ""
    if text.lstrip().startswith("{"):
        # PyYAML does not take the tabs that JSON may have.
        try:
            return [json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)]
        except (ValueError, RecursionError) as error:
            wrong = f"neither JSON, {error}, nor YAML"
    try:
        documents = list(yaml.load_all(text, Loader=ManifestLoader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadDefinition(wrong or f"not YAML: {' '.join(str(error).split())}", where=where) from None
    return [document for document in documents if document is not None]


def convert(documents: Sequence[Any], *, where: str, name: str = "", variables: Mapping[str, str] | None = None, fetch: Fetch | None = None) -> list[Manifest]:
    """The same documents as manifests; beside a Pod there may be a ConfigMap and claims that it needs.

    name: of a Compose file that says none. variables: what a Compose file may name as ``${NAME}``. fetch: see ``podfile.convert``. Raises
    BadDefinition, InvalidManifest or NotSupported with the path of the field in the form that the user wrote.
    """
    manifests: list[Manifest] = []
    for number, document in enumerate(_unpacked(documents), 1):
        form = form_of(document)
        try:
            if form == "compose":
                manifests += compose.convert(document, name=name, variables=variables or {})
            elif form == "podfile":
                manifests += podfile.convert(document, fetch=fetch)
            else:
                manifests.append(document)
        except HyperError as error:
            place = f"{where}, document {number}" if len(documents) > 1 else where
            error.where = f"{place}, {error.where}" if error.where else place
            raise
    return manifests


def _unpacked(documents: Sequence[Any]) -> list[Any]:
    """The same documents; a List of Kubernetes', such as ``kubectl get -o yaml`` prints, is what is in it."""
    result: list[Any] = []
    for document in documents:
        packed = isinstance(document, Mapping) and document.get("kind") == "List" and isinstance(document.get("items"), list)
        result += document["items"] if packed else [document]
    return result


def load_manifests(text: str, *, where: str, name: str = "", variables: Mapping[str, str] | None = None, fetch: Fetch | None = None) -> list[Manifest]:
    """The Pod manifests of a text of any form with one or several documents; see ``convert``. Raises BadDefinition or InvalidManifest."""
    manifests = pods(read(text, where=where), where=where, name=name, variables=variables, fetch=fetch)
    if not any(manifest["kind"] == "Pod" for manifest in manifests):
        raise BadDefinition("there is no Pod in it", where=where, remedy=_REMEDY)
    return manifests


def pods(documents: Sequence[Any], *, where: str, name: str = "", variables: Mapping[str, str] | None = None, fetch: Fetch | None = None) -> list[Manifest]:
    """The documents as Pod manifests that can be run; see ``convert``."""
    manifests = convert(documents, where=where, name=name, variables=variables, fetch=fetch)
    return check_manifests(manifests, where=where)


def project_name(path: Path) -> str:
    """The name of the pod of a Compose file that says none: its directory's, as Compose has it."""
    return Labels().new(path.resolve().parent.name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _value in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)} stands twice")
    return result


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")
