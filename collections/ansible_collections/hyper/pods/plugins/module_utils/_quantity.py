# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantities as Kubernetes writes them: 1500m, 2, 512Mi, 1.5G.

Source: Kubernetes, "Quantity" (apimachinery/pkg/api/resource).
"""

from __future__ import annotations

import re
from fractions import Fraction

_SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
_QUANTITY = re.compile(r"\+?(?P<number>[0-9]+(\.[0-9]*)?|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i))?")
MIB = 2**20


def parse(value: str | int | float) -> Fraction:
    """The number that a quantity stands for; raises ValueError with what was expected."""
    match = _QUANTITY.fullmatch(str(value))
    if not match:
        raise ValueError(f"{value!r} is not a quantity such as 2, 500m, 256Mi or 1Gi")
    exponent = int(match["exponent"] or 0)
    return Fraction(match["number"]) * Fraction(10) ** exponent * _SUFFIXES[match["suffix"] or ""]


def ceiling(value: Fraction) -> int:
    """The smallest whole number that is not below ``value``."""
    return -(-value.numerator // value.denominator)


def human(size: float) -> str:
    """A size in bytes as people read it: 512 MiB, 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" or size == int(size) else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
