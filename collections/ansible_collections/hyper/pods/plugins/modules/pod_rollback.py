#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a pod back to a former definition."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_rollback
short_description: Bring a pod back to a former definition
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Brings a pod to the definition, the values and the images of a former revision, as M(hyper.pods.pod) brings it to any definition. Nothing is pulled.
  - A pod that does not run is not started. What its containers wrote, and its volumes, stay as they are.
  - The former definition becomes the newest revision.
extends_documentation_fragment:
  - hyper.pods.change
  - hyper.pods.host
attributes:
  check_mode:
    description: Tells every action that the real run would do and touches nothing.
    support: full
  diff_mode:
    description: Shows the definitions before and after.
    support: full
options:
  name:
    description: The pod.
    type: str
    required: true
  revision:
    description: The number of the revision, as M(hyper.pods.pod_history) tells it. Without it, the one before the present.
    type: int
  wait:
    description: What to wait for, as in M(hyper.pods.pod).
    type: str
    choices: [ready, running, none]
    default: running
seealso:
  - module: hyper.pods.pod_history
"""

EXAMPLES = r"""
- name: Take the last change back
  hyper.pods.pod_rollback:
    name: shop

- name: As it was at first
  hyper.pods.pod_rollback:
    name: shop
    revision: 1
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order, as M(hyper.pods.pod) returns it.
  returned: success
  type: list
  elements: dict
pods:
  description: The pod afterwards, as M(hyper.pods.pod_info) reports it.
  returned: success
  type: list
  elements: dict
before:
  description: The definition in brief before, by name.
  returned: success
  type: dict
after:
  description: The definition in brief afterwards.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _module, _pod_revisions, _pods_call
from ansible_collections.hyper.pods.plugins.module_utils._change_arguments import CHANGE_ARGUMENTS, change_options
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Bring the pod back."""
    params = module.params
    options = _pods_call.Options(**change_options(module))
    return _pod_revisions.roll_back(host, params["name"], params["revision"], options).as_result()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            **CHANGE_ARGUMENTS,
            "name": {"type": "str", "required": True},
            "revision": {"type": "int"},
            "wait": {"type": "str", "choices": ["ready", "running", "none"], "default": "running"},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
