#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give a pod another name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_rename
short_description: Give a pod another name
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Gives a pod that does not run another name. What its containers wrote, its revisions, its images, its volumes and its addresses stay. Its hostname is the
    new name, unless its definition says one, and so is its name on networks.
  - A pod that has the new name and had the former one before is left alone. A task that was killed goes on when it is run again.
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    description: Tells what the real run would do and touches nothing.
    support: full
  diff_mode:
    description: Shows the names before and after.
    support: full
options:
  name:
    description: The pod. It has to be stopped.
    type: str
    required: true
  new_name:
    description: The name that it is to have. No other pod may have it.
    type: str
    required: true
  progress:
    description: File on the host to which lines of JSON are appended while the module works, with C(pod), C(stage) and C(message).
    type: path
seealso:
  - module: hyper.pods.pod
"""

EXAMPLES = r"""
- name: Stop the pod
  hyper.pods.pod:
    pods: [shop]
    state: stopped

- name: Keep it under another name
  hyper.pods.pod_rename:
    name: shop
    new_name: shop-2025
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done.
  returned: success
  type: list
  elements: dict
  sample:
    - pod: shop
      action: rename
      effect: live
      reason: to shop-2025
pods:
  description: The pod afterwards, as M(hyper.pods.pod_info) reports it.
  returned: success
  type: list
  elements: dict
before:
  description: The two names, null where there was no pod of it.
  returned: success
  type: dict
after:
  description: Likewise, afterwards.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _module, _pod_rename
from ansible_collections.hyper.pods.plugins.module_utils._change_arguments import progress_of
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Rename the pod."""
    params = module.params
    return _pod_rename.rename(host, params["name"], params["new_name"], check=module.check_mode, progress=progress_of(module)).as_result()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            "name": {"type": "str", "required": True},
            "new_name": {"type": "str", "required": True},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
