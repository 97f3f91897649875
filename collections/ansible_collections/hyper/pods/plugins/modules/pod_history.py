#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell the definitions that a pod has had."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_history
short_description: Tell the definitions that a pod has had
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Reports the revisions of a pod. Each change of its definition, or of the images that its references mean, makes one; ten are kept, with their images.
  - Changes nothing.
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
options:
  name:
    description: The pod.
    type: str
    required: true
seealso:
  - module: hyper.pods.pod_rollback
"""

EXAMPLES = r"""
- name: See what a pod was
  hyper.pods.pod_history:
    name: shop
"""

RETURN = r"""
revisions:
  description: The revisions, the oldest first. Values of Secrets are shown as digests.
  returned: success
  type: list
  elements: dict
  contains:
    pod:
      description: The pod's name.
      type: str
    revision:
      description: The revision's number.
      type: int
    current:
      description: Whether the pod is so now.
      type: bool
    changedAt:
      description: When the pod became so, ISO 8601 in UTC.
      type: str
    definition:
      description: The definition in brief, with the ids of the images.
      type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _module, _pod_revisions
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Tell the revisions."""
    return {"changed": False, "revisions": _pod_revisions.history(host, module.params["name"])}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**_module.HOST_ARGUMENTS, "name": {"type": "str", "required": True}}, supports_check_mode=True)
    _module.run(module, operate)


if __name__ == "__main__":
    main()
