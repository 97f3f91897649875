# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and files of the host that pods use: looked for beneath what the host's owner allows, made where that is asked for.

What lies there may be written by guests, at any time: each step is taken from the descriptor of the one before, and none over a symbolic link.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._host_share import Part, Share
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import HostPath

_HERE = "."
_KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symbolic link",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "pipe",
}
# Kubernetes' types: what has to be there, and what is made where nothing is.
_TYPES = {
    "": ("", "directory"),
    "DirectoryOrCreate": ("directory", "directory"),
    "Directory": ("directory", ""),
    "FileOrCreate": ("file", "file"),
    "File": ("file", ""),
    "Socket": ("socket", ""),
    "CharDevice": ("character device", ""),
    "BlockDevice": ("block device", ""),
}


class PathNotAllowed(HyperError):
    """A path that the host's owner does not let pods have."""


class PathUnusable(HyperError):
    """What lies at a path of the host is not what the pod asks for, or cannot be served to a guest."""


@dataclass(frozen=True)
class Missing:
    """Something that is to be made. kind: directory or file."""

    pod: str
    volume: str
    path: str
    kind: str


@dataclass(frozen=True)
class _Place:
    """A path. root: the allowed directory; path: from there. where: the field that names it."""

    root: Path
    path: str
    where: str

    @property
    def names(self) -> list[str]:
        return [] if self.path == _HERE else self.path.split("/")

    def unusable(self, message: str, remedy: str | None = None) -> PathUnusable:
        return PathUnusable(message, where=self.where, remedy=remedy)


def allowed(host: Host) -> tuple[Path, ...]:
    """The directories beneath which pods may have files of the host."""
    try:
        lines = host.host_paths_file.read_text().splitlines()
    except FileNotFoundError:
        return ()
    return tuple(Path(line.strip()) for line in lines if line.startswith("/"))


def missing(host: Host, pods: Iterable[Pod]) -> tuple[Missing, ...]:
    """What would have to be made for the pods; nothing is changed. Raises PathNotAllowed, PathUnusable."""
    return tuple(item for pod in pods for item in _each(host, pod, make=False))


def provide(host: Host, pod: Pod) -> None:
    """Make what is missing. Raises PathNotAllowed, PathUnusable."""
    for _item in _each(host, pod, make=True):
        pass


def share(host: Host, pod: Pod) -> Share | None:
    """What is served to the pod's guest; None where it has nothing of the host. Raises PathNotAllowed."""
    places = [(volume, _place(volume.path, allowed(host), f"pod {pod.name}: volume {volume.name}")) for volume in pod.host_paths]
    parts = tuple(Part(volume.name, place.root, place.path, volume.read_only) for volume, place in places)
    return Share(pod.name, host.share_dir(pod.name), parts) if parts else None


@contextlib.contextmanager
def opened(host: Host, path: str, where: str) -> Iterator[int]:
    """A descriptor of a file beneath what is allowed, to be read. where: the field that names it. Raises PathNotAllowed, PathUnusable."""
    place = _place(path, allowed(host), where)
    with _walk(place, place.names) as (found, left):
        if left or not stat.S_ISREG(os.fstat(found).st_mode):
            raise place.unusable(f"there is no file {path}", "Correct the path")
        handle = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _each(host: Host, pod: Pod, *, make: bool) -> Iterator[Missing]:
    roots = allowed(host) if pod.host_paths else ()
    to_come: set[str] = set()
    for index, item in enumerate(pod.volumes):
        if not isinstance(item, HostPath):
            continue
        place = _place(item.path, roots, f"pod {pod.name}: spec.volumes[{index}].hostPath.path")
        kind = _decide(item.type, item.path, place, to_come)
        if kind:
            if kind == "directory":
                to_come.update(map(str, (PurePosixPath(item.path), *PurePosixPath(item.path).parents)))
            if make:
                _make(place, kind)
            yield Missing(pod.name, item.name, item.path, kind)


def _place(path: str, roots: tuple[Path, ...], where: str) -> _Place:
    own = PurePosixPath(path)
    holding = [root for root in roots if root == Path(own) or root in Path(own).parents]
    if not holding:
        raise PathNotAllowed(
            f"{path} does not lie beneath a directory that this host allows to pods ({', '.join(map(str, roots)) or 'there is none'})",
            where=where,
            remedy="The host's owner allows more with hyper_host_paths and playbooks/prepare_host.yml",
        )
    root = max(holding, key=lambda each: len(each.parts))
    return _Place(root, str(own.relative_to(root)), where)


def _decide(wanted: str, path: str, place: _Place, to_come: set[str]) -> str:
    """What is to be made: directory, file or "". to_come: directories that will be there by then."""
    expected, made = _TYPES[wanted]
    found, left = _look(place)
    if not found:
        if not made:
            raise place.unusable(f"there is no {expected} {path}", "Make it, or choose a type that does")
        if made == "file" and left > 1 and str(PurePosixPath(path).parent) not in to_come:
            raise place.unusable(f"there is no directory for the file {path}", "Make it, or have it made by a volume of type DirectoryOrCreate before this one")
        return "" if made == "directory" and path in to_come else made
    if expected and found != expected:
        raise place.unusable(f"{path} is a {found}, not a {expected}", "Correct the path, or the type")
    if found not in ("directory", "file"):
        raise place.unusable(
            f"{path} is a {found} of the host: a guest sees its name, and reaches nothing behind it",
            "Publish by the network what a program of the host offers; give a guest disks as volumes",
        )
    return ""


def _look(place: _Place) -> tuple[str, int]:
    """What kind of thing is there, "" for nothing, and how many of the names were not found."""
    with _walk(place, place.names) as (handle, left):
        return ("", left) if left else (_KINDS[stat.S_IFMT(os.fstat(handle).st_mode)], 0)


@contextlib.contextmanager
def _walk(place: _Place, names: list[str]) -> Iterator[tuple[int, int]]:
    """A descriptor (O_PATH) of the last of the names that is there, and how many are left. Raises PathUnusable."""
    try:
        handle = os.open(place.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise place.unusable(f"the allowed directory {place.root}: {error.strerror}", "Make it") from None
    try:
        mount = _mount(handle)
        for index, name in enumerate(names):
            try:
                step = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            except FileNotFoundError:
                yield handle, len(names) - index
                return
            except OSError as error:
                raise place.unusable(f"{place.root.joinpath(*names[: index + 1])}: {error.strerror}") from None
            os.close(handle)
            handle = step
            here = place.root.joinpath(*names[: index + 1])
            if stat.S_ISLNK(os.fstat(handle).st_mode):
                raise place.unusable(f"{here} is a symbolic link", "Name what it leads to, if that is allowed")
            if _mount(handle) != mount:
                raise place.unusable(f"{here} is another filesystem than {place.root}", "The host's owner can allow it by itself, with hyper_host_paths")
        yield handle, 0
    finally:
        os.close(handle)


def _mount(handle: int) -> str:
    """Which mount a descriptor is on (proc(5), /proc/pid/fdinfo)."""
    return next(line for line in Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines() if line.startswith("mnt_id:"))


def _make(place: _Place, kind: str) -> None:
    """Root's, with Kubernetes' modes. Somebody else may be faster; whoever looks again sees what came of it."""
    names = place.names
    for index, name in enumerate(names):
        with _walk(place, names[:index]) as (parent, _):
            try:
                _make_one(parent, name, directory=kind == "directory" or index < len(names) - 1)
            except FileExistsError:
                pass
            except OSError as error:
                raise place.unusable(f"{name} cannot be made: {error.strerror}") from None


def _make_one(parent: int, name: str, *, directory: bool) -> None:
    if directory:
        os.mkdir(name, dir_fd=parent)
    how = os.O_RDONLY | os.O_DIRECTORY if directory else os.O_WRONLY | os.O_CREAT | os.O_EXCL
    made = os.open(name, how | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        # Whatever the umask.
        os.fchmod(made, 0o755 if directory else 0o644)
    finally:
        os.close(made)
