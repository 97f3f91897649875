# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user says of a guest, what that changes, and the guest that it makes. Pure.

A definition is a dict with the names of the module's options, every one of them set; it is what is kept on the host's disk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._guest import Disk, Forward, Guest, InvalidGuest, Nic, Port

DEFAULTS: dict[str, Any] = {
    "vcpus": 1,
    "memory": 256,
    "kernel": None,
    "initrd": None,
    "cmdline": "",
    "disks": [],
    "nics": [],
    "ports": [],
    "reboots": True,
    "accelerator": "auto",
    "grace_period": 60,
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_SMALLEST_MIB = 16


def check_name(name: str) -> None:
    """Raises InvalidGuest where ``name`` cannot be a part of a file's and a unit's name."""
    if not _NAME.fullmatch(name):
        raise InvalidGuest(
            "a name consists of at most 63 lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit", where=f"name {name!r}"
        )


def merged(current: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that is wanted: what is given, else what the guest has, else the default. What is None is not given. Raises InvalidGuest."""
    chosen = {key: given[key] for key in DEFAULTS if given.get(key) is not None}
    definition = {**DEFAULTS, **(current or {}), **chosen}
    _check(definition)
    return definition


def plan(current: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None, *, running: bool, state: str, residue: bool = False) -> list[str]:
    """The actions, in order, that make a guest what it is to be: create, update, start, stop, restart, delete.

    current, wanted: its definition now and then, None for none. residue: files are there, of a creation that was cut off if there is no definition.
    An update of a running guest restarts it: QEMU takes no other parameters while it runs.
    """
    if wanted is None:
        return [*(["stop"] if running else []), *(["delete"] if current is not None or residue else [])]
    actions = []
    if current is None:
        actions.append("create")
    elif current != wanted:
        actions.append("update")
        if running and state != "stopped":
            actions.append("restart")
    if state == "started" and not running:
        actions.append("start")
    if state == "stopped" and running:
        actions.append("stop")
    return actions


def guest(name: str, definition: Mapping[str, Any], *, state_dir: Path, run_dir: Path, accelerator: str) -> Guest:
    """The guest of a definition. state_dir, run_dir: its own directories, where that lies to which the definition gives no path."""
    return Guest(
        name=name,
        vcpus=definition["vcpus"],
        memory_mib=definition["memory"],
        accelerator=accelerator,
        kernel=Path(definition["kernel"]) if definition["kernel"] else None,
        initrd=Path(definition["initrd"]) if definition["initrd"] else None,
        cmdline=definition["cmdline"],
        disks=tuple(
            Disk(disk_path(disk, number, state_dir), disk["serial"] or "", bool(disk["readonly"]), disk["format"])
            for number, disk in enumerate(definition["disks"])
        ),
        nics=tuple(_nic(name, number, nic) for number, nic in enumerate(definition["nics"])),
        ports=tuple(Port(port["name"], port_path(port, state_dir, run_dir), port["kind"]) for port in definition["ports"]),
        console=state_dir / "console.log",
        bootable_disk=not definition["kernel"],
        reboots=definition["reboots"],
    )


def disk_path(disk: Mapping[str, Any], number: int, state_dir: Path) -> Path:
    """Where a disk's file lies."""
    return Path(disk["path"]) if disk["path"] else state_dir / f"disk{number}.{disk['format']}"


def port_path(port: Mapping[str, Any], state_dir: Path, run_dir: Path) -> Path:
    """Where a port's socket or file lies. Sockets go with the guest's run, files stay."""
    if port["path"]:
        return Path(port["path"])
    return (run_dir if port["kind"] == "socket" else state_dir) / f"port-{port['name']}"


def _nic(name: str, number: int, nic: Mapping[str, Any]) -> Nic:
    digest = hashlib.sha256(f"{name}/{number}".encode()).digest()
    mac = nic["mac"] or "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
    forwards = tuple(Forward(item["protocol"], item["host_ip"], item["host_port"], item["guest_port"]) for item in nic["forwards"] or [])
    return Nic(mac, forwards, bool(nic["restrict"]))


def _check(definition: Mapping[str, Any]) -> None:
    if definition["vcpus"] < 1:
        raise InvalidGuest("a guest has at least one", where="vcpus")
    if definition["memory"] < _SMALLEST_MIB:
        raise InvalidGuest(f"a guest has at least {_SMALLEST_MIB} MiB", where="memory")
    if definition["kernel"] is None and not definition["disks"]:
        raise InvalidGuest("there is neither a kernel nor a disk to boot from", remedy="Give kernel, or disks")
    if definition["kernel"] is None and (definition["initrd"] or definition["cmdline"]):
        raise InvalidGuest("initrd and cmdline are for a kernel, and there is none", remedy="Give kernel")
    for number, nic in enumerate(definition["nics"]):
        if nic["mac"] and not _MAC.fullmatch(nic["mac"]):
            raise InvalidGuest("a MAC address is six pairs of lower-case hexadecimal digits", where=f"nics[{number}].mac {nic['mac']!r}")
        for item in nic["forwards"] or []:
            _check_forward(item, f"nics[{number}].forwards")
    names = [port["name"] for port in definition["ports"]]
    for port in names:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", port) or names.count(port) > 1:
            raise InvalidGuest("a port's name is unique, and of letters, digits, '.', '_' and '-'", where=f"ports {port!r}")


def _check_forward(forward: Mapping[str, Any], where: str) -> None:
    for key in ("host_port", "guest_port"):
        if not 1 <= forward[key] <= 65535:
            raise InvalidGuest("a port's number lies between 1 and 65535", where=f"{where}.{key} {forward[key]}")
    if forward["host_ip"] and not re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", forward["host_ip"]):
        raise InvalidGuest("an IPv4 address is needed here", where=f"{where}.host_ip {forward['host_ip']!r}")
