# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a host: each a read-only disk, known by the digest of its config.

    images/disks/HEX.erofs     the root filesystem; HEX is the config's digest
    images/configs/HEX.json    the config, byte for byte, so that its name proves it
    images/names/KEY.json      a reference → id, manifest digest, source; KEY is the SHA-256 of the reference
    images/blobs/              layers on their way; shared by the pulls that run, gone with the last of them
    images/staging/            disks on their way

Only what was renamed to its place is trusted, and a name is written after its disk: a pull that is killed leaves staging and blobs, which the next one removes.
Layers are not kept: the disk holds all that a pod needs, and they would take as much room again.
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
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig, parse_config
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import ImageInUse, ImageNotFound, RootNeeded
from ansible_collections.hyper.pods.plugins.module_utils._image_pull import Offer, Progress, digest_of, find_offer, human, make
from ansible_collections.hyper.pods.plugins.module_utils._image_reference import Reference, Registry, parse
from ansible_collections.hyper.pods.plugins.module_utils._layers import Limits
from ansible_collections.hyper.pods.plugins.module_utils._skopeo import Access
from ansible_collections.hyper.pods.plugins.module_utils._workspace import Staging, shared_blobs, staging


@dataclass(frozen=True)
class StoredImage:
    """An image in the store. id: digest of its config; digest: of the manifest that its name pointed at; size: of its disk, bytes."""

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


@dataclass(frozen=True)
class Comparison:
    """What is in the store, and what a pull would bring: ``offer`` is None when nothing is to be done."""

    name: str
    stored: StoredImage | None
    offer: Offer | None
    source: Reference


class ImageStore:
    """The images of one host. limits: what an image may be at most."""

    def __init__(self, host: Host, limits: Limits | None = None) -> None:
        self._host = host
        self._dir = host.images_dir
        self._limits = limits

    # Reading

    def resolve(self, reference: str) -> StoredImage | None:
        """The stored image of a reference, or None. A short name is looked for under localhost/, then docker.io/. Raises BadReference."""
        parsed = parse(reference)
        names = [str(parsed.local)] if isinstance(parsed, Registry) and parsed.short else []
        return next(filter(None, (self._load(name) for name in [*names, str(parsed)])), None)

    def list(self) -> tuple[StoredImage, ...]:
        """All images, by reference."""
        found = (self._load(reference) for reference in self._references())
        return tuple(sorted(filter(None, found), key=lambda image: image.reference))

    def compare(self, reference: str, *, policy: str, source: str | None = None, authfile: Path | None = None, tls_verify: bool = True) -> Comparison:
        """What ``ensure`` with the same arguments would do; writes nothing. Raises as ``ensure`` does, as far as a manifest can tell."""
        name, where = self._target(reference, source)
        return self._compare(name, where, policy, Access(authfile, tls_verify))

    # Changing

    def ensure(
        self,
        reference: str,
        *,
        policy: str = "missing",
        source: str | None = None,
        authfile: Path | None = None,
        tls_verify: bool = True,
        progress: Progress | None = None,
    ) -> tuple[StoredImage, bool]:
        """The image of ``reference``, pulled if need be, and whether the store changed.

        policy: ``missing`` pulls what is not there; ``always`` also what the source has another manifest of; ``never`` pulls nothing. source: where
        to take it from, when not from where the reference says; kept, so that ``always`` looks there again. progress: called with one line at a time.
        Raises BadReference, or an ImageError of the kind that fits.
        """
        if policy != "always":
            stored = self.resolve(reference)
            if stored is not None:
                return stored, False
        name, where = self._target(reference, source)
        access = Access(authfile, tls_verify)
        with locked(self._host.lock_path("image", _key(name)), what=f"image {name}"):
            comparison = self._compare(name, where, policy, access)
            if comparison.offer is None:
                assert comparison.stored is not None  # noqa: S101 - there is nothing to do because it is there
                return comparison.stored, False
            return self._pull(comparison, comparison.offer, access, progress or _silent), True

    def remove(self, reference: str, *, force: bool = False) -> StoredImage | None:
        """Forget a name, and the disk with its last name; returns what was removed, None when there was nothing. Raises ImageInUse unless ``force``."""
        with self._changing():
            stored = self.removable(reference, force=force)
            if stored is not None:
                self._name_path(stored.reference).unlink()
                self._sweep()
            return stored

    def removable(self, reference: str, *, force: bool = False) -> StoredImage | None:
        """What ``remove`` would remove; writes nothing. Raises ImageInUse as it does."""
        stored = self.resolve(reference)
        if stored is None or force or len(self._names_of(stored.id)) > 1:
            return stored
        if stored.disk.stat().st_nlink > 1:
            raise ImageInUse(stored.reference, self._holders(stored.disk))
        return stored

    @contextlib.contextmanager
    def keeping_layers(self) -> Iterator[None]:
        """Within this, layers that several images share are fetched once, though one pull ends before the next begins."""
        self._prepare()
        with shared_blobs(self._dir):
            yield

    # What a name means

    def _target(self, reference: str, source: str | None) -> tuple[str, Reference]:
        """The name in the store, and where its image comes from."""
        parsed = parse(reference)
        if source is not None:
            short = isinstance(parsed, Registry) and parsed.short
            return str(parsed.local if isinstance(parsed, Registry) and short else parsed), parse(source)
        stored = self.resolve(reference)
        if stored is not None:
            return stored.reference, parse(stored.source)
        return str(parsed), parsed

    def _compare(self, name: str, where: Reference, policy: str, access: Access) -> Comparison:
        stored = self._load(name)
        if stored is not None and policy != "always":
            return Comparison(name, stored, None, where)
        if policy == "never":
            raise ImageNotFound(name, "is not in the store, and may not be pulled", remedy="Pull it first, or set the pull policy to missing")
        offer = find_offer(name, where, access)
        if stored is not None and (stored.digest, stored.source) == (offer.digest, str(where)):
            return Comparison(name, stored, None, where)
        return Comparison(name, stored, offer, where)

    # The files

    def _prepare(self) -> None:
        if os.geteuid() != 0:
            raise RootNeeded
        _, gid = self._host.qemu_ids()
        # QEMU's account reads disks by the pods' links; nobody else looks in: images may hold secrets.
        make_dir(self._dir, mode=0o750, owner=(0, gid))
        for name in ("disks", "configs", "names", "staging"):
            make_dir(self._dir / name, mode=0o750, owner=(0, gid))

    def _name_path(self, reference: str) -> Path:
        return self._dir / "names" / f"{_key(reference)}.json"

    def _disk_path(self, image_id: str) -> Path:
        return self._dir / "disks" / f"{image_id.partition(':')[2]}.erofs"

    def _config_path(self, image_id: str) -> Path:
        return self._dir / "configs" / f"{image_id.partition(':')[2]}.json"

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

    def _names_of(self, image_id: str) -> Sequence[str]:
        return [image.reference for image in self.list() if image.id == image_id]

    def _holders(self, disk: Path) -> Sequence[str]:
        """The pods and guests that have a link of this disk."""
        inode = disk.stat().st_ino
        found = set()
        for kind in ("pods", "guests"):
            top = self._host.state_dir / kind
            for directory, _, files in os.walk(top):
                if any(os.lstat(os.path.join(directory, name)).st_ino == inode for name in files):
                    found.add(f"{kind[:-1]} {Path(directory).relative_to(top).parts[0]}")
        return sorted(found)

    def _changing(self) -> contextlib.AbstractContextManager[None]:
        """Names and disks change together; what takes long is done outside."""
        return locked(self._host.lock_path("images", "store"), what="the image store")

    def _sweep(self) -> None:
        """Remove what no name leads to: an image that lost its last name, or one whose pull was killed before it got one."""
        named = {image.id.partition(":")[2] for image in self.list()}
        for path in [*(self._dir / "disks").glob("*.erofs"), *(self._dir / "configs").glob("*.json")]:
            if path.stem not in named:
                path.unlink()

    # Pulling

    def _pull(self, comparison: Comparison, offer: Offer, access: Access, progress: Progress) -> StoredImage:
        self._prepare()
        name = comparison.name
        with staging(self._dir) as stage:
            while True:
                image_id, config = offer.id, b""
                if image_id is None or not self._complete(image_id):
                    image_id, config = make(name, offer, access, stage, known=self._complete, limits=self._limits, progress=progress)
                stored = self._publish(name, image_id, config, offer.digest, str(comparison.source), stage)
                if stored is not None:
                    break
        progress(f"{name}: {stored.id[7:19]}, disk of {human(stored.size)}")
        return stored

    def _complete(self, image_id: str) -> bool:
        """Whether an image lacks nothing but a name."""
        try:
            config = self._config_path(image_id).read_bytes()
        except FileNotFoundError:
            return False
        return digest_of(config) == image_id and self._disk_path(image_id).exists()

    def _publish(self, name: str, image_id: str, config: bytes, digest: str, source: str, stage: Staging) -> StoredImage | None:
        """Config, disk, name: in this order, each whole. A disk that is there already stays, since pods count by its links.

        None: an image that was there when this pull began was removed meanwhile.
        """
        owner = (0, self._host.qemu_ids()[1])
        with self._changing():
            disk = self._disk_path(image_id)
            if config:
                write_atomic(self._config_path(image_id), config, mode=0o640, owner=owner)
            if not disk.exists() and stage.disk.exists():
                os.chown(stage.disk, *owner)
                stage.disk.chmod(0o640)
                stage.disk.rename(disk)
                _sync(disk.parent)
            if not self._complete(image_id):
                return None
            record = {"reference": name, "id": image_id, "digest": digest, "source": source}
            write_atomic(self._name_path(name), json.dumps(record, indent=1).encode(), mode=0o640, owner=owner)
            _sync(self._name_path(name).parent)
            self._sweep()
            return self._load(name)


def _silent(line: str) -> None:
    del line


def _key(reference: str) -> str:
    return hashlib.sha256(reference.encode()).hexdigest()


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
