# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the modules that change pods which may be running, and what they say of how it is gone about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress

CHANGE_ARGUMENTS: dict[str, Any] = {
    "wait_timeout": {"type": "int", "default": 300},
    "progress_deadline": {"type": "int", "default": 120},
    "min_ready_seconds": {"type": "int", "default": 0},
    "rollback": {"type": "bool", "default": True},
    "progress": {"type": "path"},
}


def change_options(module: AnsibleModule) -> dict[str, Any]:
    """What CHANGE_ARGUMENTS and ``wait`` say, and check mode, as arguments of ``_pods_call.Options``."""
    params = module.params
    return {
        "check": module.check_mode,
        "wait": params["wait"],
        "wait_timeout": params["wait_timeout"],
        "progress_deadline": params["progress_deadline"],
        "min_ready": params["min_ready_seconds"],
        "rollback": params["rollback"],
        "progress": progress_of(module),
    }


def progress_of(module: AnsibleModule) -> Progress:
    """Where the module's argument ``progress`` has what it does told."""
    path = module.params["progress"]
    return Progress(Path(path) if path else None)
