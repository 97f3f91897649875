# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a pod in the form of Kubernetes' PodStatus v1 core. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container
from ansible_collections.hyper.pods.plugins.module_utils._status import ContainerStatus, Status


def pod_status(pod: Pod, status: Status | None, images: Mapping[str, str], *, ips: Sequence[str]) -> dict[str, Any]:
    """status: None for a pod that has never run. images: container name → image id. ips: empty while the guest is off."""
    known = {container.name: container for container in status.containers} if status else {}
    waiting = "PodInitializing" if pod.init_containers else "ContainerCreating"
    found = {container.name: known.get(container.name) or ContainerStatus(container.name, "waiting", waiting) for container in pod.all_containers}

    def statuses(containers: Iterable[Container]) -> list[dict[str, Any]]:
        return [_container(container, images.get(container.name, ""), found[container.name]) for container in containers]

    # A guest that is being stopped still runs, for Kubernetes.
    phase = "Pending" if status is None else "Running" if status.phase == "Stopping" else status.phase
    result: dict[str, Any] = {"phase": phase, "conditions": _conditions(pod, found, phase)}
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


def _conditions(pod: Pod, found: Mapping[str, ContainerStatus], phase: str) -> list[dict[str, Any]]:
    """PodScheduled, Initialized, ContainersReady, Ready, in the words of the kubelet."""
    incomplete = [item.name for item in pod.init_containers if not (found[item.name].started if item.sidecar else found[item.name].ready)]
    unready = [item.name for item in (*(item for item in pod.init_containers if item.sidecar), *pod.containers) if not found[item.name].ready]
    if phase in ("Succeeded", "Failed"):
        over = ("PodCompleted" if phase == "Succeeded" else "PodFailed", "")
        initialized = None if phase == "Succeeded" else _lacking("ContainersNotInitialized", "incomplete", _never_done(pod, found))
        ready: tuple[str, str] | None = over
    else:
        initialized = _lacking("ContainersNotInitialized", "incomplete", incomplete)
        ready = _lacking("ContainersNotReady", "unready", unready)
    return [
        _condition("PodScheduled", None),
        _condition("Initialized", initialized),
        _condition("ContainersReady", ready),
        _condition("Ready", ready),
    ]


def _never_done(pod: Pod, found: Mapping[str, ContainerStatus]) -> list[str]:
    """The init containers without which the others could not start, of a pod that is over."""
    return [item.name for item in pod.init_containers if not item.sidecar and found[item.name].exit_code != 0]


def _lacking(reason: str, what: str, names: Sequence[str]) -> tuple[str, str] | None:
    return (reason, f"containers with {what} status: [{' '.join(names)}]") if names else None


def _condition(kind: str, lacking: tuple[str, str] | None) -> dict[str, Any]:
    if lacking is None:
        return {"type": kind, "status": "True"}
    reason, message = lacking
    return {"type": kind, "status": "False", "reason": reason, **({"message": message} if message else {})}


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
        **_said(signal=status.signal, reason=reason, message=message, startedAt=iso(started_at), finishedAt=iso(status.finished_at)),
    }


def _said(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}
