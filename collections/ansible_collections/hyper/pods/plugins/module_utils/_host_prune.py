# SPDX-License-Identifier: GPL-3.0-or-later
"""Take from a host what nothing needs any more: old versions of hyperstart, templates of no use, and what runs that were killed have left."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _hyperstart_install, _pod_life, _record
from ansible_collections.hyper.pods.plugins.module_utils._files import LockTimeout, locked
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor
from ansible_collections.hyper.pods.plugins.module_utils._templates import templates_of
from ansible_collections.hyper.pods.plugins.module_utils._tree import DNS_LABEL


@dataclass(frozen=True)
class Unneeded:
    """What a host can do without. versions: of hyperstart; pods: names that are no pods but have files; files: the rest."""

    versions: Sequence[str]
    pods: Sequence[str]
    files: Sequence[Path]

    @property
    def lines(self) -> list[str]:
        """One for each thing."""
        return [
            *(f"remove hyperstart {name}" for name in self.versions),
            *(f"remove what is left of pod {name}" for name in self.pods),
            *(f"remove {path}" for path in self.files),
        ]


def find(host: Host) -> Unneeded:
    """What ``prune`` would remove; writes nothing."""
    return Unneeded(
        _hyperstart_install.prunable(host),
        _half_pods(host),
        [*_hyperstart_install.leftovers(host), *ImageStore(host).leftovers(), *_unneeded_templates(host)],
    )


def prune(host: Host) -> Unneeded:
    """Remove what nothing needs, and say what it was. What another run is just making stays."""
    found = find(host)
    if found.versions or any(path.parent == host.hyperstart_dir for path in found.files):
        _hyperstart_install.prune(host)
    pods = [name for name in found.pods if _remove_half(host, name)]
    left = ImageStore(host).leftovers()
    if left:
        ImageStore(host).prune(every=False)
    templates = templates_of(host)
    if templates is not None:
        templates.prune()
    return Unneeded(found.versions, pods, [path for path in found.files if not path.exists()])


def _unneeded_templates(host: Host) -> list[Path]:
    templates = templates_of(host)
    return templates.unneeded() if templates is not None else []


def _half_pods(host: Host) -> list[str]:
    """Names with files in the places of pods, but without the record that makes a pod."""
    names = {path.name for top in (host.state_dir / "pods", host.run_dir / "pods") for path in top.glob("[!.]*") if path.is_dir()}
    names |= {path.name[1 : -len(".removed")] for path in (host.state_dir / "pods").glob(".*.removed")}
    return sorted(name for name in names - set(_record.names(host)) if DNS_LABEL.fullmatch(name))


def _remove_half(host: Host, name: str) -> bool:
    # A run that holds the name may be about to write its record.
    with contextlib.suppress(LockTimeout), locked(host.lock_path("pod", name), what=f"pod {name}", timeout=0.0):
        if name in _half_pods(host):
            _pod_life.PodLife(host, supervisor(host), Progress(), None).remove(name)
            return True
    return False
