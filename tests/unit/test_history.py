# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's former definitions are kept, ten with the present one, for root alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _history, _record
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

RECORD = _record.Record({"kind": "Pod", "number": 0}, {"a": "sha256:" + "a" * 64}, {}, 1.0)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path / "state", tmp_path / "run", "nobody")
    made.pod_dir("web").mkdir(parents=True)
    return made


def change(host: Host, record: _record.Record, now: float = 2.0) -> _record.Record:
    made = _history.succeed(host, "web", record, now=now)
    _record.write(host, "web", made)
    return made


def numbered(number: int) -> _record.Record:
    return replace(RECORD, definition={"kind": "Pod", "number": number}, images={"a": f"sha256:{number:064d}"})


def test_revisions_are_counted_and_kept(host: Host) -> None:
    for number in range(1, 14):
        assert change(host, numbered(number), now=float(number)).revision == number
    known = list(_history.revisions(host, "web"))
    assert [record.revision for record in known] == list(range(4, 14))
    assert [record.definition for record in known] == [numbered(number).definition for number in range(4, 14)]
    assert [record.changed_at for record in known] == [float(number) for number in range(4, 14)]
    assert _history.images(host, "web") == {f"sha256:{number:064d}" for number in range(4, 13)}
    assert _history.revision(host, "web", None).revision == 12
    assert _history.revision(host, "web", 5).definition == numbered(5).definition
    files = [host.pod_dir("web") / "revisions", *(host.pod_dir("web") / "revisions").iterdir()]
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_what_says_the_same_is_no_revision(host: Host) -> None:
    change(host, RECORD)
    assert change(host, replace(RECORD, stopped=True)).revision == 1
    assert change(host, replace(RECORD, images={"a": "sha256:" + "b" * 64})).revision == 2
    assert change(host, replace(RECORD, images={"a": "sha256:" + "b" * 64}, objects=({"kind": "Secret"},))).revision == 3


def test_what_is_not_known_is_refused(host: Host) -> None:
    change(host, RECORD)
    for number in (None, 2):
        with pytest.raises(_history.NoRevision):
            _history.revision(host, "web", number)
    with pytest.raises(_record.PodNotFound):
        list(_history.revisions(host, "shop"))


def test_a_run_that_was_killed_between_the_two_files_leaves_one_present(host: Host) -> None:
    change(host, RECORD)
    _history.succeed(host, "web", numbered(1), now=3.0)
    assert [record.revision for record in _history.revisions(host, "web")] == [1]
    assert change(host, numbered(2)).revision == 2
    assert [record.revision for record in _history.revisions(host, "web")] == [1, 2]
