# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on a pod's revisions, as functions; see ``api``."""

from __future__ import annotations

from typing import Unpack

from hyperstart._ansible import Options, Play
from hyperstart._operation import Wait, base, collect, perform, pods_result
from hyperstart.results import HistoryResult, PodsResult, Revision


def pod_history(*, name: str, **options: Unpack[Options]) -> HistoryResult:
    """The definitions that a pod has had, the oldest first."""
    return perform("pod_history.yml", {"pod_name": name}, options, _result)


def rollback_pod(
    *, name: str, revision: int | None = None, wait: Wait | None = None, wait_timeout: int | None = None, **options: Unpack[Options]
) -> PodsResult:
    """Bring a pod to a former definition, by its number or to the one before the present. wait, wait_timeout: as ``run_pods``."""
    variables = {"pod_name": name, "pod_revision": revision, "pod_wait": wait, "pod_wait_timeout": wait_timeout}
    return perform("rollback_pod.yml", variables, options, pods_result)


def _result(play: Play) -> HistoryResult:
    return HistoryResult(*base(play), collect(play.results, "revisions", Revision.of))
