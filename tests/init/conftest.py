# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from tests.support.init import Init, build, make_rootfs


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rootfs(tmp_path_factory.mktemp("rootfs"))


@pytest.fixture(scope="session")
def init(rootfs: Path) -> Init:
    """The binary that guests run."""
    return Init(build("hyperstart"), rootfs)


@pytest.fixture(scope="session")
def sanitized(rootfs: Path) -> Init:
    """The binary that tells of every wrong access and undefined behaviour."""
    return Init(build("hyperstart-asan"), rootfs)
