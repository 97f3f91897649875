# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a host: a directory each, with the disk and a record. What is on a disk is the guests' and is never looked into."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _ext4, _manifest_claims, _pod_guest, _pod_status, _record, _volume_sources
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir, provide, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes_status import iso
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor
from ansible_collections.hyper.pods.plugins.module_utils._volume_plan import Change, Volume

_RECORD = "volume.json"


class BadVolumeName(HyperError):
    """A name that no volume can have; as a path it could lead anywhere."""


class BrokenVolume(HyperError):
    """A volume's record cannot be read."""


@contextmanager
def changing(host: Host) -> Iterator[None]:
    """Hold the volumes of the host while they are looked at and changed; short, for nobody waits inside."""
    with locked(host.lock_path("volumes", "all"), what="the volumes of this host"):
        yield


def check_name(name: str) -> None:
    """Raises BadVolumeName."""
    if not _manifest_claims.is_name(name):
        raise BadVolumeName(f"{name!r} is not a volume's name", remedy="A name has at most 63 lower-case letters, digits, '-' and '.'")


def all_of(host: Host) -> dict[str, Volume]:
    """Every volume of the host by its name, sorted."""
    files = sorted(host.volumes_dir.glob(f"[!.]*/{_RECORD}"))
    return {file.parent.name: _read(host, file) for file in files}


def _read(host: Host, file: Path) -> Volume:
    name = file.parent.name
    try:
        data = json.loads(file.read_bytes())
        return Volume(name, disk(host, name).stat().st_size, data["block"], data["labels"], data["created_at"])
    except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
        raise BrokenVolume(f"cannot be read: {error}", where=str(file)) from None


def disk(host: Host, name: str) -> Path:
    """The disk of a volume: a sparse file."""
    return _pod_guest.volume_disk(host.volumes_dir, name)


def users(host: Host) -> dict[str, list[str]]:
    """The pods that are defined with each volume, whether they run or not. A pod whose record cannot be read is none."""
    found: dict[str, list[str]] = {}
    for name in _record.names(host):
        try:
            record = _record.read(host, name)
        except _record.BrokenRecord:
            continue
        for claim in record.pod.claims if record is not None else ():
            found.setdefault(claim.claim, []).append(name)
    return found


def carry_out(host: Host, changes: Iterable[Change]) -> None:
    """Make the changes, in their order."""
    for change in changes:
        if change.action == "create":
            _create(host, change.volume, change.file, change.form)
        elif change.action == "export" and change.file is not None:
            _export(host, change.volume, change.file)
        else:
            {"grow": _grow, "label": _label, "delete": _delete}[change.action](host, change.volume)


def _create(host: Host, volume: Volume, source: Path | None, form: str) -> None:
    """Made aside and put into place whole."""
    check_name(volume.name)
    _, gid = host.qemu_ids()
    make_dir(host.volumes_dir)
    fresh = host.volumes_dir / f".{volume.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    make_dir(fresh, mode=0o750, owner=(0, gid))
    try:
        _fill(host, volume, source, form, fresh / disk(host, volume.name).name)
        _write(fresh, volume)
        fresh.rename(host.volumes_dir / volume.name)
    except BaseException:
        # What a full disk could not take gives its room back.
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _fill(host: Host, volume: Volume, source: Path | None, form: str, file: Path) -> None:
    if source is None and not volume.block:
        _ext4.make(file, volume.size, owner=host.qemu_ids())
        return
    provide(file, owner=host.qemu_ids())
    if source is not None and form:
        _volume_sources.copy(host, volume.name, source, form, file)
    elif source is not None:
        _volume_sources.copy_file(source, file)
    os.truncate(file, volume.size)


def _export(host: Host, volume: Volume, target: Path) -> None:
    """The file is whole or absent, and root's alone. Its time is the disk's, so that it is known to hold what the disk holds."""
    source = disk(host, volume.name)
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.close(handle)
    try:
        _volume_sources.copy_file(source, fresh)
        os.utime(fresh, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def exported(host: Host, volume: Volume, target: Path) -> bool:
    """Whether a file holds what the volume's disk holds, as far as sizes and times tell."""
    own, other = disk(host, volume.name).stat(), target.stat()
    return (own.st_size, own.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def holders(host: Host, supervision: Supervisor) -> dict[str, str]:
    """The volumes that pods run with, and which pods. One that is about to be started again needs its volumes then, so it counts."""
    found: dict[str, str] = {}
    for name in _record.names(host):
        unit = _pod_status.unit_name(name)
        if supervision.pid(unit) is None and not supervision.due(unit):
            continue
        try:
            record = _record.read(host, name)
        except _record.BrokenRecord:
            continue
        if record is not None:
            found.update((claim.claim, name) for claim in record.pod.claims)
    return found


def _grow(host: Host, volume: Volume) -> None:
    """The guest grows the filesystem when it mounts it."""
    os.truncate(disk(host, volume.name), volume.size)


def _label(host: Host, volume: Volume) -> None:
    _write(host.volumes_dir / volume.name, volume)


def _delete(host: Host, volume: Volume) -> None:
    trash = host.volumes_dir / f".{volume.name}.removed"
    shutil.rmtree(trash, ignore_errors=True)
    (host.volumes_dir / volume.name).rename(trash)
    shutil.rmtree(trash)


def _write(directory: Path, volume: Volume) -> None:
    data = {"block": volume.block, "labels": dict(volume.labels), "created_at": volume.created_at}
    write_atomic(directory / _RECORD, json.dumps(data, indent=1).encode(), mode=0o600)


def shown(host: Host, volume: Volume, pods: Iterable[str]) -> dict[str, Any]:
    """A volume as the module reports it. pods: those that are defined with it."""
    return {
        "name": volume.name,
        "size": volume.size,
        "allocated": _allocated(disk(host, volume.name)),
        "mode": "Block" if volume.block else "Filesystem",
        "labels": dict(volume.labels),
        "createdAt": iso(volume.created_at),
        "pods": list(pods),
        "disk": str(disk(host, volume.name)),
    }


def _allocated(file: Path) -> int | None:
    """What a sparse file takes of the host's disk, in bytes; None where it is not made yet."""
    try:
        return file.stat().st_blocks * 512
    except FileNotFoundError:
        return None
