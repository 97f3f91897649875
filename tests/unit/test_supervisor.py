# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known of the supervisors without systemd and without a guest: QEMU's process is found and ended, the unit file is what it should be."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._direct import Direct
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._qemu_process import running
from ansible_collections.hyper.pods.plugins.module_utils._systemd import _END_LINE, WrongRunDir, unit_text
from ansible_collections.hyper.pods.plugins.module_utils._unit import QemuFailed, Unit

from tests.support.guests import short_host, wait_for

LINK = Path("/etc/systemd/system/multi-user.target.wants/hyper-pod@web.service")


@pytest.fixture
def host() -> Iterator[Host]:
    with short_host() as host:
        host.pod_dir("web").mkdir(parents=True)
        host.pod_run_dir("web").mkdir(parents=True)
        yield host


def unit(host: Host, *argv: str) -> Unit:
    return Unit("hyper-pod@web", "Pod web", argv, host.pod_dir("web"), host.pod_run_dir("web"), host.qemu_user)


@pytest.fixture
def stand_in(host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """A process that names the pod's pid file among its arguments, as QEMU does, and ignores SIGTERM when told to."""
    pid_file = host.pod_run_dir("web") / "pid"
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", "-machine", "q35,accel=tcg,smm=off", "-pidfile", str(pid_file)], stdin=subprocess.DEVNULL
    ) as process:
        pid_file.write_text(f"{process.pid}\n")
        # Before exec the child is still this test's own image.
        wait_for(lambda: str(pid_file) in Path(f"/proc/{process.pid}/cmdline").read_text(), "exec")
        yield process
        process.kill()


def test_a_process_is_found_by_its_pid_file(host: Host, stand_in: subprocess.Popen[bytes]) -> None:
    supervisor = Direct(host)
    assert supervisor.pid("hyper-pod@web") == stand_in.pid
    assert supervisor.accelerator("hyper-pod@web") == "tcg"
    assert not supervisor.wait("hyper-pod@web", 0.05)
    supervisor.stop("hyper-pod@web")
    assert supervisor.pid("hyper-pod@web") is None
    assert supervisor.accelerator("hyper-pod@web") == ""
    assert supervisor.wait("hyper-pod@web", 0)
    supervisor.stop("hyper-pod@web")


@pytest.mark.parametrize("content", [None, "", "nonsense", "999999999", pytest.param(str(os.getpid()), id="own"), "1"])
def test_a_pid_file_that_names_another_process_names_nobody(host: Host, content: str | None) -> None:
    if content is not None:
        (host.pod_run_dir("web") / "pid").write_text(content)
    with running(host.pod_run_dir("web")) as process:
        assert process is None


def test_a_definition_is_kept_and_forgotten(host: Host) -> None:
    supervisor = Direct(host)
    assert not supervisor.defined("hyper-pod@web")
    assert supervisor.define(unit(host, "qemu", "-x"))
    assert not supervisor.define(unit(host, "qemu", "-x"))
    assert supervisor.define(unit(host, "qemu", "-y"))
    assert supervisor.defined("hyper-pod@web")
    supervisor.undefine("hyper-pod@web")
    assert not supervisor.defined("hyper-pod@web")


def test_what_a_qemu_says_that_does_not_start_is_told(host: Host) -> None:
    with pytest.raises(QemuFailed, match="hyper-pod@web: QEMU did not start: no such machine"):
        Direct(host).start(unit(host, "sh", "-c", "echo no such machine >&2; exit 1"))


def text(*argv: str, run_dir: Path = Path("/run/hyper/pods/web"), paths: tuple[Path, ...] = (), secrets: Path | None = None) -> dict[str, list[str]]:
    directory = Path("/var/lib/hyper/pods/web")
    made = Unit("hyper-pod@web", "Pod web at 100%", ("sh", *argv), directory, run_dir, "hyper-qemu", paths, grace_period=30, secrets=secrets)
    settings: dict[str, list[str]] = {}
    for line in unit_text(made, LINK, ("108",)).splitlines():
        key, _, value = line.partition("=")
        settings.setdefault(key, []).append(value)
    return settings


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("Description", ["Pod web at 100%%"]),
        ("User", ["hyper-qemu"]),
        ("SupplementaryGroups", ["108"]),
        ("RuntimeDirectory", ["hyper/pods/web"]),
        ("Restart", ["on-failure"]),
        ("TimeoutStopSec", ["45"]),
        ("CapabilityBoundingSet", [""]),
        ("NoNewPrivileges", ["yes"]),
        ("ProtectSystem", ["strict"]),
        ("ProtectHome", ["yes"]),
        ("DevicePolicy", ["closed"]),
        ("DeviceAllow", ["/dev/kvm rw"]),
        ("ReadWritePaths", ['"/var/lib/hyper/pods/web"']),
        ("WantedBy", ["multi-user.target"]),
    ],
)
def test_the_unit_file(key: str, values: list[str]) -> None:
    assert text("-c", ":")[key] == values


def test_secrets_are_a_credential_of_the_unit() -> None:
    made = text('{"filename": "@secrets@"}', secrets=Path("/srv/100%/current"))
    assert made["LoadCredentialEncrypted"] == ["hyper-secrets:/srv/100%%/current"]
    assert '"{\\"filename\\": \\"%d/hyper-secrets\\"}"' in made["ExecStart"][0]
    assert "LoadCredentialEncrypted" not in text(":")


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("plain", '"plain"'),
        ("a b", '"a b"'),
        ('{"a": 1}', '"{\\"a\\": 1}"'),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ("back\\slash", '"back\\\\slash"'),
        ("two\nlines", '"two\\nlines"'),
    ],
)
def test_words_reach_qemu_unchanged(word: str, written: str) -> None:
    assert f" {written} " in text(word)["ExecStart"][0]


@pytest.mark.parametrize(("path", "expected"), [("/srv/disk", "yes"), ("/home/me/disk", "read-only"), ("/root/disk", "read-only")])
def test_disks_in_a_home_can_be_read(path: str, expected: str) -> None:
    assert text(paths=(Path(path),))["ProtectHome"] == [expected]


@pytest.mark.parametrize(
    ("forwards", "kept"),
    [
        ("user,id=net0", ""),
        ("user,id=net0,hostfwd=tcp:127.0.0.1:8080-:80", ""),
        ("user,id=net0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp::53-:53", "CAP_NET_BIND_SERVICE"),
    ],
)
def test_low_ports_can_be_bound_and_nothing_else(forwards: str, kept: str) -> None:
    settings = text("-netdev", forwards)
    assert settings["CapabilityBoundingSet"] == settings["AmbientCapabilities"] == [kept]


def test_sockets_outside_of_run_are_refused() -> None:
    with pytest.raises(WrongRunDir):
        text(run_dir=Path("/srv/run/web"))


@pytest.mark.parametrize(("left", "made"), [(b"", b""), (b"whole\n", b"whole\n"), (b"whole\nhal", b"whole\nhal\n")])
def test_half_a_line_is_ended_before_a_guest_is_started_again(tmp_path: Path, left: bytes, made: bytes) -> None:
    (tmp_path / "log").write_bytes(left)
    subprocess.run(["sh", "-c", _END_LINE, "sh", str(tmp_path / "log")], check=True)
    assert (tmp_path / "log").read_bytes() == made
