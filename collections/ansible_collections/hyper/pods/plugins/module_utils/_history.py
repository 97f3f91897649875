# SPDX-License-Identifier: GPL-3.0-or-later
"""The former definitions of a pod: each a record as it was, beside the present one, so that the pod can be brought back to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _record
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

# With the present one.
KEPT = 10


class NoRevision(HyperError):
    """A pod has no such former definition."""


def succeed(host: Host, name: str, record: _record.Record, *, now: float) -> _record.Record:
    """The record that takes the place of the present one, with the number that is its own; the present one is kept as a revision, where it is another."""
    former = _record.read(host, name)
    if former is None:
        return replace(record, revision=1, changed_at=now)
    if _said(former) == _said(record):
        return replace(record, revision=former.revision, changed_at=former.changed_at)
    directory = _directory(host, name)
    make_dir(directory, mode=0o700)
    _record.write_to(directory / f"{former.revision}.json", former)
    for old in _numbers(host, name)[: 1 - KEPT]:
        (directory / f"{old}.json").unlink()
    return replace(record, revision=former.revision + 1, changed_at=now)


def revisions(host: Host, name: str) -> Iterator[_record.Record]:
    """All that are known, the present one last. Raises PodNotFound, BrokenRecord."""
    present = _record.require(host, name)
    for number in _numbers(host, name):
        found = _record.read_from(host, _directory(host, name) / f"{number}.json", name)
        if found is not None and found.revision < present.revision:
            yield found
    yield present


def revision(host: Host, name: str, number: int | None) -> _record.Record:
    """One of them by its number, or the one before the present. Raises NoRevision."""
    known = list(revisions(host, name))
    if number is None and len(known) > 1:
        return known[-2]
    for record in known:
        if record.revision == number:
            return record
    raise NoRevision(
        "there is no former definition" if number is None else f"there is no revision {number}",
        where=f"pod {name}",
        remedy=f"Known are: {', '.join(str(record.revision) for record in known)}",
    )


def put(host: Host, name: str, record: _record.Record) -> None:
    """Write one of them anew, the present one or a former."""
    present = _record.require(host, name)
    if record.revision == present.revision:
        _record.write(host, name, record)
    else:
        _record.write_to(_directory(host, name) / f"{record.revision}.json", record)


def images(host: Host, name: str) -> set[str]:
    """The images of all former definitions, which stay with the pod as long as these are kept."""
    found: set[str] = set()
    for number in _numbers(host, name):
        record = _record.read_from(host, _directory(host, name) / f"{number}.json", name)
        found |= set(record.images.values()) if record is not None else set()
    return found


def _said(record: _record.Record) -> tuple[object, ...]:
    return (record.definition, dict(record.images), list(record.objects))


def _numbers(host: Host, name: str) -> list[int]:
    return sorted(int(file.stem) for file in _directory(host, name).glob("[0-9]*.json") if file.stem.isdigit())


def _directory(host: Host, name: str) -> Path:
    return host.pod_dir(name) / "revisions"
