# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the project's playbooks and its collection lie, found from this package's own path.

Importing this module makes ``ansible_collections.hyper.pods`` importable; it is the one place that does so.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / "collections"
CONFIGURATION = ROOT / "ansible.cfg"
PLAYBOOKS = ROOT / "playbooks"

if str(COLLECTIONS) not in sys.path:
    sys.path.append(str(COLLECTIONS))
