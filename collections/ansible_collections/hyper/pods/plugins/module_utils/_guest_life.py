# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of each action on a guest that is not a pod: its files, its QEMU."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _command, _guest_definition, _kvm
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir, provide, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET, qemu_argv
from ansible_collections.hyper.pods.plugins.module_utils._host import Host, NotPrepared
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import installed
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp, QmpRefused, QmpUnreachable
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Unit, supervisor

_DEFINITION = "definition.json"


class GuestNotFound(HyperError):
    """There is no guest of that name."""


class DiskMissing(HyperError):
    """A disk's file is not there, and no size says that it is to be made."""


def converge(host: Host, name: str, given: Mapping[str, Any], state: str, *, check: bool) -> dict[str, Any]:
    """Make the guest what it is to be, and return what the module reports. given: the module's options, None for those that are not given.

    Raises InvalidGuest, GuestNotFound, DiskMissing, QemuFailed, CommandMissing, NotPrepared.
    """
    _guest_definition.check_name(name)
    with contextlib.nullcontext() if check else locked(host.lock_path("guest", name), what=f"guest {name}"):
        life = GuestLife(host, name)
        before = life.read()
        running = life.running()
        if before is None and state != "absent" and all(given.get(key) is None for key in _guest_definition.DEFAULTS):
            raise GuestNotFound("there is no such guest", where=f"guest {name}", remedy="Give its parameters, to create it")
        after = None if state == "absent" else _guest_definition.merged(before, given)
        actions = _guest_definition.plan(before, after, running=running, state=state, residue=life.residue())
        if after is not None:
            life.check(after)
        if not check:
            grace_period = given.get("grace_period")
            for action in actions:
                life.carry_out(action, after, grace_period if grace_period is not None else (after or before or _guest_definition.DEFAULTS)["grace_period"])
        will_run = after is not None and (state == "started" or (running and state == "present"))
        return {
            "changed": bool(actions),
            "actions": actions,
            "guest": {"name": name, "state": _state(after, will_run), **life.runtime(), **(after or {})},
            "diff": {"before": {"state": _state(before, running), **(before or {})}, "after": {"state": _state(after, will_run), **(after or {})}},
        }


def _state(definition: Mapping[str, Any] | None, running: bool) -> str:
    return "absent" if definition is None else "running" if running else "stopped"


class GuestLife:
    """One guest of a host."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._unit = f"hyper-guest@{name}"
        self._supervisor = supervisor(host)
        self._state_dir = host.guest_dir(name)
        self._run_dir = host.guest_run_dir(name)

    def read(self) -> dict[str, Any] | None:
        """The definition on the host's disk, or None."""
        try:
            definition: dict[str, Any] = json.loads((self._state_dir / _DEFINITION).read_text())
        except FileNotFoundError:
            return None
        return definition

    def running(self) -> bool:
        """Whether its QEMU runs."""
        return self._supervisor.pid(self._unit) is not None

    def residue(self) -> bool:
        """Whether anything of its files is there."""
        return self._state_dir.exists()

    def runtime(self) -> dict[str, Any]:
        """What there is of a guest only while it runs, and where its console is written."""
        pid = self._supervisor.pid(self._unit)
        return {
            "pid": pid,
            "running_with": self._supervisor.accelerator(self._unit),
            "qmp": str(self._run_dir / QMP_SOCKET),
            "console": str(self._state_dir / "console.log"),
        }

    def check(self, definition: Mapping[str, Any]) -> None:
        """Raise, before anything is changed, what would hinder a guest of this definition."""
        _command.find("qemu-system-x86_64")
        self._host.qemu_ids()
        qemu_argv(self._guest(definition, "tcg"), run_dir=self._run_dir)
        for key in ("kernel", "initrd"):
            if definition[key] and not Path(definition[key]).is_file():
                raise DiskMissing("there is no such file", where=f"{key} {definition[key]}")
        for number, disk in enumerate(definition["disks"]):
            path = _guest_definition.disk_path(disk, number, self._state_dir)
            if not disk["size"] and not path.exists():
                raise DiskMissing("there is no such disk", where=f"disks[{number}].path {path}", remedy="Give its size, to have it made")

    def carry_out(self, action: str, definition: Mapping[str, Any] | None, grace_period: int) -> None:
        """Do one action of a plan. definition: what the guest is to be. grace_period: seconds that it has to end in order."""
        if action == "delete":
            self._delete()
        elif action == "stop":
            self._stop(grace_period)
        elif definition is not None:
            if action in ("create", "update"):
                self._define(definition)
            if action == "restart":
                self._stop(grace_period)
            if action in ("start", "restart"):
                self._start(definition)

    def _define(self, definition: Mapping[str, Any]) -> None:
        make_dir(self._state_dir, mode=0o750, owner=(0, self._host.qemu_ids()[1]))
        for number, disk in enumerate(definition["disks"]):
            path = _guest_definition.disk_path(disk, number, self._state_dir)
            if not path.exists():
                self._make_disk(path, disk["format"], disk["size"])
        self._supervisor.define(self._make_unit(definition))
        write_atomic(self._state_dir / _DEFINITION, json.dumps(definition, indent=1, sort_keys=True).encode() + b"\n", mode=0o640)

    def _make_disk(self, path: Path, form: str, size: int) -> None:
        """An empty disk, whole or absent."""
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        _command.run(["qemu-img", "create", "-q", "-f", form, str(fresh), str(size)])
        fresh.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(fresh, *self._host.qemu_ids())
        fresh.rename(path)

    def _start(self, definition: Mapping[str, Any]) -> None:
        make_dir(self._run_dir, mode=0o750, owner=self._host.qemu_ids())
        for file in (self._state_dir / "console.log", *self._port_files(definition)):
            provide(file, owner=self._host.qemu_ids())
        unit = self._make_unit(definition)
        # The verdict on KVM may have changed since the guest was defined.
        self._supervisor.define(unit)
        self._supervisor.start(unit)

    def _stop(self, grace_period: int) -> None:
        """Press the guest's power button until it is off; a guest that does not heed it is ended after ``grace_period`` seconds."""
        deadline = time.monotonic() + grace_period
        try:
            with Qmp.connect(self._run_dir / QMP_SOCKET) as qmp:
                while time.monotonic() < deadline:
                    # Again and again: a guest that is still booting does not hear the first.
                    qmp.execute("system_powerdown")
                    if self._supervisor.wait(self._unit, min(1.0, max(0.0, deadline - time.monotonic()))):
                        break
        except (QmpUnreachable, QmpRefused):
            # It ended meanwhile, or there is no hope that it hears.
            pass
        self._supervisor.stop(self._unit)

    def _delete(self) -> None:
        self._supervisor.undefine(self._unit)
        shutil.rmtree(self._run_dir, ignore_errors=True)
        # The definition goes last, so that a removal which was cut off can be asked for again.
        for file in self._state_dir.iterdir():
            if file.name != _DEFINITION:
                file.unlink()
        shutil.rmtree(self._state_dir)

    def _port_files(self, definition: Mapping[str, Any]) -> list[Path]:
        own = [port for port in definition["ports"] if port["kind"] == "file" and not port["path"]]
        return [_guest_definition.port_path(port, self._state_dir, self._run_dir) for port in own]

    def _make_unit(self, definition: Mapping[str, Any]) -> Unit:
        guest = self._guest(definition, self._accelerator(definition))
        written = [disk.path for disk in guest.disks if not disk.readonly] + [port.path.parent if port.kind == "socket" else port.path for port in guest.ports]
        return Unit(
            name=self._unit,
            description=f"Guest {self._name}",
            argv=qemu_argv(guest, run_dir=self._run_dir),
            state_dir=self._state_dir,
            run_dir=self._run_dir,
            user=self._host.qemu_user,
            paths=tuple(path for path in written if self._state_dir not in path.parents and path != self._run_dir),
            grace_period=definition["grace_period"],
        )

    def _accelerator(self, definition: Mapping[str, Any]) -> str:
        if definition["accelerator"] != "auto":
            return str(definition["accelerator"])
        try:
            return _kvm.accelerator(self._host, installed(self._host)).accelerator
        except NotPrepared:
            # Without hyperstart there is nothing to prove KVM with, and what is not proved may hang.
            return "tcg"

    def _guest(self, definition: Mapping[str, Any], accelerator: str) -> Any:
        return _guest_definition.guest(self._name, definition, state_dir=self._state_dir, run_dir=self._run_dir, accelerator=accelerator)
