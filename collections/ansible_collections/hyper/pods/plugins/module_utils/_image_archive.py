# SPDX-License-Identifier: GPL-3.0-or-later
"""What image archives hold: the names of the images in an OCI archive or a Docker archive, read as hostile input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, ImageNotFound, Nameless, PullFailed
from ansible_collections.hyper.pods.plugins.module_utils._image_reference import parse
from ansible_collections.hyper.pods.plugins.module_utils._layer_stream import StreamError, decompressed
from ansible_collections.hyper.pods.plugins.module_utils._tar import Stream, TarError, entries

_OCI, _DOCKER = b"index.json", b"manifest.json"
_LIMIT = 4 << 20
# containerd, and so Docker, writes the whole name there and only the tag into OCI's own annotation.
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True)
class Found:
    """An image in an archive. name: under which the store shall have it; source: where it is, in the notation of references."""

    name: str
    source: str


def images(path: Path, name: str | None) -> Sequence[Found]:
    """The images of an archive. name: what its only image shall be called, in place of its own name. Raises an ImageError, BadReference."""
    where = str(path)
    documents = _documents(path)
    # An archive of Docker may be an OCI layout too; skopeo reads either.
    if _OCI in documents:
        named = [_oci_name(item) for item in _listed(where, documents[_OCI], "manifests")]
        transport = "oci-archive"
    elif _DOCKER in documents:
        named = [tag for item in _listed(where, documents[_DOCKER], None) for tag in _texts(item.get("RepoTags")) or [("", "")]]
        transport = "docker-archive"
    else:
        raise BadImage(
            where, "holds neither index.json nor manifest.json: it is no image archive", remedy="A tar of a root filesystem is imported: hyper import"
        )
    if name is not None:
        if len(named) != 1:
            raise Nameless(where, f"holds {len(named)} images, and one name is given", remedy="Load it without a name, then name them: hyper tag")
        return [Found(name, f"{transport}:{path}")]
    if any(not full for full, _ in named) or not named:
        raise Nameless(where, "holds an image without a name")
    if len({full for full, _ in named}) != len(named):
        raise BadImage(where, "two of its images have one name")
    return [Found(str(parse(full)), f"{transport}:{path}" + (f":{inner}" if len(named) > 1 else "")) for full, inner in named]


def _documents(path: Path) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    try:
        stream = Stream(decompressed(path))
        for entry in entries(stream):
            name = entry.name.removeprefix(b"./")
            if name in (_OCI, _DOCKER) and entry.kind == "file" and entry.sparse is None and entry.size <= _LIMIT:
                found[name] = stream.read(entry.stored)
                if name == _OCI:
                    break
            else:
                stream.skip(entry.stored)
    except FileNotFoundError:
        raise ImageNotFound(str(path), "there is no such file") from None
    except OSError as error:
        raise PullFailed(str(path), f"cannot be read: {error.strerror}") from None
    except (TarError, StreamError) as error:
        raise BadImage(str(path), str(error)) from None
    return found


def _listed(where: str, data: bytes, key: str | None) -> list[dict[str, Any]]:
    try:
        document = json.loads(data)
        items = document if key is None else document[key]
    except (ValueError, RecursionError, KeyError, TypeError):
        items = None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadImage(where, "its list of images is malformed")
    return items


def _oci_name(item: dict[str, Any]) -> tuple[str, str]:
    """The whole name, and what skopeo finds the image by; the former empty where there is only a tag."""
    notes = item.get("annotations")
    texts = [notes.get(key) if isinstance(notes, dict) else None for key in _NAMES]
    whole, inner = (text if isinstance(text, str) else "" for text in texts)
    name = whole or inner
    return (name if "/" in name or ":" in name else ""), inner


def _texts(value: object) -> list[tuple[str, str]]:
    return [(item, item) for item in value if isinstance(item, str)] if isinstance(value, list) else []
