# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that an image sets itself, as labels of its configuration: ``hyper.pods/limits.memory=64Mi``.

An AppContainer image has them as isolators; a configuration as OCI has it knows no field for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ansible_collections.hyper.pods.plugins.module_utils import _quantity
from ansible_collections.hyper.pods.plugins.module_utils._manifest_resources import Resources

_PREFIX = "hyper.pods/"


def label(side: str, name: str) -> str:
    """The label for limits or requests of cpu or memory."""
    return f"{_PREFIX}{side}.{name}"


def merged(own: Resources, labels: Mapping[str, str]) -> Resources:
    """What a container's definition says, and where it says nothing of CPU or nothing of memory what its image does. Raises ValueError."""
    cpu_limit, cpu_request = own.cpu_limit, own.cpu_request
    if own.cpu is None:
        cpu_limit, cpu_request = _both(labels, "cpu")
    memory_limit, memory_request = own.memory_limit, own.memory_request
    if own.memory is None:
        memory_limit, memory_request = (None if value is None else _quantity.ceiling(value) for value in _both(labels, "memory"))
    return Resources(cpu_limit, cpu_request, memory_limit, memory_request, own.storage_limit)


def _both(labels: Mapping[str, str], name: str) -> tuple[Fraction | None, Fraction | None]:
    limit, request = (None if (text := labels.get(label(side, name))) is None else _quantity.parse(text) for side in ("limits", "requests"))
    if limit is not None and request is not None and request > limit:
        raise ValueError(f"asks for more {name} than its limit")
    return limit, limit if request is None else request
