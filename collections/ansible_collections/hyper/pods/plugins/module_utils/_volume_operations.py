# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``volume`` does: one decision for check mode and for real."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _manifest_claims, _quantity, _volume_plan, _volumes
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._manifest_claims import Claim
from ansible_collections.hyper.pods.plugins.module_utils._pod_status import now
from ansible_collections.hyper.pods.plugins.module_utils._volume_plan import Change, Volume


class BadSize(HyperError):
    """A size that no volume can have."""


class BadRequest(HyperError):
    """Arguments that do not go together."""


def apply(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Carry out the module's parameters; returns its result. Raises HyperError."""
    params = module.params
    names = list(dict.fromkeys(params["name"] or ()))
    for name in names:
        _volumes.check_name(name)
    if params["unused"] and (names or params["state"] != "absent"):
        raise BadRequest("removes what no pod uses, and goes with state absent and without names", where="unused", remedy="Leave one of them away")
    # A check writes nothing, not even a lock.
    with nullcontext() if module.check_mode else _volumes.changing(host):
        existing, users = _volumes.all_of(host), _volumes.users(host)
        changes = _changes(params, names, existing, users)
        after = _volume_plan.after(existing, changes)
        if not module.check_mode:
            _volumes.carry_out(host, changes)
    if names:
        shown = [volume for name in names if (volume := (existing if params["state"] == "absent" else after).get(name)) is not None]
    else:
        shown = [change.volume for change in changes] if params["unused"] else list(existing.values())
    return {
        "changed": bool(changes),
        "actions": [f"{change.action} {change.volume.name}: {change.reason}" for change in changes],
        "diff": _diff(existing, after, changes),
        "volumes": [_volumes.shown(host, volume, users.get(volume.name, ())) for volume in shown],
    }


def _changes(params: Mapping[str, Any], names: list[str], existing: Mapping[str, Volume], users: Mapping[str, list[str]]) -> tuple[Change, ...]:
    if params["unused"]:
        return _volume_plan.pruning(existing, users, params["labels"] or {})
    if params["state"] == "absent":
        # All are looked at before the first is removed, so that one in use stops the task with nothing done.
        return tuple(change for name in names for change in _volume_plan.removal(name, existing, users))
    block = None if params["mode"] is None else params["mode"] == "Block"
    size, labels = _size(params["size"]), params["labels"] or {}
    return _volume_plan.converge([Claim(name, size, block, labels) for name in names], existing, now())


def _size(text: str | None) -> int | None:
    """Kubernetes' quantities, and 512M in powers of 1024 as docker counts it."""
    if text is None:
        return None
    binary = text if not text or text[-1] not in "KkMGTmgt" else f"{text[:-1]}{text[-1].upper()}i"
    try:
        size = _quantity.ceiling(_quantity.parse(binary))
    except ValueError:
        raise BadSize(f"{text!r} is not a size", where="size", remedy="Write it such as 512M or 10Gi") from None
    if not 0 < size <= _manifest_claims.MAX_SIZE:
        raise BadSize(f"{text!r} is no size of a volume", where="size", remedy=f"Ask for at most {_quantity.human(_manifest_claims.MAX_SIZE)}")
    return _manifest_claims.whole(size)


def _diff(before: Mapping[str, Volume], after: Mapping[str, Volume], changes: Iterable[Change]) -> dict[str, Any]:
    names = {change.volume.name for change in changes}
    return {
        "before": {name: _volume_plan.brief(before.get(name)) for name in sorted(names)},
        "after": {name: _volume_plan.brief(after.get(name)) for name in sorted(names)},
    }
