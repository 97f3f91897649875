# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether KVM runs our guests on this host: proved by a guest, since /dev/kvm may open and yet hang an ordinary kernel (nested hosts do that)."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._guest import PROGRAM, Guest, Port
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed
from ansible_collections.hyper.pods.plugins.module_utils._trial import trial

DEVICE = Path("/dev/kvm")
# With working KVM hyperstart's first word comes after less than a second.
_LIMIT = 8.0
_MEMORY_MIB = 128


@dataclass(frozen=True)
class Verdict:
    """accelerator: kvm or tcg. reason: why, for people."""

    accelerator: str
    reason: str


def accelerator(host: Host, installed: Installed, *, device: Path = DEVICE) -> Verdict:
    """What guests are run with on this host. The verdict is kept for this boot of the host, this QEMU and this kernel; making it takes up to 10 seconds."""
    if not device.exists():
        return Verdict("tcg", f"there is no {device}")
    now = circumstances(installed)
    kept = _read(host, now)
    if kept is not None:
        return kept
    with locked(host.lock_path("kvm", "verdict"), what="the verdict on KVM"):
        # Another run may have come to it while this one waited.
        verdict = _read(host, now) or _prove(host, installed)
        make_dir(host.state_dir)
        write_atomic(_file(host), json.dumps({"circumstances": now, "verdict": asdict(verdict)}, indent=1).encode() + b"\n")
    return verdict


def circumstances(installed: Installed) -> list[object]:
    """All that a verdict depends on, and all else that one boot of a host tells of its guests; cheap to learn."""
    qemu = os.stat(_command.find(PROGRAM))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return [boot, qemu.st_size, qemu.st_mtime_ns, installed.kernel_version]


def _file(host: Host) -> Path:
    return host.state_dir / "kvm.json"


def _read(host: Host, now: list[object]) -> Verdict | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_file(host).read_text())
        if kept["circumstances"] == now:
            return Verdict(**kept["verdict"])
    return None


def _prove(host: Host, installed: Installed) -> Verdict:
    """Boot a guest with KVM and wait for hyperstart's first line in its log."""

    def guest(directory: Path) -> Guest:
        return Guest(
            name="kvm-probe",
            vcpus=1,
            memory_mib=_MEMORY_MIB,
            accelerator="kvm",
            kernel=installed.kernel,
            initrd=installed.initramfs,
            cmdline=installed.cmdline,
            disks=(),
            nics=(),
            ports=(Port("hyper.log", directory / "word", "file"),),
            console=directory / "console",
        )

    with trial(host, "kvm", guest) as probe:
        started = time.monotonic()
        if probe.await_word(_LIMIT):
            return Verdict("kvm", f"a guest was up after {time.monotonic() - started:.1f} s")
        if probe.process.poll() is not None:
            return Verdict("tcg", f"QEMU does not run with KVM: {probe.said or 'it ended without a word'}")
        return Verdict("tcg", f"{DEVICE} opens, but a guest hangs: it did not come up within {_LIMIT:.0f} s")
