# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU started directly, on a host where systemd is not PID 1 (a container): it outlives its starter, nobody starts it again."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import BinaryIO

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._files import write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._unit import LOG, Supervisor, Unit, await_sockets, state_dir_of

_DEFINITION = "qemu.json"


class Direct(Supervisor):
    """Keeps a unit's command in its state directory and starts it as a session of its own."""

    def define(self, unit: Unit) -> bool:
        text = json.dumps({"user": unit.user, "argv": unit.argv}, indent=1).encode() + b"\n"
        file = unit.state_dir / _DEFINITION
        with contextlib.suppress(FileNotFoundError):
            if file.read_bytes() == text:
                return False
        write_atomic(file, text, mode=0o640)
        return True

    def defined(self, name: str) -> bool:
        return (state_dir_of(self.host, name) / _DEFINITION).is_file()

    def start(self, unit: Unit) -> None:
        with (unit.state_dir / LOG).open("wb") as log:
            process = spawn(self.host, unit.argv, log, low_ports=unit.binds_low_ports)
        await_sockets(unit, ended=lambda: "" if process.poll() is None else f"it ended with code {process.returncode}")

    def undefine(self, name: str) -> None:
        (state_dir_of(self.host, name) / _DEFINITION).unlink(missing_ok=True)


def spawn(host: Host, argv: tuple[str, ...], log: BinaryIO, *, low_ports: bool = False) -> subprocess.Popen[bytes]:
    """Start QEMU as the unprivileged user, in a session of its own, so that it outlives its starter.

    log: gets what it says. low_ports: it may bind ports below 1024, and that is all it may.
    """
    return subprocess.Popen(
        [*_confined(host, low_ports=low_ports), _command.find(argv[0]), *argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env={"PATH": _command.SEARCH_PATH, "LC_ALL": "C.UTF-8"},
        umask=0o077,
        start_new_session=True,
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
