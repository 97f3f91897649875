# SPDX-License-Identifier: GPL-3.0-or-later
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """A guest's run directory, short: pytest's own directories may be too long for a UNIX socket's path."""
    with tempfile.TemporaryDirectory(prefix="run") as path:
        yield Path(path)
