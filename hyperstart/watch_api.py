# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods use and do, by the playbooks. A part of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, Unpack

from hyperstart._ansible import Options, Play
from hyperstart._operation import base, perform
from hyperstart.results import Result

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class ProcessesResult(Result):
    """processes: of all containers, as the module hyper.pods.pod_info returns them."""

    processes: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class UsageResult(Result):
    """usage: an item a pod, as the module hyper.pods.pod_info returns it."""

    usage: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class EventsResult(Result):
    """happened: the events of a pod and its containers, in order, as the module hyper.pods.pod_info returns them."""

    happened: tuple[Mapping[str, Any], ...]


def pod_processes(*, names: Sequence[str], **options: Unpack[Options]) -> ProcessesResult:
    """The processes of pods that run."""
    return perform("pod_top.yml", {"pod_names": list(names)}, options, _make(ProcessesResult, "processes"))


def pod_usage(*, names: Sequence[str], **options: Unpack[Options]) -> UsageResult:
    """What pods that run use: CPU, memory, processes of each container; disks and networks of each pod."""
    return perform("pod_stats.yml", {"pod_names": list(names)}, options, _make(UsageResult, "usage"))


def pod_events(*, name: str, container: str | None = None, **options: Unpack[Options]) -> EventsResult:
    """What became of a pod and its containers, also when it has ended."""
    return perform("pod_events.yml", {"pod_name": name, "pod_container": container}, options, _make(EventsResult, "events"))


def _make(kind: Callable[..., R], key: str) -> Callable[[Play], R]:
    return lambda play: kind(*base(play), tuple(item for result in play.of("pod_info") for item in result.values.get(key) or ()))
