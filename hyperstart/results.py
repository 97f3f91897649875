# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operations return: frozen, typed, made from what the collection's modules say. ``as_json`` gives the form of ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]


@dataclass(frozen=True)
class ContainerState:
    """A container. state: waiting, running or terminated; exit_code: 128 + signal when a signal ended it; times: ISO 8601, UTC; labels: its own."""

    name: str
    image: str
    state: str
    exit_code: int | None = None
    restart_count: int = 0
    ready: bool = False
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ContainerState:
        """From a module's result."""
        return cls(
            name=values["name"],
            image=values["image"],
            state=values["state"],
            exit_code=values.get("exitCode"),
            restart_count=values.get("restartCount") or 0,
            ready=bool(values.get("ready")),
            reason=values.get("reason") or "",
            message=values.get("message") or "",
            started_at=values.get("startedAt"),
            finished_at=values.get("finishedAt"),
            labels=values.get("labels") or {},
        )

    def as_json(self) -> dict[str, Any]:
        """Kubernetes' spelling of the fields."""
        return {
            "name": self.name,
            "image": self.image,
            "state": self.state,
            "exitCode": self.exit_code,
            "restartCount": self.restart_count,
            "ready": self.ready,
            "reason": self.reason,
            "message": self.message,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "labels": dict(self.labels),
        }


@dataclass(frozen=True)
class PodState:
    """A pod on a host. phase: Pending, Running, Succeeded, Failed or Stopped; accelerator: kvm or tcg while it runs; timings: seconds by stage;
    status: as Kubernetes has it, PodStatus v1 core; ports: as people write them, published_ports: with hostIP, hostPort, containerPort, protocol, container."""

    name: str
    host: str
    phase: str
    ip: str = ""
    accelerator: str = ""
    message: str = ""
    cpus: int | None = None
    memory_mib: int | None = None
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    created_at: str | None = None
    containers: tuple[ContainerState, ...] = ()
    timings: Mapping[str, float] | None = None
    status: Mapping[str, Any] | None = None
    published_ports: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, host: str, values: Mapping[str, Any]) -> PodState:
        """From a module's result. host: its name in the inventory."""
        return cls(
            name=values["name"],
            host=host,
            phase=values["phase"],
            ip=values.get("ip") or "",
            accelerator=values.get("accelerator") or "",
            message=values.get("message") or "",
            cpus=values.get("cpus"),
            memory_mib=values.get("memoryMiB"),
            ports=tuple(values.get("ports") or ()),
            labels=dict(values.get("labels") or {}),
            created_at=values.get("createdAt"),
            containers=tuple(ContainerState.of(container) for container in values.get("containers") or ()),
            timings=dict(values.get("timings") or {}),
            status=dict(values.get("status") or {}),
            published_ports=tuple(dict(port) for port in values.get("publishedPorts") or ()),
        )

    def as_json(self) -> dict[str, Any]:
        """The form of ``hyper list --json``."""
        return {
            "name": self.name,
            "host": self.host,
            "phase": self.phase,
            "ip": self.ip,
            "accelerator": self.accelerator,
            "message": self.message,
            "cpus": self.cpus,
            "memoryMiB": self.memory_mib,
            "ports": list(self.ports),
            "labels": dict(self.labels or {}),
            "createdAt": self.created_at,
            "containers": [container.as_json() for container in self.containers],
            "timings": dict(self.timings or {}),
            "status": dict(self.status or {}),
            "publishedPorts": [dict(port) for port in self.published_ports],
        }


@dataclass(frozen=True)
class PodDetails:
    """All that is known of a pod. definition: the manifest as it was given; objects: the ConfigMaps and Secrets that it uses, of Secrets digests only;
    guest: facts of the guest and its place on the host."""

    pod: PodState
    definition: Mapping[str, Any]
    objects: tuple[Mapping[str, Any], ...]
    guest: Mapping[str, Any]

    @classmethod
    def of(cls, host: str, values: Mapping[str, Any]) -> PodDetails:
        """From a module's result. host: its name in the inventory."""
        return cls(PodState.of(host, values), dict(values["definition"]), tuple(values["objects"]), dict(values["guest"]))

    def as_json(self) -> dict[str, Any]:
        """The form of ``hyper inspect``."""
        return {
            "name": self.pod.name,
            "host": self.pod.host,
            "phase": self.pod.phase,
            "createdAt": self.pod.created_at,
            "ports": list(self.pod.ports),
            "guest": dict(self.guest),
            "definition": dict(self.definition),
            "objects": [dict(document) for document in self.objects],
            "status": dict(self.pod.status or {}),
        }


@dataclass(frozen=True)
class Action:
    """One step that was done, or with ``check`` would be. effect: what the running pod feels of it.

    container: the only one that it is about, where it is not the pod; signal: such as SIGHUP, of a kill.
    """

    host: str
    pod: str
    action: str
    effect: str
    reason: str
    container: str = ""
    signal: str = ""

    @classmethod
    def of(cls, host: str, values: Mapping[str, Any]) -> Action:
        """From a module's result."""
        return cls(
            host,
            values["pod"],
            values["action"],
            values.get("effect", ""),
            values.get("reason", ""),
            values.get("container", ""),
            values.get("signal", ""),
        )

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        only = {name: value for name, value in (("container", self.container), ("signal", self.signal)) if value}
        return {"host": self.host, "pod": self.pod, "action": self.action, "effect": self.effect, "reason": self.reason, **only}


@dataclass(frozen=True)
class LogLine:
    """A line that a container wrote. stream: stdout or stderr; time: ISO 8601 with nanoseconds, UTC; message: without its newline."""

    host: str
    pod: str
    container: str
    time: str
    stream: str
    message: str

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {"host": self.host, "pod": self.pod, "container": self.container, "time": self.time, "stream": self.stream, "message": self.message}


@dataclass(frozen=True)
class Result:
    """What every operation returns: whether something was changed, what to heed, and Ansible's events."""

    changed: bool
    warnings: tuple[str, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True)
class PodsResult(Result):
    """pods: as they are now (with ``check``: as they were found). diffs: definitions ``before`` and ``after``, one for each host."""

    pods: tuple[PodState, ...]
    actions: tuple[Action, ...]
    diffs: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """The form of ``--json``, without the events."""
        return {
            "changed": self.changed,
            "pods": [pod.as_json() for pod in self.pods],
            "actions": [action.as_json() for action in self.actions],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class WaitResult(PodsResult):
    """Pods that became what was waited for. exit_code: of pods that completed the first of their containers' that is not 0."""

    exit_code: int

    def as_json(self) -> dict[str, Any]:
        """The form of ``--json``."""
        return {"pods": [pod.as_json() for pod in self.pods], "exitCode": self.exit_code}


@dataclass(frozen=True)
class InspectResult(Result):
    """pods: by host, each as it was asked for."""

    pods: tuple[PodDetails, ...]


@dataclass(frozen=True)
class CompletedResult(PodsResult):
    """Pods that ran to their end and are gone: pods and containers as they ended. lines: what they wrote."""

    lines: tuple[LogLine, ...]


@dataclass(frozen=True)
class LogsResult(Result):
    """lines: of all containers asked for, in the order in which they were written."""

    lines: tuple[LogLine, ...]


@dataclass(frozen=True)
class ExecResult(Result):
    """How a command in a container ended."""

    host: str
    exit_code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class AttachResult(Result):
    """What a container wrote while its streams were shared. exit_code: its own, None where it goes on."""

    host: str
    exit_code: int | None
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Revision:
    """A definition that a pod has had, in brief, with the ids of its images. current: it has it now; changed_at: ISO 8601, when it got it."""

    host: str
    pod: str
    revision: int
    current: bool
    changed_at: str
    definition: Mapping[str, Any]

    @classmethod
    def of(cls, host: str, values: Mapping[str, Any]) -> Revision:
        """From a module's result."""
        return cls(host, values["pod"], values["revision"], values["current"], values["changedAt"], values["definition"])

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "host": self.host,
            "pod": self.pod,
            "revision": self.revision,
            "current": self.current,
            "changedAt": self.changed_at,
            "definition": dict(self.definition),
        }


@dataclass(frozen=True)
class HistoryResult(Result):
    """revisions: of a pod, on each host that has it, the oldest first."""

    revisions: tuple[Revision, ...]


@dataclass(frozen=True)
class HostsResult(Result):
    """hosts: by the name in the inventory, what the host has to offer (see the module hyper.pods.pod_info, ``host``), or what else was asked for."""

    hosts: Mapping[str, Mapping[str, Any]]
