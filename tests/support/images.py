# SPDX-License-Identifier: GPL-3.0-or-later
"""Test images, written directly as OCI layouts: every byte of them is the test's own choice."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_TAG = "org.opencontainers.image.ref.name"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_KINDS = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
}


@dataclass(frozen=True)
class Member:
    """One entry of a layer."""

    name: str
    data: bytes = b""
    kind: str = "file"
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    mtime: float = 1_600_000_000
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = field(default_factory=dict)

    def tarinfo(self) -> tarfile.TarInfo:
        info = tarfile.TarInfo(self.name)
        info.type = _KINDS[self.kind]
        info.size = len(self.data)
        info.mode = self.mode if self.mode is not None else (0o755 if self.kind == "dir" else 0o644)
        info.uid, info.gid, info.mtime, info.linkname = self.uid, self.gid, self.mtime, self.link
        info.devmajor, info.devminor = self.device
        # tarfile writes text only; the bytes of an attribute survive the way there and back.
        info.pax_headers = {f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in self.xattrs.items()}
        return info


def directory(name: str, **rest: Any) -> Member:
    return Member(name, kind="dir", **rest)


def symlink(name: str, link: str, **rest: Any) -> Member:
    return Member(name, kind="symlink", link=link, **rest)


def hard_link(name: str, link: str, **rest: Any) -> Member:
    return Member(name, kind="link", link=link, **rest)


def tar(members: Iterable[Member], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for member in members:
            archive.addfile(member.tarinfo(), io.BytesIO(member.data) if member.kind == "file" else None)
    return buffer.getvalue()


@dataclass(frozen=True)
class Layer:
    """A layer as it lies in a layout."""

    blob: bytes
    diff_id: str
    media_type: str

    @classmethod
    def of(cls, content: bytes | Iterable[Member], compression: str = "gzip") -> Layer:
        """From a tar, or from members; compression: gzip, zstd or none."""
        data = content if isinstance(content, bytes) else tar(content)
        diff_id = digest(data)
        if compression == "gzip":
            return cls(gzip.compress(data, 6, mtime=0), diff_id, f"{_LAYER}+gzip")
        if compression == "zstd":
            return cls(subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout, diff_id, f"{_LAYER}+zstd")
        return cls(data, diff_id, _LAYER)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def write_layout(
    layout: Path,
    tag: str,
    layers: Sequence[Layer],
    config: Mapping[str, Any] | None = None,
    *,
    architecture: str = ARCHITECTURE,
    diff_ids: Sequence[str] | None = None,
) -> str:
    """Add an image to a layout (made if absent) and return its config's digest. config: its ``config`` object (``Cmd``, ``Env``, …)."""
    (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    rootfs = {"type": "layers", "diff_ids": list(diff_ids) if diff_ids is not None else [layer.diff_id for layer in layers]}
    document = {"architecture": architecture, "os": "linux", "config": dict(config or {}), "rootfs": rootfs, "history": [{} for _ in layers]}
    config_blob = json.dumps(document).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest(config_blob), "size": len(config_blob)},
            "layers": [{"mediaType": layer.media_type, "digest": digest(layer.blob), "size": len(layer.blob)} for layer in layers],
        }
    ).encode()
    for blob in (config_blob, *(layer.blob for layer in layers)):
        (layout / "blobs/sha256" / digest(blob).partition(":")[2]).write_bytes(blob)
    _point(layout, tag, _MANIFEST, manifest)
    return digest(config_blob)


def write_index(layout: Path, tag: str, items: Sequence[tuple[str, str]]) -> None:
    """Add an image of several platforms to a layout: (architecture, tag of an image that is there)."""
    listed = json.loads((layout / "index.json").read_bytes())["manifests"]
    by_tag = {item["annotations"][_TAG]: item for item in listed}
    manifests = [{**by_tag[name], "annotations": {}, "platform": {"os": "linux", "architecture": architecture}} for architecture, name in items]
    _point(layout, tag, _INDEX, json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}).encode())


def _point(layout: Path, tag: str, media_type: str, data: bytes) -> None:
    """Store a manifest and let the tag point at it."""
    (layout / "blobs/sha256" / digest(data)[7:]).write_bytes(data)
    index = layout / "index.json"
    listed: dict[str, Any] = json.loads(index.read_bytes()) if index.exists() else {"schemaVersion": 2, "manifests": []}
    kept = [item for item in listed["manifests"] if item.get("annotations", {}).get(_TAG) != tag]
    pointer = {"mediaType": media_type, "digest": digest(data), "size": len(data), "annotations": {_TAG: tag}}
    index.write_text(json.dumps({**listed, "manifests": [*kept, pointer]}))
