# SPDX-License-Identifier: GPL-3.0-or-later
"""The image store of a host: find, pull, name and remove images. How they lie there: _image_files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.hyper.pods.plugins.module_utils._files import locked, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadReference, ImageInUse, ImageNotFound
from ansible_collections.hyper.pods.plugins.module_utils._image_files import ImageFiles, StoredImage, blob_path, key, sync
from ansible_collections.hyper.pods.plugins.module_utils._image_reference import LOCAL_DOMAIN, Reference, Registry, parse

# What pulls is imported where a pull begins: compiling it takes longer than all that a pod whose images are here asks of the store.
if TYPE_CHECKING:
    from ansible_collections.hyper.pods.plugins.module_utils._image_pull import Made, Offer, Progress
    from ansible_collections.hyper.pods.plugins.module_utils._layers import Limits
    from ansible_collections.hyper.pods.plugins.module_utils._skopeo import Access
    from ansible_collections.hyper.pods.plugins.module_utils._workspace import Blobs, Staging


__all__ = ["Comparison", "ImageStore", "StoredImage"]


@dataclass(frozen=True)
class Comparison:
    """What is in the store, and what a pull would bring: ``offer`` is None when nothing is to be done."""

    name: str
    stored: StoredImage | None
    offer: Offer | None
    source: Reference


class ImageStore(ImageFiles):
    """The images of one host. limits: what an image may be at most."""

    def __init__(self, host: Host, limits: Limits | None = None) -> None:
        super().__init__(host)
        self._limits = limits

    # Reading

    def resolve(self, reference: str) -> StoredImage | None:
        """The stored image of a reference, or None. A short name is looked for under localhost/, then docker.io/. Raises BadReference."""
        parsed = parse(reference)
        names = [str(parsed.local)] if isinstance(parsed, Registry) and parsed.short else []
        return next(filter(None, (self._load(name) for name in [*names, str(parsed)])), None)

    def compare(self, reference: str, *, policy: str, source: str | None = None, authfile: Path | None = None, tls_verify: bool = True) -> Comparison:
        """What ``ensure`` with the same arguments would do; writes nothing. Raises as ``ensure`` does, as far as a manifest can tell."""
        name, where = self._target(reference, source)
        return self._compare(name, where, policy, self.access(authfile, tls_verify), given=source is not None)

    def access(self, authfile: Path | None = None, tls_verify: bool = True, signature_policy: Path | None = None) -> Access:
        """How registries are talked to: what is not given is the host's own, where it has it (``hyper login``)."""
        from ansible_collections.hyper.pods.plugins.module_utils._skopeo import Access

        own_authfile, own_policy, own_places = self._host.authfile, self._host.signature_policy, self._host.signature_places
        return Access(
            authfile or (own_authfile if own_authfile.exists() else None),
            tls_verify,
            signature_policy or (own_policy if own_policy.exists() else None),
            own_places if own_places.is_dir() else None,
        )

    def require(self, reference: str) -> StoredImage:
        """The stored image of a reference. Raises BadReference, ImageNotFound."""
        stored = self.resolve(reference)
        if stored is None:
            raise ImageNotFound(str(parse(reference)), "is not in the store", remedy="See what is there: hyper images")
        return stored

    # Changing

    def ensure(
        self,
        reference: str,
        *,
        policy: str = "missing",
        source: str | None = None,
        authfile: Path | None = None,
        tls_verify: bool = True,
        signature_policy: Path | None = None,
        keep_source: bool = True,
        progress: Progress | None = None,
    ) -> tuple[StoredImage, bool]:
        """The image of ``reference``, pulled if need be, and whether the store changed.

        policy: ``missing`` pulls what is not there; ``always`` also what the source has another manifest of; ``never`` pulls nothing. source: where
        to take it from, when not from where the reference says; kept (unless not ``keep_source``), so that ``always`` looks there again.
        signature_policy: as containers-policy.json(5). progress: called with one line at a time.
        Raises BadReference, or an ImageError of the kind that fits.
        """
        if policy != "always":
            stored = self.resolve(reference)
            if stored is not None:
                return stored, False
        name, where = self._target(reference, source)
        access = self.access(authfile, tls_verify, signature_policy)
        with locked(self._host.lock_path("image", key(name)), what=f"image {name}"):
            comparison = self._compare(name, where, policy, access, given=source is not None)
            if comparison.offer is None:
                assert comparison.stored is not None  # noqa: S101 - there is nothing to do because it is there
                return comparison.stored, False
            kept = str(where) if keep_source else ""
            return self._pull(comparison, comparison.offer, access, kept, progress or _silent), True

    def remove(self, reference: str, *, force: bool = False) -> StoredImage | None:
        """Forget a name, and the disk with its last name; returns what was removed, None when there was nothing. Raises ImageInUse unless ``force``."""
        with self._changing():
            stored = self.removable(reference, force=force)
            if stored is not None:
                self._name_path(stored.reference).unlink()
                self._sweep()
        if stored is not None:
            self._sweep_blobs()
        return stored

    def removable(self, reference: str, *, force: bool = False) -> StoredImage | None:
        """What ``remove`` would remove; writes nothing. Raises ImageInUse as it does."""
        stored = self.resolve(reference)
        if stored is None or force or len(self.names_of(stored.id)) > 1:
            return stored
        if stored.disk.stat().st_nlink > 1:
            raise ImageInUse(stored.reference, self.holders(stored.disk))
        return stored

    def tagged(self, reference: str, name: str) -> tuple[StoredImage, StoredImage | None]:
        """What ``tag`` would make of the new name, and what has it now; writes nothing. Raises BadReference, ImageNotFound."""
        stored = self.require(reference)
        target = parse(name)
        if not isinstance(target, Registry) or target.digest:
            raise BadReference(name, "an image's new name is [REGISTRY/]NAME[:TAG]")
        local = target.local if target.short else target
        new = replace(stored, reference=str(local))
        if local.domain != LOCAL_DOMAIN:
            # A registry's name means what that registry has, as soon as it is asked.
            new = replace(new, digest="", source=str(local))
        before = self._load(new.reference)
        return (before, before) if before is not None and before.id == stored.id else (new, before)

    def tag(self, reference: str, name: str) -> tuple[StoredImage, bool]:
        """Give an image one more name, taken from whatever has it; short ones are under localhost/. Returns the image, and whether anything changed."""
        with self._changing():
            new, before = self.tagged(reference, name)
            if new == before:
                return new, False
            self._write_name(new)
            self._sweep()
        self._sweep_blobs()
        return new, True

    def prunable(self, *, every: bool) -> tuple[StoredImage, ...]:
        """The named images that ``prune`` would remove: with ``every`` those that no pod holds, otherwise none."""
        return tuple(image for image in self.list() if image.disk.stat().st_nlink == 1) if every else ()

    def leftovers(self) -> Sequence[Path]:
        """Disks, configs and manifests that no name leads to, and layers that no manifest names."""
        kept = {blob_path(self._dir / "blobs", digest) for digest in self._kept_layers()}
        blobs = [path for path in (self._dir / "blobs" / "sha256").glob("*") if path not in kept]
        return [*self._nameless(), *blobs]

    def prune(self, *, every: bool, layers: bool = False) -> tuple[StoredImage, ...]:
        """Remove what no pod holds and no name leads to; every: names too, as long as no pod holds the image; layers: the kept layers of all images.

        Returns the named images that went.
        """
        with self._changing():
            gone = self.prunable(every=every)
            for image in gone:
                self._name_path(image.reference).unlink()
            if layers:
                for path in (self._dir / "manifests").glob("*.json"):
                    path.unlink()
            self._sweep()
        self._sweep_blobs()
        return gone

    # What a name means

    def _target(self, reference: str, source: str | None) -> tuple[str, Reference]:
        """The name in the store, and where its image comes from."""
        parsed = parse(reference)
        if source is not None:
            short = isinstance(parsed, Registry) and parsed.short
            return str(parsed.local if isinstance(parsed, Registry) and short else parsed), parse(source)
        stored = self.resolve(reference)
        if stored is not None:
            return stored.reference, parse(stored.source) if stored.source else parsed
        return str(parsed), parsed

    def _compare(self, name: str, where: Reference, policy: str, access: Access, *, given: bool) -> Comparison:
        """given: the user has said where; otherwise an image that was made here has no source that could be asked."""
        stored = self._load(name)
        if stored is not None and (policy != "always" or not (stored.source or given)):
            return Comparison(name, stored, None, where)
        if policy == "never":
            raise ImageNotFound(name, "is not in the store, and may not be pulled", remedy="Pull it first, or set the pull policy to missing")
        from ansible_collections.hyper.pods.plugins.module_utils._image_pull import find_offer

        offer = find_offer(name, where, access)
        if stored is not None and stored.digest == offer.digest and stored.source in ("", str(where)):
            return Comparison(name, stored, None, where)
        return Comparison(name, stored, offer, where)

    def _sweep_blobs(self) -> None:
        """Layers that no image is made of go, unless a run that works with them is on: then it sees to that."""
        from ansible_collections.hyper.pods.plugins.module_utils._workspace import shared_blobs

        if self._dir.is_dir():
            with shared_blobs(self._dir, self._kept_layers):
                pass

    def note_pushed(self, image: StoredImage, digest: str) -> None:
        """Note that a registry has a stored image by its name, and under which digest, so that asking there finds nothing new."""
        with self._changing():
            if self._load(image.reference) == image:
                self._write_name(replace(image, digest=digest, source=image.source or image.reference))

    # Adding

    @contextlib.contextmanager
    def working(self) -> Iterator[tuple[Staging, Blobs]]:
        """A place to make an image in, and the layers, of which none goes meanwhile. Raises RootNeeded."""
        from ansible_collections.hyper.pods.plugins.module_utils._workspace import shared_blobs, staging

        self._prepare()
        with shared_blobs(self._dir, self._kept_layers) as blobs, staging(self._dir) as stage:
            yield stage, blobs

    def _pull(self, comparison: Comparison, offer: Offer, access: Access, source: str, progress: Progress) -> StoredImage:
        from ansible_collections.hyper.pods.plugins.module_utils._image_policy import lets_all_in
        from ansible_collections.hyper.pods.plugins.module_utils._image_pull import Made, human, make

        name = comparison.name
        # What is here under another name may not come in under this one: who copies it asks the policy.
        judged = not lets_all_in(access)
        with self.working() as (stage, blobs):
            while True:
                made = Made(offer.id or "", b"", b"")
                if judged or offer.id is None or not self.complete(offer.id):
                    made = make(name, offer, access, stage, blobs, known=self.complete, limits=self._limits, progress=progress)
                stored = self.publish(name, made, stage, digest=offer.digest, source=source)
                if stored is not None:
                    break
        progress(f"{name}: {stored.id[7:19]}, disk of {human(stored.size)}")
        return stored

    def publish(self, name: str, made: Made, stage: Staging, *, digest: str, source: str) -> StoredImage | None:
        """Config, manifest, disk, name: in this order, each whole. A disk that is there already stays, since pods count by its links.

        None: an image that was there when this run began was removed meanwhile.
        """
        owner = (0, self._host.qemu_ids()[1])
        with self._changing():
            disk = self._disk_path(made.id)
            if made.config:
                write_atomic(self._config_path(made.id), made.config, mode=0o640, owner=owner)
            if made.manifest:
                write_atomic(self._manifest_path(made.id), made.manifest, mode=0o640, owner=owner)
            if not disk.exists() and stage.disk.exists():
                os.chown(stage.disk, *owner)
                stage.disk.chmod(0o640)
                stage.disk.rename(disk)
                sync(disk.parent)
            if not self.complete(made.id):
                return None
            self._write_name(StoredImage(name, made.id, digest, disk, 0, ImageConfig(), source))
            self._sweep()
            return self._load(name)


def _silent(line: str) -> None:
    del line
