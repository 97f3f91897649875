# SPDX-License-Identifier: GPL-3.0-or-later
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions

from hyperstart import _operation, _road, api
from tests.support.stage import POD, Stage, no_road


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A guest's run directory, short: pytest's own directories may be too long for a UNIX socket's path."""
    with tempfile.TemporaryDirectory(prefix="run") as path:
        yield Path(path)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The command line with nothing behind it: Ansible is not started, and no host is reached otherwise."""
    result = Stage()
    result.results = [("localhost", "pod", {"changed": True, "pods": [POD], "actions": [{"pod": "web", "action": "start", "reason": "it was stopped"}]})]
    monkeypatch.setattr(_operation, "run_playbook", result.run)
    # The host is one that only Ansible can reach; test_road.py has the direct ones.
    monkeypatch.setattr(_road, "roads", no_road)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest's own process keeps its handlers
    monkeypatch.setattr(api, "generated_name", lambda images: f"{definitions.container_name(images[0])}-x7k2b")
    return result
