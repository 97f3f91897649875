# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nspawn import SystemdHost, systemd_host
from tests.support.pods import PodHost, pod_host


@pytest.fixture(scope="session")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodHost]:
    """A host for pods, shared by all tests of one worker: each test has pods of names of its own and removes them."""
    with pod_host(tmp_path_factory.mktemp("pods")) as made:
        yield made


@pytest.fixture(scope="session")
def prepared_host() -> Iterator[SystemdHost]:
    """A host with a real systemd that prepare_host.yml has prepared over SSH. Its tests leave it as they found it: they belong to one xdist_group."""
    with systemd_host() as made:
        assert made.play("prepare_host.yml"), "a bare host was found prepared"
        yield made
