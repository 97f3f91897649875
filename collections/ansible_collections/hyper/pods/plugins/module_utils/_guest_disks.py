# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks that a guest which runs can be given, and those that it can give back: each in a slot of its own."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _guest
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp, QmpRefused, QmpUnreachable

_DEVICES = "/machine/peripheral"
# Beyond a moment: an emulated guest under load.
_EJECT_TIME = 30.0


class DiskNotPlugged(HyperError):
    """A guest that runs could not be given a disk, or did not give one back."""


def slots(run_dir: Path) -> list[str] | None:
    """The serial of the disk in each slot of the guest, "" where one is free. None: QEMU does not answer."""
    try:
        with Qmp.connect(run_dir / _guest.QMP_SOCKET) as qmp:
            return _slots(qmp)
    except (QmpUnreachable, QmpRefused):
        return None


def plug(run_dir: Path, disks: Iterable[_guest.Disk]) -> None:
    """Give the guest disks, unless it has them; its kernel sees each a moment later. Raises DiskNotPlugged, QmpUnreachable."""
    with Qmp.connect(run_dir / _guest.QMP_SOCKET) as qmp:
        held = _slots(qmp)
        for disk in disks:
            if disk.serial in held:
                continue
            if "" not in held:
                raise DiskNotPlugged("the guest has no free slot for it", where=str(disk.path), remedy="Restart the pod")
            number = held.index("")
            _plug(qmp, number, disk)
            held[number] = disk.serial


def unplug(run_dir: Path, serials: Collection[str]) -> None:
    """Take away disks that the guest does not use any more. Raises DiskNotPlugged, QmpRefused, QmpUnreachable."""
    with Qmp.connect(run_dir / _guest.QMP_SOCKET) as qmp:
        for number, serial in enumerate(_slots(qmp)):
            if serial in serials:
                name = _guest.plugged_name(number)
                qmp.execute("device_del", id=name)
                _await_deleted(qmp, name, serial)
                _forget(qmp, name)


def _slots(qmp: Qmp) -> list[str]:
    present = {device["name"] for device in qmp.execute("qom-list", path=_DEVICES)}
    found: list[str] = []
    while _guest.slot_name(len(found)) in present:
        name = _guest.plugged_name(len(found))
        found.append(qmp.execute("qom-get", path=f"{_DEVICES}/{name}", property="serial") if name in present else "")
    return found


def _plug(qmp: Qmp, number: int, disk: _guest.Disk) -> None:
    name = _guest.plugged_name(number)
    # What a run that was killed in between has left.
    _forget(qmp, name)
    # QEMU cannot open the file itself: it may see only those that it was started with.
    descriptor = os.open(disk.path, (os.O_RDONLY if disk.readonly else os.O_RDWR) | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        path = qmp.add_file(descriptor, name)
        qmp.execute("blockdev-add", **_guest.block_node(replace(disk, path=Path(path)), name))
        qmp.execute("device_add", driver="virtio-blk-pci", id=name, drive=name, bus=_guest.slot_name(number), serial=disk.serial, disable_legacy="on")
    except QmpRefused as error:
        _forget(qmp, name)
        raise DiskNotPlugged(f"QEMU does not take the disk: {error.message}", where=str(disk.path)) from None
    finally:
        os.close(descriptor)


def _await_deleted(qmp: Qmp, name: str, serial: str) -> None:
    """Wait until the guest's kernel has let go of a device."""
    for event in qmp.events(_EJECT_TIME):
        if event["event"] == "DEVICE_DELETED" and event["data"].get("device") == name:
            return
    raise DiskNotPlugged("the guest does not give it back", where=f"disk {serial}", remedy="Restart the pod")


def _forget(qmp: Qmp, name: str) -> None:
    """The file behind a disk that is gone, or never came to be."""
    with suppress(QmpRefused):
        qmp.execute("blockdev-del", node_name=name)
    qmp.remove_files(name)
