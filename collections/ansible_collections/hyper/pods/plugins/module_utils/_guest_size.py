# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest that runs can be given more of, processors and memory, and giving it: QEMU plugs them in, the guest's kernel tells that it has taken them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _guest
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._plan import Room
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp, QmpRefused, QmpUnreachable

_MIB = 2**20
# Beyond a moment: an emulated guest under load.
_TAKING_TIME = 30.0


class NotTaken(HyperError):
    """A guest did not take the processor or memory that it was given."""


def room(pid: int, run_dir: Path) -> Room | None:
    """How far the guest of the QEMU ``pid`` can grow while it runs, and how large it is. None: that cannot be known, or there is no such room."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        limits = _guest.limits_of(words)
        if limits is None:
            return None
        with Qmp.connect(run_dir / _guest.QMP_SOCKET) as qmp:
            plugged = qmp.execute("query-memory-size-summary")
            used = len(qmp.execute("query-memory-devices"))
            cpus = len(qmp.execute("query-cpus-fast"))
    except (OSError, QmpUnreachable, QmpRefused):
        return None
    given = (plugged["base-memory"] + plugged.get("plugged-memory", 0)) // _MIB
    return Room(cpus, limits.cpus, given, limits.memory_mib, limits.slots - used)


def grow(run_dir: Path, cpus: int, memory_mib: int) -> None:
    """Give the guest so many processors and so much memory in all, unless it has them. Raises NotTaken, QmpRefused, QmpUnreachable."""
    with Qmp.connect(run_dir / _guest.QMP_SOCKET) as qmp:
        for device in (*_plug_cpus(qmp, cpus), *_plug_memory(qmp, memory_mib)):
            _await(qmp, device)


def _plug_cpus(qmp: Qmp, wanted: int) -> Iterator[str]:
    places = sorted(qmp.execute("query-hotpluggable-cpus"), key=lambda place: sorted(place["props"].items()))
    missing = wanted - len(qmp.execute("query-cpus-fast"))
    for place in [place for place in places if "qom-path" not in place][: max(0, missing)]:
        name = "cpu" + "-".join(str(number) for _, number in sorted(place["props"].items()))
        qmp.execute("device_add", driver=place["type"], id=name, **place["props"])
        yield name


def _plug_memory(qmp: Qmp, wanted_mib: int) -> Iterator[str]:
    summary = qmp.execute("query-memory-size-summary")
    size = wanted_mib * _MIB - summary["base-memory"] - summary.get("plugged-memory", 0)
    if size <= 0:
        return
    name = f"memory{len(qmp.execute('query-memory-devices'))}"
    # Who shares the guest's memory with another process shares all of it.
    shared = any(backend["share"] for backend in qmp.execute("query-memdev"))
    backend: dict[str, object] = {"qom_type": "memory-backend-memfd", "share": True} if shared else {"qom_type": "memory-backend-ram"}
    qmp.execute("object-add", **backend, id=f"{name}-backend", size=size)
    try:
        qmp.execute("device_add", driver="pc-dimm", id=name, memdev=f"{name}-backend")
    except QmpRefused:
        qmp.execute("object-del", id=f"{name}-backend")
        raise
    yield name


def _await(qmp: Qmp, device: str) -> None:
    """Wait until the guest's kernel tells (_OST of ACPI) what has become of a device."""
    for event in qmp.events(_TAKING_TIME):
        told = event.get("data", {}).get("info", {})
        if event["event"] == "ACPI_DEVICE_OST" and told.get("device") == device:
            if told["status"]:
                raise NotTaken(f"the guest refused {device} (status {told['status']})", remedy="Restart the pod")
            return
    raise NotTaken(f"the guest did not take {device} in time", remedy="Restart the pod")
