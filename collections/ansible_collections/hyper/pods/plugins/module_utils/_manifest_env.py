# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a container, and how its variables are named in other fields."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes
from ansible_collections.hyper.pods.plugins.module_utils._tree import Node

_ENV_NAME = re.compile(r"[^=\x00]+")


def variable(node: Node) -> tuple[str, str]:
    """One entry of env."""
    name = node.required_string("name")
    if not _ENV_NAME.fullmatch(name):
        raise node.fail("name", f"{name!r} is not a name of an environment variable")
    value = node.string("value") or ""
    if "\x00" in value:
        raise node.fail("value", "holds a NUL character")
    node.done(_kubernetes.ENV_VAR)
    return name, value


def expand(word: str, env: Mapping[str, str]) -> str:
    """Replace $(NAME) by the variable's value where it is known; $$ stands for one $ (Kubernetes, "Dependent environment variables")."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^()$]*)\)", value, word)
