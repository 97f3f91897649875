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
            process = spawn(self.host, unit.argv, log)
        await_sockets(unit, ended=lambda: "" if process.poll() is None else f"it ended with code {process.returncode}")

    def undefine(self, name: str) -> None:
        (state_dir_of(self.host, name) / _DEFINITION).unlink(missing_ok=True)


def spawn(host: Host, argv: tuple[str, ...], log: BinaryIO) -> subprocess.Popen[bytes]:
    """Start QEMU as the unprivileged user, in a session of its own, so that it outlives its starter. log: gets what it says."""
    uid, gid = host.qemu_ids()
    kvm = host.kvm_gid()
    root = os.geteuid() == 0
    return subprocess.Popen(
        [_command.find(argv[0]), *argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env={"PATH": _command.SEARCH_PATH, "LC_ALL": "C.UTF-8"},
        umask=0o077,
        start_new_session=True,
        # Its groups are exactly those that it needs; only root can choose them.
        user=uid if root else None,
        group=gid if root else None,
        extra_groups=[group for group in (kvm,) if group is not None] if root else None,
    )
