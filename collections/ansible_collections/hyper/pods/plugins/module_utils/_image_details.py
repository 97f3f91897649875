# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a host knows of an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore, StoredImage


def details(host: Host, names: Sequence[str] | None) -> list[dict[str, Any]]:
    """The images of these names, or all. Raises BadReference, ImageNotFound."""
    store = ImageStore(host)
    images = store.list() if names is None else [store.require(name) for name in dict.fromkeys(names)]
    return [_detail(store, image) for image in images]


def _detail(store: ImageStore, image: StoredImage) -> dict[str, Any]:
    # It was read by parse_config when the image was looked up, which refuses what is malformed.
    document = json.loads(store.config(image))
    manifest = store.manifest(image)
    return {
        "reference": image.reference,
        "id": image.id,
        "digest": image.digest,
        "source": image.source,
        "size": image.size,
        "disk": str(image.disk),
        "names": list(store.names_of(image.id)),
        "usedBy": list(store.holders(image.disk)),
        "layers": None if manifest is None else [{"digest": layer.digest, "size": layer.size} for layer in manifest[1].layers],
        "created": document.get("created") or "",
        "architecture": image.config.architecture,
        "config": document.get("config") or {},
        "history": document.get("history") or [],
    }
