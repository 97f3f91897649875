# SPDX-License-Identifier: GPL-3.0-or-later
"""PersistentVolumeClaims: documents that stand beside a Pod and say what volume of the host it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _quantity
from ansible_collections.hyper.pods.plugins.module_utils._manifest_metadata import metadata_of, refuse_namespace
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import amount
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported

KIND = "PersistentVolumeClaim"
DEFAULT_SIZE = 10 * 2**30
# A filesystem needs some room for itself.
MIN_SIZE = 16 * 2**20
MAX_SIZE = 64 * 2**40
# A claim's name is its volume's, which is a directory of the host.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
_ACCESS_MODES = ("ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany", "ReadWriteMany")


@dataclass(frozen=True)
class Claim:
    """A volume as somebody wants it. size: bytes, or None where any will do; block: without a filesystem, None where any will do."""

    name: str
    size: int | None = None
    block: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def is_name(name: str) -> bool:
    """Whether a volume can have this name."""
    return bool(_NAME.fullmatch(name))


def whole(size: int) -> int:
    """The size of the volume that holds so many bytes: whole MiB, and enough for a filesystem."""
    return max(MIN_SIZE, -(-size // 2**20) * 2**20)


def claim(root: Node) -> Claim:
    """Read a claim's document, but for its kind. Raises InvalidManifest, NotSupported."""
    metadata = metadata_of(root)
    name = metadata.required_string("name")
    if not is_name(name):
        raise metadata.fail("name", f"{name!r} must be at most 63 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit")
    refuse_namespace(metadata)
    labels = metadata.string_map("labels")
    metadata.string_map("annotations")
    metadata.done(_kubernetes.OBJECT_META)
    root.node("status")
    spec = root.node("spec")
    root.done(_kubernetes.CLAIM)
    if spec is None:
        raise root.fail("spec", "is required")
    _access(spec)
    block = spec.choice("volumeMode", ("Filesystem", "Block"), "Filesystem") == "Block"
    size = _size(spec)
    spec.done(_kubernetes.CLAIM_SPEC)
    return Claim(name, size, block, labels)


def _access(spec: Node) -> None:
    for index, mode in enumerate(spec.strings("accessModes") or ()):
        path = f"{spec.at('accessModes')}[{index}]"
        if mode not in _ACCESS_MODES:
            raise InvalidManifest(f"must be one of {', '.join(_ACCESS_MODES)}, not {mode!r}", where=path)
        if mode.endswith("Many"):
            raise NotSupported(path, "a volume is a disk, which one pod at a time holds", "Use ReadWriteOnce")


def _size(spec: Node) -> int | None:
    resources = spec.node("resources")
    if resources is None:
        return None
    requests = resources.node("requests")
    resources.done(_kubernetes.CLAIM_RESOURCES)
    if requests is None:
        return None
    storage = requests.scalar("storage")
    requests.done(_kubernetes.CLAIM_REQUESTS)
    if storage is None:
        return None
    size = _quantity.ceiling(amount(requests, "storage", storage))
    if not 0 < size <= MAX_SIZE:
        raise requests.fail("storage", f"{storage!r} is no size of a volume", f"Ask for at most {_quantity.human(MAX_SIZE)}")
    return whole(size)
