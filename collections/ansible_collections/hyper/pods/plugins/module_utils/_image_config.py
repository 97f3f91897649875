# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image says about itself: OCI manifests and image configs, read as hostile input.

Formats: https://github.com/opencontainers/image-spec (config.md, manifest.md) and Docker's image manifest v2, schema 2, which has the same fields.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, UnsupportedPlatform

INDEX_TYPES = {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
# Python's names of processors → Go's, which images use.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64", "i686": "386"}

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Docker's limit is 127; this one bounds the work that a hostile manifest asks for.
_LAYERS_LIMIT = 512


@dataclass(frozen=True)
class ImageConfig:
    """How the image's author wants it to be run. ``stop_signal`` is as written (``SIGTERM``, ``15``) or empty."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    architecture: str = ""
    diff_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Blob:
    """A content that a manifest points at; size in bytes, as stored (compressed)."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True)
class Manifest:
    """An image's config and its layers, the lowest first."""

    config: Blob
    layers: tuple[Blob, ...]


def digest_of(data: bytes) -> str:
    """``sha256:HEX`` of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def host_architecture() -> str:
    """This host's processor in the words of images (``amd64``)."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def parse_json(image: str, data: bytes, what: str) -> dict[str, Any]:
    """The JSON object in ``data``; raises BadImage."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadImage(image, f"{what} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadImage(image, f"{what} is no JSON object")
    return value


def is_index(document: dict[str, Any]) -> bool:
    """Whether a document lists manifests of several platforms."""
    return document.get("mediaType") in INDEX_TYPES or ("manifests" in document and "config" not in document)


def choose_platform(image: str, index: dict[str, Any], architecture: str) -> str:
    """The digest of the manifest for linux on ``architecture``; raises UnsupportedPlatform."""
    offered = []
    for item in _list(image, index, "manifests", "index"):
        platform_of = item.get("platform") if isinstance(item, dict) else None
        if not isinstance(platform_of, dict):
            # An index may hold one manifest without saying for what; its config tells.
            platform_of = {"os": "linux", "architecture": architecture}
        name = f"{platform_of.get('os')}/{platform_of.get('architecture')}"
        if name == f"linux/{architecture}":
            return _digest(image, item, "index")
        offered.append(name)
    raise UnsupportedPlatform(image, f"linux/{architecture}", [name for name in offered if "unknown" not in name])


def parse_manifest(image: str, document: dict[str, Any]) -> Manifest:
    """A manifest's blobs. Raises BadImage."""
    if document.get("schemaVersion") == 1:
        # Its digest leaves its own signatures out, and registries have given it up.
        raise BadImage(image, "its manifest is of Docker's schema 1", remedy="Push it again with a current tool")
    layers = _list(image, document, "layers", "manifest")
    if len(layers) > _LAYERS_LIMIT:
        raise BadImage(image, f"manifest has {len(layers)} layers, more than {_LAYERS_LIMIT}")
    return Manifest(_blob(image, document.get("config")), tuple(_blob(image, layer) for layer in layers))


def parse_config(image: str, data: bytes) -> ImageConfig:
    """An image config; raises BadImage for any field of a wrong type."""
    document = parse_json(image, data, "config")
    config = document.get("config") or {}
    rootfs = document.get("rootfs") or {}
    if not isinstance(config, dict) or not isinstance(rootfs, dict):
        raise BadImage(image, "config: config and rootfs must be objects")
    system = _text(image, document, "os")
    if system not in ("", "linux"):
        raise UnsupportedPlatform(image, "linux", [system])
    diff_ids = _texts(image, rootfs, "diff_ids")
    if not all(_DIGEST.fullmatch(item) for item in diff_ids):
        raise BadImage(image, "config: rootfs.diff_ids must be sha256 digests")
    return ImageConfig(
        entrypoint=_texts(image, config, "Entrypoint"),
        cmd=_texts(image, config, "Cmd"),
        env=tuple(_variable(image, item) for item in _texts(image, config, "Env")),
        working_dir=_text(image, config, "WorkingDir"),
        user=_text(image, config, "User"),
        stop_signal=_text(image, config, "StopSignal"),
        volumes=tuple(sorted(_object(image, config, "Volumes"))),
        exposed_ports=tuple(sorted(_object(image, config, "ExposedPorts"))),
        labels=tuple(sorted((key, _string(image, value, "Labels")) for key, value in _object(image, config, "Labels").items())),
        architecture=_text(image, document, "architecture"),
        diff_ids=diff_ids,
    )


def _variable(image: str, item: str) -> tuple[str, str]:
    name, _, value = item.partition("=")
    if not name:
        raise BadImage(image, f"config: Env: {item!r} has no name")
    return name, value


def _string(image: str, value: object, where: str) -> str:
    # A NUL would cut the text where it becomes an argument, a path or a variable.
    if not isinstance(value, str) or "\0" in value:
        raise BadImage(image, f"config: {where} must be text without NUL")
    return value


def _text(image: str, document: dict[str, Any], key: str) -> str:
    return _string(image, document.get(key) or "", key)


def _texts(image: str, document: dict[str, Any], key: str) -> tuple[str, ...]:
    return tuple(_string(image, item, key) for item in _list(image, document, key, "config"))


def _object(image: str, document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise BadImage(image, f"config: {key} must be an object")
    return {_string(image, name, key): item for name, item in value.items()}


def _list(image: str, document: dict[str, Any], key: str, where: str) -> list[Any]:
    value = document.get(key) or []
    if not isinstance(value, list):
        raise BadImage(image, f"{where}: {key} must be a list")
    return value


def _digest(image: str, item: object, where: str) -> str:
    digest = item.get("digest") if isinstance(item, dict) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise BadImage(image, f"{where}: {digest!r} is no sha256 digest")
    return digest


def _blob(image: str, item: object) -> Blob:
    digest = _digest(image, item, "manifest")
    assert isinstance(item, dict)  # noqa: S101 - _digest has looked
    size, media_type = item.get("size", 0), item.get("mediaType", "")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or not isinstance(media_type, str):
        raise BadImage(image, f"manifest: blob {digest} has a wrong size or media type")
    return Blob(digest, size, media_type)
