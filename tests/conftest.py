# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# How long one example takes is the machine's load, not a finding.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell without job control starts what runs in its background with SIGINT ignored, and all that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
