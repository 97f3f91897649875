# SPDX-License-Identifier: GPL-3.0-or-later
"""A KVM host of the tests' own, in directories of its own, on which pods are run by the real modules."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _pod_status, _record
from ansible_collections.hyper.pods.plugins.module_utils._control import Control, ExecResult
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor

from tests.support.guests import short_host
from tests.support.images import Layer, Member, directory, symlink, write_layout
from tests.support.modules import run_module

ROOT = Path(__file__).resolve().parents[2]
INIT = ROOT / "build/hyperstart"
# Stands in for the account that prepare_host.yml makes: every system has it.
QEMU_USER = "nobody"
TAPS = Path("/dev/net/tun")


def build_hyperstart() -> Path:
    """The init, built if it is not up to date."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "hyperstart/init")], check=True, stdout=subprocess.DEVNULL)
    return INIT


def tools_layer(work: Path) -> Layer:
    """A root filesystem with a static busybox for every command, the program of ipc.c, and users."""
    program = work / "ipc"
    compiler = ["musl-gcc", "-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler, "-o", str(program), str(Path(__file__).with_name("ipc.c"))], check=True)
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    return Layer.of(
        [
            *(directory(name) for name in ("bin", "etc", "srv", "data", "home", "home/app", "proc", "sys", "dev")),
            directory("tmp", mode=0o1777),
            Member("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755),
            *(symlink(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox"),
            Member("bin/ipc", program.read_bytes(), mode=0o755),
            Member("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n"),
            Member("etc/group", b"root:x:0:\napp:x:1000:\nstaff:x:50:app\n"),
            Member("data/seed", b"from the image\n"),
            Member("srv/disk", kind="block", mode=0o666, device=(254, 0)),
        ],
        "none",
    )


# Image name → its config; all have the tools' layer.
TEST_IMAGES: Mapping[str, Mapping[str, Any]] = {
    "tools": {"Cmd": ["sleep", "infinity"], "Env": ["PATH=/bin", "FROM_IMAGE=yes"], "WorkingDir": "/srv"},
    "server": {"Entrypoint": ["httpd", "-f", "-h", "/srv", "-p"], "Cmd": ["80"], "Env": ["PATH=/bin"]},
    "user": {
        "Cmd": ["sleep", "infinity"],
        "Env": ["PATH=/bin"],
        "User": "app:staff",
        "WorkingDir": "/home/app",
        "Volumes": {"/data": {}},
        "StopSignal": "SIGUSR1",
    },
}


@dataclass(frozen=True)
class PodHost:
    """A host with hyperstart and TEST_IMAGES. Every method runs the real module."""

    host: Host
    layout: Path

    @property
    def allowed(self) -> Path:
        """The directory beneath which pods may have files of the host."""
        return self.host.state_dir.with_name("allowed")

    @property
    def arguments(self) -> dict[str, str]:
        """What every module is told of the host."""
        return {"state_dir": str(self.host.state_dir), "run_dir": str(self.host.run_dir), "qemu_user": self.host.qemu_user}

    def module(self, module: str, /, **options: Any) -> dict[str, Any]:
        """Run a module; ``check``, ``diff``, ``fails`` and ``timeout`` are run_module's, the rest are the module's arguments."""
        how = {key: options.pop(key) for key in ("check", "diff", "fails", "timeout") if key in options}
        return run_module(module, {**self.arguments, **options}, **how)

    def pod(self, *pods: Mapping[str, Any] | str, **options: Any) -> dict[str, Any]:
        """The module pod on manifests or names."""
        return self.module("pod", pods=list(pods), **{"wait_timeout": 120, **options})

    def info(self, name: str) -> dict[str, Any]:
        """One pod as pod_info reports it."""
        [pod] = self.module("pod_info", names=[name])["pods"]
        return dict(pod)

    def exec(self, pod: str, container: str | None, *argv: str, stdin: bytes | None = None, user: str | None = None, timeout: float = 60) -> ExecResult:
        """Run a command in a container, by the control port itself (the module is a shell around it, and slower)."""
        with Control.connect(self.host.pod_run_dir(pod), timeout=timeout) as control:
            return control.exec(container, argv, stdin=stdin, user=user, timeout=timeout)

    def shell(self, pod: str, container: str | None, script: str, **options: Any) -> str:
        """What a script prints that must end with 0."""
        result = self.exec(pod, container, "sh", "-ec", script, **options)
        assert result.code == 0, (result.code, result.stdout, result.stderr)
        return result.stdout.decode().strip()

    def log(self, pod: str) -> str:
        """The pod's log file, whole."""
        return (self.host.pod_dir(pod) / "log").read_text(errors="replace")

    def pid(self, pod: str) -> int | None:
        """QEMU's."""
        return supervisor(self.host).pid(_pod_status.unit_name(pod))

    def remove_all(self) -> None:
        """Leave no pod, whatever state they are in."""
        for name in {path.name for path in (self.host.state_dir / "pods").glob("[!.]*")} | set(_record.names(self.host)):
            run_module("pod", {**self.arguments, "pods": [name], "state": "absent", "grace_period": 0})


@contextlib.contextmanager
def pod_host(work: Path) -> Iterator[PodHost]:
    """A PodHost whose pods and files are gone when the block ends. work: a directory for what is built."""
    assert os.geteuid() == 0, "these tests make devices and owners: run them as root"
    layout = work / "layout"
    layer = tools_layer(work)
    for name, config in TEST_IMAGES.items():
        write_layout(layout, name, [layer], config)
    with short_host() as base:
        made = PodHost(Host(base.state_dir, base.run_dir, QEMU_USER), layout)
        made.module("hyperstart", init=str(build_hyperstart()))
        made.allowed.mkdir(mode=0o700)
        made.host.host_paths_file.write_text(f"{made.allowed}\n")
        if TAPS.exists():
            # As prepare_host.yml does; where udev runs it is so.
            TAPS.chmod(0o666)
        for name in TEST_IMAGES:
            made.module("image", name=[name], source=f"oci:{layout}:{name}")
        try:
            yield made
        finally:
            made.remove_all()


def manifest(name: str, *containers: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """A Pod manifest. containers: each needs a name; image tools unless given."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            **spec,
            "containers": [{"image": "tools", **container} for container in containers],
        },
    }


def sh(script: str) -> list[str]:
    """A container's command that is a shell script."""
    return ["sh", "-c", script]


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody has at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def process_state(pid: int) -> str:
    """The state letter of proc(5), or "" for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
