#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copy files into a container of a pod, or out of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_copy
short_description: Copy files into a container of a pod, or out of it
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Copies a file or a whole directory between the KVM host and a container of a pod that runs. The container needs no program for it.
  - Owners, modes, links, times and extended attributes are kept. What comes out of a container is not trusted - devices, pipes, set-user-ID and set-group-ID
    bits and file capabilities stay behind, and nothing leads out of the target.
  - What is there already, with all of that, is not copied again. Nothing is removed, a directory is merged with one that is there.
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    description: Tells which files would be copied, and writes nothing.
    support: full
  diff_mode:
    description: The files are named in RV(files); their contents are not shown.
    support: none
options:
  pod:
    description: The pod's name.
    type: str
    required: true
  container:
    description: The container; without it the pod's first.
    type: str
  direction:
    description: Whether files go V(into) the container or come V(out) of it.
    type: str
    choices: [into, out]
    default: into
  src:
    description:
      - The file or directory, an absolute path - of the host when it goes into the container, of the container otherwise.
      - One that ends with C(/.) is what is in the directory, and leads to the same when it is copied again.
    type: path
    required: true
  dest:
    description: Where it goes, an absolute path on the other side. Where that is a directory, the source comes into it.
    type: path
    required: true
seealso:
  - module: hyper.pods.pod_exec
"""

EXAMPLES = r"""
- name: Give a web server its site
  hyper.pods.pod_copy:
    pod: shop
    container: web
    src: /srv/site/.
    dest: /usr/share/nginx/html

- name: Keep what it wrote
  hyper.pods.pod_copy:
    pod: shop
    direction: out
    src: /var/log/nginx
    dest: /srv/logs
"""

RETURN = r"""
files:
  description: The paths that were copied, or in check mode would be, relative to O(src), which itself is C(.); at most a thousand.
  returned: success
  type: list
  elements: str
left_out:
  description: What was left out, and why, in words. Each is a warning as well.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _module, _pod_copy, _pod_exec
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Copy what differs."""
    params = module.params
    target = _pod_exec.find(host, params["pod"], params["container"])
    return _pod_copy.copy(host, target, params["src"], params["dest"], inwards=params["direction"] == "into", check=module.check_mode)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            "pod": {"type": "str", "required": True},
            "container": {"type": "str"},
            "direction": {"type": "str", "choices": ["into", "out"], "default": "into"},
            "src": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
