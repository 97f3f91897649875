# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a pod in the form of Kubernetes' PodStatus v1 core. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container
from ansible_collections.hyper.pods.plugins.module_utils._status import ContainerStatus, Status


def pod_status(pod: Pod, status: Status | None, images: Mapping[str, str], *, ips: Sequence[str], created_at: float | None = None) -> dict[str, Any]:
    """status: None for a pod that has never run. images: container name → image id. ips: empty while the guest is off. created_at: of the definition."""
    known = {container.name: container for container in status.containers} if status else {}
    waiting = "PodInitializing" if pod.init_containers else "ContainerCreating"
    found = {
        container.name: _judged(container, known.get(container.name) or ContainerStatus(container.name, "waiting", waiting)) for container in pod.all_containers
    }

    def statuses(containers: Iterable[Container]) -> list[dict[str, Any]]:
        return [_container(container, images.get(container.name, ""), found[container.name]) for container in containers]

    # A guest that is being stopped still runs, for Kubernetes.
    phase = "Pending" if status is None else "Running" if status.phase == "Stopping" else status.phase
    started_at = status.started_at if status else None
    result: dict[str, Any] = {"phase": phase, "conditions": _conditions(pod, found, phase, created_at, started_at or created_at)}
    if started_at is not None:
        result["startTime"] = iso(started_at)
    if status is not None and status.reason:
        result["reason"] = status.reason
    if status is not None and status.message:
        result["message"] = status.message
    if ips:
        result.update(podIP=ips[0], podIPs=[{"ip": ip} for ip in ips])
    if pod.init_containers:
        result["initContainerStatuses"] = statuses(pod.init_containers)
    result["containerStatuses"] = statuses(pod.containers)
    return result


def iso(seconds: float | None) -> str | None:
    """A time as people and Kubernetes write it, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _judged(container: Container, status: ContainerStatus) -> ContainerStatus:
    """What the log tells of an init container's end says nothing of its being ready, which success is."""
    if not container.init or container.sidecar or status.state != "terminated":
        return status
    return replace(status, ready=status.exit_code == 0)


def _conditions(pod: Pod, found: Mapping[str, ContainerStatus], phase: str, created_at: float | None, begun_at: float | None) -> list[dict[str, Any]]:
    """PodScheduled, Initialized, ContainersReady, Ready, in the words of the kubelet. begun_at: since when the pod is what it is at the least."""
    servants = [item.name for item in (*(item for item in pod.init_containers if item.sidecar), *pod.containers)]
    incomplete = [item.name for item in pod.init_containers if not (found[item.name].started if item.sidecar else found[item.name].ready)]
    unready = [name for name in servants if not found[name].ready]
    over = phase in ("Succeeded", "Failed")
    if over:
        undone = [] if phase == "Succeeded" else _never_done(pod, found)
        ready: tuple[str, str] | None = ("PodCompleted" if phase == "Succeeded" else "PodFailed", "")
        ready_at = _latest(None, (each.finished_at for each in found.values()))
    else:
        undone = incomplete
        ready = _lacking("ContainersNotReady", "unready", unready)
        ready_at = _unready_at(unready, found, begun_at) if unready else _latest(begun_at, (found[name].turned_at for name in servants))
    initialized = _lacking("ContainersNotInitialized", "incomplete", undone)
    initialized_at = begun_at if undone else _latest(begun_at, (_through_at(item, found[item.name]) for item in pod.init_containers))
    return [
        _condition("PodScheduled", None, created_at),
        _condition("Initialized", initialized, initialized_at),
        _condition("ContainersReady", ready, ready_at),
        _condition("Ready", ready, ready_at),
    ]


def _through_at(container: Container, status: ContainerStatus) -> float | None:
    """When an init container let those behind it start."""
    return status.started_at if container.sidecar else status.finished_at


def _unready_at(unready: Sequence[str], found: Mapping[str, ContainerStatus], begun_at: float | None) -> float | None:
    """Since when not all are ready: from the start, where one has never been."""
    times = [time for name in unready if (time := found[name].turned_at) is not None]
    return min(times) if len(times) == len(unready) else begun_at


def _latest(least: float | None, times: Iterable[float | None]) -> float | None:
    return max((time for time in (least, *times) if time is not None), default=None)


def _never_done(pod: Pod, found: Mapping[str, ContainerStatus]) -> list[str]:
    """The init containers without which the others could not start, of a pod that is over."""
    return [item.name for item in pod.init_containers if not item.sidecar and found[item.name].exit_code != 0]


def _lacking(reason: str, what: str, names: Sequence[str]) -> tuple[str, str] | None:
    return (reason, f"containers with {what} status: [{' '.join(names)}]") if names else None


def _condition(kind: str, lacking: tuple[str, str] | None, at: float | None) -> dict[str, Any]:
    reason, message = lacking or ("", "")
    return {"type": kind, "status": "False" if lacking else "True", **_said(reason=reason, message=message, lastTransitionTime=iso(at))}


def _container(container: Container, image: str, status: ContainerStatus) -> dict[str, Any]:
    return {
        "name": container.name,
        "image": container.image,
        "imageID": image,
        "ready": status.ready,
        "started": status.started,
        "restartCount": status.restart_count,
        "state": _state(status),
        "lastState": _last_state(status),
    }


def _state(status: ContainerStatus) -> dict[str, Any]:
    if status.state == "running":
        return {"running": _said(startedAt=iso(status.started_at))}
    if status.state == "waiting":
        return {"waiting": _said(reason=status.reason or "ContainerCreating", message=status.message)}
    if status.reason == "NotStarted":
        return {"waiting": {"reason": "PodInitializing"}}
    return {"terminated": _end(status, status.reason, status.message, status.started_at)}


def _last_state(status: ContainerStatus) -> dict[str, Any]:
    """How it ended before it was started again, or is about to be."""
    if status.state == "terminated" or status.finished_at is None:
        return {}
    return {"terminated": _end(status, status.last_reason, status.last_message, status.last_started_at)}


def _end(status: ContainerStatus, reason: str, message: str, started_at: float | None) -> dict[str, Any]:
    # Kubernetes asks for an exit code; that of a container whose guest was lost is not known, which it writes so.
    code = 137 if status.exit_code is None else status.exit_code
    return {
        "exitCode": code,
        **_said(signal=status.signal, reason=reason, message=status.last_word or message, startedAt=iso(started_at), finishedAt=iso(status.finished_at)),
    }


def _said(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}
