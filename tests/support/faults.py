# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong, on purpose: runs that are killed at a chosen moment, and what is found on the host afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.guests import wait_for
from tests.support.modules import COLLECTIONS, module_process
from tests.support.pods import PodHost

_KILLER = Path(__file__).with_name("killer")
_PATIENCE = 120.0


def killed_run(host: PodHost, number: int, *pods: Mapping[str, Any] | str, **options: Any) -> str | None:
    """Run the module pod so; see killed_module."""
    return killed_module(host, number, "pod", pods=list(pods), **options)


def killed_module(host: PodHost, number: int, module: str, **options: Any) -> str | None:
    """Run a module, killed before its ``number``th change of the host (from 1); the name of that moment, or None when the run had ended before."""
    with tempfile.NamedTemporaryFile() as note:
        environment = {
            "PYTHONPATH": f"{_KILLER}:{COLLECTIONS}",
            "KILL_BELOW": f"{host.host.state_dir}:{host.host.run_dir}",
            "KILL_AT": str(number),
            "KILL_NOTE": note.name,
        }
        with module_process(module, {**host.arguments, **options}, env=environment) as process:
            output, errors = process.communicate(timeout=_PATIENCE)
        if process.returncode == -signal.SIGKILL:
            return Path(note.name).read_text()
        assert process.returncode == 0, f"{output}\n{errors}"
        return None


def without(program: str) -> list[str]:
    """A command that runs another one on a host where ``program`` is not installed: it has a mount namespace of its own, where an empty device lies over it."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path, program
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"', str(Path(path).resolve())]


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The result of a module that was started, also of one that failed."""
    output, errors = process.communicate(timeout=_PATIENCE)
    assert output, f"the module ended with {process.returncode}: {errors}"
    return dict(json.loads(output))


def waits_for_lock(pid: int, name: str) -> bool:
    """Whether a module has come to the pod's lock."""
    with contextlib.suppress(OSError):
        return any(os.readlink(link).endswith(f"/pod-{name}.lock") for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def qemus(pods: PodHost, name: str) -> list[int]:
    """The pids of all processes whose command names the pod's run directory, whatever the pid file says; with no name, of all pods."""
    needle = f"{pods.host.pod_run_dir(name)}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # A process that ended meanwhile, or a zombie, has no command.
            with contextlib.suppress(OSError):
                if needle in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return sorted(found)


def kill_all(pids: Iterable[int], but: Iterable[int] = ()) -> None:
    """SIGKILL to each process that still is there."""
    for pid in set(pids) - set(but):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_qemu(pods: PodHost, name: str) -> None:
    """SIGKILL to the pod's QEMU; returns when it is gone."""
    kill_all(qemus(pods, name))
    wait_for(lambda: not qemus(pods, name), "the end of QEMU")


def forget(pods: PodHost, name: str) -> None:
    """Remove a pod that does not run, quicker than by the module."""
    for directory in (pods.host.pod_dir(name), pods.host.pod_run_dir(name)):
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True)
class Copy:
    """A copy of a pod that does not run, to be put back again and again."""

    pods: PodHost
    name: str
    place: Path

    @classmethod
    def of(cls, pods: PodHost, name: str, place: Path) -> Copy:
        """Copy it into the directory ``place``."""
        subprocess.run(["cp", "--archive", "--sparse=always", pods.host.pod_dir(name), place], check=True)
        return cls(pods, name, place)

    def put_back(self) -> None:
        """Make the pod as it was; it must not run."""
        forget(self.pods, self.name)
        subprocess.run(["cp", "--archive", "--sparse=always", self.place, self.pods.host.pod_dir(self.name)], check=True)


def listing(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Each path below ``directory`` with its mode, uid and gid."""
    paths = sorted(directory.rglob("*")) if directory.exists() else []
    return {str(path.relative_to(directory)): (status.st_mode, status.st_uid, status.st_gid) for path in paths for status in [path.lstat()]}


def snapshot(pods: PodHost) -> dict[str, object]:
    """All that a refused run must leave as it was: every path of the host with its metadata, and QEMU processes. Locks are no change of a host."""
    found: dict[str, object] = {}
    for top in (pods.host.state_dir, pods.host.run_dir):
        for path in sorted(top.rglob("*")):
            status = path.lstat()
            if "locks" not in path.relative_to(top).parts[:1]:
                content = None if path.is_dir() else (status.st_ino, status.st_nlink, status.st_size, status.st_mtime_ns)
                found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, content)
    return {**found, "processes": qemus(pods, "")}


def remains(pods: PodHost, name: str) -> list[str]:
    """What is left on the host of a pod: paths with its name, and processes. Locks stay by design: a file that is removed can be locked twice."""
    paths = [path for top in (pods.host.state_dir, pods.host.run_dir) for path in top.rglob(f"*{name}*") if path.parent.name != "locks"]
    return [*map(str, paths), *(f"process {pid}" for pid in qemus(pods, name))]


def half_made(pods: PodHost) -> list[str]:
    """What an image store that nobody changes at the moment must not hold."""
    images = pods.host.images_dir
    damaged = [path for path in (images / "blobs" / "sha256").glob("*") if hashlib.sha256(path.read_bytes()).hexdigest() != path.name]
    return [str(path) for path in (*(images / "staging").rglob("*"), *damaged)]


def descendants(pid: int) -> list[int]:
    """A process and all that it started, whatever their process groups."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


class Gate:
    """A FIFO for a module's progress: the module says each stage, and cannot go past the next one's beginning before it is let."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        self._open: int | None = None

    def await_stage(self, stage: str) -> None:
        """Return when a module has said ``stage``; it is held where it would say another one."""
        # With both ends open the module never waits, and the FIFO never ends.
        handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            said = b""
            while f'"stage": "{stage}"'.encode() not in said:
                ready, _, _ = select.select([handle], [], [], _PATIENCE)
                assert ready, f"the module never came to {stage}; it said {said.decode()}"
                said += os.read(handle, 65536)
        finally:
            os.close(handle)

    def open(self) -> None:
        """Let the module go on to its end."""
        self._open = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Forget the FIFO."""
        if self._open is not None:
            os.close(self._open)
        self.path.unlink()
