# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements, as ratios of things measured side by side in one run: a machine's speed changes, a ratio less so."""

from hyperstart import _project as _project  # makes the collection importable
