# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the image store share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _workspace
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.images import Layer, Member, directory, write_layout
from tests.support.modules import run_module
from tests.support.tree import describe, opened

BASE = Layer.of([directory("bin"), Member("bin/sh", b"#!sh", mode=0o755)])


@pytest.fixture
def module(host: Host) -> Callable[..., dict[str, Any]]:
    """Runs a module on the host."""
    hosts = {"state_dir": str(host.state_dir), "run_dir": str(host.run_dir), "qemu_user": host.qemu_user}
    return lambda which, /, *, check=False, fails=False, **args: run_module(which, {**hosts, **args}, check=check, fails=fails)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two images, web and app, with a layer in common."""
    path = tmp_path / "layout"
    for name in ("web", "app"):
        write_layout(path, name, [BASE, Layer.of([Member(name, name.encode())])], {"Cmd": [f"/{name}"]})
    return path


def residue(host: Host) -> list[str]:
    """What pulls that have ended should not have left."""
    images = host.images_dir
    left = [path.name for path in (images / "staging").iterdir()] if (images / "staging").exists() else []
    left += [str(path) for path in ImageStore(host).leftovers()]
    return left + [path.name for path in _workspace._MEMORY.iterdir()]


def names(store: ImageStore, disk: Path, scratch: Path) -> set[str]:
    with opened(disk, scratch / "mnt") as content:
        return set(describe(content)) - {"."}


def files(host: Host) -> dict[str, int]:
    """Every file of the host's directories, and when it changed."""
    tops = (host.state_dir, host.run_dir)
    return {str(path): path.lstat().st_mtime_ns for top in tops for path in top.rglob("*") if not path.is_dir() and path.name != "blobs.lock"}


def twice(run: Callable[[bool], dict[str, Any]], host: Host, *, actions: bool = True) -> list[dict[str, Any]]:
    """A change in its steps: (check mode, for real) by (first time, again). Returns what would be done, and what the last step said.

    actions: whether check mode foretells the very lines that are told.
    """
    untouched = files(host)
    for _ in range(2):
        would = run(True)
        assert would["changed"]
        assert files(host) == untouched
    done = run(False)
    assert done["changed"]
    if actions:
        assert done["diff"] == would["diff"]
    for check in (True, False):
        again = run(check)
        assert not again["changed"]
        assert again["actions"] == []
    return [would, again]
