# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of a process, as setrlimit(2) has them, in the words of ``ulimit`` and of container engines."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

# By their numbers on Linux (asm-generic/resource.h).
NAMES = ("cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime")
UNLIMITED = 2**64 - 1


@dataclass(frozen=True)
class Ulimit:
    """One limit. resource: its number; soft, hard: UNLIMITED where there is none."""

    resource: int
    soft: int
    hard: int


def parse(text: str) -> tuple[Ulimit, ...]:
    """``nofile=1024:4096,core=0`` → its limits; one number is both the soft and the hard one, ``unlimited`` is none. Raises ValueError."""
    limits: dict[str, Ulimit] = {}
    for item in text.split(","):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise ValueError(f"{item!r} is not of the form nofile=1024:4096")
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            raise ValueError(f"{name!r} is not a limit{f'; did you mean {near[0]}?' if near else ''}")
        if name in limits:
            raise ValueError(f"{name} stands twice")
        soft, colon, hard = value.partition(":")
        limits[name] = Ulimit(NAMES.index(name), _value(soft), _value(hard if colon else soft))
        if limits[name].soft > limits[name].hard:
            raise ValueError(f"the soft limit of {name} is above the hard one")
    return tuple(sorted(limits.values(), key=lambda limit: limit.resource))


def _value(text: str) -> int:
    if text in ("unlimited", "-1"):
        return UNLIMITED
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ValueError(f"{text!r} is neither a whole number nor unlimited")
    return int(text)
