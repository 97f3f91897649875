# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real hyperstart without a guest: as PID 1 of new namespaces, its ports on sockets, its log in a file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _log
from ansible_collections.hyper.pods.plugins.module_utils._channel import Channel, Deadline
from ansible_collections.hyper.pods.plugins.module_utils._control import Control, ExecResult, Status
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container, LaunchPlan, encode
from ansible_collections.hyper.pods.plugins.module_utils._tags import PLAN_PLACE_SIZE

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = PROJECT / "hyperstart" / "init"
BUILD = PROJECT / "build"
# Far more than anything takes here, even where six test runs share two cores.
PATIENCE = 30.0
SUCCEEDED, FAILED, NOT_CARRIED_OUT = 0, 1, 2

_SANITIZERS = {
    # What is not freed at exit is no leak of an init; leak checking also needs ptrace, which PID 1 is not given.
    "ASAN_OPTIONS": "detect_leaks=0:exitcode=99:abort_on_error=0",
    "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99:print_stacktrace=1",
}
# Into the cgroup, into new namespaces, then as their PID 1; all of it goes when the test's process does. The state lies on a tmpfs of the new mount
# namespace: an overlay's upper layer may lie on it whatever this machine's disk is, and nothing is left.
_ENTER = """
echo 0 > "$0/cgroup.procs" &&
exec setpriv --pdeathsig KILL unshare --fork --kill-child --pid --mount --net --ipc --uts --cgroup -- \\
    sh -c 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs state "$0" && exec "$@"' "$@"
"""
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
app:x:1000:1001:The App:/home/app:/bin/sh
many:x:1002:1002::/home/many:/bin/sh
"""
GROUP = """\
root:x:0:
daemon:x:1:
staff:x:50:many,other
adm:x:4:many
app:x:1001:
many:x:1002:
empty:x:60:
"""


def build(target: str) -> Path:
    """The file that the init's Makefile builds for ``target``, up to date."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        # Workers of pytest-xdist build one after the other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["make", "-s", "-C", os.fspath(SOURCES), os.fspath(BUILD / target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return BUILD / target


def make_rootfs(path: Path) -> Path:
    """A root filesystem of busybox-static with a few users."""
    busybox = shutil.which("busybox")
    assert busybox, "install the package busybox-static"
    for name in ("bin", "etc", "root", "tmp", "home/app", "data"):
        (path / name).mkdir(parents=True)
    shutil.copy(busybox, path / "bin/busybox")
    for applet in subprocess.check_output([busybox, "--list"], text=True).split():
        link = path / "bin" / applet
        if not link.exists():
            link.symlink_to("busybox")
    (path / "etc/passwd").write_text(PASSWD)
    (path / "etc/group").write_text(GROUP)
    (path / "tmp").chmod(0o1777)
    # pytest's directories are for their owner alone, and a root filesystem is for all users.
    path.chmod(0o755)
    return path


@dataclass(frozen=True)
class Init:
    """A binary and a root filesystem to run pods with."""

    binary: Path
    rootfs: Path

    def container(self, name: str, *argv: str, **more: Any) -> Container:
        """A container that runs once; its stop is quick unless said otherwise."""
        return Container(**{"name": name, "rootfs": f"dir:{self.rootfs}", "argv": argv, "restart_policy": "Never", "grace_period": 1, **more})

    def sh(self, name: str, script: str, **more: Any) -> Container:
        """A container that runs a script of busybox's shell."""
        return self.container(name, "/bin/sh", "-c", script, **more)

    def sleeper(self, name: str = "app", **more: Any) -> Container:
        """A container to run other things in; SIGTERM ends it at once."""
        return self.sh(name, "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done", **more)

    @contextlib.contextmanager
    def pod(
        self, *containers: Container, ports: int = 1, plan: bytes | None = None, log: int | None = None, values: bytes | None = None, **more: Any
    ) -> Iterator[Pod]:
        """Start a pod and end it with the block, however that ends.

        ports: how many control ports. plan: a disk's bytes instead of containers. log: a descriptor instead of a file. values: the disk of secrets.
        more: of the launch plan.
        """
        disk = encode(LaunchPlan(hostname="pod", containers=containers, scratch=True, **more)) if plan is None else plan
        with tempfile.TemporaryDirectory(prefix="hyperstart") as directory, contextlib.ExitStack() as stack:
            path = Path(directory)
            (path / "plan").write_bytes(disk)
            (path / "state").mkdir()
            if values is not None:
                (path / "secrets").write_bytes(values)
            hosts, guests = zip(*(socket.socketpair() for _ in range(ports)), strict=True)
            for end in (*hosts, *guests):
                stack.enter_context(end)
            log_file = stack.enter_context((path / "log").open("ab"))
            errors = stack.enter_context((path / "errors").open("w+b"))
            log_descriptor = log_file.fileno() if log is None else log
            numbers = [end.fileno() for end in guests]
            group = stack.enter_context(_cgroup(path.name))
            process = subprocess.Popen(
                [
                    *("sh", "-c", _ENTER, os.fspath(group), os.fspath(path / "state")),
                    *(os.fspath(self.binary), "--test", "--plan", os.fspath(path / "plan"), "--state", os.fspath(path / "state")),
                    *([] if values is None else ["--secrets", os.fspath(path / "secrets")]),
                    *("--control", ",".join(map(str, numbers)), "--log", str(log_descriptor)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[*numbers, log_descriptor],
                env={"PATH": os.environ["PATH"], **_SANITIZERS},
            )
            for end in guests:
                end.close()
            pod = Pod(process, hosts, path / "log", path / "errors", path / "plan")
            try:
                yield pod
            finally:
                pod.kill()
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            assert "Sanitizer" not in said, said
            assert "runtime error" not in said, said


@contextlib.contextmanager
def _cgroup(name: str) -> Iterator[Path]:
    """A cgroup (version 2) for a pod, gone afterwards with all that hyperstart made in it."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = next((Path(target) for _, target, kind, *_ in mounts if kind == "cgroup2"), None)
    assert root, "these tests need a cgroup2 file system, mounted anywhere"
    group = root / name
    group.mkdir()
    try:
        yield group
    finally:
        # Whoever was killed may still be on its way out.
        deadline = time.monotonic() + PATIENCE
        while "populated 1" in (group / "cgroup.events").read_text():
            (group / "cgroup.kill").write_text("1")
            assert time.monotonic() < deadline, f"{group} does not become empty"
            time.sleep(0.005)
        for below in group.iterdir():
            if below.is_dir():
                below.rmdir()
        group.rmdir()


class Pod:
    """A running hyperstart: its process (of ``unshare``, which ends as PID 1 ends), its ports, its log."""

    def __init__(self, process: subprocess.Popen[bytes], ports: tuple[socket.socket, ...], log: Path, errors: Path, plan: Path) -> None:
        self.process = process
        self.ports = ports
        self.log = log
        self.errors = errors
        self.plan = plan
        self.revision = 0

    def control(self, port: int = 0, *, resync_after: float = PATIENCE) -> Control:
        """A client on a port, greeted. The port stays open when the client is closed, so that another can come, as QEMU has it."""
        channel = Channel(self.ports[port].dup(), f"port {port}")
        channel.greet(Deadline(PATIENCE), resync_after=resync_after)
        return Control(channel, f"port {port}")

    def write_plan(self, *containers: Container, **more: Any) -> None:
        """Put a newer plan beside the present one, as a host does it. more: of the launch plan."""
        self.revision += 1
        with self.plan.open("r+b") as disk:
            disk.seek(self.revision % 2 * PLAN_PLACE_SIZE)
            disk.write(encode(LaunchPlan(hostname="pod", containers=containers, **more), self.revision))

    def update(
        self, *containers: Container, replace: Sequence[str] = (), retune: Sequence[str] = (), rollback: bool = False, values: bytes = b"", **more: Any
    ) -> None:
        """Bring the pod to these containers. values: the disk of secrets; more: of the launch plan."""
        self.write_plan(*containers, **more)
        with self.control() as control:
            control.update(replace=replace, retune=retune, rollback=rollback, secrets=values)

    def exec(self, container: str, *argv: str, **more: Any) -> ExecResult:
        """Run one command by a client of its own."""
        with self.control() as control:
            return control.exec(container, argv, timeout=PATIENCE, **more)

    def shell(self, container: str, script: str, **more: Any) -> str:
        """What a script printed, which succeeded."""
        result = self.exec(container, "/bin/sh", "-c", script, **more)
        assert result.code == 0, result
        return result.stdout.decode()

    def until(self, predicate: Callable[[Status], bool]) -> Status:
        """The first status that satisfies the predicate."""
        with self.control() as control:
            return next(status for status in control.watch(PATIENCE) if predicate(status))

    def until_running(self) -> Status:
        """The status when every container has been started."""
        return self.until(lambda status: status.phase == "Running")

    def until_said(self, container: str, text: bytes) -> None:
        """Wait until a container's output holds the text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output(container):
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")[-4000:]
            time.sleep(0.01)

    def gone(self, container: str, argument: str) -> bool:
        """Whether no process with this argument is left, or soon is not."""
        deadline = time.monotonic() + PATIENCE
        while argument in self.shell(container, "ps -o args | grep -v grep"):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def wait(self) -> int:
        """The code that hyperstart ends with."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"hyperstart did not end; its log: {self.log.read_text(errors='replace')[-4000:]}") from None

    def stop(self, grace_period: int | None = None) -> int:
        """Stop the pod by its control port; the code that hyperstart ends with."""
        with self.control() as control:
            control.stop(grace_period)
        return self.wait()

    def kill(self) -> None:
        """End everything at once."""
        self.process.kill()
        self.process.wait()

    def life(self) -> _log.Life:
        """What the log tells."""
        life = _log.last_life(self.log)
        assert life is not None, self.said()
        return life

    def output(self, container: str, stream: str = "stdout") -> bytes:
        """What a container wrote, put together again."""
        return b"".join(line.message + (b"" if line.partial else b"\n") for line in _log.read(self.log, container=container) if line.stream == stream)

    def events(self) -> list[_log.Event]:
        """What hyperstart did and saw, in order."""
        return [_log.event(line) for line in _log.read(self.log, events=True) if line.stream == "event"]

    def said(self) -> str:
        """What hyperstart wrote to its standard streams: nothing, unless something is wrong."""
        return self.errors.read_text(errors="replace")

    def init_pid(self) -> int:
        """PID 1 of the pod as this test sees it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def ended(self, seconds: float = 0) -> bool:
        """Whether hyperstart has ended, at most so many seconds from now."""
        handle = os.pidfd_open(self.process.pid)
        try:
            return bool(select.select([handle], [], [], seconds)[0])
        finally:
            os.close(handle)
