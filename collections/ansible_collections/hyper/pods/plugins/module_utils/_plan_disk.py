# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan's disk: two places for a launch plan, so that it is replaced while a guest runs, and behind them the images that came meanwhile (docs/wire.md)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command, _launch
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._files import write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._tags import PLAN_PLACE_SIZE

# What the guest sees; on the host it takes as much room as was written.
SIZE = 2**38
_FIRST_IMAGE = 2 * PLAN_PLACE_SIZE
_ALIGNMENT = 2**20
_SECTOR = 512
_HEAD = 24


class PlanDiskFull(HyperError):
    """No room is left for another image while the guest runs."""


@dataclass(frozen=True)
class Held:
    """The plan that counts, and where it lies: place 0 or 1."""

    plan: _launch.LaunchPlan
    revision: int
    place: int


def make(path: Path, plan: bytes, *, group: int) -> None:
    """A new disk for a guest that is off; QEMU may read it, nobody else (a plan holds the environment)."""
    write_atomic(path, plan, mode=0o640, owner=(0, group))
    os.truncate(path, SIZE)


def changeable(path: Path) -> bool:
    """Whether a guest that runs with this disk can be given another plan."""
    try:
        return path.stat().st_size >= SIZE
    except FileNotFoundError:
        return False


def read(path: Path) -> Held:
    """The plan that counts. Raises Malformed."""
    found = []
    with path.open("rb") as disk:
        for place in range(2):
            disk.seek(place * PLAN_PLACE_SIZE)
            head = disk.read(_HEAD)
            if len(head) < _HEAD:
                continue
            try:
                body = disk.read(min(int.from_bytes(head[12:16], "little"), PLAN_PLACE_SIZE))
                found.append(Held(_launch.decode(head + body), int.from_bytes(head[20:24], "little"), place))
            except Malformed:
                if place == 0 and not found:
                    continue
    if not found:
        raise Malformed(f"{path} holds no launch plan")
    return max(found, key=lambda held: held.revision)


def write(path: Path, held: Held, plan: _launch.LaunchPlan) -> Held:
    """Put a plan beside the one that counts, so that it counts from now on. A reader, or a crash, finds the one or the other."""
    made = Held(plan, held.revision + 1, 1 - held.place)
    data = _launch.encode(plan, made.revision)
    start = made.place * PLAN_PLACE_SIZE
    with _opened(path) as disk:
        _write_at(disk, data[_SECTOR:], start + _SECTOR)
        os.fdatasync(disk)
        _write_at(disk, data[:_SECTOR], start)
        os.fdatasync(disk)
    return made


def add_images(path: Path, held: Held, kept: Iterable[str], wanted: Mapping[str, Path]) -> tuple[_launch.Image, ...]:
    """Copy images behind the plan and tell where each image lies then. Raises PlanDiskFull.

    kept: serials of images that stay where they are, if they lie there; the others' room is given back. wanted: serial → the image's disk.
    """
    images = [image for image in held.plan.images if image.serial in set(kept) | set(wanted)]
    with _opened(path) as disk:
        for image in held.plan.images:
            if image not in images:
                _command.run(["fallocate", "--punch-hole", "--offset", str(image.offset), "--length", str(image.size), str(path)])
        for serial, source in wanted.items():
            if any(image.serial == serial for image in images):
                continue
            size = -(-source.stat().st_size // _SECTOR) * _SECTOR
            # Behind all that the guest may still know of.
            offset = max([_FIRST_IMAGE, *(_aligned(image.offset + image.size) for image in (*held.plan.images, *images))])
            if offset + size > SIZE:
                raise PlanDiskFull("there is no room for another image while the guest runs", where=str(path), remedy="Restart the pod")
            with source.open("rb") as file:
                _copy(file.fileno(), disk, offset)
            images.append(_launch.Image(serial, offset, size))
        os.fdatasync(disk)
    return tuple(images)


def with_images(plan: _launch.LaunchPlan, images: tuple[_launch.Image, ...]) -> _launch.LaunchPlan:
    """The plan for a guest that finds these images behind it."""
    return replace(plan, images=images)


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_at(disk: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(disk, data, offset)
        data, offset = data[written:], offset + written


def _copy(source: int, disk: int, offset: int) -> None:
    """Within the kernel, and by sharing the blocks where the file system can."""
    while copied := os.copy_file_range(source, disk, 2**30, None, offset):
        offset += copied
