# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kvm_guest with real guests: the twelve steps, booting a disk, booting a kernel, stopping in order and by force."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._guest import Guest as GuestModel
from ansible_collections.hyper.pods.plugins.module_utils._guest import qemu_argv
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp

from tests.support.guests import boot_sector, build_tiny_init, short_host, wait_for, write_kernel
from tests.support.modules import module_process, run_module

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The options of a guest that boots a tiny init."""
    with short_host() as host:
        place = host.state_dir.parent
        image, initrd = write_kernel(place, build_tiny_init(place))
        yield {"kernel": str(image), "initrd": str(initrd), "cmdline": "console=ttyS0 quiet panic=-1", "memory": 96, "accelerator": "tcg"}


class Guest:
    """A guest on a host of its own, driven by the module."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def args(self, **args: Any) -> dict[str, Any]:
        return {"name": "g1", "state_dir": str(self.host.state_dir), "run_dir": str(self.host.run_dir), "qemu_user": self.host.qemu_user, **args}

    def __call__(self, *, check: bool = False, fails: bool = False, **args: Any) -> dict[str, Any]:
        return run_module("kvm_guest", self.args(**args), check=check, fails=fails)

    def console(self) -> str:
        file = self.host.guest_dir("g1") / "console.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def wait_for(self, word: str) -> None:
        wait_for(lambda: word in self.console(), f"{word!r} on the console")

    def pid(self) -> int | None:
        pid: int | None = self(state="present", check=True)["guest"]["pid"]
        return pid


@pytest.fixture
def guest() -> Iterator[Guest]:
    with short_host() as host:
        guest = Guest(host)
        try:
            yield guest
        finally:
            guest(state="absent", grace_period=0)


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*")) if directory.exists() else []


def test_the_twelve_steps(guest: Guest, kernel: dict[str, Any]) -> None:
    def step(expected: list[str], **args: Any) -> dict[str, Any]:
        """In check mode twice, then for real, then again: the same answer, then nothing."""
        before, pid = files(guest.host.state_dir), guest.pid() if guest.host.guest_dir("g1").exists() else None
        for _ in range(2):
            foretold = guest(check=True, **args)
            assert foretold["actions"] == expected
            assert foretold["changed"]
        assert files(guest.host.state_dir) == before
        if pid is not None:
            assert guest.pid() == pid
        done = guest(**args)
        assert done["changed"]
        assert done["actions"] == expected
        assert done["diff"] == foretold["diff"]
        assert done["diff"]["before"] != done["diff"]["after"]
        again = guest(**args)
        assert not again["changed"]
        assert again["actions"] == []
        assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
        assert not guest(check=True, **args)["changed"]
        return done

    step(["create", "start"], state="started", **kernel)
    guest.wait_for("READY")
    first = guest.pid()
    assert step(["update", "restart"], state="started", memory=112)["guest"]["memory"] == 112
    guest.wait_for("READY")
    assert guest.pid() != first
    step(["stop"], state="stopped")
    step(["update"], state="stopped", vcpus=2)
    step(["start"], state="started")
    step(["stop", "delete"], state="absent")
    assert files(guest.host.state_dir) == ["guests"]
    assert files(guest.host.run_dir) == ["guests", "locks", "locks/guest-g1.lock"]


def test_what_is_not_given_stays(guest: Guest, kernel: dict[str, Any]) -> None:
    guest(state="present", **kernel, disks=[{"serial": "data", "size": "1M"}])
    changed = guest(state="present", memory=80)["guest"]
    assert (changed["memory"], changed["kernel"], [disk["serial"] for disk in changed["disks"]]) == (80, kernel["kernel"], ["data"])
    assert guest(state="present", disks=[])["guest"]["disks"] == []


def test_boots_a_disk(guest: Guest) -> None:
    disk = guest.host.state_dir.parent / "boot.img"
    disk.write_bytes(boot_sector(b"HELLO FROM SECTOR 0\n").ljust(4 << 20, b"\0"))
    disk.chmod(0o644)
    guest(state="started", memory=32, disks=[{"path": str(disk), "readonly": True}], accelerator="tcg")
    guest.wait_for("HELLO FROM SECTOR 0")


def test_runs_unprivileged_and_says_its_word_through_ports(guest: Guest, kernel: dict[str, Any]) -> None:
    ports = [{"name": "org.example.talk"}, {"name": "org.example.file", "kind": "file"}]
    started = guest(state="started", **kernel, ports=ports)["guest"]
    assert (started["state"], started["running_with"]) == ("running", "tcg")
    status = Path(f"/proc/{started['pid']}/status").read_text()
    uids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
    assert "0" not in uids
    assert "Seccomp:\t2" in status
    assert "CapEff:\t0000000000000000" in status
    word = guest.host.guest_dir("g1") / "port-org.example.file"
    wait_for(lambda: word.read_text() == "WORD\n", "the guest's word in the file")
    with socket.socket(socket.AF_UNIX) as talk:
        talk.connect(str(guest.host.guest_run_dir("g1") / "port-org.example.talk"))


@pytest.mark.parametrize(("word", "code"), [("tiny.off", 0), ("tiny.panic", 1)])
def test_qemu_tells_a_panic_from_a_power_off(kernel: dict[str, Any], tmp_path: Path, word: str, code: int) -> None:
    """The code that systemd knows a failure by."""
    made = GuestModel(
        name="g1",
        vcpus=1,
        memory_mib=96,
        accelerator="tcg",
        kernel=Path(kernel["kernel"]),
        initrd=Path(kernel["initrd"]),
        cmdline=f"{kernel['cmdline']} {word}",
        disks=(),
        nics=(),
        ports=(),
        console=tmp_path / "console",
    )
    with tempfile.TemporaryDirectory(prefix="run") as run_dir:
        done = subprocess.run(qemu_argv(made, run_dir=Path(run_dir)), timeout=60, check=False)
    assert done.returncode == code


def test_a_low_port_can_be_published(guest: Guest, kernel: dict[str, Any]) -> None:
    port = next(port for port in range(1023, 600, -1) if socket.socket().connect_ex(("127.0.0.1", port)))
    nics = [{"forwards": [{"host_port": port, "guest_port": 80}]}]
    pid = guest(state="started", **kernel, nics=nics)["guest"]["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    assert "CapEff:\t0000000000000400" in status
    assert "NoNewPrivs:\t1" in status
    socket.create_connection(("127.0.0.1", port)).close()


def test_stops_by_the_power_button(guest: Guest, kernel: dict[str, Any]) -> None:
    guest(state="started", **kernel)
    guest.wait_for("READY")
    guest(state="stopped")
    assert "BUTTON" in guest.console()


def test_a_deaf_guest_is_ended_after_its_grace_period(guest: Guest, kernel: dict[str, Any]) -> None:
    guest(state="started", **{**kernel, "cmdline": kernel["cmdline"] + " tiny.deaf"}, grace_period=2)
    guest.wait_for("READY")
    began = time.monotonic()
    assert guest(state="stopped")["guest"]["pid"] is None
    assert 2 <= time.monotonic() - began < 8


def test_a_guest_that_ended_by_itself_is_started_again(guest: Guest, kernel: dict[str, Any]) -> None:
    guest(state="started", **{**kernel, "cmdline": kernel["cmdline"] + " tiny.off"})
    wait_for(lambda: guest.pid() is None, "the guest's power-off")
    assert guest(state="started", check=True)["actions"] == ["start"]


def test_a_killed_qemu_is_seen_and_started_again(guest: Guest, kernel: dict[str, Any]) -> None:
    pid = guest(state="started", **kernel)["guest"]["pid"]
    os.kill(pid, 9)
    wait_for(lambda: guest.pid() is None, "the end of QEMU")
    assert guest(state="started")["actions"] == ["start"]


def test_forty_disks_and_a_second_nic(guest: Guest, kernel: dict[str, Any]) -> None:
    disks = [{"serial": f"disk-{number}", "size": "1M", "format": "qcow2" if number % 2 else "raw"} for number in range(40)]
    started = guest(state="started", **kernel, disks=disks, nics=[{}, {"restrict": True}])["guest"]
    guest.wait_for("READY")
    with Qmp.connect(Path(started["qmp"])) as qmp:
        blocks = qmp.execute("query-block")
    assert len(blocks) == 40
    assert guest(state="started", check=True)["changed"] is False


def test_two_runs_at_once_wait_for_each_other(guest: Guest, kernel: dict[str, Any]) -> None:
    runs = [module_process("kvm_guest", guest.args(state="started", **kernel)) for _ in range(3)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert sorted('"changed": true' in output for output in outputs) == [False, False, True]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "there is no such guest"),
        ({"name": "../x", "memory": 64}, "a name consists of"),
        ({"memory": 64}, "neither a kernel nor a disk"),
        ({"disks": [{"path": "/nonexistent/disk"}]}, "there is no such disk"),
        ({"kernel": "/nonexistent/kernel"}, "there is no such file"),
        ({"disks": [{"size": "1M", "serial": "x" * 21}]}, "longer than 20 bytes"),
        ({"disks": [{"size": "1M"}], "nics": [{"mac": "nonsense"}]}, "six pairs"),
        ({"disks": [{"size": "1M"}], "nics": [{"forwards": [{"host_port": 0, "guest_port": 1}]}]}, "between 1 and 65535"),
        ({"disks": [{"size": "1M"}], "vcpus": 0}, "at least one"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_bad_input_changes_nothing(guest: Guest, args: dict[str, Any], message: str, check: bool) -> None:
    result = run_module("kvm_guest", {**guest.args(state="started"), **args}, check=check, fails=True)
    assert message in result["msg"]
    assert not guest.host.state_dir.exists()


def test_a_taken_port_is_told(guest: Guest, kernel: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = guest(state="started", **kernel, nics=[{"forwards": [{"host_port": port, "guest_port": 80}]}], fails=True)
    assert result["error"] == "QemuFailed"
    assert f"hostfwd=tcp:127.0.0.1:{port}" in result["msg"]
    assert "host forwarding rule" in result["msg"]
    # The definition is kept, and the port free now.
    assert guest(state="started")["actions"] == ["start"]
