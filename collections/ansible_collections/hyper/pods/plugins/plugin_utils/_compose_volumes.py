# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of Compose files: named ones, directories of the host, and memory."""

from __future__ import annotations

from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported
from ansible_collections.hyper.pods.plugins.plugin_utils import _parts, definitions
from ansible_collections.hyper.pods.plugins.plugin_utils._parts import Tree

_TYPES = ("volume", "bind", "tmpfs")


class Volumes:
    """The pod's volumes. used: those of the manifest, in the order in which services name them first. claims: the documents of those that outlive it.

    A named volume outlives the pod, as in Compose: it is a claim, named after the pod and the volume. One without a name lives as long as the pod.
    """

    def __init__(self, root: Tree, pod: str) -> None:
        self._claims: dict[str, str] = {}
        self._labels = _parts.Labels()
        self._known: dict[str, str] = {}
        self._external: set[str] = set()
        self.used: list[dict[str, Any]] = []
        self.claims: list[dict[str, Any]] = []
        for name, node in root.mappings("volumes"):
            self._claims[name], external = _claim(node, pod, name)
            if external:
                self._external.add(name)

    def mounts(self, service: Tree) -> list[dict[str, Any]]:
        """A service's mounts: its volumes, and its tmpfs."""
        result = []
        for where, value in service.items("volumes"):
            result.append(self._long(type(service)(value, where)) if isinstance(value, dict) else self._short(where, value))
        memory = service.value("tmpfs")
        for index, text in enumerate([memory] if isinstance(memory, str) else service.strings("tmpfs") or ()):
            result.append(self._tmpfs(f"{service.at('tmpfs')}[{index}]", text))
        return result

    def _mount(self, where: str, kind: str, source: str, target: str, *, read_only: bool, sub_path: str = "", size: str = "") -> dict[str, Any]:
        if not target.startswith("/") or not target.strip("/") or ".." in target.split("/"):
            raise InvalidManifest(f"{target!r} must be an absolute path without '..'", where=where)
        if kind == "tmpfs":
            volume = self._volume("", "memory", {"emptyDir": {"medium": "Memory", **({"sizeLimit": size} if size else {})}})
        elif kind == "bind":
            if not source.startswith("/"):
                raise NotSupported(where, f"{source!r} is a path beside the Compose file, which the host does not have", "Write an absolute path of the host")
            volume = self._volume(source, source, {"hostPath": {"path": source}})
        elif not source:
            volume = self._volume("", target, {"emptyDir": {}})
        elif source in self._claims:
            volume = self._volume(source, source, {"persistentVolumeClaim": {"claimName": self._claims[source]}})
        else:
            raise InvalidManifest(f"there is no volume {source!r}", where=where, remedy=f"Volumes of this file: {', '.join(self._claims) or 'none'}")
        mount: dict[str, Any] = {"name": volume, "mountPath": "/" + target.strip("/")}
        return {**mount, **({"readOnly": True} if read_only else {}), **({"subPath": sub_path} if sub_path else {})}

    def _volume(self, key: str, text: str, source: dict[str, Any]) -> str:
        """The manifest's name of a volume; what has a key is one volume wherever it occurs."""
        if key not in self._known or not key:
            name = self._labels.new(text)
            self.used.append({"name": name, **source})
            self._known[key] = name
            if "persistentVolumeClaim" in source and key not in self._external:
                self.claims.append(_document(source["persistentVolumeClaim"]["claimName"]))
        return self._known[key]

    def _short(self, where: str, value: object) -> dict[str, Any]:
        """``[SOURCE:]TARGET[:ro]``."""
        parts = str(value).split(":")
        mode = parts.pop() if len(parts) > 1 and not parts[-1].startswith("/") else "rw"
        if mode not in {"rw", "ro"}:
            raise NotSupported(where, f"a volume has the access modes rw and ro, not {mode!r}")
        if len(parts) > 2:
            raise InvalidManifest(f"{value!r} is not a volume", where=where, remedy="Write SOURCE:TARGET[:ro]")
        source = parts[0] if len(parts) == 2 else ""
        kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
        return self._mount(where, kind, source, parts[-1], read_only=mode == "ro")

    def _long(self, node: Tree) -> dict[str, Any]:
        kind = node.choice("type", _TYPES, "volume")
        source, target = node.string("source") or "", node.required_string("target")
        read_only = bool(node.boolean("read_only"))
        volume, memory = node.node("volume"), node.node("tmpfs")
        sub_path = size = ""
        if volume is not None:
            # A volume is never filled from the image.
            volume.boolean("nocopy")
            sub_path = volume.string("subpath") or ""
            volume.done()
        if memory is not None:
            amount = memory.scalar("size")
            size = "" if amount is None else definitions.memory(amount, where=memory.at("size"))
            memory.done(_parts.refused(mode="its mode is not chosen"))
        node.done(_parts.refused(bind="a directory of the host is mounted as it is", consistency="it is of other platforms"))
        return self._mount(node.path, kind, source, target, read_only=read_only, sub_path=sub_path, size=size)

    def _tmpfs(self, where: str, text: str) -> dict[str, Any]:
        """``TARGET[:size=64m]``."""
        target, _colon, options = text.partition(":")
        size = ""
        for option in options.split(",") if options else []:
            name, _equals, value = option.partition("=")
            if name != "size":
                raise NotSupported(where, f"a tmpfs has the option size only, not {name!r}")
            size = definitions.memory(value, where=where)
        return self._mount(where, "tmpfs", "", target, read_only=False, size=size)


def _document(claim: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"]}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim}, "spec": spec}


def _claim(node: Tree | None, pod: str, name: str) -> tuple[str, bool]:
    """The name of a volume's claim, and whether others made the volume (external); then it is the volume's own name."""
    if node is None:
        return _parts.Labels().new(f"{pod}-{name}"), False
    external, own = node.boolean("external"), node.string("name")
    if node.string("driver") not in (None, "local"):
        raise NotSupported(node.at("driver"), "a volume lies on the host", "Remove it")
    node.done(_parts.refused(driver_opts="a volume has no options", labels="a volume has no labels"))
    return own or (name if external else _parts.Labels().new(f"{pod}-{name}")), bool(external)
