# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.pods import PodHost, pod_host


@pytest.fixture(scope="session")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodHost]:
    """A host for pods, shared by all tests of one worker: each test has pods of names of its own and removes them."""
    with pod_host(tmp_path_factory.mktemp("pods")) as made:
        yield made
