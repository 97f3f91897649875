# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``volume`` does: one decision for check mode and for real."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _manifest_claims, _quantity, _volume_plan, _volumes
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._manifest_claims import Claim
from ansible_collections.hyper.pods.plugins.module_utils._pod_status import now
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor
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
        changes = _changes(host, params, names, existing, users)
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


def _changes(host: Host, params: Mapping[str, Any], names: list[str], existing: Mapping[str, Volume], users: Mapping[str, list[str]]) -> tuple[Change, ...]:
    if params["unused"]:
        return _volume_plan.pruning(existing, users, params["labels"] or {})
    if params["state"] == "absent":
        # All are looked at before the first is removed, so that one in use stops the task with nothing done.
        return tuple(change for name in names for change in _volume_plan.removal(name, existing, users))
    block = None if params["mode"] is None else params["mode"] == "Block"
    size, labels = _size(params["size"]), params["labels"] or {}
    claims = [Claim(name, size, block, labels) for name in names]
    if (params["source"] or params["export"]) and len(names) != 1:
        raise BadRequest("goes with one name", where="source" if params["source"] else "export", remedy="Name one volume")
    if params["export"]:
        if params["source"] or size or labels or block is not None:
            raise BadRequest("goes with name and force only", where="export", remedy="Use two tasks")
        return _exports(host, names[0], _file(params["export"], "export"), existing, force=params["force"])
    if params["source"]:
        return _copies(host, claims[0], params["source"], existing)
    return _volume_plan.converge(claims, existing, now())


def _copies(host: Host, claim: Claim, source: str, existing: Mapping[str, Volume]) -> tuple[Change, ...]:
    """source: another volume's name, or a file's path."""
    if "/" not in source:
        volume = _require(existing, source)
        if claim.name not in existing:
            _volume_plan.check_at_rest(source, _volumes.holders(host, supervisor(host)))
        if claim.block not in (None, volume.block):
            raise _volume_plan.VolumeDiffers("has the other mode", where=f"volume {source}", remedy="Leave the mode away")
        return _volume_plan.copy(claim, _volumes.disk(host, source), volume.size, volume.block, existing, now())
    file = _file(source, "source")
    if not file.is_file():
        raise BadRequest(f"there is no file {source}", where="source", remedy="Name another volume, or a file of the host that holds a disk")
    return _volume_plan.copy(claim, file, file.stat().st_size, False, existing, now())


def _exports(host: Host, name: str, target: Path, existing: Mapping[str, Volume], *, force: bool) -> tuple[Change, ...]:
    volume = _require(existing, name)
    _volume_plan.check_at_rest(name, _volumes.holders(host, supervisor(host)))
    if target.exists():
        if target.is_file() and _volumes.exported(host, volume, target):
            return ()
        if not force or not target.is_file():
            raise BadRequest(f"{target} is there and holds something else", where="export", remedy="Name another file, or overwrite it with force (--force)")
    elif not target.parent.is_dir():
        raise BadRequest(f"there is no directory {target.parent}", where="export", remedy="Make it first")
    return (Change("export", volume, f"to {target}", target),)


def _file(text: str, where: str) -> Path:
    if not text.startswith("/"):
        raise BadRequest(f"{text!r} is not an absolute path", where=where, remedy="Write the whole path of the file on the host")
    return Path(text)


def _require(existing: Mapping[str, Volume], name: str) -> Volume:
    if name not in existing:
        raise _volume_plan.VolumeNotFound(f"there is no volume {name}", remedy=f"Volumes of this host: {', '.join(existing) or 'none'}")
    return existing[name]


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
    exports = {str(change.file): change.volume for change in changes if change.action == "export"}
    if exports:
        return {"before": {}, "after": {file: f"volume {volume.name}" for file, volume in exports.items()}}
    return {
        "before": {name: _volume_plan.brief(before.get(name)) for name in sorted(names)},
        "after": {name: _volume_plan.brief(after.get(name)) for name in sorted(names)},
    }
