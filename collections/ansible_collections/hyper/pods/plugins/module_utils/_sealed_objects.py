# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets whose values are sealed: as a record keeps them, as a pod is read from them, and as they are shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _seal
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Object, Objects, is_text, parse

# Of a document that was sealed, in the place of data and stringData: key → {digest, text}.
_SEALED = "sealed"
_CLEAR = ("data", "stringData")


def seal(objects: Objects, key: bytes) -> tuple[dict[tuple[str, str], Object], dict[str, bytes]]:
    """The same objects with the Secrets' values sealed, and these values by their names."""
    values: dict[str, bytes] = {}
    sealed = {}
    for place, item in objects.items():
        if item.kind == "Secret":
            names = {name: _seal.name_of(value, key) for name, value in item.data.items()}
            values.update((names[name], value) for name, value in item.data.items())
            document = {
                **{name: value for name, value in _mapping(item.document).items() if name not in _CLEAR},
                _SEALED: {name: {"digest": names[name], "text": is_text(value)} for name, value in item.data.items()},
            }
            sealed[place] = _object(document, item)
        else:
            sealed[place] = item
    return sealed, values


def seal_documents(documents: Iterable[Any], key: bytes) -> tuple[list[Any], dict[str, bytes]]:
    """Likewise of documents, of which some may be none of objects."""
    values: dict[str, bytes] = {}
    made = []
    for document in documents:
        if is_clear([document]):
            sealed, own = seal({("", ""): parse(document)}, key)
            values.update(own)
            made.append(sealed["", ""].document)
        else:
            made.append(document)
    return made, values


def is_clear(documents: Iterable[Any]) -> bool:
    """Whether there is a Secret among them whose values are not sealed."""
    return any(isinstance(document, Mapping) and document.get("kind") == "Secret" and _SEALED not in document for document in documents)


def read(documents: Iterable[Any]) -> dict[tuple[str, str], Object]:
    """The objects of a record, by kind and name."""
    made = {}
    for document in documents:
        item = _object(document, parse({name: value for name, value in document.items() if name != _SEALED})) if _SEALED in document else parse(document)
        made[item.kind, item.name] = item
    return made


def shown(documents: Sequence[Any]) -> list[Any]:
    """The documents as people see them: digests stand where text does."""
    return [_shown(document) if isinstance(document, Mapping) and _SEALED in document else document for document in documents]


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in document.items() if name != _SEALED}
    return {**rest, "stringData": {name: _seal.digest(entry["digest"]) for name, entry in document[_SEALED].items()}}


def _object(document: Mapping[str, Any], item: Object) -> Object:
    entries = document[_SEALED]
    data = {name: _seal.seal(entry["digest"]).encode() for name, entry in entries.items()}
    return replace(item, data=data, document=document, sealed=True, binary=frozenset(name for name, entry in entries.items() if not entry["text"]))


def _mapping(document: object) -> Mapping[str, Any]:
    return document if isinstance(document, Mapping) else {}
