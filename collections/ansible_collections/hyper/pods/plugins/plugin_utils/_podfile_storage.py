# SPDX-License-Identifier: GPL-3.0-or-later
"""What a podfile stores in its containers: volumes, and inserted files, which become a ConfigMap and a volume of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_claims
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._tree import NotSupported
from ansible_collections.hyper.pods.plugins.plugin_utils import _parts
from ansible_collections.hyper.pods.plugins.plugin_utils._podfile_tree import PodfileNode, definitions, referred
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import Manifest

# Stands for a disk image among the sources of volumes.
_IMAGE = "image file"

# Fetches what a file's uri names, at the edge. Raises HyperError.
Fetch = Callable[[str], bytes]

DEFAULT_PERMISSION = "0755"
FILES_VOLUME = "inserted-files"
_VOLUME = _parts.refused(cache="the cache of a disk is not chosen", fstype="the file system of a volume is not chosen", option="it belongs to a driver")


class Volumes:
    """The pod's volumes. used: those of the manifest, in the order in which containers name them first; claims: documents that they need."""

    def __init__(self, root: PodfileNode, pod: str) -> None:
        self._pod = pod
        self._claimed = _parts.Labels()
        self.claims: list[Manifest] = []
        self._defined = definitions(root, "volumes")
        self._labels = _parts.Labels()
        self._labels.new(FILES_VOLUME)
        self._known: dict[str, dict[str, Any]] = {}
        self._sources: dict[str, dict[str, Any]] = {}
        self.used: list[dict[str, Any]] = []
        for node in self._defined.values():
            self._add(node)

    def mount(self, node: PodfileNode) -> dict[str, Any]:
        """A container's mount of a volume."""
        volume = referred(node, "volume", self._defined, "volume")
        mount: dict[str, Any] = {"name": self._add(volume)["name"], "mountPath": _parts.mount_path(node, "path", node.required_string("path"))}
        if node.boolean("readOnly"):
            mount["readOnly"] = True
        node.done()
        return mount

    def _add(self, node: PodfileNode) -> dict[str, Any]:
        """The manifest's volume for a definition. A name stands for one volume in the whole pod."""
        name, source = node.required_string("name"), _source(node)
        known = self._known.get(name)
        if known is None:
            known = {"name": self._labels.new(name), **self._claim(name, source)}
            self._known[name] = known
            self._sources[name] = source
            self.used.append(known)
        elif self._sources[name] != source:
            raise node.fail("name", f"{name!r} is another volume already")
        return known

    def _claim(self, name: str, source: dict[str, Any]) -> dict[str, Any]:
        """A disk image becomes a volume of the host that begins with it; all else stays."""
        image = source.get(_IMAGE)
        if image is None:
            return source
        claim = self._claimed.new(f"{self._pod}-{name}")
        annotations = {_manifest_claims.SOURCE: image["path"], _manifest_claims.FORM: image["form"]}
        metadata, spec = {"name": claim, "annotations": annotations}, {"accessModes": ["ReadWriteOnce"]}
        self.claims.append({"apiVersion": "v1", "kind": _manifest_claims.KIND, "metadata": metadata, "spec": spec})
        return {"persistentVolumeClaim": {"claimName": claim}}


def _source(node: PodfileNode) -> dict[str, Any]:
    # "driver" in podfiles of Hyper's first versions.
    field = "format" if node.value("driver") is None else "driver"
    form = node.choice(field, ("vfs", "nas", "raw", "qcow2", "vdi", "rbd"), "")
    source, kind = node.string("source"), node.string("fstype")
    if form == "nas":
        server, colon, path = (source or "").rpartition(":")
        if kind not in (None, "nfs") or not colon:
            raise node.fail("source", f"{source!r} is not of the form SERVER:/PATH, of a server of NFS")
        result: dict[str, Any] = {"nfs": {"server": server, "path": path}}
    elif form in ("vdi", "rbd"):
        raise NotSupported(node.at(field), f"a volume is no {form} image", "Convert it: qemu-img convert -O qcow2 FILE NEW")
    elif form in ("raw", "qcow2") and source:
        if kind not in (None, "ext2", "ext3", "ext4"):
            raise NotSupported(node.at("fstype"), f"the guest's kernel reads ext4, not {kind}", "Make the image with ext4")
        if not source.startswith("/") or ".." in source.split("/"):
            raise node.fail("source", f"{source!r} must be an absolute path without '..'")
        result = {_IMAGE: {"path": source, "form": form}}
    elif kind is not None:
        raise NotSupported(node.at("fstype"), "the file system of a volume is not chosen", "Remove the field")
    elif source is None:
        # hyperd makes an empty volume, whatever the format.
        result = {"emptyDir": {}}
    elif form == "vfs":
        result = {"hostPath": {"path": source}}
    else:
        raise node.fail(field, "is required beside a source", "Write vfs for a directory or a file of the host")
    node.done(_VOLUME)
    return result


class Files:
    """The files that are inserted into containers: one ConfigMap, and one volume with a path for each pair of file and permission."""

    def __init__(self, root: PodfileNode, pod: str, fetch: Fetch | None) -> None:
        self._defined = definitions(root, "files")
        self._name = f"{pod}-files"
        self._fetch = fetch
        self._labels = _parts.Labels()
        self._keys: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._items: dict[str, dict[str, Any]] = {}
        for node in self._defined.values():
            self._add(node)

    @property
    def volume(self) -> list[dict[str, Any]]:
        """The volume of the pod, if any container has a file."""
        return [{"name": FILES_VOLUME, "configMap": {"name": self._name, "items": list(self._items.values())}}] if self._items else []

    @property
    def config_map(self) -> list[Manifest]:
        """The ConfigMap, if any container has a file."""
        if not self._items:
            return []
        used = {item["key"] for item in self._items.values()}
        texts, binaries = {}, {}
        for key, content in self._contents.items():
            if key not in used:
                continue
            try:
                texts[key] = content.decode("utf-8")
            except UnicodeDecodeError:
                binaries[key] = base64.b64encode(content).decode("ascii")
        data = {**({"data": texts} if texts else {}), **({"binaryData": binaries} if binaries else {})}
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self._name}, **data}]

    def mount(self, node: PodfileNode) -> dict[str, Any]:
        """A container's mount of one file."""
        file = referred(node, "filename", self._defined, "file")
        key = self._keys.get(file.path) or self._add(file)
        path = node.required_string("path")
        if path.endswith("/"):
            path += node.string("filename") or file.required_string("name")
        permission = node.string("perm") or DEFAULT_PERMISSION
        if not re.fullmatch(r"0([0-7]{3})?", permission):
            raise node.fail("perm", f"{permission!r} is not of the form 0644")
        for owner in ("user", "group"):
            if node.string(owner) not in (None, "0", "root"):
                raise NotSupported(node.at(owner), "inserted files belong to root", "Remove the field, and let others read it by perm")
        target = _parts.mount_path(node, "path", path)
        node.done()
        mode = int(permission, 8)
        item = f"{mode:04o}/{key}"
        self._items[item] = {"key": key, "path": item, "mode": mode}
        return {"name": FILES_VOLUME, "mountPath": target, "subPath": item}

    def _add(self, node: PodfileNode) -> str:
        key = self._labels.new(node.required_string("name"))
        self._keys[node.path] = key
        self._contents[key] = self._content(node)
        return key

    def _content(self, node: PodfileNode) -> bytes:
        encoding, uri, content = node.choice("encoding", ("raw", "base64"), "raw"), node.string("uri"), node.string("content")
        node.done()
        data = (content or "").encode()
        if uri is not None:
            if content is not None:
                raise node.fail("content", "stands beside a uri", "Keep one of the two")
            data = self._fetched(node, uri)
        if encoding == "raw":
            return data
        packed = b"".join(data.split())
        try:
            # Python takes padding that is too long.
            if len(packed) % 4 == 0:
                return base64.b64decode(packed, validate=True)
        except binascii.Error:
            pass
        raise node.fail("content" if uri is None else "uri", "is not base64")

    def _fetched(self, node: PodfileNode, uri: str) -> bytes:
        if self._fetch is None:
            raise NotSupported(node.at("uri"), "files are fetched by the command hyper only", "Convert the podfile with hyper convert first")
        try:
            return self._fetch(uri)
        except HyperError as error:
            raise node.fail("uri", error.message) from error
