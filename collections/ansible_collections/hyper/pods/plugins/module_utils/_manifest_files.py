# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes whose files come with the pod: configMap, secret, downwardAPI, projected. They are read-only, and in the guest they lie in memory only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _seal
from ansible_collections.hyper.pods.plugins.module_utils._manifest_env import field_value, resource_value
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Sources, digest
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node

_DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class File:
    """One file. path: relative to the volume; mode: permission bits; secret: its data come from a Secret and are never shown."""

    path: str
    data: bytes = field(repr=False)
    mode: int = _DEFAULT_MODE
    secret: bool = False

    @property
    def shown(self) -> str:
        return _seal.shown(self.data) if self.secret else digest(self.data)


@dataclass(frozen=True)
class FileVolume:
    """A volume that holds these files and is never written."""

    name: str
    files: tuple[File, ...]


SOURCES = ("configMap", "secret", "downwardAPI", "projected")


def file_volume(name: str, volume: Node, sources: Sources) -> FileVolume | None:
    """The volume, if it is of one of SOURCES."""
    for kind in SOURCES:
        node = volume.node(kind)
        if node is not None:
            files = tuple(_projected(node, sources) if kind == "projected" else _files(kind, node, sources, _mode(node, "defaultMode", _DEFAULT_MODE)))
            for index, file in enumerate(files):
                if any(other.path == file.path or other.path.startswith(file.path + "/") or file.path.startswith(other.path + "/") for other in files[:index]):
                    raise InvalidManifest(f"two files collide at {file.path}", where=node.path)
            return FileVolume(name, files)
    return None


def _projected(node: Node, sources: Sources) -> Iterator[File]:
    mode = _mode(node, "defaultMode", _DEFAULT_MODE)
    for source in node.nodes("sources"):
        found = [(kind, inner) for kind in SOURCES[:3] if (inner := source.node(kind))]
        source.done(_kubernetes.PROJECTION)
        if len(found) != 1:
            raise InvalidManifest("needs exactly one source", where=source.path)
        yield from _files(*found[0], sources, mode, projected=True)
    node.done(_kubernetes.PROJECTED)


def _files(kind: str, node: Node, sources: Sources, mode: int, *, projected: bool = False) -> Iterator[File]:
    if kind == "downwardAPI":
        for item in node.nodes("items"):
            yield _downward(item, sources, mode)
        node.done(_kubernetes.DOWNWARD)
        return
    wanted = "Secret" if kind == "secret" else "ConfigMap"
    named = "secretName" if kind == "secret" and not projected else "name"
    name, optional = node.required_string(named), bool(node.boolean("optional"))
    items = [(item.required_string("key"), _path(item), _mode(item, "mode", mode), item) for item in node.nodes("items")]
    for *_, item in items:
        item.done(_kubernetes.KEY_TO_PATH)
    node.done(_kubernetes.SECRET_VOLUME if named == "secretName" else _kubernetes.CONFIG_MAP_VOLUME)
    found = sources.find(wanted, node, name, optional)
    if found is None:
        return
    if not items:
        for key, data in sorted(found.data.items()):
            yield File(key, data, mode, wanted == "Secret")
    for key, path, own_mode, item in items:
        if key in found.data:
            yield File(path, found.data[key], own_mode, wanted == "Secret")
        elif not optional:
            raise item.fail("key", f"{wanted} {name} has no key {key!r}", f"Its keys: {', '.join(sorted(found.data)) or 'none'}")


def _downward(node: Node, sources: Sources, mode: int) -> File:
    path, own_mode, reference, resource = _path(node), _mode(node, "mode", mode), node.node("fieldRef"), node.node("resourceFieldRef")
    node.done(_kubernetes.DOWNWARD_FILE)
    if resource is not None and reference is None:
        return File(path, resource_value(resource, sources, "").encode(), own_mode)
    if reference is None:
        raise node.fail("fieldRef", "is required")
    if resource is not None:
        raise node.fail("resourceFieldRef", "cannot stand beside a fieldRef")
    wholes = {"metadata.labels": _map(sources.labels), "metadata.annotations": _map(sources.annotations)}
    return File(path, field_value(reference, sources, wholes).encode(), own_mode)


def _map(values: Mapping[str, str]) -> str:
    """As Kubernetes writes labels to a file: key="value", one a line."""
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(values.items()))


def _path(node: Node) -> str:
    path = node.required_string("path")
    if path.startswith(("/", "..")) or "\x00" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise node.fail("path", f"{path!r} must be a relative path without '.' and '..', and not begin with '..'")
    return path


def _mode(node: Node, name: str, default: int) -> int:
    mode = node.integer(name, 0, 0o777)
    return default if mode is None else mode
