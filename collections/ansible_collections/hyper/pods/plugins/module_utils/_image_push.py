# SPDX-License-Identifier: GPL-3.0-or-later
"""From the store to a registry or a file: the image as it came, its layers and its manifest byte for byte."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._image_config import Manifest, digest_of
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import ImageNotFound, LayersMissing, LocalName, NoSpace
from ansible_collections.hyper.pods.plugins.module_utils._image_files import StoredImage
from ansible_collections.hyper.pods.plugins.module_utils._image_pull import Progress
from ansible_collections.hyper.pods.plugins.module_utils._image_reference import LOCAL_DOMAIN, Registry, parse
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._skopeo import Access, raw_manifest, upload

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Push:
    """An image on its way to a registry. before: the digest of what the registry has under that name, or None."""

    image: StoredImage
    target: Registry
    manifest: bytes
    before: str | None

    @property
    def digest(self) -> str:
        """Of the manifest that is pushed."""
        return digest_of(self.manifest)

    @property
    def due(self) -> bool:
        """Whether the registry has anything else."""
        return self.before != self.digest


def compare(store: ImageStore, reference: str, destination: str | None, access: Access) -> Push:
    """What ``push`` would do; asks the registry and changes nothing. Raises an ImageError."""
    image = store.require(reference)
    target = parse(destination or image.reference)
    if not isinstance(target, Registry) or target.domain == LOCAL_DOMAIN or target.digest:
        raise LocalName(str(target), "is no name in a registry")
    raw, _ = _manifest(store, image)
    try:
        before = digest_of(raw_manifest(str(target), target.skopeo, access))
    except ImageNotFound:
        before = None
    return Push(image, target, raw, before)


def push(store: ImageStore, item: Push, access: Access, progress: Progress) -> None:
    """Bring the image to the registry. Raises an ImageError."""
    name = str(item.target)
    with store.working() as (stage, _):
        write_layout(store, [item.image], stage.layout)
        progress(f"{name}: pushing {item.image.id[7:19]}")
        upload(name, stage.layout, item.target.skopeo, access, on_blob=lambda digest: progress(f"{name}: layer {digest[7:19]}"))
    own = store.resolve(name)
    if own is not None and own.reference == name and own.id == item.image.id:
        store.note_pushed(own, item.digest)


def index(store: ImageStore, images: Sequence[StoredImage]) -> bytes:
    """The index of a layout with these images, each under its name. Raises LayersMissing."""
    manifests = []
    for image in images:
        raw, _ = _manifest(store, image)
        pointer = {"mediaType": _MANIFEST_TYPE, "digest": digest_of(raw), "size": len(raw), "annotations": {_NAME: image.reference}}
        manifests.append(pointer)
    document: dict[str, Any] = {"schemaVersion": 2, "manifests": manifests}
    return json.dumps(document).encode()


def write_layout(store: ImageStore, images: Sequence[StoredImage], layout: Path) -> None:
    """Make an OCI layout of these images, with links of their layers. Raises LayersMissing."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (layout / "oci-layout").write_bytes(b'{"imageLayoutVersion": "1.0.0"}')
    for image in images:
        raw, manifest = _manifest(store, image)
        config = store.config(image)
        for data in (raw, config):
            (blobs / digest_of(data).partition(":")[2]).write_bytes(data)
        for layer in manifest.layers:
            path = blobs / layer.digest.partition(":")[2]
            if not path.exists():
                os.link(store.blob(layer.digest), path)
    (layout / "index.json").write_bytes(index(store, images))


def saved(path: Path, wanted: bytes) -> bool:
    """Whether the file is an archive with this very index."""
    try:
        with tarfile.open(path, "r:") as archive:
            member = archive.next()
            file = archive.extractfile(member) if member is not None and member.name == "index.json" else None
            return file is not None and file.read(len(wanted) + 1) == wanted
    except (OSError, tarfile.TarError):
        return False


def save(store: ImageStore, images: Sequence[StoredImage], path: Path) -> None:
    """Write an OCI archive; a file that is there is replaced, and its owner and mode stay. Otherwise root alone may read it, since images may hold secrets."""
    with store.working() as (stage, _):
        write_layout(store, images, stage.layout)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                with contextlib.suppress(FileNotFoundError):
                    facts = path.stat()
                    os.fchown(handle, facts.st_uid, facts.st_gid)
                    os.fchmod(handle, facts.st_mode & 0o7777)
                with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as archive:
                    # In this order, so that the index is found at once.
                    for name in ("index.json", "oci-layout", "blobs"):
                        archive.add(stage.layout / name, name, filter=_plain)
                file.flush()
                os.fsync(handle)
            os.replace(temporary, path)
        except BaseException as error:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(images[0].reference, f"there is no room for {path}") from None
            raise


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Of a file nothing but its content counts."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def _manifest(store: ImageStore, image: StoredImage) -> tuple[bytes, Manifest]:
    found = store.manifest(image)
    if found is None:
        raise LayersMissing(image.reference, "its layers are not kept on this host")
    return found
