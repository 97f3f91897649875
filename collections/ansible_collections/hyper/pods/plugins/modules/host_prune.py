#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take from a KVM host what nothing needs any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_prune
short_description: Remove from a KVM host what nothing needs any more
description:
  - Removes versions of hyperstart that new guests do not boot and no pod uses, templates that no guest can be a copy of any more,
    and what runs that were killed have left of pods and images.
  - Pods, images that have a name, and volumes stay; for images see M(hyper.pods.image).
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: full
    description: Shows what is there that nothing needs.
"""

EXAMPLES = r"""
- name: Remove what nothing needs
  hyper.pods.host_prune:
"""

RETURN = r"""
actions:
  description: What was removed, or would be, one line for each.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._host_prune import find, prune
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run


def apply(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Remove, or say what would be removed."""
    lines = (find(host) if module.check_mode else prune(host)).lines
    return {"changed": bool(lines), "actions": lines, "diff": {"before": {"unneeded": lines}, "after": {"unneeded": []}}}


def main() -> None:
    """Run the module."""
    run(AnsibleModule(argument_spec=dict(HOST_ARGUMENTS), supports_check_mode=True), apply)


if __name__ == "__main__":
    main()
