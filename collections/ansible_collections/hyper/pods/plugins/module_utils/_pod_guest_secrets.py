# SPDX-License-Identifier: GPL-3.0-or-later
"""From texts with sealed values in them to what hyperstart is told: the places that it fills, and what with. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.hyper.pods.plugins.module_utils import _seal
from ansible_collections.hyper.pods.plugins.module_utils._launch_secrets import Joined, Piece

# Stands in a command where a word has secrets; none may be empty.
_PLACE = "-"


def parted(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[Joined, ...]]:
    """The words of a command without those that have secrets in them, and these."""
    words = tuple(texts)
    joined = tuple(Joined(index, _pieces(word)) for index, word in enumerate(words) if _seal.names(word))
    places = {item.index for item in joined}
    return tuple(_PLACE if index in places else word for index, word in enumerate(words)), joined


def parted_pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], tuple[Joined, ...]]:
    """Likewise of an environment, of which the names stay."""
    known = tuple(pairs)
    joined = tuple(Joined(index, _pieces(f"{name}={value}")) for index, (name, value) in enumerate(known) if _seal.names(value))
    places = {item.index for item in joined}
    return tuple((name, "" if index in places else value) for index, (name, value) in enumerate(known)), joined


def _pieces(text: str) -> tuple[Piece, ...]:
    return tuple(Piece(plain, name) for plain, name in _seal.pieces(text) if plain or name)
