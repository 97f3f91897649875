# SPDX-License-Identifier: GPL-3.0-or-later
"""AppContainer images (``.aci``): a tar with ``manifest`` and ``rootfs/``, read as hostile input; the manifest becomes an image config as OCI has it.

Format: https://github.com/appc/spec/blob/master/spec/aci.md. What a config cannot say is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _image_resources, _manifest_values
from ansible_collections.hyper.pods.plugins.module_utils._image_config import parse_json
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, ImageNotFound, PullFailed, UnsupportedImage
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes import Field
from ansible_collections.hyper.pods.plugins.module_utils._layer_stream import StreamError, decompressed
from ansible_collections.hyper.pods.plugins.module_utils._rootfs import Refused, split
from ansible_collections.hyper.pods.plugins.module_utils._tar import Entry, Stream, TarError, entries
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported

# The directory of the archive that holds the image's tree.
TREE = b"rootfs"
_MANIFEST_LIMIT = 1 << 20
# appc's names of processors → Go's, which image configs have.
_RESOURCES = {"resource/cpu": "cpu", "resource/memory": "memory"}
_ARCHITECTURES = {"i386": "386", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}


@dataclass(frozen=True)
class Aci:
    """An image file. diff_id: digest of the uncompressed archive; config: the image config made from its manifest."""

    path: Path
    diff_id: str
    config: bytes


def read(image: str, path: Path, limit: int) -> Aci:
    """Read an image file through. limit: bytes, uncompressed. Raises an ImageError."""
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        total = 0
        for chunk in decompressed(path):
            total += len(chunk)
            if total > limit:
                raise StreamError(f"expands to more than {limit} bytes")
            digest.update(chunk)
            yield chunk

    manifest: bytes | None = None
    try:
        stream = Stream(chunks())
        for entry in entries(stream):
            top = split(entry.name)[:1]
            if top == [b"manifest"] and manifest is None and _is_manifest(entry):
                manifest = stream.read(entry.stored)
            elif top in ([], [TREE]):
                stream.skip(entry.stored)
            else:
                raise Refused(f"{entry.name[:200]!r} is neither its one manifest nor in rootfs")
        stream.drain()
    except FileNotFoundError:
        raise ImageNotFound(image, f"there is no file {path}") from None
    except OSError as error:
        raise PullFailed(image, f"{path} cannot be read: {error.strerror}") from None
    except (TarError, Refused, StreamError) as error:
        raise BadImage(image, f"{path}: {error}") from None
    if manifest is None:
        raise BadImage(image, f"{path} has no manifest")
    diff_id = f"sha256:{digest.hexdigest()}"
    return Aci(path, diff_id, config(image, manifest, diff_id))


def _is_manifest(entry: Entry) -> bool:
    return len(split(entry.name)) == 1 and entry.kind == "file" and entry.sparse is None and entry.size <= _MANIFEST_LIMIT


def config(image: str, manifest: bytes, diff_id: str) -> bytes:
    """The image config (OCI) for an image manifest (appc) whose tree has the digest ``diff_id``. Raises BadImage or UnsupportedImage."""
    try:
        document = _config(Node(parse_json(image, manifest, "manifest"), ""))
    except NotSupported as error:
        raise UnsupportedImage(image, f"its manifest has {error.where}: {error.message}") from None
    except InvalidManifest as error:
        raise BadImage(image, f"manifest: {error.where}: {error.message}") from None
    rootfs = {"type": "layers", "diff_ids": [diff_id]}
    return json.dumps({**document, "rootfs": rootfs}, sort_keys=True).encode()


def _refused(**reasons: str) -> Mapping[str, Field]:
    return {name: Field("refused", reason) for name, reason in reasons.items()}


def _config(root: Node) -> dict[str, Any]:
    root.choice("acKind", ("ImageManifest",), "")
    for name in ("acKind", "acVersion", "name"):
        root.required_string(name)
    labels = _pairs(root, "labels")
    notes = _pairs(root, "annotations")
    app = root.node("app")
    result = {} if app is None else _app(app)
    _nothing(root, "dependencies", "an image stands alone here")
    _nothing(root, "pathWhitelist", "it belongs to dependencies")
    root.done()
    if notes:
        result["Labels"] = {**notes, **result.get("Labels", {})}
    architecture = labels.get("arch", "")
    return {"architecture": _ARCHITECTURES.get(architecture, architecture), "os": labels.get("os", "linux"), "config": result}


def _app(node: Node) -> dict[str, Any]:
    words = node.strings("exec")
    if not words:
        raise node.fail("exec", "is required")
    user, group = (_owner(node, name) for name in ("user", "group"))
    directory = node.string("workingDirectory") or "/"
    _nothing(node, "eventHandlers", "nothing is run before the application or after it")
    limits = _isolators(node)
    _nothing(node, "supplementaryGIDs", "an image has one group")
    environment = _pairs(node, "environment")
    volumes: dict[str, dict[str, str]] = {}
    for mount in node.nodes("mountPoints"):
        mount.required_string("name")
        # Of a mount that the pod makes there the pod says whether it is read-only.
        mount.boolean("readOnly")
        volumes[_absolute(mount, "path")] = {}
        mount.done()
    ports: dict[str, dict[str, str]] = {port: {} for each in node.nodes("ports") for port in _ports(each)}
    node.done(_refused(userAnnotations="it belongs to pods", userLabels="it belongs to pods"))
    return {
        # Arguments of a pod follow the image's own words: appc lets an executor append.
        "Entrypoint": list(words),
        "User": f"{user}:{group}",
        "WorkingDir": directory,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Volumes": volumes,
        "ExposedPorts": ports,
        "Labels": limits,
    }


def _isolators(node: Node) -> dict[str, str]:
    """Limits of CPU and memory, as labels of the configuration."""
    labels = {}
    for each in node.nodes("isolators"):
        name, value = each.required_string("name"), each.node("value")
        each.done()
        if name not in _RESOURCES:
            raise NotSupported(each.at("name"), f"an image sets limits of CPU and memory only, not {name}")
        if value is None:
            raise each.fail("value", "is required")
        for field, side in (("limit", "limits"), ("request", "requests")):
            quantity = value.scalar(field)
            if quantity is not None:
                _manifest_values.amount(value, field, quantity)
                labels[_image_resources.label(side, _RESOURCES[name])] = str(quantity)
        value.boolean("default")
        value.done()
    return labels


def _owner(node: Node, name: str) -> str:
    value = node.required_string(name)
    if value.startswith("/"):
        raise NotSupported(node.at(name), "the owner of a file is not looked up")
    if ":" in value:
        raise node.fail(name, f"{value!r} is not a name")
    return value


def _absolute(node: Node, name: str) -> str:
    value = node.required_string(name)
    if not value.startswith("/") or ".." in value.split("/"):
        raise node.fail(name, f"{value!r} must be an absolute path without '..'")
    return value


def _ports(node: Node) -> list[str]:
    first, count = node.integer("port", 1, 65535), node.integer("count", 1, 65535) or 1
    node.required_string("name")
    protocol = node.required_string("protocol")
    if node.boolean("socketActivated"):
        raise NotSupported(node.at("socketActivated"), "no sockets are handed to an application")
    node.done()
    if first is None or first + count > 65536:
        raise node.fail("port", "is required, and all ports must be below 65536")
    return [f"{number}/{protocol}" for number in range(first, first + count)]


def _pairs(node: Node, name: str) -> dict[str, str]:
    """A list of objects with ``name`` and ``value``."""
    result = {}
    for each in node.nodes(name):
        result[each.required_string("name")] = each.string("value") or ""
        each.done()
    return result


def _nothing(node: Node, name: str, why: str) -> None:
    """Refuse a list with anything in it."""
    if node.items(name):
        raise NotSupported(node.at(name), why)
