# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of everything structured that crosses to the guest: fields of ``tag u16, length u32, value``, little-endian.

A value is bytes, an unsigned number of 8 bytes, or fields again; a list is a tag that occurs several times (docs/wire.md).
A Record ties a dataclass to its tags once, for both directions.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

_HEAD = struct.Struct("<HI")
_NUMBER = struct.Struct("<Q")

T = TypeVar("T")


class Malformed(HyperError):
    """Bytes, or values to be made into bytes, that are not what the wire's description says."""


def field(tag: int, value: bytes) -> bytes:
    """One field's bytes."""
    return _HEAD.pack(tag, len(value)) + value


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (tag, value) pairs of ``data`` in order; raises Malformed where a length leads out of it."""
    position = 0
    while position < len(data):
        if len(data) - position < _HEAD.size:
            raise Malformed(f"a field's head is cut off at byte {position} of {len(data)}")
        tag, length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        if length > len(data) - position:
            raise Malformed(f"field {tag} at byte {position} claims {length} bytes, {len(data) - position} are left")
        yield tag, data[position : position + length]
        position += length


@dataclass(frozen=True)
class Kind:
    """How one kind of value is written and read."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _encode_text(value: str) -> bytes:
    try:
        # Arguments and environment may hold bytes that are not UTF-8: Python carries them as surrogates.
        data = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise Malformed(f"the text {value!r} cannot be written as UTF-8: {error.reason}") from None
    if b"\0" in data:
        raise Malformed(f"the text {value!r} holds a NUL character")
    return data


def _encode_number(value: int) -> bytes:
    try:
        return _NUMBER.pack(value)
    except struct.error:
        raise Malformed(f"the number {value} does not lie between 0 and 2^64 - 1") from None


def _decode_number(value: bytes) -> int:
    if len(value) != _NUMBER.size:
        raise Malformed(f"a number has {len(value)} bytes instead of {_NUMBER.size}")
    return int(_NUMBER.unpack(value)[0])


def _encode_pair(pair: tuple[str, str]) -> bytes:
    return _encode_text("=".join(pair))


def _decode_pair(value: bytes) -> tuple[str, str]:
    name, _, rest = value.decode("utf-8", "surrogateescape").partition("=")
    return name, rest


BYTES = Kind(bytes, bytes)
TEXT = Kind(_encode_text, lambda value: value.decode("utf-8", "surrogateescape"))
# What the guest says and people read: bytes that are not UTF-8 must not trouble whoever prints it.
MESSAGE = Kind(_encode_text, lambda value: value.decode("utf-8", "replace"))
NUMBER = Kind(_encode_number, _decode_number)
FLAG = Kind(_encode_number, lambda value: _decode_number(value) != 0)
# "NAME=value" on the wire, (name, value) here.
PAIR = Kind(_encode_pair, _decode_pair)
# Nanoseconds since 1970 on the wire, seconds as a float here.
TIME = Kind(lambda value: _encode_number(round(value * 1e9)), lambda value: _decode_number(value) / 1e9)


@dataclass(frozen=True)
class Part:
    """One attribute of a dataclass and the tag it has on the wire; ``many``: a tuple, each member a field of its own."""

    tag: int
    attribute: str
    kind: Kind
    many: bool = False


class Record(Generic[T]):
    """A dataclass as fields. What is None or an empty text is left out; what is absent takes the dataclass's default."""

    def __init__(self, type_: type[T], *parts: Part) -> None:
        self._type = type_
        self._parts = parts
        self._by_tag = {part.tag: part for part in parts}
        self._required = {
            member.name
            for member in dataclasses.fields(type_)  # type: ignore[arg-type]
            if member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING
        }

    @property
    def kind(self) -> Kind:
        """This record as the value of a field of another one."""
        return Kind(self.encode, self.decode)

    def encode(self, record: T) -> bytes:
        """The record's fields in the order of its parts; raises Malformed for a value that has no form on the wire."""
        pieces: list[bytes] = []
        for part in self._parts:
            value = getattr(record, part.attribute)
            if part.many:
                pieces.extend(field(part.tag, part.kind.encode(member)) for member in value)
            elif value is not None and value != "":
                pieces.append(field(part.tag, part.kind.encode(value)))
        return b"".join(pieces)

    def decode(self, data: bytes) -> T:
        """The record that ``data`` holds; unknown tags are passed over. Raises Malformed."""
        values: dict[str, Any] = {}
        lists: dict[str, list[Any]] = {part.attribute: [] for part in self._parts if part.many}
        for tag, value in fields(data):
            part = self._by_tag.get(tag)
            if part is None:
                continue
            if part.many:
                lists[part.attribute].append(part.kind.decode(value))
            else:
                values[part.attribute] = part.kind.decode(value)
        values.update((name, tuple(members)) for name, members in lists.items())
        missing = self._required - values.keys()
        if missing:
            raise Malformed(f"{self._type.__name__} lacks {', '.join(sorted(missing))}")
        return self._type(**values)
