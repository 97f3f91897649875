# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a host: each a read-only disk, known by the digest of its config, and the layers that it was made from.

    images/disks/HEX.erofs     the root filesystem; HEX is the config's digest
    images/configs/HEX.json    the config, byte for byte, so that its name proves it
    images/manifests/HEX.json  the manifest, which names the layers
    images/names/KEY.json      a reference → id, manifest digest, source; KEY is the SHA-256 of the reference
    images/blobs/sha256/HEX    layers as they came, shared by all images; those that no manifest here names go with the last pull that runs
    images/staging/            disks on their way

Only what was renamed to its place is trusted, and a name is written after its disk: a pull that is killed leaves staging and blobs, which the next one removes.
Layers are kept so that an image can be pushed as it came, and built upon; a host that does neither can drop them (``prune``): pods need the disk alone.
A pod holds an image by a hard link of its disk, so the link count is the reference count.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig, Manifest, digest_of, parse_config, parse_json, parse_manifest
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import RootNeeded


@dataclass(frozen=True)
class StoredImage:
    """An image in the store. id: digest of its config; digest: of the manifest that its name pointed at; size: of its disk, bytes.

    source: where it came from; empty for one that was made here.
    """

    reference: str
    id: str
    digest: str
    disk: Path
    size: int
    config: ImageConfig
    source: str

    @property
    def serial(self) -> str:
        """The virtio serial under which a guest finds the disk."""
        return self.id.partition(":")[2][:20]


class ImageFiles:
    """The files of one host's store."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._dir = host.images_dir

    def list(self) -> tuple[StoredImage, ...]:
        """All images, by reference."""
        found = (self._load(reference) for reference in self._references())
        return tuple(sorted(filter(None, found), key=lambda image: image.reference))

    def config(self, image: StoredImage) -> bytes:
        """The config of an image, byte for byte."""
        return self._config_path(image.id).read_bytes()

    def manifest(self, image: StoredImage) -> tuple[bytes, Manifest] | None:
        """The manifest of an image, as it is and read; None when its layers are not all kept here."""
        try:
            raw = self._manifest_path(image.id).read_bytes()
        except FileNotFoundError:
            return None
        manifest = parse_manifest(image.reference, parse_json(image.reference, raw, "manifest"))
        whole = all(_size(self.blob(layer.digest)) == layer.size for layer in manifest.layers)
        return (raw, manifest) if whole else None

    def damaged(self) -> Sequence[str]:
        """Names that lead nowhere."""
        return sorted(reference for reference in self._references() if self._load(reference) is None)

    def size(self) -> int:
        """Bytes of the disk that the store takes; the disks that pods hold are counted too."""
        return sum(path.lstat().st_blocks * 512 for path in self._dir.rglob("*"))

    def layers_size(self) -> int:
        """Bytes of the kept layers."""
        return sum(path.lstat().st_blocks * 512 for path in (self._dir / "blobs" / "sha256").glob("*"))

    def names_of(self, image_id: str) -> Sequence[str]:
        """All names of an image."""
        return [image.reference for image in self.list() if image.id == image_id]

    def holders(self, disk: Path) -> Sequence[str]:
        """The pods and guests that have a link of this disk: ``pod web``."""
        inode = disk.stat().st_ino
        found = set()
        for kind in ("pods", "guests"):
            top = self._host.state_dir / kind
            for directory, _, files in os.walk(top):
                if any(os.lstat(os.path.join(directory, name)).st_ino == inode for name in files):
                    found.add(f"{kind[:-1]} {Path(directory).relative_to(top).parts[0]}")
        return sorted(found)

    def require_root(self) -> None:
        """Raises RootNeeded."""
        if os.geteuid() != 0:
            raise RootNeeded

    def _prepare(self) -> None:
        self.require_root()
        _, gid = self._host.qemu_ids()
        # QEMU's account reads disks by the pods' links; nobody else looks in: images may hold secrets.
        make_dir(self._dir, mode=0o750, owner=(0, gid))
        for name in ("disks", "configs", "manifests", "names", "staging"):
            make_dir(self._dir / name, mode=0o750, owner=(0, gid))

    def _name_path(self, reference: str) -> Path:
        return self._dir / "names" / f"{key(reference)}.json"

    def _disk_path(self, image_id: str) -> Path:
        return self._dir / "disks" / f"{image_id.partition(':')[2]}.erofs"

    def _config_path(self, image_id: str) -> Path:
        return self._dir / "configs" / f"{image_id.partition(':')[2]}.json"

    def _manifest_path(self, image_id: str) -> Path:
        return self._dir / "manifests" / f"{image_id.partition(':')[2]}.json"

    def blob(self, digest: str) -> Path:
        """Where a layer is kept."""
        return blob_path(self._dir / "blobs", digest)

    def _load(self, reference: str) -> StoredImage | None:
        """The image of this very name; None also when one of its files is missing or damaged, so that it is pulled anew."""
        try:
            record = json.loads(self._name_path(reference).read_bytes())
            image_id, digest, source = record["id"], record["digest"], record["source"]
            config = self._config_path(image_id).read_bytes()
            disk = self._disk_path(image_id)
            size = disk.stat().st_size
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if digest_of(config) != image_id:
            return None
        return StoredImage(reference, image_id, digest, disk, size, parse_config(reference, config), source)

    def _references(self) -> Iterator[str]:
        for path in (self._dir / "names").glob("*.json"):
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                yield str(json.loads(path.read_bytes())["reference"])

    def _changing(self) -> contextlib.AbstractContextManager[None]:
        """Names and disks change together; what takes long is done outside."""
        return locked(self._host.lock_path("images", "store"), what="the image store")

    def _nameless(self) -> Sequence[Path]:
        """What no name leads to: an image that lost its last name, or one whose pull was killed before it got one."""
        named = {image.id.partition(":")[2] for image in self.list()}
        kinds = ("disks/*.erofs", "configs/*.json", "manifests/*.json")
        return [path for kind in kinds for path in self._dir.glob(kind) if path.stem not in named]

    def _sweep(self) -> None:
        for path in self._nameless():
            path.unlink()

    def _kept_layers(self) -> set[str]:
        """The digests of all layers that an image of the store is made of."""
        found: set[str] = set()
        for path in (self._dir / "manifests").glob("*.json"):
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                found.update(layer["digest"] for layer in json.loads(path.read_bytes())["layers"])
        return found

    def complete(self, image_id: str) -> bool:
        """Whether an image lacks nothing but a name."""
        try:
            config = self._config_path(image_id).read_bytes()
        except FileNotFoundError:
            return False
        return digest_of(config) == image_id and self._disk_path(image_id).exists()

    def _write_name(self, image: StoredImage) -> None:
        path = self._name_path(image.reference)
        record = {"reference": image.reference, "id": image.id, "digest": image.digest, "source": image.source}
        write_atomic(path, json.dumps(record, indent=1).encode(), mode=0o640, owner=(0, self._host.qemu_ids()[1]))
        sync(path.parent)


def key(reference: str) -> str:
    """The name of what belongs to a reference."""
    return hashlib.sha256(reference.encode()).hexdigest()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def blob_path(blobs: Path, digest: str) -> Path:
    """Where the blob of a digest lies in the directory ``blobs``."""
    algorithm, _, value = digest.partition(":")
    return blobs / algorithm / value


def sync(directory: Path) -> None:
    """See that the names in a directory are on stable storage."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
