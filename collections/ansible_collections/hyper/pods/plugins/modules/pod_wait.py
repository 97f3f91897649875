#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait for pods."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_wait
short_description: Wait for pods
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Waits until pods run, are ready, or have completed, whoever has started them.
  - Changes nothing.
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    description: The module changes nothing; in check mode it does not wait either.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
options:
  names:
    description: The pods.
    type: list
    elements: str
    required: true
  condition:
    description:
      - V(running) waits until every container has been started, V(ready) until those that stay are ready as their readiness probes say, V(completed)
        until all have ended and the guest is off. A pod that was stopped has completed.
    type: str
    choices: [running, ready, completed]
    default: completed
  timeout:
    description: Seconds to wait at most. Without it, as long as it takes.
    type: int
seealso:
  - module: hyper.pods.pod
"""

EXAMPLES = r"""
- name: Wait for the end of a job
  hyper.pods.pod_wait:
    names: [job]
    timeout: 3600
  register: job

- name: It has done its work
  ansible.builtin.assert:
    that: job.rc == 0
"""

RETURN = r"""
pods:
  description: The pods afterwards, as M(hyper.pods.pod_info) reports them.
  returned: success
  type: list
  elements: dict
rc:
  description: >-
    Of pods that completed the first exit code of their containers that is not 0, in the order of the definitions; 128 + signal when a signal ended one.
  returned: success
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _info, _module, _pods_wait
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Wait."""
    params = module.params
    names = _info.chosen(host, params["names"])
    pods = _info.pods(host, names) if module.check_mode else _pods_wait.wait(host, names, params["condition"], params["timeout"])
    return {"changed": False, "pods": pods, "failed": False, "rc": _pods_wait.exit_code(pods) if params["condition"] == "completed" else 0}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            "names": {"type": "list", "elements": "str", "required": True},
            "condition": {"type": "str", "choices": ["running", "ready", "completed"], "default": "completed"},
            "timeout": {"type": "int"},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
