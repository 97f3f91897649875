# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge between Ansible and the code: arguments that every module shares, one call, failures as ``fail_json``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import QEMU_USER, RUN_DIR, STATE_DIR, Host

HOST_ARGUMENTS: dict[str, Any] = {
    "state_dir": {"type": "path", "default": STATE_DIR},
    "run_dir": {"type": "path", "default": RUN_DIR},
    "qemu_user": {"type": "str", "default": QEMU_USER},
}

# Of the modules that talk to registries.
REGISTRY_ARGUMENTS: dict[str, Any] = {
    "authfile": {"type": "path"},
    "tls_verify": {"type": "bool", "default": True},
}


def host_of(module: AnsibleModule) -> Host:
    """The Host that the module's shared arguments describe."""
    return Host(Path(module.params["state_dir"]), Path(module.params["run_dir"]), module.params["qemu_user"])


def run(module: AnsibleModule, operation: Callable[[AnsibleModule, Host], dict[str, Any]]) -> None:
    """Call ``operation`` and end the module: ``exit_json`` with what it returns, ``fail_json`` with a HyperError's words.

    What it returns as ``warnings`` is told as Ansible tells warnings.
    """
    try:
        result = operation(module, host_of(module))
    except HyperError as error:
        module.fail_json(msg=str(error), error=type(error).__name__, where=error.where, remedy=error.remedy)
    except OSError as error:
        module.fail_json(msg=str(error), error=type(error).__name__, where=error.filename)
    else:
        for warning in result.pop("warnings", ()):
            module.warn(warning)
        module.exit_json(**result)
