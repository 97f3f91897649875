# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a pod's log is kept: the kubelet's containerLogMaxSize and containerLogMaxFiles, as annotations of a pod."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _quantity

SIZE, FILES = "log-max-size", "log-max-files"
# A log that is smaller need not be asked about.
LEAST = 64 << 10
MOST_FILES = 100
_PREFIX = "hyper.pods/"


@dataclass(frozen=True)
class Limits:
    """size: bytes that a file may have before the next one is begun; files: how many there are at most, with the one that is being written."""

    size: int = 10 << 20
    files: int = 5


def parse(annotations: Mapping[str, str]) -> Limits:
    """The limits of a pod with these annotations. Raises ValueError with what is wrong."""
    limits = Limits()
    text = annotations.get(_PREFIX + SIZE)
    if text is not None:
        limits = replace(limits, size=_quantity.ceiling(_quantity.parse(text)))
        if limits.size < LEAST:
            raise ValueError(f"{text!r} is less than {LEAST >> 10}Ki")
    text = annotations.get(_PREFIX + FILES)
    if text is not None:
        if not (text.isascii() and text.isdigit() and len(text) < 4 and 2 <= int(text) <= MOST_FILES):
            raise ValueError(f"{text!r} is not a number from 2 to {MOST_FILES}")
        limits = replace(limits, files=int(text))
    return limits


def due(log: Path, record: Path) -> Limits | None:
    """The limits of a pod whose log has reached its size; None where there is nothing to do. record: the pod's."""
    try:
        size = os.stat(log).st_size
        if size < LEAST:
            return None
        limits = parse(json.loads(record.read_bytes())["definition"]["metadata"].get("annotations") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Half made, or being removed.
        return None
    return limits if size >= limits.size else None
