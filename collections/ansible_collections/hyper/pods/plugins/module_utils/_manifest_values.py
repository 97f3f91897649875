# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that occur in several places of a manifest."""

from __future__ import annotations

import re
import signal
from dataclasses import fields
from fractions import Fraction
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _quantity
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node


def amount(node: Node, name: str, value: str | int | float) -> Fraction:
    """A quantity of the manifest as a number; raises InvalidManifest."""
    try:
        return _quantity.parse(value)
    except ValueError as error:
        raise node.fail(name, str(error)) from None


def absolute(node: Node, name: str) -> str | None:
    """An absolute path in a container."""
    value = node.string(name)
    if value is not None and (not value.startswith("/") or "\x00" in value or ".." in value.split("/")):
        raise node.fail(name, f"{value!r} must be an absolute path without '..'")
    return value


def unique(node: Node, name: str, values: list[str]) -> None:
    """Refuse a value that occurs twice in the list ``name``."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise InvalidManifest(f"{value!r} occurs twice", where=f"{node.at(name)}[{index}]")


def signal_number(name: str) -> int:
    """SIGTERM, TERM, 15, RTMIN+3 (the forms of an image's StopSignal) → the number on Linux. Raises ValueError."""
    text = name.upper()
    text = text.removeprefix("SIG")
    real_time = re.fullmatch(r"RT(MIN|MAX)([+-][0-9]+)?", text)
    if real_time:
        number = (34 if real_time[1] == "MIN" else 64) + int(real_time[2] or 0)
    elif text.isdigit():
        number = int(text)
    else:
        try:
            number = signal.Signals[f"SIG{text}"].value
        except KeyError:
            raise ValueError(f"{name!r} is not a signal") from None
    if not 1 <= number <= 64:
        raise ValueError(f"{name!r} is not a signal")
    return number


def said(part: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from saying nothing, as ``--diff`` shows them."""
    return {item.name: getattr(part, item.name) for item in fields(part) if getattr(part, item.name) != item.default}
