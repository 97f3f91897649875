# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a pod and its containers, whether the guest says it now or its log said it before it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._fields import FLAG, MESSAGE, NUMBER, TIME, Part, Record

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Stopping"]
State = Literal["waiting", "running", "terminated"]


@dataclass(frozen=True)
class ContainerStatus:
    """One container. exit_code (128 + signal when one ended it) and signal: of its last end; times: seconds since 1970.

    ready: its readiness probe says so, or an init container succeeded; started: it runs, and its startup probe has succeeded. last_*: of its last end.
    turned_at: when it last became ready or ceased to be; None: it has never been. last_word: what it said of its last end.
    """

    name: str
    state: State
    reason: str = ""
    message: str = ""
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    restart_count: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    ready: bool = False
    started: bool = False
    last_reason: str = ""
    last_message: str = ""
    last_started_at: float | None = None
    turned_at: float | None = None
    last_word: str = ""


@dataclass(frozen=True)
class InterfaceStatus:
    """An interface that the network gives addresses, and those that it has."""

    mac: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """A pod as hyperstart reports it; containers in the plan's order. reason: DeadlineExceeded, Evicted, or empty. started_at: of the guest.

    interfaces: those whose addresses the host does not say.
    """

    phase: Phase
    message: str = ""
    containers: tuple[ContainerStatus, ...] = ()
    reason: str = ""
    started_at: float | None = None
    interfaces: tuple[InterfaceStatus, ...] = ()


_CONTAINER = Record(
    ContainerStatus,
    Part(tag.STATUS_CONTAINER_NAME, "name", MESSAGE),
    Part(tag.STATUS_CONTAINER_STATE, "state", MESSAGE),
    Part(tag.STATUS_CONTAINER_REASON, "reason", MESSAGE),
    Part(tag.STATUS_CONTAINER_MESSAGE, "message", MESSAGE),
    Part(tag.STATUS_CONTAINER_PID, "pid", NUMBER),
    Part(tag.STATUS_CONTAINER_EXIT_CODE, "exit_code", NUMBER),
    Part(tag.STATUS_CONTAINER_SIGNAL, "signal", NUMBER),
    Part(tag.STATUS_CONTAINER_RESTART_COUNT, "restart_count", NUMBER),
    Part(tag.STATUS_CONTAINER_STARTED_AT, "started_at", TIME),
    Part(tag.STATUS_CONTAINER_FINISHED_AT, "finished_at", TIME),
    Part(tag.STATUS_CONTAINER_READY, "ready", FLAG),
    Part(tag.STATUS_CONTAINER_STARTED, "started", FLAG),
    Part(tag.STATUS_CONTAINER_LAST_REASON, "last_reason", MESSAGE),
    Part(tag.STATUS_CONTAINER_LAST_MESSAGE, "last_message", MESSAGE),
    Part(tag.STATUS_CONTAINER_LAST_STARTED_AT, "last_started_at", TIME),
    Part(tag.STATUS_CONTAINER_TURNED_AT, "turned_at", TIME),
    Part(tag.STATUS_CONTAINER_LAST_WORD, "last_word", MESSAGE),
)
_INTERFACE = Record(
    InterfaceStatus,
    Part(tag.STATUS_INTERFACE_MAC, "mac", MESSAGE),
    Part(tag.STATUS_INTERFACE_ADDRESS, "addresses", MESSAGE, many=True),
)
STATUS = Record(
    Status,
    Part(tag.STATUS_PHASE, "phase", MESSAGE),
    Part(tag.STATUS_MESSAGE, "message", MESSAGE),
    Part(tag.STATUS_CONTAINER, "containers", _CONTAINER.kind, many=True),
    Part(tag.STATUS_REASON, "reason", MESSAGE),
    Part(tag.STATUS_STARTED_AT, "started_at", TIME),
    Part(tag.STATUS_INTERFACE, "interfaces", _INTERFACE.kind, many=True),
)
