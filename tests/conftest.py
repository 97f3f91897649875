# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# How long one example takes is the machine's load, not a finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell without job control starts what runs in its background with SIGINT ignored, and all that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _standard_input() -> None:
    """Empty, and of this test alone: a program that inherits it may have it not block, ssh(1) does, and Ansible runs with none such."""
    if os.isatty(0):
        return
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
