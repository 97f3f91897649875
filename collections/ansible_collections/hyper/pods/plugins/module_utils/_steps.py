# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that root runs around a QEMU, and what they make: networks. systemd keeps them in units, so that they run without code of ours at each boot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """A command, not a shell's. may_fail: what it is to bring about may be so already."""

    argv: tuple[str, ...]
    may_fail: bool = False


@dataclass(frozen=True)
class NetworkPlan:
    """A network of the host that lasts as long as a guest is on it.

    up: makes it; down: leaves nothing of it; dns: the name server's command, in the foreground. hosts: the directory of names that it serves, made last.
    """

    name: str
    bridge: str
    up: tuple[Step, ...]
    down: tuple[Step, ...]
    dns: tuple[str, ...]
    hosts: Path
