# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m hyperstart`` is the command ``hyper``."""

import sys

from hyperstart.cli import main

sys.exit(main())
