# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods need of a host beside their guests, volumes and directories: what becomes of them, and how that is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.hyper.pods.plugins.module_utils import (
    _host_paths,
    _manifest,
    _manifest_claims,
    _plan,
    _pod_status,
    _volume_plan,
    _volume_sources,
    _volumes,
)
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def volume_changes(host: Host, wanted: Sequence[_manifest.Pod], claims: Mapping[str, _manifest_claims.Claim]) -> tuple[_volume_plan.Change, ...]:
    """What becomes of the host's volumes. Raises VolumeNotFound, VolumeDiffers."""
    if not claims and not any(pod.claims for pod in wanted):
        return ()
    existing = _volumes.all_of(host)
    changes = _volume_plan.converge(claims.values(), existing, _pod_status.now(), _volume_sources.sizes(host, claims.values(), existing))
    _volume_plan.check_pods(wanted, _volume_plan.after(existing, changes))
    return changes


def volume_actions(wanted: Sequence[_manifest.Pod], changes: Sequence[_volume_plan.Change]) -> Iterator[_plan.Action]:
    """They are told of with the first pod that uses the volume, or the first of all."""
    for change in changes:
        name = change.volume.name
        pod = next((pod for pod in wanted if any(claim.claim == name for claim in pod.claims)), wanted[0])
        yield _plan.Action(pod.name, f"{change.action} volume", _plan.LIVE, change.reason if name in change.reason else f"volume {name}: {change.reason}")


def begins(pod: _manifest.Pod, observed: _plan.Observed) -> bool:
    """Whether its paths of the host are looked at anew: a guest that runs has them."""
    if observed.running:
        return observed.pod is None or observed.pod.host_paths != pod.host_paths
    return observed.pod != pod or not observed.completed


def path_actions(missing: Sequence[_host_paths.Missing]) -> Iterator[_plan.Action]:
    """Directories and files of the host that are made."""
    for item in missing:
        yield _plan.Action(item.pod, f"create {item.kind}", _plan.LIVE, f"volume {item.volume}: there is no {item.path}")
