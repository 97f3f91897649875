# SPDX-License-Identifier: GPL-3.0-or-later
"""PersistentVolumeClaims: documents that stand beside a Pod and say what volume of the host it needs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _quantity
from ansible_collections.hyper.pods.plugins.module_utils._manifest_annotations import PREFIX
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
Form = Literal["raw", "qcow2"]
SOURCE, FORM = f"{PREFIX}source", f"{PREFIX}format"
ANNOTATIONS: Mapping[str, str] = {
    SOURCE: "a file of the host whose disk the volume begins with, copied when the volume is made; beneath what the host's owner allows (`hyper_host_paths`)",
    FORM: "of that file: `raw`, which is the default, or `qcow2`",
}
_ACCESS_MODES = ("ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany", "ReadWriteMany")


@dataclass(frozen=True)
class Claim:
    """A volume as somebody wants it. size: bytes, or None where any will do; block: without a filesystem, None where any will do.

    source: a file of the host whose disk it begins with, "" for none; form: of that file.
    """

    name: str
    size: int | None = None
    block: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    form: Form = "raw"


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
    source, form = _source(metadata)
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
    return Claim(name, size, block, labels, source, form)


def _source(metadata: Node) -> tuple[str, Form]:
    annotations = metadata.string_map("annotations")
    for name in annotations:
        if name.startswith(PREFIX) and name not in ANNOTATIONS:
            near = difflib.get_close_matches(name, ANNOTATIONS, n=1)
            raise InvalidManifest("unknown annotation", where=f"{metadata.at('annotations')}[{name}]", remedy=f"Did you mean {near[0]}?" if near else None)
    source, form = annotations.get(SOURCE, ""), annotations.get(FORM, "raw")
    if SOURCE in annotations and (not source.startswith("/") or "\x00" in source or ".." in source.split("/")):
        raise InvalidManifest(f"{source!r} must be an absolute path without '..'", where=f"{metadata.at('annotations')}[{SOURCE}]")
    if form not in get_args(Form):
        raise InvalidManifest(f"must be one of {', '.join(get_args(Form))}, not {form!r}", where=f"{metadata.at('annotations')}[{FORM}]")
    if FORM in annotations and not source:
        raise InvalidManifest(f"says nothing without {SOURCE}", where=f"{metadata.at('annotations')}[{FORM}]")
    return source, cast("Form", form)


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
