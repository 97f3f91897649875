# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a pod and where they are mounted."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _quantity
from ansible_collections.hyper.pods.plugins.module_utils._manifest_files import FileVolume, file_volume
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Sources
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import absolute, amount
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported


@dataclass(frozen=True)
class EmptyDir:
    """A volume that lives as long as the pod: on the scratch disk, or in memory with an upper bound in bytes."""

    name: str
    memory: bool = False
    size: int | None = None


@dataclass(frozen=True)
class VolumeMount:
    """Where a volume of the pod appears in a container."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""


def volume(node: Node, sources: Sources) -> EmptyDir | FileVolume:
    """One entry of volumes."""
    name = node.required_label("name")
    files = file_volume(name, node, sources)
    source = node.node("emptyDir")
    if files is not None:
        node.done(_kubernetes.VOLUME)
        if source is not None:
            raise node.fail("emptyDir", "a volume has one source")
        return files
    if source is None:
        node.done(_kubernetes.VOLUME)
        raise InvalidManifest("has no source", where=node.path, remedy="Give it one, such as emptyDir: {}")
    medium = source.choice("medium", ("", "Memory"), "")
    limit = source.scalar("sizeLimit")
    made = EmptyDir(name, medium == "Memory", None if limit is None else _quantity.ceiling(amount(source, "sizeLimit", limit)))
    if made.size is not None and not made.memory:
        raise NotSupported(source.at("sizeLimit"), "a limit needs medium: Memory", "Remove sizeLimit or set medium: Memory")
    source.done(_kubernetes.EMPTY_DIR)
    node.done(_kubernetes.VOLUME)
    return made


def mount(node: Node, volumes: set[str]) -> VolumeMount:
    """One entry of volumeMounts; volumes: the names of the pod's volumes."""
    name = node.required_string("name")
    if name not in volumes:
        raise node.fail("name", f"there is no volume {name!r}", f"Volumes of this pod: {', '.join(sorted(volumes)) or 'none'}")
    mount_path = absolute(node, "mountPath")
    if mount_path is None:
        raise node.fail("mountPath", "is required")
    if mount_path == "/":
        raise node.fail("mountPath", "cannot be the root directory")
    sub_path = node.string("subPath") or ""
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        raise node.fail("subPath", f"{sub_path!r} must be a relative path without '..'")
    made = VolumeMount(name, mount_path, bool(node.boolean("readOnly")), sub_path)
    node.done(_kubernetes.VOLUME_MOUNT)
    return made
