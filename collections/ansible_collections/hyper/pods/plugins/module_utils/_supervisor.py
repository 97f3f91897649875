# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks after the QEMU of a guest on this host."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._direct import Direct
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._systemd import Systemd
from ansible_collections.hyper.pods.plugins.module_utils._unit import QemuFailed, Supervisor, Unit

__all__ = ["QemuFailed", "Supervisor", "Unit", "supervisor"]

# sd_booted(3): this directory is there exactly where systemd is PID 1.
_SYSTEMD_IS_INIT = Path("/run/systemd/system")


def supervisor(host: Host) -> Supervisor:
    """systemd where it is PID 1; in a container without it QEMU is started directly."""
    return Systemd(host) if _SYSTEMD_IS_INIT.is_dir() else Direct(host)
