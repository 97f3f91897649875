# SPDX-License-Identifier: GPL-3.0-or-later
"""What a direct road sends to a host, and what a host keeps, is all that it needs there, in an order in which it can be loaded, and no more."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _inside, _inside_log, _log_program

PACKAGE = _inside.__name__.rpartition(".")[0]


def used(name: str) -> set[str]:
    """The modules of ours that one imports; not those that only a type checker reads."""
    tree = ast.parse(Path(_inside.__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
    hidden = {part for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" for part in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in hidden and node.module:
            if node.module == PACKAGE:
                found |= {alias.name for alias in node.names}
            elif node.module.startswith(f"{PACKAGE}."):
                found.add(node.module.rpartition(".")[2])
    return found


@pytest.mark.parametrize("sources", [_inside.SOURCES, _inside_log.SOURCES, _log_program.SOURCES], ids=["port", "log", "rotation"])
def test_sources(sources: tuple[str, ...]) -> None:
    needed = {sources[-1]}
    for position in range(len(sources) - 1, -1, -1):
        assert sources[position] in needed, f"{sources[position]} is sent for nothing"
        needed |= used(sources[position])
        assert not needed - set(sources), f"{sources[position]} needs what is not sent"
        assert not used(sources[position]) - set(sources[:position]), f"{sources[position]} is sent before what it uses"
