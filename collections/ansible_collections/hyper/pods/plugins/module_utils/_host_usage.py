# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host's disk went: images, pods, volumes, versions of hyperstart, templates. Sizes are bytes of the disk, so that holes do not count."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _hyperstart, _hyperstart_install, _record
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._templates import templates_of


def usage(host: Host) -> dict[str, Any]:
    """What takes how much. shared: what others use too, so that it stays when this goes; own: what goes with it."""
    disk = shutil.disk_usage(host.state_dir if host.state_dir.exists() else "/")
    return {
        "stateDir": str(host.state_dir),
        "total": disk.total,
        "free": disk.free,
        "images": _images(host),
        "pods": [{"name": name, **_sizes(host.pod_dir(name))} for name in _record.names(host)],
        "volumes": [{"name": path.name, **_sizes(path)} for path in sorted((host.state_dir / "volumes").glob("[!.]*"))],
        "hyperstart": _versions(host),
        "templates": _templates(host),
    }


def _images(host: Host) -> dict[str, Any]:
    store = ImageStore(host)
    disks = {image.id: image.disk.stat() for image in store.list()}
    listed = [
        {"reference": image.reference, "id": image.id, "size": _allocated(disks[image.id]), "used": disks[image.id].st_nlink > 1} for image in store.list()
    ]
    return {
        "count": len(disks),
        "size": sum(map(_allocated, disks.values())),
        "unused": sum(_allocated(disk) for disk in disks.values() if disk.st_nlink == 1),
        "layers": store.layers_size(),
        "list": listed,
    }


def _versions(host: Host) -> list[dict[str, Any]]:
    here = _hyperstart.current(host)
    unused = _hyperstart_install.prunable(host)
    return [
        {"version": name, "current": here is not None and here.name == name, "used": name not in unused, **_sizes(host.hyperstart_dir / name)}
        for name in _hyperstart.versions(host)
    ]


def _templates(host: Host) -> list[dict[str, Any]]:
    templates = templates_of(host)
    if templates is None:
        return []
    unneeded = templates.unneeded()
    return [{"name": path.name, "used": path not in unneeded, **_sizes(path)} for path in templates.files()]


def _sizes(top: Path) -> dict[str, int]:
    """Files with several links are shared: a pod's images and kernel."""
    sizes = {"own": 0, "shared": 0}
    seen: set[int] = set()
    paths = [top] if top.is_file() else [Path(directory) / name for directory, _, names in os.walk(top) for name in names]
    for path in paths:
        facts = path.lstat()
        if facts.st_ino not in seen:
            seen.add(facts.st_ino)
            sizes["shared" if facts.st_nlink > 1 else "own"] += _allocated(facts)
    return sizes


def _allocated(facts: os.stat_result) -> int:
    return facts.st_blocks * 512
