# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that stand beside a Pod: ConfigMaps and Secrets, from which it takes values, and PersistentVolumeClaims.

The former are nothing of their own on a host: each pod keeps what it uses. A claim is a volume of the host.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _manifest_claims
from ansible_collections.hyper.pods.plugins.module_utils._manifest_metadata import metadata_of
from ansible_collections.hyper.pods.plugins.module_utils._manifest_resources import Resources
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node

KINDS = ("ConfigMap", "Secret", _manifest_claims.KIND)
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class Object:
    """A ConfigMap or a Secret, or a claim, which holds no data. document: as the user gave it. type: a Secret's, "" where it has none.

    sealed: the data are seals of values that are elsewhere; binary: the keys of those that are not text.
    """

    kind: str
    name: str
    data: Mapping[str, bytes] = field(repr=False)
    document: object = field(repr=False, compare=False)
    claim: _manifest_claims.Claim | None = None
    type: str = ""
    sealed: bool = False
    binary: frozenset[str] = frozenset()

    def text(self, key: str, path: str) -> str:
        """The value of a key as a variable can hold it. Raises InvalidManifest, of which it is no part, for it may be a secret. path: whose it is to be."""
        value = self.data[key]
        if key in self.binary or not (self.sealed or is_text(value)):
            raise InvalidManifest("is not text in UTF-8 without NUL characters", where=path)
        return value.decode()


Objects = Mapping[tuple[str, str], Object]


@dataclass
class Sources:
    """What the values of a pod may be taken from. address: the pod's own, "" where its place on a network decides; used: the objects that were asked for.

    sees_host: whether it has an address of the host's. resources: container → what it asks for; room: what the guest has for containers, of cpu and memory.
    """

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    objects: Objects
    address: str = ""
    sees_host: bool = True
    resources: Mapping[str, Resources] = field(default_factory=dict)
    room: Mapping[str, int] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def find(self, kind: str, reference: Node, name: str, optional: bool) -> Object | None:
        """The object of that name, or None where it is optional and not there."""
        found = self.objects.get((kind, name))
        if found is not None:
            self.used.add((kind, name))
        elif not optional:
            known = [known for other, known in sorted(self.objects) if other == kind]
            raise reference.fail("name", f"there is no {kind} {name!r}", f"Give its document beside the Pod's; there are: {', '.join(known) or 'none'}")
        return found


def is_object(document: object) -> bool:
    """Whether a document is one of KINDS."""
    return isinstance(document, Mapping) and document.get("kind") in KINDS


def split(documents: Iterable[object]) -> tuple[list[object], dict[tuple[str, str], Object]]:
    """The other documents, and the objects among them by kind and name. Raises InvalidManifest."""
    others: list[object] = []
    objects: dict[tuple[str, str], Object] = {}
    for document in documents:
        if not is_object(document):
            others.append(document)
            continue
        made = parse(document)
        if (made.kind, made.name) in objects:
            raise InvalidManifest(f"{made.kind} {made.name} is defined twice", where="metadata.name")
        objects[made.kind, made.name] = made
    return others, objects


def parse(document: object) -> Object:
    """Read one of KINDS. Raises InvalidManifest; a value of a Secret is never part of the message."""
    root = Node(document, "")
    kind = root.choice("kind", KINDS, "")
    if kind == _manifest_claims.KIND:
        claim = _manifest_claims.claim(root)
        return Object(kind, claim.name, {}, document, claim)
    metadata = metadata_of(root)
    name = metadata.required_string("name")
    if not _NAME.fullmatch(name):
        raise metadata.fail("name", f"{name!r} is not the name of a {kind}")
    metadata.string("namespace")
    metadata.string_map("labels")
    metadata.string_map("annotations")
    metadata.done(_kubernetes.OBJECT_META)
    root.boolean("immutable")
    plain, encoded = ("data", "binaryData") if kind == "ConfigMap" else ("stringData", "data")
    type_ = (root.string("type") or "") if kind == "Secret" else ""
    data = {key: value.encode() for key, value in root.string_map(plain).items()}
    for key, value in root.string_map(encoded).items():
        try:
            # A Secret's stringData goes before its data.
            data.setdefault(key, base64.b64decode("".join(value.split()), validate=True))
        except (binascii.Error, ValueError):
            raise InvalidManifest("is not base64", where=f"{encoded}[{key}]") from None
    for key in data:
        if not _KEY.fullmatch(key) or key == "." or key.startswith(".."):
            raise InvalidManifest(f"{key!r} is not a key: letters, digits, '-', '_' and '.', not '..' in front", where=root.at(plain))
    root.done()
    return Object(kind, name, data, document, type=type_)


def claims(objects: Objects) -> dict[str, _manifest_claims.Claim]:
    """The claims among the objects, by name."""
    return {name: item.claim for (_, name), item in objects.items() if item.claim is not None}


def is_text(value: bytes) -> bool:
    """Whether a value can be a variable's."""
    try:
        return "\x00" not in value.decode()
    except UnicodeDecodeError:
        return False


def digest(value: bytes | str) -> str:
    """What is shown in the place of a ConfigMap's file."""
    return f"sha256:{hashlib.sha256(value if isinstance(value, bytes) else value.encode()).hexdigest()[:12]}"
