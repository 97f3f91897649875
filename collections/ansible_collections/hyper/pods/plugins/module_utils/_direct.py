# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU started directly, on a host where systemd is not PID 1 (a container): it outlives its starter, nobody starts it again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from ansible_collections.hyper.pods.plugins.module_utils import _command, _direct_network, _direct_share, _log_program
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._guest import SECRETS
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._unit import (
    INCOMING,
    LOG,
    QemuFailed,
    Supervisor,
    Unit,
    await_sockets,
    note_incoming,
    state_dir_of,
)

_DEFINITION = "qemu.json"
_LOCK = "qemu.lock"
# How long QEMU may take from its start to its pid file; milliseconds on a host that has time.
_PID_TIME = 30.0


class Direct(Supervisor):
    """Keeps a unit's command in its state directory and starts it as a session of its own."""

    def define(self, unit: Unit) -> bool:
        kept = {"user": unit.user, "argv": unit.argv, **_direct_network.document(unit)}
        text = json.dumps(kept, indent=1).encode() + b"\n"
        file = unit.state_dir / _DEFINITION
        with contextlib.suppress(FileNotFoundError):
            if file.read_bytes() == text:
                return False
        write_atomic(file, text, mode=0o640)
        return True

    def defined(self, name: str) -> bool:
        return (state_dir_of(self.host, name) / _DEFINITION).is_file()

    def start(self, unit: Unit, *, incoming: bool = False) -> None:
        argv = (*unit.argv, *INCOMING) if incoming else unit.argv
        try:
            with self._alone(unit) as lock, (unit.state_dir / LOG).open("wb") as log:
                _direct_network.enter(self.host, unit)
                if unit.share is not None:
                    _direct_share.begin(unit.share, log, owner=self.host.qemu_ids())
                note_incoming(self.host, unit, incoming=incoming)
                with self._secrets(unit, argv) as (words, descriptors):
                    process = spawn(self.host, words, log, low_ports=unit.binds_low_ports, pass_fds=(lock, *descriptors))
            await_sockets(unit, ended=lambda: "" if process.poll() is None else f"it ended with code {process.returncode}")
        except HyperError:
            self.stop(unit.name)
            raise
        if unit.rotates:
            _log_program.provide(self.host)
            _apart(_log_program.loop(self.host, process.pid))

    def stop(self, name: str, timeout: float = 0.0) -> None:
        super().stop(name, timeout)
        _direct_share.end(self.host, name)
        with contextlib.suppress(FileNotFoundError):
            _direct_network.leave(self.host, json.loads((state_dir_of(self.host, name) / _DEFINITION).read_bytes()))

    def encrypt(self, data: bytes) -> bytes:
        return data

    def decrypt(self, data: bytes) -> bytes:
        return data

    @contextlib.contextmanager
    def _secrets(self, unit: Unit, argv: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
        """The command as it is run, and what it inherits: the unit's secrets are in no file system, but in memory that ends with it."""
        if unit.secrets is None:
            yield argv, ()
            return
        handle = os.memfd_create("hyper-secrets", os.MFD_CLOEXEC)
        try:
            os.write(handle, unit.secrets.read_bytes())
            os.fchmod(handle, 0o400)
            if os.geteuid() == 0:
                os.fchown(handle, *self.host.qemu_ids())
            yield tuple(word.replace(str(SECRETS), f"/proc/self/fd/{handle}") for word in argv), (handle,)
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _alone(self, unit: Unit) -> Iterator[int]:
        """The unit's lock, for QEMU to hold as long as it lives.

        A run that was killed may have started a QEMU that has not written its pid yet. A second one would take its pid file away and leave it
        running unseen, so it is ended first.
        """
        lock = os.open(unit.run_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            deadline = time.monotonic() + _PID_TIME
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                self.stop(unit.name)
                if time.monotonic() > deadline:
                    raise QemuFailed("another QEMU of its own runs, and no pid file tells which", where=unit.name)
                time.sleep(0.02)
            yield lock
        finally:
            os.close(lock)

    def due(self, name: str) -> bool:  # noqa: ARG002  nobody starts it again
        return False

    def undefine_network(self, name: str) -> None:
        """It went with its last guest."""

    def undefine(self, name: str) -> None:
        # A guest that powered off by itself has left its network as it was.
        self.stop(name)
        (state_dir_of(self.host, name) / _DEFINITION).unlink(missing_ok=True)


def spawn(host: Host, argv: tuple[str, ...], log: BinaryIO, *, low_ports: bool = False, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start QEMU as the unprivileged user, in a session of its own, so that it outlives its starter.

    log: gets what it says. low_ports: it may bind ports below 1024, and that is all it may. pass_fds: descriptors that stay open in it.
    """
    argv = (*_confined(host, low_ports=low_ports), _command.find(argv[0]), *argv[1:])
    return _apart(argv, log, pass_fds)


def _apart(argv: Sequence[str], log: int | BinaryIO = subprocess.DEVNULL, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env={"PATH": _command.SEARCH_PATH, "LC_ALL": "C.UTF-8"},
        umask=0o077,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def _confined(host: Host, *, low_ports: bool) -> list[str]:
    """setpriv(1) with what systemd would set. It makes itself the program that follows, so the pid stays. Who is not root has nothing to give up."""
    if os.geteuid() != 0:
        return []
    uid, gid = host.qemu_ids()
    kvm = host.kvm_gid()
    groups = "--clear-groups" if kvm is None else f"--groups={kvm}"
    kept = "-all,+net_bind_service" if low_ports else "-all"
    capabilities = [f"--inh-caps={kept}", f"--bounding-set={kept}", *(["--ambient-caps=+net_bind_service"] if low_ports else [])]
    return [_command.find("setpriv"), f"--reuid={uid}", f"--regid={gid}", groups, "--no-new-privs", *capabilities, "--"]
