# SPDX-License-Identifier: GPL-3.0-or-later
"""libFuzzer finds nothing in the parsers within seconds; ``make fuzz`` takes ten minutes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.fuzz import ROOT


@pytest.mark.slow
def test_nothing_is_found_in_seconds() -> None:
    done = subprocess.run([sys.executable, "-m", "tools.fuzz", "8"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr.count("stat::number_of_executed_units") == 5
