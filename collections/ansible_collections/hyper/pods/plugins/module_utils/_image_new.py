# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are made on a host: one layer more on top of an image, or on nothing."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._image_config import Blob, Manifest, digest_of, host_architecture
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadReference, LayersMissing
from ansible_collections.hyper.pods.plugins.module_utils._image_files import StoredImage
from ansible_collections.hyper.pods.plugins.module_utils._image_pull import Made, Progress, build_disk, layers_of
from ansible_collections.hyper.pods.plugins.module_utils._image_reference import Registry, parse
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._workspace import Blobs, Staging

_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Layer:
    """A layer that was written. diff_id: digest of its content before compression."""

    blob: Blob
    diff_id: str


def new_name(text: str) -> str:
    """The complete name that an image made here gets; short ones are under localhost/. Raises BadReference."""
    parsed = parse(text)
    if not isinstance(parsed, Registry) or parsed.digest:
        raise BadReference(text, "a new image is called [REGISTRY/]NAME[:TAG]")
    return str(parsed.local if parsed.short else parsed)


def config_of(base: Mapping[str, Any] | None, config: Mapping[str, Any], diff_id: str, history: Mapping[str, Any]) -> bytes:
    """The configuration of an image with one layer on top of ``base`` (a whole image configuration, or None). Pure."""
    document: dict[str, Any] = dict(base or {"architecture": host_architecture(), "os": "linux"})
    rootfs = document.get("rootfs") or {}
    document["config"] = dict(config)
    document["rootfs"] = {"type": "layers", "diff_ids": [*(rootfs.get("diff_ids") or ()), diff_id]}
    document["history"] = [*(document.get("history") or ()), dict(history)]
    if "created" in history:
        document["created"] = history["created"]
    else:
        document.pop("created", None)
    return json.dumps(document, sort_keys=True).encode()


def write_layer(stage: Staging, blobs: Blobs, chunks: Iterable[bytes]) -> Layer:
    """Compress a tar and put it where layers are kept. The same content gives the same blob."""
    diff, digest, size = hashlib.sha256(), hashlib.sha256(), 0
    # gzip without a name or a time.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    temporary = stage.path / "layer"
    with temporary.open("wb") as file:

        def write(data: bytes) -> None:
            nonlocal size
            digest.update(data)
            size += len(data)
            file.write(data)

        for chunk in chunks:
            diff.update(chunk)
            write(packer.compress(chunk))
        write(packer.flush())
        file.flush()
        os.fsync(file.fileno())
    name = f"sha256:{digest.hexdigest()}"
    place = blobs.path(name)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    temporary.rename(place)
    return Layer(Blob(name, size, _LAYER_TYPE), f"sha256:{diff.hexdigest()}")


def base_layers(store: ImageStore, base: StoredImage | None) -> Sequence[Blob]:
    """The layers that a new one goes on top of. Raises LayersMissing."""
    if base is None:
        return ()
    found = store.manifest(base)
    if found is None:
        raise LayersMissing(base.reference, "its layers are not kept on this host, so nothing can be put on top of them")
    return found[1].layers


def add(
    store: ImageStore, stage: Staging, blobs: Blobs, name: str, config: bytes, below: Sequence[Blob], layer: Layer, progress: Progress
) -> tuple[StoredImage, bool]:
    """Make the image of these layers and this configuration, under ``name``; returns it, and whether anything changed."""
    image_id = digest_of(config)
    layers = (*below, layer.blob)
    pointers = [{"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size} for blob in layers]
    pointer = {"mediaType": _CONFIG_TYPE, "digest": image_id, "size": len(config)}
    document = {"schemaVersion": 2, "mediaType": _MANIFEST_TYPE, "config": pointer, "layers": pointers}
    manifest = json.dumps(document, sort_keys=True).encode()
    before = store.resolve(name)
    if before is not None and before.reference == name and before.id == image_id:
        return before, False
    while True:
        if not store.complete(image_id):
            parsed = Manifest(Blob(image_id, len(config), _CONFIG_TYPE), layers)
            build_disk(name, image_id, layers_of(name, config, parsed, blobs), stage, (stage.lock, blobs.lock), None, progress)
        stored = store.publish(name, Made(image_id, config, manifest), stage, digest=digest_of(manifest), source="")
        if stored is not None:
            return stored, True
