# SPDX-License-Identifier: GPL-3.0-or-later
"""Seals: what stands in the place of a secret value wherever the value itself has no business. Pure.

A seal carries the value's digest under a key of the host, so that definitions are kept, compared and shown by it, and nobody who sees one can find a weak
value by trying.
"""

from __future__ import annotations

import hmac
import re

# No text of a user's holds a NUL.
_SEAL = re.compile("\x00secret:([0-9a-f]{32})\x00")


def name_of(value: bytes, key: bytes) -> str:
    """What a value is called: its keyed digest."""
    return hmac.new(key, value, "sha256").hexdigest()[:32]


def seal(name: str) -> str:
    """What stands for the value of that name."""
    return f"\x00secret:{name}\x00"


def names(text: str) -> list[str]:
    """The values that a text has seals of, in their order."""
    return _SEAL.findall(text)


def pieces(text: str) -> list[tuple[str, str]]:
    """What a text is made of: pairs of plain text and the name of the value behind it, "" behind the last."""
    parts = _SEAL.split(text)
    return list(zip(parts[::2], [*parts[1::2], ""]))


def shown(value: bytes | str) -> str:
    """What people see of a secret: its digest, if it is sealed."""
    match = _SEAL.fullmatch(value.decode(errors="replace") if isinstance(value, bytes) else value)
    return digest(match[1]) if match else "hidden"


def digest(name: str) -> str:
    """The name of a value as it is shown."""
    return f"hmac-sha256:{name[:12]}"
