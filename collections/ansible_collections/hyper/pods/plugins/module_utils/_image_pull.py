# SPDX-License-Identifier: GPL-3.0-or-later
"""From a source to a disk: ask what it offers, copy the layers, flatten them, pack the tree."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._aci import TREE, Aci, read
from ansible_collections.hyper.pods.plugins.module_utils._erofs import make_disk
from ansible_collections.hyper.pods.plugins.module_utils._files import locked
from ansible_collections.hyper.pods.plugins.module_utils._image_config import (
    Blob,
    ImageConfig,
    Manifest,
    choose_platform,
    digest_of,
    host_architecture,
    is_index,
    parse_config,
    parse_json,
    parse_manifest,
)
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, NoSpace, PullFailed, SignatureRefused, UnsupportedPlatform
from ansible_collections.hyper.pods.plugins.module_utils._image_policy import lets_others_in
from ansible_collections.hyper.pods.plugins.module_utils._image_reference import ACI, Archive, Reference, Registry
from ansible_collections.hyper.pods.plugins.module_utils._layers import Layer, Limits, flatten
from ansible_collections.hyper.pods.plugins.module_utils._rootfs import OutOfBudget, XattrUnsupported
from ansible_collections.hyper.pods.plugins.module_utils._skopeo import Access, copy, raw_manifest
from ansible_collections.hyper.pods.plugins.module_utils._workspace import Blobs, Staging, workspaces

Progress = Callable[[str], None]
# How often is looked for layers that have come, in seconds.
_LOOK = 0.25


@dataclass(frozen=True)
class Offer:
    """What a source holds for a reference now. id: None where only a copy can tell; origin: the source, pinned to this very manifest.

    aci: where it is an AppContainer image, which is read from its file as it is.
    """

    digest: str
    id: str | None
    origin: str
    layers: tuple[Blob, ...]
    aci: Aci | None = None


def find_offer(name: str, where: Reference, access: Access) -> Offer:
    """Ask the source for its manifest; of several platforms, take this host's. Raises an ImageError."""
    if isinstance(where, Archive) and where.transport == ACI:
        aci = read(name, Path(where.path), Limits().size)
        _check_platform(name, aci.config)
        return Offer(aci.diff_id, digest_of(aci.config), str(where), (), aci)
    raw = raw_manifest(name, where.skopeo, access)
    digest = digest_of(raw)
    if isinstance(where, Registry) and where.digest is not None and where.digest.startswith("sha256:") and digest != where.digest:
        raise BadImage(name, f"the registry sent the manifest {digest}")
    document = parse_json(name, raw, "manifest")
    origin = where.skopeo if isinstance(where, Archive) else where.at(digest).skopeo
    if is_index(document):
        if isinstance(where, Archive):
            # Archives have no way to ask for one manifest of an index; skopeo chooses the platform as it copies.
            return Offer(digest, None, origin, ())
        chosen = where.at(choose_platform(name, document, host_architecture()))
        raw = raw_manifest(name, chosen.skopeo, access)
        if digest_of(raw) != chosen.digest:
            raise BadImage(name, f"the registry sent the manifest {digest_of(raw)} for {chosen.digest}")
        document, origin = parse_json(name, raw, "manifest"), chosen.skopeo
    manifest = parse_manifest(name, document)
    return Offer(digest, manifest.config.digest, origin, manifest.layers)


@dataclass(frozen=True)
class Made:
    """What a pull brought: the image's id, its config, and its manifest, which names the layers that are kept; empty where it has none of OCI's form."""

    id: str
    config: bytes
    manifest: bytes


def make(
    name: str, offer: Offer, access: Access, stage: Staging, blobs: Blobs, *, known: Callable[[str], bool], limits: Limits | None, progress: Progress
) -> Made:
    """Fetch the layers and make the disk ``stage.disk``, unless the image is ``known``. Raises an ImageError."""
    if offer.aci is not None:
        if not lets_others_in(access):
            raise SignatureRefused(name, "the signature policy lets in only what it knows, and knows nothing of AppContainer images")
        image_id = digest_of(offer.aci.config)
        build_disk(name, image_id, [Layer(offer.aci.path, offer.aci.diff_id, TREE)], stage, (stage.lock,), limits, progress)
        return Made(image_id, offer.aci.config, b"")
    sizes = {layer.digest: layer.size for layer in offer.layers}
    here = [digest for digest in sizes if blobs.path(digest).exists()]

    def on_blob(digest: str) -> None:
        if digest not in here:
            progress(f"{name}: layer {digest[7:19]}" + (f" {human(sizes[digest])}" if digest in sizes else ""))

    locks = (stage.lock, blobs.lock)
    total = f"{len(sizes)} layers ({human(sum(sizes.values()))}) " if sizes else ""
    have = f", {len(here)} of them here already" if here else ""
    progress(f"{name}: fetching {total}from {offer.origin}{have}")
    with contextlib.ExitStack() as stack:
        # Pulls at the same time fetch a layer that they share once: the second waits, and finds it. In order, so that no two wait for each other.
        for digest in sorted(sizes):
            stack.enter_context(locked(blobs.directory / "locks" / digest, what=f"layer {digest[7:19]}"))
        with _counting(name, sizes, len(here), blobs, progress):
            copy(name, offer.origin, stage.layout, blobs.directory, access, pass_fds=locks, on_blob=on_blob)
    raw = _read_layout(name, stage.layout, blobs)
    manifest = parse_manifest(name, parse_json(name, raw, "manifest"))
    image_id = manifest.config.digest
    config = _read_blob(name, blobs, image_id)
    if not known(image_id):
        try:
            build_disk(name, image_id, layers_of(name, config, manifest, blobs), stage, locks, limits, progress)
        except BadImage:
            # Were one of them damaged where it is kept, each later pull would find it again.
            for layer in manifest.layers:
                blobs.path(layer.digest).unlink(missing_ok=True)
            raise
    return Made(image_id, config, raw)


@contextlib.contextmanager
def _counting(name: str, sizes: Mapping[str, int], here: int, blobs: Blobs, progress: Progress) -> Iterator[None]:
    """Tell how far a copy is whenever a layer has come. here: how many were there before."""
    stop = threading.Event()

    def watch() -> None:
        told = here
        # skopeo says when a layer begins, and not when it is there.
        while not stop.wait(_LOOK):
            done = [digest for digest in sizes if blobs.path(digest).exists()]
            if len(done) > told:
                told = len(done)
                amount = sum(sizes[digest] for digest in done)
                progress(f"{name}: {told} of {len(sizes)} layers ({human(amount)} of {human(sum(sizes.values()))}) are here")

    thread = threading.Thread(target=watch, name="layers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def layers_of(name: str, config: bytes, manifest: Manifest, blobs: Blobs) -> list[Layer]:
    """The layers of an image that this host can run."""
    parsed = _check_platform(name, config)
    if len(parsed.diff_ids) != len(manifest.layers):
        raise BadImage(name, f"its config names {len(parsed.diff_ids)} layers and its manifest {len(manifest.layers)}")
    return [Layer(blobs.path(blob.digest), diff_id) for blob, diff_id in zip(manifest.layers, parsed.diff_ids)]


def _check_platform(name: str, config: bytes) -> ImageConfig:
    parsed = parse_config(name, config)
    if parsed.architecture not in ("", host_architecture()):
        raise UnsupportedPlatform(name, f"linux/{host_architecture()}", [f"linux/{parsed.architecture}"])
    return parsed


def build_disk(name: str, image_id: str, layers: Sequence[Layer], stage: Staging, locks: Sequence[int], limits: Limits | None, progress: Progress) -> None:
    """Flatten the layers and pack them as ``stage.disk``. locks: descriptors that the commands hold too. Raises an ImageError."""
    failure: Exception = OutOfBudget()
    for workspace in workspaces(stage, sum(layer.blob.stat().st_size for layer in layers)):
        with workspace as (tree, budget):
            try:
                progress(f"{name}: unpacking {len(layers)} layers")
                flatten(name, layers, tree, budget, limits)
            except (OutOfBudget, XattrUnsupported) as error:
                failure = error
                continue
            progress(f"{name}: making its disk")
            make_disk(name, tree, stage.disk, identity=image_id, pass_fds=locks)
            return
    if isinstance(failure, XattrUnsupported):
        raise PullFailed(name, f"the file system of {stage.images} cannot keep the attribute {failure}", remedy="Put state_dir on ext4, xfs or btrfs")
    raise NoSpace(name, f"there is no room in {stage.images} to unpack it")


def _read_layout(name: str, layout: Path, blobs: Blobs) -> bytes:
    """The manifest of the one image in a layout that skopeo wrote; digests are checked again, since blobs may be another run's."""
    index = parse_json(name, (layout / "index.json").read_bytes(), "index")
    pointer = parse_manifest(name, {"config": index["manifests"][0], "layers": []})
    return _read_blob(name, blobs, pointer.config.digest)


def _read_blob(name: str, blobs: Blobs, digest: str) -> bytes:
    data = blobs.path(digest).read_bytes()
    if digest_of(data) != digest:
        raise BadImage(name, f"the blob {digest} has the digest {digest_of(data)}")
    return data


def human(size: int) -> str:
    """A number of bytes for people: ``56.3 MB``."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
