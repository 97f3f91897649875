# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks with an ext4 filesystem, as sparse files."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._files import provide

_EXTENDED = "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0"


def make(file: Path, size: int, *, owner: tuple[int, int], journal_mib: int | None = None) -> None:
    """Make the disk, whole or absent; one that is there stays as it is.

    It has a journal, small or of the usual size: a guest that is killed must find its files again.
    """
    if file.exists():
        return
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    provide(fresh, owner=owner)
    os.truncate(fresh, size)
    journal = [] if journal_mib is None else ["-J", f"size={journal_mib}"]
    _command.run(["mkfs.ext4", "-q", "-F", "-m", "0", *journal, "-E", _EXTENDED, str(fresh)])
    fresh.rename(file)
