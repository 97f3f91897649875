# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod is doing: its record, its guest's process, what hyperstart says, and what its log said before the guest was off."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _guest_disks,
    _guest_size,
    _kubernetes_status,
    _log,
    _network_host,
    _plan_disk,
    _pod_files,
    _pod_guest,
    _record,
    _sealed_objects,
)
from ansible_collections.hyper.pods.plugins.module_utils._channel import AllPortsBusy, GuestTimeout, GuestUnreachable
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes_status import iso
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container, Port
from ansible_collections.hyper.pods.plugins.module_utils._plan import DISK_VOLUMES, Observed, Slots
from ansible_collections.hyper.pods.plugins.module_utils._qmp import is_paused
from ansible_collections.hyper.pods.plugins.module_utils._status import ContainerStatus, Status
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor

# A guest that answers does so in milliseconds; one that is still booting is told of as Pending rather than waited for.
ANSWER_TIMEOUT = 3.0
_CRASHED = "the guest ended without an orderly power-off: QEMU was killed, or it crashed"


def unit_name(pod: str) -> str:
    """The name that the supervisor knows a pod by."""
    return f"hyper-pod@{pod}"


@dataclass(frozen=True)
class Observation:
    """A pod at one moment. status is None where the pod has never run; ended_by: why its guest powered off, as its log has it;
    addresses: the pod's own; paused: its guest is held, so that status is what its log says."""

    name: str
    record: _record.Record
    pid: int | None
    accelerator: str
    status: Status | None
    ended_by: str = ""
    addresses: tuple[str, ...] = ()
    paused: bool = False

    @property
    def address(self) -> str:
        return self.addresses[0] if self.addresses else ""


def observe(host: Host, supervisor: Supervisor, name: str, *, damaged: bool = False, wanted: Pod | None = None) -> Observed:
    """What the planner needs to know; cheap, and asks no guest. damaged: a record that cannot be read is residue, instead of an error. wanted: what the pod
    is to become; when that has another size, or other disks, QEMU is asked how far the guest can grow, and what it can be given.
    """
    try:
        record = _record.read(host, name)
    except _record.BrokenRecord:
        if not damaged:
            raise
        record = None
    pid = supervisor.pid(unit_name(name))
    running = pid is not None
    due = not running and supervisor.due(unit_name(name))
    residue = _pod_files.residue(host, name) or supervisor.defined(unit_name(name))
    if record is None:
        return Observed(residue=residue, running=running, due=due)
    life = None if running else _log.last_life(host.pod_dir(name) / "log")
    completed = not running and not record.stopped and life is not None and life.ended and life.cause in ("completed", "deadline", "evicted")
    rigid = running and not _plan_disk.changeable(_pod_files.plan_path(host, name))
    paused = running and is_paused(host.pod_run_dir(name) / QMP_SOCKET)
    resized = wanted is not None and wanted.size != record.pod.size
    room = _guest_size.room(pid, host.pod_run_dir(name)) if pid is not None and resized else None
    slots = _slots(host, record.pod, wanted) if wanted is not None and running else None
    return Observed(record.pod, record.images, residue, running, rigid, due, completed, paused, room, slots)


def _slots(host: Host, former: Pod, latter: Pod) -> Slots | None:
    """Where the guest of a pod takes disks; None where it is to have the same as before, or QEMU does not answer."""
    before, after = ({volume.name for volume in pod.volumes if isinstance(volume, DISK_VOLUMES)} for pod in (former, latter))
    serials = _guest_disks.slots(host.pod_run_dir(former.name)) if before != after else None
    if serials is None:
        return None
    return Slots(serials.count(""), frozenset(volume for volume in before | after if _pod_guest.volume_serial(volume) in serials))


def look(host: Host, supervisor: Supervisor, name: str, *, ask: bool = True) -> Observation:
    """Everything that is known of a pod. ask: its guest too; otherwise what the log says of it. Raises PodNotFound."""
    record = _record.require(host, name)
    pid = supervisor.pid(unit_name(name))
    accelerator = supervisor.accelerator(unit_name(name)) if pid else ""
    ended_by, paused = "", pid is not None and ask and is_paused(host.pod_run_dir(name) / QMP_SOCKET)
    if pid is None:
        life = _log.last_life(host.pod_dir(name) / "log")
        status, ended_by = _remembered(life), life.cause if life is not None and life.ended else ""
    elif ask and not paused:
        status = _ask(host, supervisor, name)
    else:
        status = _told(host, name)
    addresses = _network_host.addresses(host, name, status.interfaces if status else ())
    return Observation(name, record, pid, accelerator, status, ended_by, addresses, paused)


def look_all(host: Host, supervisor: Supervisor, names: list[str], *, unasked: Collection[str] = ()) -> list[Observation]:
    """Several pods at once: a guest that is slow to answer does not hold up the others, and a pod that another run removes meanwhile is left out.

    unasked: the pods whose guests cannot answer yet.
    """

    def attempt(name: str) -> Observation | None:
        try:
            return look(host, supervisor, name, ask=name not in unasked)
        except _record.PodNotFound:
            return None

    if len(names) <= 1:
        looks = [attempt(name) for name in names]
    else:
        with ThreadPoolExecutor(max_workers=min(16, len(names))) as pool:
            looks = list(pool.map(attempt, names))
    return [look for look in looks if look is not None]


def alive(supervisor: Supervisor, name: str) -> Callable[[], bool]:
    """Whether the pod's guest still runs, as a question that a wait may ask again."""
    return lambda: supervisor.pid(unit_name(name)) is not None


def _ask(host: Host, supervisor: Supervisor, name: str) -> Status:
    try:
        with Control.connect(host.pod_run_dir(name), timeout=ANSWER_TIMEOUT, alive=alive(supervisor, name)) as control:
            return control.status()
    except GuestUnreachable:
        return _told(host, name)
    except GuestTimeout:
        return Status("Pending", "the guest does not answer yet")
    except AllPortsBusy as busy:
        life = _log.last_life(host.pod_dir(name) / "log")
        return life.status() if life is not None else Status("Running", busy.message)


def _told(host: Host, name: str) -> Status:
    """What the log says of a guest that runs."""
    life = _log.last_life(host.pod_dir(name) / "log")
    return life.status() if life is not None and life.version else Status("Pending", "the guest is starting")


def _remembered(life: _log.Life | None) -> Status | None:
    """The state of a pod whose guest is off, from its log."""
    if life is None:
        return None
    status = life.status()
    if not life.ended:
        return Status("Failed", status.message or _CRASHED, tuple(_ended(container) for container in status.containers))
    return status


def _ended(container: ContainerStatus) -> ContainerStatus:
    """A container whose guest is gone cannot be running; what its code would have been is not known."""
    if container.state == "terminated":
        return container
    return ContainerStatus(container.name, "terminated", "GuestLost", "", None, None, None, container.restart_count, container.started_at, None)


def info(observation: Observation, timings: Mapping[str, float] | None = None) -> dict[str, Any]:
    """A pod as pod_info and the command line report it; times in ISO 8601, UTC."""
    record, status = observation.record, observation.status
    pod = record.pod
    known = {container.name: container for container in status.containers} if status else {}
    return {
        "name": observation.name,
        "uid": record.uid,
        "phase": phase(observation),
        "message": status.message if status else "",
        "ip": observation.address if observation.pid else "",
        "accelerator": observation.accelerator,
        "cpus": pod.cpus,
        "memoryMiB": pod.memory_mib,
        "labels": dict(pod.labels),
        "ports": [port.published for port in pod.published_ports],
        "publishedPorts": [_published(container, port) for container in pod.all_containers for port in container.ports if port.host_port is not None],
        "createdAt": iso(record.created_at),
        "containers": [_container(container, record.images.get(container.name, ""), known.get(container.name)) for container in pod.containers],
        "status": _kubernetes_status.pod_status(pod, status, record.images, ips=observation.addresses if observation.pid else (), created_at=record.created_at),
        "timings": dict(timings or {}),
    }


def details(host: Host, observation: Observation) -> dict[str, Any]:
    """A pod as ``hyper inspect`` shows it: beside ``info`` its definition, the objects that it uses (of a Secret digests), and its guest."""
    record, running = observation.record, observation.pid is not None
    life = _log.last_life(host.pod_dir(observation.name) / "log")
    guest = {
        "running": running,
        "pid": observation.pid,
        "accelerator": observation.accelerator,
        "cpus": record.pod.cpus,
        "memoryMiB": record.pod.memory_mib,
        "ips": list(observation.addresses) if running else [],
        "hyperstart": life.version if life else "",
        "unit": f"{unit_name(observation.name)}.service",
        "stateDir": str(host.pod_dir(observation.name)),
        "runDir": str(host.pod_run_dir(observation.name)),
    }
    return {**info(observation), "definition": record.definition, "objects": _sealed_objects.shown(record.objects), "guest": guest}


def phase(observation: Observation) -> str:
    """Pending, Running, Succeeded, Failed as Kubernetes has them, Paused, and Stopped for a pod whose guest was ended on request."""
    status = observation.status
    if observation.paused:
        return "Paused"
    if observation.pid is None:
        # By hyper, or by the host's own hand: systemctl stop, a reboot.
        if observation.record.stopped or observation.ended_by in ("control", "power-button"):
            return "Stopped"
        return status.phase if status is not None and status.phase in ("Succeeded", "Failed") else "Pending" if status is None else "Failed"
    return "Running" if status is not None and status.phase == "Stopping" else (status.phase if status else "Pending")


def _published(container: Container, port: Port) -> dict[str, Any]:
    return {
        "hostIP": port.host_ip,
        "hostPort": port.host_port,
        "containerPort": port.container_port,
        "protocol": port.protocol,
        "container": container.name,
        "name": port.name,
    }


def _container(container: Container, image: str, status: ContainerStatus | None) -> dict[str, Any]:
    status = status or ContainerStatus(container.name, "waiting")
    return {
        "name": container.name,
        "image": container.image,
        "imageID": image,
        "state": status.state,
        "reason": status.reason,
        "message": (status.last_word if status.state == "terminated" else "") or status.message,
        "pid": status.pid,
        "exitCode": status.exit_code,
        "restartCount": status.restart_count,
        "ready": status.ready,
        "startedAt": iso(status.started_at),
        "finishedAt": iso(status.finished_at),
        "labels": dict(container.annotations.labels),
    }


def now() -> float:
    """Seconds since the epoch."""
    return time.time()
