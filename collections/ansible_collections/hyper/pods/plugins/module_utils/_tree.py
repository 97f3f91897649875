# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a tree of mappings and lists strictly: every value is asked for by name and type, and what nobody asked for is an error.

A reader never drops a field in silence: ``done()`` notes or refuses the fields that were not taken, with their path and, where one is near, the name
that was probably meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes import Field, Shape

T = TypeVar("T")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class InvalidManifest(HyperError):
    """A pod definition cannot be read; ``where`` is the path of the field."""


class NotSupported(InvalidManifest):
    """A field, or a value of it, would change what the user gets and cannot be honoured."""

    def __init__(self, path: str, why: str = "", remedy: str | None = None) -> None:
        super().__init__(f"not supported{': ' if why else ''}{why}", where=path, remedy=remedy)


_TYPE_NAMES = {str: "a string", int: "a whole number", bool: "true or false", dict: "a mapping", list: "a list"}


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return _TYPE_NAMES.get(type(value), type(value).__name__)


class Node:
    """One mapping of the tree, its path, and the names that have been taken from it.

    noted: the paths of all fields of the whole tree that were accepted without effect.
    """

    def __init__(self, value: object, path: str, noted: list[str] | None = None) -> None:
        if not isinstance(value, Mapping):
            raise InvalidManifest(f"must be a mapping, not {_kind(value)}", where=path or "definition")
        for key in value:
            if not isinstance(key, str):
                raise InvalidManifest(f"has the key {key!r}, which is not a string", where=path or "definition", remedy="Put it in quotes")
        self._value: Mapping[str, Any] = value
        self.path = path
        self.noted: list[str] = [] if noted is None else noted
        self._taken: set[str] = set()

    def at(self, name: str) -> str:
        """The path of a field of this mapping."""
        return f"{self.path}.{name}" if self.path else name

    def fail(self, name: str, message: str, remedy: str | None = None) -> InvalidManifest:
        """The error to raise about a field of this mapping."""
        return InvalidManifest(message, where=self.at(name), remedy=remedy)

    def _take(self, name: str, kind: type[T]) -> T | None:
        self._taken.add(name)
        value = self._value.get(name)
        if value is None:
            return None
        # bool is a subclass of int in Python, not in YAML.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fail(
                name, f"must be {_TYPE_NAMES[kind]}, not {_kind(value)}", "Put it in quotes" if kind is str and not isinstance(value, (Mapping, list)) else None
            )
        return value

    def string(self, name: str) -> str | None:
        return self._take(name, str)

    def required_string(self, name: str) -> str:
        value = self._take(name, str)
        if not value:
            raise self.fail(name, "is required")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.string(name)
        if value is None:
            return default
        if value not in choices:
            raise self.fail(name, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        value = self._take(name, int)
        if value is not None and not low <= value <= high:
            raise self.fail(name, f"must be between {low} and {high}, not {value}")
        return value

    def boolean(self, name: str) -> bool | None:
        return self._take(name, bool)

    def label(self, name: str) -> str | None:
        """A DNS label (RFC 1123): what names a pod, a container or a volume."""
        value = self.string(name)
        if value is not None and not DNS_LABEL.fullmatch(value):
            raise self.fail(name, f"{value!r} must be at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit")
        return value

    def required_label(self, name: str) -> str:
        self.required_string(name)
        return self.label(name) or ""

    def strings(self, name: str) -> tuple[str, ...] | None:
        values = self._take(name, list)
        if values is None:
            return None
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise InvalidManifest(f"must be a string, not {_kind(value)}", where=f"{self.at(name)}[{index}]", remedy="Put it in quotes")
        return tuple(values)

    def required(self, name: str) -> None:
        """Refuse a mapping that lacks a field, whose value may be empty."""
        if self._value.get(name) is None:
            raise self.fail(name, "is required")

    def integers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        values = self._take(name, list) or []
        for index, value in enumerate(values):
            if not isinstance(value, int) or isinstance(value, bool):
                raise InvalidManifest(f"must be a whole number, not {_kind(value)}", where=f"{self.at(name)}[{index}]")
            if not low <= value <= high:
                raise InvalidManifest(f"must be between {low} and {high}, not {value}", where=f"{self.at(name)}[{index}]")
        return tuple(values)

    def items(self, name: str) -> list[tuple[str, Any]]:
        """The items of the list that stands there, of whatever type, each after its path."""
        return [(f"{self.at(name)}[{index}]", value) for index, value in enumerate(self._take(name, list) or [])]

    def string_map(self, name: str) -> dict[str, str]:
        values = self._take(name, dict) or {}
        for key, value in values.items():
            if not isinstance(value, str):
                raise InvalidManifest(f"must be a string, not {_kind(value)}", where=f"{self.at(name)}[{key}]", remedy="Put it in quotes")
        return dict(values)

    def number_or_name(self, name: str) -> int | str | None:
        """A port: its number, or the name that it has elsewhere."""
        self._taken.add(name)
        value = self._value.get(name)
        if value is None or (isinstance(value, (str, int)) and not isinstance(value, bool)):
            return value
        raise self.fail(name, f"must be a whole number or a name, not {_kind(value)}")

    def scalar(self, name: str) -> str | int | float | None:
        """A quantity: a number, or a string that holds one."""
        self._taken.add(name)
        value = self._value.get(name)
        if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool)):
            return value
        raise self.fail(name, f"must be a quantity, not {_kind(value)}")

    def node(self, name: str) -> Node | None:
        value = self._take(name, dict)
        return None if value is None else Node(value, self.at(name), self.noted)

    def nodes(self, name: str) -> Iterator[Node]:
        for index, value in enumerate(self._take(name, list) or []):
            yield Node(value, f"{self.at(name)}[{index}]", self.noted)

    def apart(self, name: str) -> Iterator[Node]:
        """The same to be read twice: this time nothing is noted."""
        for node in self.nodes(name):
            node.noted = []
            yield node

    def done(self, fields: Mapping[str, Field] = {}) -> None:
        """Note or refuse every field that is set and was not taken. fields: what becomes of those that exist in Kubernetes."""
        for name, value in self._value.items():
            if name in self._taken or value is None:
                continue
            field = fields.get(name)
            if field is None:
                near = difflib.get_close_matches(name, [*self._taken, *fields], n=1)
                raise self.fail(name, "unknown field", f"Did you mean {near[0]}?" if near else None)
            if field.fate != "noted":
                raise NotSupported(self.at(name), field.text)
            _check(value, field.shape, self.at(name))
            self.noted.append(self.at(name))


def _check(value: object, shape: Shape, path: str) -> None:
    """Refuse a value that is not of a shape (see ``_kubernetes.Shape``); null is unset wherever it stands."""
    kind = shape if isinstance(shape, type) else type(shape)
    if value is None:
        return
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InvalidManifest(f"must be {_TYPE_NAMES[kind]}, not {_kind(value)}", where=path)
    if isinstance(shape, list) and isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, shape[0], f"{path}[{index}]")
    elif isinstance(shape, dict) and isinstance(value, dict):
        known = {name.rstrip("!"): item for name, item in shape.items() if name is not str}
        for name, item in value.items():
            if str not in shape and name not in known:
                near = difflib.get_close_matches(str(name), list(known), n=1)
                raise InvalidManifest("unknown field", where=f"{path}.{name}", remedy=f"Did you mean {near[0]}?" if near else None)
            _check(item, shape[str] if str in shape else known[name], f"{path}.{name}")
        for name in shape:
            if name is not str and name.endswith("!") and value.get(name[:-1]) is None:
                raise InvalidManifest("is required", where=f"{path}.{name[:-1]}")
