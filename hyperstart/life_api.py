# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on the life of pods that are defined, or are to be: created, held, killed, waited for. A part of the API."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, Unpack

from hyperstart._ansible import Options, Play
from hyperstart._operation import Conflict, Manifest, Pull, by_name, perform, pods_result, run_variables
from hyperstart.results import PodsResult, WaitResult

Condition = Literal["running", "ready", "completed"]


def create_pods(
    *,
    manifests: Sequence[Manifest],
    pull: Pull | None = None,
    conflict: Conflict | None = None,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    **options: Unpack[Options],
) -> PodsResult:
    """Define pods without starting them; as ``run_pods`` in all else."""
    return perform("create_pod.yml", {**run_variables(manifests, pull, authfile, tls_verify), "pod_conflict": conflict}, options, pods_result)


def pause_pods(*, names: Sequence[str], **options: Unpack[Options]) -> PodsResult:
    """Hold pods that run, with their memory."""
    return by_name("pause_pod.yml", names, {}, options)


def unpause_pods(*, names: Sequence[str], **options: Unpack[Options]) -> PodsResult:
    """Let pods that are paused go on where they were. One that is off is started."""
    return by_name("unpause_pod.yml", names, {}, options)


def kill_pods(*, names: Sequence[str], containers: Sequence[str] = (), signal: str | None = None, **options: Unpack[Options]) -> PodsResult:
    """Send a signal to the main processes of containers, all of them unless named.

    signal: such as HUP; without it SIGKILL, and whole pods are stopped at once.
    """
    return by_name("kill_pod.yml", names, {"pod_containers": list(containers) or None, "pod_signal": signal}, options)


def wait_pods(*, names: Sequence[str], condition: Condition | None = None, timeout: int | None = None, **options: Unpack[Options]) -> WaitResult:
    """Wait until pods have completed, or are running or ready. timeout: seconds; without it as long as it takes."""

    def make(play: Play) -> WaitResult:
        result = pods_result(play)
        code = next((code for values in play.of("pod_wait") if (code := int(values.values.get("rc", 0)))), 0)
        return WaitResult(result.changed, result.warnings, result.events, result.pods, result.actions, result.diffs, code)

    return perform("wait_pod.yml", {"pod_names": list(names), "pod_condition": condition, "pod_wait_timeout": timeout}, options, make)


def rename_pod(*, name: str, new_name: str, **options: Unpack[Options]) -> PodsResult:
    """Give a pod that does not run another name; all that is its own stays."""
    return perform("rename_pod.yml", {"pod_name": name, "pod_new_name": new_name}, options, pods_result)
