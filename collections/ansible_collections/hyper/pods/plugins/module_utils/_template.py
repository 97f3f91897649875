# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template is to guests: the machine that they have alike, without what is a pod's own. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._guest import Guest, qemu_argv

# The word on the kernel's command line by which hyperstart waits to be copied (hyperstart/init/template.h).
_WORD = "template"


def template_of(guest: Guest, directory: Path) -> Guest:
    """The guest that ``guest`` can be a copy of. directory: for what it writes.

    It has no disks and no NICs: a copy's QEMU has them beside what the template's state tells of, and hyperstart has the kernel look for them. So one
    template serves all pods of one size, and has never seen anything of any of them.
    """
    return replace(
        guest,
        name="template",
        cmdline=f"{guest.cmdline} {_WORD}",
        disks=(),
        nics=(),
        ports=tuple(replace(port, path=directory / port.name) for port in guest.ports),
        console=directory / "console",
    )


def name_of(guest: Guest, circumstances: Sequence[object]) -> str:
    """What a template of ``guest`` is called: the same for all guests that can be copies of it, and for no other.

    circumstances: all that is not in QEMU's command and yet must be the same. The first part of the name stands for them, up to the hyphen.
    """
    machine = replace(template_of(guest, Path("/")), kernel=Path("kernel"), initrd=Path("initramfs"))
    return f"{_digest(circumstances)}-{_digest(qemu_argv(machine, run_dir=Path('/')))}"


def is_stale(name: str, circumstances: Sequence[object]) -> bool:
    """Whether no guest of this host can be a copy of that template any more."""
    return not name.startswith(f"{_digest(circumstances)}-")


def _digest(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
