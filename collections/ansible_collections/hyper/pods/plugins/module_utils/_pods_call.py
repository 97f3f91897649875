# SPDX-License-Identifier: GPL-3.0-or-later
"""What all operations on pods have in common: how a call goes about its work, whom it keeps out, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _clone, _plan, _plan_operate, _pod_life, _pod_status
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import locked
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor, supervisor


class SeveralFailed(HyperError):
    """More than one pod of the call failed."""


@dataclass(frozen=True)
class Options:
    """How an operation goes about its work.

    pull: missing, always, never, or None for each container's own imagePullPolicy. wait: ready, running, completed, none; wait_timeout: seconds.
    progress_deadline: seconds within which containers that begin in a running pod have to be ready, and stay so for
    min_ready seconds; rollback: else its former definition returns. restart_guest: whether a change that a guest cannot take while it runs restarts it;
    otherwise it is an error.
    grace_period: seconds, or None for each pod's own. refuse_conflict: a name that another definition holds is an error.
    containers: only these, of what is restarted or killed; signal: such as SIGHUP, of what is killed.
    """

    check: bool = False
    pull: str | None = None
    refuse_conflict: bool = False
    wait: str = "running"
    wait_timeout: float = 300.0
    grace_period: int | None = None
    containers: tuple[str, ...] = ()
    signal: str = _plan_operate.KILL
    authfile: Path | None = None
    tls_verify: bool = True
    progress_deadline: float = 120.0
    min_ready: float = 0.0
    rollback: bool = False
    restart_guest: bool = True
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be. pods: as pod_info reports them; before, after: the definitions in brief by name, None where there is no pod."""

    actions: tuple[_plan.Action, ...]
    pods: tuple[dict[str, Any], ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def as_result(self) -> dict[str, Any]:
        """The form that a module returns."""
        return {
            "changed": bool(self.actions),
            "actions": [action.as_dict() for action in self.actions],
            "pods": list(self.pods),
            "before": dict(self.before),
            "after": dict(self.after),
            "diff": {"before": dict(self.before), "after": dict(self.after)},
            "warnings": list(self.warnings),
        }


@contextmanager
def locks(host: Host, names: Sequence[str], *, check: bool) -> Iterator[None]:
    """Hold every pod of the call, in one order everywhere so that two calls cannot wait for each other. A check writes nothing, not even a lock.

    What a run that was killed has left half started is ended: it would never come to run.
    """
    with ExitStack() as stack:
        if not check:
            for name in sorted(names):
                stack.enter_context(locked(host.lock_path("pod", name), what=f"pod {name}"))
                _clone.end_half_started(supervisor(host), _pod_status.unit_name(name))
        yield


def infos(host: Host, supervision: Supervisor, names: Sequence[str], options: Options, begun: Collection[str] = ()) -> tuple[dict[str, Any], ...]:
    """begun: the pods whose guests were started by this call; when nobody waited for them, they cannot answer yet."""
    looks = _pod_status.look_all(host, supervision, list(names), unasked=begun if options.wait == "none" else ())
    return tuple(_pod_status.info(look, options.progress.timings.get(look.name)) for look in looks)


def wait_running(life: _pod_life.PodLife, names: Sequence[str], options: Options) -> None:
    if options.wait != "none":
        each(names, lambda name: life.wait_running(name, options.wait_timeout, ready=options.wait == "ready"))


def wait_completed(life: _pod_life.PodLife, names: Sequence[str], options: Options) -> None:
    """Outside the locks: a pod that takes its time may be stopped by another run."""
    if options.wait == "completed":
        each(names, lambda name: life.wait_completed(name, options.wait_timeout))


def each(names: Sequence[str], work: Callable[[str], None]) -> None:
    """Do the work for every pod, side by side, and tell of all that failed."""

    def attempt(name: str) -> HyperError | None:
        try:
            work(name)
        except HyperError as error:
            return error
        return None

    if len(names) <= 1:
        for name in names:
            work(name)
        return
    with ThreadPoolExecutor(max_workers=min(16, len(names))) as pool:
        failures = [error for error in pool.map(attempt, names) if error is not None]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise SeveralFailed("; ".join(str(failure) for failure in failures))
