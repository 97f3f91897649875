# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations on pods that are defined already, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _host_paths,
    _plan,
    _plan_operate,
    _pod_exec,
    _pod_life,
    _pod_status,
    _pods_call,
    _pods_preflight,
    _pods_secrets,
    _pods_storage,
    _record,
)
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodPaused
from ansible_collections.hyper.pods.plugins.module_utils._pods_call import Options, Outcome
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor


def by_name(host: Host, names: Sequence[str], state: str, options: Options) -> Outcome:
    """Bring pods that are defined to a state: started, paused, stopped, killed, restarted, absent. Raises PodNotFound, PodNotRunning and others."""
    supervision = supervisor(host)
    unique = list(dict.fromkeys(names))
    for name in unique:
        _record.check_name(name)
    with _pods_call.locks(host, unique, check=options.check):
        if state != "absent" and not options.check:
            _pods_secrets.convert(host, supervision, unique)
        observed = {name: _pod_status.observe(host, supervision, name, damaged=state == "absent") for name in unique}
        if state != "absent":
            for name in unique:
                _record.require(host, name)
        _require_running(host, unique, observed, state, options)
        plans = {name: _decide(state, name, observed[name], options) for name in unique}
        missing: tuple[_host_paths.Missing, ...] = ()
        if state in ("started", "restarted"):
            pods = [pod for name in unique if (pod := observed[name].pod) is not None]
            _pods_storage.volume_changes(host, pods, {})
            missing = _host_paths.missing(host, [pod for pod in pods if plans[pod.name] and not observed[pod.name].paused and not options.containers])
            _pods_preflight.check(host, supervision, pods, observed)
        actions = (*_pods_storage.path_actions(missing), *(action for plan in plans.values() for action in plan))
        before = {name: _stated(observed[name], observed[name].running or observed[name].due, paused=observed[name].paused) for name in unique}
        ends = state == "stopped" or (state == "killed" and not options.containers and options.signal == _plan_operate.KILL)
        after = {name: None if state == "absent" else _stated(observed[name], not ends, paused=state == "paused") for name in unique}
        left = [] if state == "absent" else unique
        if options.check:
            return Outcome(actions, _pods_call.infos(host, supervision, [name for name in unique if observed[name].pod is not None], options), before, after)
        life = _pod_life.PodLife(host, supervision, options.progress, options.grace_period)
        _pods_call.each(unique, lambda name: life.carry_out(plans[name], name, None if state == "absent" else _record.require(host, name), {}))
        awaited = unique if state in ("started", "restarted") else []
        _pods_call.wait_running(life, awaited, options)
        life.make_templates()
    _pods_call.wait_completed(life, awaited, options)
    return Outcome(actions, _pods_call.infos(host, supervision, left, options, {action.pod for action in actions}), before, after, tuple(life.warnings))


def _decide(state: str, name: str, observed: _plan.Observed, options: Options) -> tuple[_plan.Action, ...]:
    """What brings a pod that is defined to a state."""
    if state == "killed":
        return _plan_operate.kill(name, observed, options.containers, options.signal)
    if state == "restarted" and options.containers:
        return _plan_operate.restart_containers(name, observed, options.containers)
    plans = {"started": _plan.start, "stopped": _plan.stop, "restarted": _plan.restart, "absent": _plan.remove, "paused": _plan_operate.pause}
    return plans[state](name, observed)


def _require_running(host: Host, names: Sequence[str], observed: Mapping[str, _plan.Observed], state: str, options: Options) -> None:
    """Refuse what only a guest that runs, and is not held, can be asked for. Raises PodNotRunning, ContainerNotFound, PodPaused."""
    heard = state == "killed" and (options.containers or options.signal != _plan_operate.KILL)
    if not (heard or state == "paused" or (state == "restarted" and options.containers)):
        return
    for name in names:
        for container in options.containers or (None,):
            _pod_exec.find(host, name, container)
        if heard and observed[name].paused:
            raise PodPaused(name)


def _stated(observed: _plan.Observed, running: bool, *, paused: bool = False) -> dict[str, Any] | None:
    """A pod in brief for an operation that leaves its definition alone."""
    return None if observed.pod is None else {"name": observed.pod.name, "running": running, **({"paused": True} if paused else {})}
