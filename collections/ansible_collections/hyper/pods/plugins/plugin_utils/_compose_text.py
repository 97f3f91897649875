# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts in Compose files: variables in them, and durations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-?+])(?P<word>[^{}$]*))?\}|(?P<wrong>))"
)
_DURATION = re.compile(r"(?:(?P<h>[0-9]+)h)?(?:(?P<m>[0-9]+)m)?(?:(?P<s>[0-9]+)s)?")


def interpolated(value: Any, variables: Mapping[str, str], path: str = "") -> Any:
    """The same tree with the variables in its texts replaced; ``$$`` stands for one ``$``. Raises InvalidManifest.

    Source: Compose Specification, "Interpolation". A variable that is not set and has no default is refused; Compose would take it for empty.
    """
    if isinstance(value, Mapping):
        return {key: interpolated(item, variables, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, variables, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["plain"] or match["braced"]
        if name is None:
            raise InvalidManifest(f"{value!r} has a $ that begins no variable", where=path, remedy="Write $$ for one $")
        operator, word = match["operator"] or "", match["word"] or ""
        given = variables.get(name)
        # With a colon an empty value is as good as none.
        present = bool(given) if operator.startswith(":") else given is not None
        if operator.endswith("+"):
            return word if present else ""
        if present:
            return given or ""
        if operator.endswith("-"):
            return word
        raise InvalidManifest(f"the variable {name} is not set{': ' if word else ''}{word}", where=path, remedy=f"Set it, or write ${{{name}:-DEFAULT}}")

    return _VARIABLE.sub(replacement, value)


def seconds(node: Node, name: str) -> int:
    """A duration such as ``1m30s``, in whole seconds. Raises InvalidManifest."""
    text = node.string(name) or ""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise node.fail(name, f"{text!r} is not a duration in whole seconds, such as 1m30s")
    return sum(int(match[unit] or 0) * length for unit, length in (("h", 3600), ("m", 60), ("s", 1)))
