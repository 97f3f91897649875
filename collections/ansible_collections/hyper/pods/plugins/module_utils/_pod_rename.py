# SPDX-License-Identifier: GPL-3.0-or-later
"""Another name for a pod: its directory gets it, by one call of the kernel, and what else is called after the pod follows."""

from __future__ import annotations

from ansible_collections.hyper.pods.plugins.module_utils import _pod_files, _pod_life, _pod_status, _pods_call, _record
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._plan import LIVE, Action
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodExists, PodNotFound, PodRuns
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor


def rename(host: Host, name: str, new: str, *, check: bool, progress: Progress) -> _pods_call.Outcome:
    """Give a pod that does not run another name. One that has it already, and had the other before, is left alone.

    Raises BadName, PodNotFound, PodExists, PodRuns.
    """
    for each in (name, new):
        _record.check_name(each)
    supervision = supervisor(host)
    with _pods_call.locks(host, list(dict.fromkeys((name, new))), check=check):
        former, present = _record.read(host, name), _record.read(host, new)
        if former is None and (present is None or present.former_name != name):
            raise PodNotFound(name, _record.names(host))
        life = _pod_life.PodLife(host, supervision, progress, None)
        actions: tuple[Action, ...] = ()
        if former is not None and name != new:
            observed = _pod_status.observe(host, supervision, name)
            if observed.running or observed.due:
                raise PodRuns("is running, and its guest is called after it", where=f"pod {name}", remedy=f"Stop it first: hyper stop {name}")
            if present is not None or _pod_files.residue(host, new) or supervision.defined(_pod_status.unit_name(new)):
                what = "there is a pod of this name" if present is not None else "something is left of a pod of this name"
                raise PodExists(what, where=f"pod {new}", remedy=f"Choose another name, or remove it: hyper rm {new}")
            actions = (Action(name, "rename", LIVE, f"to {new}"),)
        if not check:
            life.rename(name, new) if actions else life.settle(new)
        before = {name: {"name": name} if actions else None, new: None if actions else {"name": new}}
        look = _pod_status.look(host, supervision, name if check and actions else new)
        return _pods_call.Outcome(actions, (_pod_status.info(look),), before, {name: None, new: {"name": new}})
