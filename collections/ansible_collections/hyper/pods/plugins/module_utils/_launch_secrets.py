# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that a launch plan leaves out, for they are secret: how it names them, and the disk that brings them (docs/wire.md). Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._fields import BYTES, NUMBER, TEXT, Malformed, Part, Record

_HEAD = struct.Struct("<8sIIII")
_SECTOR = 512


class SecretsTooLarge(HyperError):
    """A pod's secrets are more than what its guest can be given."""


@dataclass(frozen=True)
class Piece:
    """Some text, and behind it the value of the secret of that name."""

    text: str = ""
    secret: str = ""


@dataclass(frozen=True)
class Joined:
    """What takes the place of one text of a list, since it has secrets in it."""

    index: int
    parts: tuple[Piece, ...]


@dataclass(frozen=True)
class _Secret:
    name: str
    value: bytes = b""


@dataclass(frozen=True)
class _Secrets:
    all: tuple[_Secret, ...] = ()


_PIECE = Record(Piece, Part(tag.PART_TEXT, "text", TEXT), Part(tag.PART_SECRET, "secret", TEXT))
JOINED = Record(Joined, Part(tag.JOINED_INDEX, "index", NUMBER), Part(tag.JOINED_PART, "parts", _PIECE.kind, many=True))
_SECRET = Record(_Secret, Part(tag.SECRET_NAME, "name", TEXT), Part(tag.SECRET_VALUE, "value", BYTES))
_SECRETS = Record(_Secrets, Part(tag.SECRETS_SECRET, "all", _SECRET.kind, many=True))


def encode(values: Mapping[str, bytes]) -> bytes:
    """The disk with these values by their names, whole sectors. Raises SecretsTooLarge."""
    body = _SECRETS.encode(_Secrets(tuple(_Secret(name, value) for name, value in sorted(values.items()))))
    data = _HEAD.pack(tag.SECRETS_MAGIC.encode(), tag.PLAN_VERSION, len(body), zlib.crc32(body), 0) + body
    data += bytes(-len(data) % _SECTOR)
    if len(data) > tag.SECRETS_MAX_SIZE:
        raise SecretsTooLarge(
            f"the values that it takes from Secrets have {len(data)} bytes, at most {tag.SECRETS_MAX_SIZE} are possible",
            remedy="Name single keys (items, secretKeyRef) instead of whole Secrets, or put large files in a volume",
        )
    return data


def decode(data: bytes) -> dict[str, bytes]:
    """The values that a disk holds. Raises Malformed."""
    if len(data) < _HEAD.size:
        raise Malformed("these are no secrets")
    magic, _, length, checksum, _ = _HEAD.unpack_from(data)
    body = data[_HEAD.size : _HEAD.size + length]
    if magic != tag.SECRETS_MAGIC.encode() or zlib.crc32(body) != checksum:
        raise Malformed("these are no secrets, or they are damaged")
    return {secret.name: secret.value for secret in _SECRETS.decode(body).all}


def is_encoded(data: bytes) -> bool:
    """Whether data is such a disk, and not what it was made into."""
    return data.startswith(tag.SECRETS_MAGIC.encode())
