# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _workspace
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.registry import registry, secure_registry

__all__ = ["registry", "secure_registry"]


@pytest.fixture(autouse=True)
def _root() -> None:
    assert os.geteuid() == 0, "these tests make devices and owners: run them as root"


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A part of /dev/shm that other runs on this machine do not use."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        monkeypatch.setattr(_workspace, "_MEMORY", Path(path))
        yield Path(path)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    # nobody: an account that every system has stands in for QEMU's.
    return Host(tmp_path / "state", tmp_path / "run", "nobody")


@pytest.fixture
def store(host: Host) -> ImageStore:
    return ImageStore(host)
