# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule scenario that the tree ships, run as its users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.xdist_group("molecule")
def test_default_scenario() -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-m", "molecule", "test"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
