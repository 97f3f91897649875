# SPDX-License-Identifier: GPL-3.0-or-later
"""Code of the plugins that run on the control node."""
