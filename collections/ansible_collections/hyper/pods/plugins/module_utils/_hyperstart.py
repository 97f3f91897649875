# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of hyperstart on a host: each a kernel and an initramfs that belong together, in a directory that never changes once it is there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._host import Host, NotPrepared

CURRENT = "current"
KERNEL = "vmlinux"
INITRAMFS = "initramfs"
INFO = "info.json"
# The kernel's words (Documentation/admin-guide/kernel-parameters.txt). What the kernel does not know would become arguments of init.
CMDLINE = " ".join(
    (
        "console=ttyS0",
        "quiet",  # each line on the emulated serial port takes a millisecond
        "panic=-1",  # at once: a reset ends QEMU
        "cryptomgr.notests",  # 0.9 of the time to /init
        "no_timer_check",
        "rcupdate.rcu_expedited=1",  # else each mount and each module waits for all processors, some 10 ms
        "random.trust_cpu=on",
        "memhp_default_state=online",  # memory that is added while the guest runs
        "swiotlb=noforce",  # else 64 MiB are kept for devices that cannot reach memory above 4 GiB, which may come; virtio's can
        # Not tsc_early_khz, which saves a twentieth more: a frequency that is wrong makes the guest's clock wrong.
    )
)


@dataclass(frozen=True)
class Installed:
    """A version on the host. version: hyperstart's and the kernel's, and the first digits of the SHA-256 of all that is in it."""

    version: str
    hyperstart_version: str
    kernel_version: str
    kernel: Path
    initramfs: Path
    cmdline: str = CMDLINE

    def archive(self, name: str) -> Path:
        """The archive of modules that only some pods need; it is not there where the kernel has them built in."""
        return extra_path(self.kernel.parent, name)


def installed(host: Host) -> Installed:
    """The version that new guests boot. Raises NotPrepared."""
    directory = current(host)
    if directory is None:
        raise NotPrepared("hyperstart is not installed on this host", where=str(host.hyperstart_dir))
    info = read_info(directory)
    return Installed(directory.name, info["hyperstart_version"], info["kernel_version"], directory / KERNEL, directory / INITRAMFS)


def extra_path(directory: Path, name: str) -> Path:
    """Where a version has the archive of modules that are called ``name``."""
    return directory / f"{INITRAMFS}-{name}"


def current(host: Host) -> Path | None:
    """The directory of the version that new guests boot, or None."""
    try:
        return (host.hyperstart_dir / CURRENT).resolve(strict=True)
    except FileNotFoundError:
        return None


def versions(host: Host) -> list[str]:
    """The names of all versions on the host."""
    return sorted(file.parent.name for file in host.hyperstart_dir.glob(f"[!.]*/{INFO}") if file.parent.name != CURRENT)


def read_info(directory: Path) -> dict[str, Any]:
    """What was written down when the version was made."""
    info: dict[str, Any] = json.loads((directory / INFO).read_text())
    return info
