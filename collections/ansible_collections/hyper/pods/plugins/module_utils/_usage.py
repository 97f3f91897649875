# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods use and do, as pod_info and the command line report it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _log, _pod_exec, _pod_status, _record, _sample
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodPaused
from ansible_collections.hyper.pods.plugins.module_utils._qmp import is_paused
from ansible_collections.hyper.pods.plugins.module_utils._sample import Sample
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor

_CONNECT_TIMEOUT = 30.0
# Between the two samples that a share of CPU time is taken from, in seconds.
INTERVAL = 1.0


def usage(pod: str, former: Sample, latter: Sample) -> dict[str, Any]:
    """What a pod and its containers use; shares of CPU time are those between the two samples, in percent of one CPU; bytes count from its start."""
    names = tuple(file.container for file in latter.files if file.name == "cpu.stat")
    before, after = _sample.usage(former, names), _sample.usage(latter, names)
    return {
        "pod": pod,
        "memory": after.memory,
        "memoryTotal": after.memory_total,
        "blockRead": after.read,
        "blockWritten": after.written,
        "netReceived": after.received,
        "netSent": after.sent,
        "containers": [
            {
                "name": container.container,
                "cpuPercent": _sample.cpu_percent(earlier.cpu, container.cpu, after.up - before.up),
                "cpuSeconds": round(container.cpu, 2),
                "memory": container.memory,
                "processes": container.processes,
            }
            for earlier, container in zip(before.containers, after.containers)
        ],
    }


def processes(pod: str, sample: Sample) -> list[dict[str, Any]]:
    """The processes of a pod's containers. cpu: seconds; memory: resident bytes; age: seconds since the start."""
    return [{"pod": pod, **asdict(process)} for process in _sample.processes(sample)]


def event(pod: str, line: _log.Line) -> dict[str, Any]:
    """A line of a pod's log that tells an event."""
    told = _log.event(line)
    return {"pod": pod, "time": line.time, "container": "" if told.container == "-" else told.container, "event": told.word, "values": told.values}


def sampled(controls: Mapping[str, Control]) -> list[dict[str, Any]]:
    """The usage of pods, by their names; all are measured over the same interval. Raises what Control raises."""
    former = {name: control.sample() for name, control in controls.items()}
    # What is measured is what is used meanwhile.
    time.sleep(INTERVAL)
    return [usage(name, former[name], control.sample()) for name, control in controls.items()]


def usages(host: Host, names: Sequence[str]) -> list[dict[str, Any]]:
    """The usage of pods that run. Raises PodNotRunning, PodPaused and what Control raises."""
    with ExitStack() as stack:
        return sampled({name: stack.enter_context(_control(host, name)) for name in names})


def all_processes(host: Host, names: Sequence[str]) -> list[dict[str, Any]]:
    """The processes of pods that run. Raises as ``usages``."""
    found = []
    for name in names:
        with _control(host, name) as control:
            found += processes(name, control.sample())
    return found


def events(host: Host, name: str, container: str | None = None) -> list[dict[str, Any]]:
    """What became of a pod and its containers, in order; also of a pod that has ended. Raises PodNotFound, ContainerNotFound."""
    _record.require(host, name)
    lines = _log.read(host.pod_dir(name) / "log", container=container, events=True)
    return [event(name, line) for line in lines if line.stream == "event"]


def _control(host: Host, name: str) -> Control:
    _pod_exec.find(host, name, None)
    if is_paused(host.pod_run_dir(name) / QMP_SOCKET):
        raise PodPaused(name)
    return Control.connect(host.pod_run_dir(name), timeout=_CONNECT_TIMEOUT, alive=_pod_status.alive(supervisor(host), name))
