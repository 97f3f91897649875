#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a KVM host lacks, and where its disk went."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Show what is wrong on a KVM host, and what takes its disk
description:
  - Looks for what is missing or wrong on a host that is to run pods, and says what to do about it.
  - Shows how much of the disk images, pods, volumes and versions of hyperstart take.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  gather:
    description:
      - V(findings) is what is missing or wrong. The first time after a boot of the host it boots a guest to see whether KVM can be used, some seconds.
      - V(usage) is what takes the disk.
    type: list
    elements: str
    choices: [findings, usage]
    default: [findings, usage]
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: It changes nothing in any case.
  diff_mode:
    support: none
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Look at the host
  hyper.pods.host_info:
  register: host

- name: Stop where something is wrong
  ansible.builtin.assert:
    that: host.findings | selectattr('level', 'eq', 'error') | length == 0
"""

RETURN = r"""
findings:
  description: All that was looked at.
  returned: when O(gather) has V(findings)
  type: list
  elements: dict
  contains:
    level:
      description: V(ok), V(warning) where pods run all the same, or V(error).
      type: str
    subject:
      description: What was looked at.
      type: str
    message:
      description: What was found.
      type: str
    remedy:
      description: What to do; empty where nothing is to be done.
      type: str
usage:
  description: What takes the disk, in bytes.
  returned: when O(gather) has V(usage)
  type: dict
  contains:
    stateDir:
      description: The directory of the host's state.
      type: str
    total:
      description: The size of its file system.
      type: int
    free:
      description: What is free there.
      type: int
    images:
      description:
        - C(count) and C(size) of the images' disks, C(unused) of those that no pod holds, C(layers) of the layers that they were made from, and the C(list).
      type: dict
    pods:
      description: Of each pod its C(name), what is its C(own) and what is C(shared) with the image store and other pods.
      type: list
      elements: dict
    volumes:
      description: Of each volume its C(name), C(own) and C(shared).
      type: list
      elements: dict
    hyperstart:
      description: Of each version C(version), C(own), C(shared), whether it is C(current), and whether it is C(used) at all.
      type: list
      elements: dict
    templates:
      description: Of each saved guest that pods are copied from C(name), C(own), C(shared), and whether it is C(used), so that pods can be copies of it.
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._host_checks import findings
from ansible_collections.hyper.pods.plugins.module_utils._host_usage import usage
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run

_PARTS = {"findings": findings, "usage": usage}


def gather(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """The parts that were asked for."""
    return {"changed": False, **{part: _PARTS[part](host) for part in module.params["gather"]}}


def main() -> None:
    """Run the module."""
    parts = list(_PARTS)
    module = AnsibleModule(
        argument_spec={**HOST_ARGUMENTS, "gather": {"type": "list", "elements": "str", "choices": parts, "default": parts}},
        supports_check_mode=True,
    )
    run(module, gather)


if __name__ == "__main__":
    main()
