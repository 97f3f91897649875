# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of a pod's guest: what depends on its size alone, so that all guests of one size can be copies of one template. Pure."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._guest import Guest, Limits, Port
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed

CONTROL_PORTS = 8
# For disks of volumes, which come and go.
HOTPLUG_SLOTS = 4
_SPARE_CPUS = 4
_MOST_CPUS = 128
_LEAST_SPARE_MIB, _MOST_SPARE_MIB = 4096, 65536
_MEMORY_SLOTS = 4


def machine(
    name: str, size: tuple[int, int], *, directory: Path, run_dir: Path, installed: Installed, kernel: Path, initramfs: Path, accelerator: str
) -> Guest:
    """A guest without disks and NICs. size: processors, and memory in MiB. directory, run_dir: for what QEMU writes, and for its sockets."""
    cpus, memory_mib = size
    return Guest(
        name=name,
        vcpus=cpus,
        memory_mib=memory_mib,
        limits=_limits(cpus, memory_mib),
        accelerator=accelerator,
        kernel=kernel,
        initrd=initramfs,
        cmdline=installed.cmdline,
        disks=(),
        nics=(),
        ports=(
            *(Port(f"hyper.control.{number}", run_dir / f"control.{number}", "socket") for number in range(CONTROL_PORTS)),
            Port("hyper.log", directory / "log", "file"),
        ),
        console=directory / "console.log",
        hotplug_slots=HOTPLUG_SLOTS,
    )


def _limits(cpus: int, memory_mib: int) -> Limits:
    """What it can grow to while it runs. A processor that there might be takes 256 KiB of the guest, memory that there might be nothing; together they
    cost an emulated boot a hundredth of its instructions."""
    most = memory_mib + min(max(3 * memory_mib, _LEAST_SPARE_MIB), _MOST_SPARE_MIB)
    return Limits(max(cpus, min(max(2 * cpus, _SPARE_CPUS), _MOST_CPUS)), most, _MEMORY_SLOTS)
