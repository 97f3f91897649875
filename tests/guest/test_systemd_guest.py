# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest as a service of a real systemd: supervised, started at boot, ended in order when the host goes down."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.guests import build_tiny_init, wait_for, write_kernel
from tests.support.nspawn import NAME, SystemdHost

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.xdist_group("systemd-host")]
SERVICE = "hyper-guest@g1.service"
CONSOLE = "/var/lib/hyper/guests/g1/console.log"
# Of a guest that is emulated on a host that is emulated nearly as much; who waits so long has found something.
PATIENCE = 300.0


class Guest:
    """The guest g1 of a host, driven by the module over SSH."""

    def __init__(self, host: SystemdHost) -> None:
        self.host = host

    def __call__(self, **args: Any) -> None:
        program = Path(sys.executable).with_name("ansible")
        words = ["-i", str(self.host.inventory), "--become", "-m", "hyper.pods.kvm_guest", "-a", json.dumps({"name": "g1", **args}), NAME]
        done = self.host.from_control(str(program), *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def state(self) -> tuple[str, str]:
        """Whether it runs, and whether it is started at boot."""
        return self.host.shell(f"systemctl is-active {SERVICE} || :"), self.host.shell(f"systemctl is-enabled {SERVICE} || :")

    def pid(self) -> int:
        return int(self.host.shell(f"systemctl show --property=MainPID --value {SERVICE}"))

    def console(self) -> str:
        return self.host.shell(f"cat {CONSOLE}")

    def wait_ready(self) -> None:
        wait_for(lambda: "READY" in self.console(), "the guest", timeout=PATIENCE)

    def shell_then_ready(self, script: str) -> None:
        """Wait for the guest of the QEMU that comes after a script; what the one before has said is not taken for its word."""
        before = self.pid()
        self.host.shell(f": > {CONSOLE}; {script}")
        wait_for(lambda: self.pid() not in (0, before), "systemd to start it again", timeout=PATIENCE)
        self.wait_ready()


@pytest.fixture
def guest(prepared_host: SystemdHost, tmp_path: Path) -> Guest:
    """A guest that runs, of a prepared host."""
    image, initrd = write_kernel(prepared_host.root / "srv", build_tiny_init(tmp_path))
    guest = Guest(prepared_host)
    guest(
        state="started",
        kernel=f"/srv/{image.name}",
        initrd=f"/srv/{initrd.name}",
        cmdline="console=ttyS0 quiet panic=-1",
        memory=96,
        accelerator="tcg",
        disks=[{"serial": "data", "size": "1M"}],
    )
    guest.wait_ready()
    return guest


def test_a_guest_through_its_life_under_systemd(guest: Guest) -> None:
    host = guest.host
    assert guest.state() == ("active", "enabled")
    assert host.shell(f"stat -c %U /proc/{guest.pid()}") == "hyper-qemu"
    assert host.shell(f"grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/{guest.pid()}/status | tr -d '\\n\\t'") == "CapEff:0000000000000000NoNewPrivs:1Seccomp:2"

    # Killed: started again.
    guest.shell_then_ready(f"kill -9 {guest.pid()}")

    # The host reboots: the guest ends in order, and is there again.
    host.shell(f": > {CONSOLE}")
    host.reboot()
    assert guest.state() == ("active", "enabled")
    guest.wait_ready()
    ended = host.shell(f"journalctl --boot=-1 --unit={SERVICE} --output=cat").rpartition("Started ")[2]
    assert "Deactivated successfully" in ended
    assert "Failed with result" not in ended
    assert "timed out" not in ended

    # It turns itself off: it is neither started again, nor at the next boot.
    host.shell("echo system_powerdown > /run/hyper/guests/g1/monitor.in")
    wait_for(lambda: guest.state()[0] == "inactive", "the end of the guest", timeout=PATIENCE)
    assert guest.state() == ("inactive", "disabled")
    assert "BUTTON" in guest.console()

    guest(state="started")
    guest.wait_ready()
    assert guest.state() == ("active", "enabled")
    guest(state="stopped")
    assert guest.state() == ("inactive", "disabled")
    guest(state="absent")
    assert host.shell("ls /etc/systemd/system/ | grep hyper-guest || :") == ""
    assert host.shell("ls /run/hyper/guests /var/lib/hyper/guests") == "/run/hyper/guests:\n\n/var/lib/hyper/guests:"
