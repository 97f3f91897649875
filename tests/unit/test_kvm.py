# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on KVM: a process stands in for QEMU, and does what QEMU does on hosts where KVM works, hangs, or is refused."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _kvm, _trial
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed

from tests.support.guests import short_host

INSTALLED = Installed("v", "0.1.0", "6.1.0", Path("/vmlinux"), Path("/initramfs"))
Qemu = Callable[[str], list[str]]


@pytest.fixture
def host() -> Iterator[Host]:
    with short_host() as host:
        yield host


@pytest.fixture
def qemu(monkeypatch: pytest.MonkeyPatch) -> Qemu:
    """Have a shell script run instead of QEMU, with the file that the guest's word goes to as $1; returns a list that grows with each run."""

    def stand_in(script: str) -> list[str]:
        runs: list[str] = []

        def spawn(host: Host, argv: tuple[str, ...], log: BinaryIO) -> subprocess.Popen[bytes]:
            runs.append(" ".join(argv))
            port = next(word for word in argv if word.startswith("file,id=port1,"))
            word = port.split("path=")[1].split(",")[0]
            return subprocess.Popen(["sh", "-c", script, "sh", word], stderr=log)

        monkeypatch.setattr(_trial, "spawn", spawn)
        monkeypatch.setattr(_kvm, "_LIMIT", 0.5)
        return runs

    return stand_in


@pytest.mark.parametrize(
    ("script", "accelerator", "reason"),
    [
        ("echo boot > $1; exec sleep 60", "kvm", "a guest was up after"),
        ("exec sleep 60", "tcg", "a guest hangs"),
        ("echo nonsense; echo Could not access KVM kernel module: Permission denied >&2; exit 1", "tcg", "Permission denied"),
        ("exit 1", "tcg", "without a word"),
    ],
)
def test_the_verdict_is_proved_once(host: Host, qemu: Qemu, script: str, accelerator: str, reason: str) -> None:
    runs = qemu(script)
    first = _kvm.accelerator(host, INSTALLED, device=Path("/dev/null"))
    assert first.accelerator == accelerator
    assert reason in first.reason
    assert _kvm.accelerator(host, INSTALLED, device=Path("/dev/null")) == first
    assert len(runs) == 1
    assert "accel=kvm" in runs[0]
    assert not list(host.run_dir.glob("kvm-*"))


def test_it_is_proved_anew_for_another_kernel(host: Host, qemu: Qemu) -> None:
    runs = qemu("exit 1")
    for version in ("6.1.0", "6.12.0", "6.12.0"):
        _kvm.accelerator(host, Installed(version, "0.1.0", version, Path("/vmlinux"), Path("/initramfs")), device=Path("/dev/null"))
    assert len(runs) == 2


def test_a_damaged_verdict_is_none(host: Host, qemu: Qemu) -> None:
    runs = qemu("exit 1")
    host.state_dir.mkdir()
    (host.state_dir / "kvm.json").write_text("{")
    assert _kvm.accelerator(host, INSTALLED, device=Path("/dev/null")).accelerator == "tcg"
    assert len(runs) == 1


def test_without_the_device_nothing_is_tried(host: Host, qemu: Qemu) -> None:
    runs = qemu("exit 1")
    assert _kvm.accelerator(host, INSTALLED, device=Path("/nonexistent")) == _kvm.Verdict("tcg", "there is no /nonexistent")
    assert runs == []
