# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's directory on the host: made so that its record comes last, removed so that nothing of it can be mistaken for a pod."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _ext4, _manifest, _manifest_claims, _plan_disk, _pod_guest
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir, provide, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed

_SCRATCH = "scratch.img"


def prepare(host: Host, name: str) -> Path:
    """The pod's directory: QEMU may read it and write the files that are its own, and make none.

    What a killed run left of its files, half written or half removed, goes.
    """
    _, gid = host.qemu_ids()
    directory = host.pod_dir(name)
    if _trash(host, name).exists():
        shutil.rmtree(_trash(host, name))
    for left in directory.glob(".*"):
        left.unlink()
    make_dir(directory, mode=0o750, owner=(0, gid))
    make_dir(directory / "images", mode=0o750, owner=(0, gid))
    for file in ("log", "console.log"):
        provide(directory / file, owner=host.qemu_ids())
    return directory


def link_images(host: Host, name: str, disks: Mapping[str, Path]) -> None:
    """Give the pod its images as hard links, so that the store cannot take them away. disks: image id → disk in the store."""
    for image, disk in disks.items():
        _link(disk, image_link(host, name, image))


def drop_images(host: Host, name: str, kept: Iterable[str]) -> None:
    """Take from the pod the links that its record does not name any more. kept: image ids."""
    links = {image_link(host, name, image) for image in kept}
    for present in (host.pod_dir(name) / "images").iterdir():
        if present not in links:
            present.unlink()


def init_paths(host: Host, name: str) -> tuple[Path, Path]:
    """Where the pod's own links of the kernel and the initramfs are."""
    directory = host.pod_dir(name)
    return directory / "vmlinux", directory / "initramfs"


def link_init(host: Host, name: str, installed: Installed, extras: Sequence[str] = ()) -> None:
    """The pod's own links of the kernel and the initramfs, which stay when hyperstart is upgraded. extras: with these modules, it is a file of its own."""
    kernel, initramfs = init_paths(host, name)
    _link(installed.kernel, kernel)
    archives = [file for extra in extras if (file := installed.archive(extra)).is_file()]
    if archives:
        # The kernel unpacks one archive behind the other.
        write_atomic(initramfs, b"".join(file.read_bytes() for file in (installed.initramfs, *archives)))
    else:
        _link(installed.initramfs, initramfs)


def plan_path(host: Host, name: str) -> Path:
    """The launch plan's disk."""
    return host.pod_dir(name) / "plan.img"


def write_plan(host: Host, name: str, plan: bytes) -> None:
    """A new disk with the launch plan, for a guest that is off."""
    _, gid = host.qemu_ids()
    _plan_disk.make(plan_path(host, name), plan, group=gid)


def ensure_scratch(host: Host, name: str) -> None:
    """The disk of writable layers, made once."""
    _ext4.make(host.pod_dir(name) / _SCRATCH, _manifest.DEFAULT_SCRATCH_MIB * 2**20, owner=host.qemu_ids(), journal_mib=16)


def ensure_volumes(host: Host, pod: _manifest.Pod) -> None:
    """The disks of the pod's own volumes that have a limit, each made once."""
    for volume, file in _pod_guest.own_disks(pod, host.pod_dir(pod.name)):
        _ext4.make(file, _manifest_claims.whole(volume.size), owner=host.qemu_ids())


def drop_volumes(host: Host, pod: _manifest.Pod) -> None:
    """Remove the disks of volumes that the pod's record does not name any more, or not with this limit."""
    kept = {file for _, file in _pod_guest.own_disks(pod, host.pod_dir(pod.name))}
    for present in host.pod_dir(pod.name).glob(_pod_guest.OWN_DISKS):
        if present not in kept:
            present.unlink()


def remove(host: Host, name: str) -> None:
    """Remove the directory: renamed first, so that a removal that is cut off leaves no half pod."""
    directory = host.pod_dir(name)
    trash = _trash(host, name)
    if directory.exists():
        shutil.rmtree(trash, ignore_errors=True)
        directory.rename(trash)
    if trash.exists():
        shutil.rmtree(trash)
    _forget_run(host, name)


def rename(host: Host, name: str, new: str) -> None:
    """Give a pod that does not run another name; from this one call on it has it. What was left of its last run goes with the former one."""
    _forget_run(host, name)
    host.pod_dir(name).rename(host.pod_dir(new))


def residue(host: Host, name: str) -> bool:
    """Whether anything of a pod's files is left."""
    return any(place.exists() for place in (host.pod_dir(name), _trash(host, name), host.pod_run_dir(name), host.share_dir(name)))


def _forget_run(host: Host, name: str) -> None:
    """What a guest that has ended leaves in /run."""
    for place in (host.pod_run_dir(name), host.share_dir(name)):
        shutil.rmtree(place, ignore_errors=True)


def image_link(host: Host, name: str, image: str) -> Path:
    """The pod's own link of an image's disk."""
    return host.pod_dir(name) / "images" / f"{_pod_guest.serial(image)}.erofs"


def _trash(host: Host, name: str) -> Path:
    return host.state_dir / "pods" / f".{name}.removed"


def _link(source: Path, target: Path) -> None:
    """Make ``target`` a hard link of ``source``, replacing what was there."""
    if target.exists() and target.samefile(source):
        return
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    os.link(source, fresh)
    fresh.replace(target)
