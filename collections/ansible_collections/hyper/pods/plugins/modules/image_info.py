#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that a KVM host knows of its container images."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Show container images of a KVM host in full
description:
  - Shows images of the image store with their configuration, their layers, their other names, and the pods that hold them.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  name:
    description:
      - The images' references. One that is not in the store is an error.
      - Without it, all images of the store.
    type: list
    elements: str
    aliases: [names]
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
- name: What an image is
  hyper.pods.image_info:
    name: nginx:1.25
  register: nginx
"""

RETURN = r"""
images:
  description: The images, in the order of O(name).
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: The complete reference.
      type: str
    id:
      description: The digest of the image's config.
      type: str
    digest:
      description: The digest of the manifest that the name pointed at.
      type: str
    source:
      description: Where the image comes from; empty for one that was made on the host.
      type: str
    size:
      description: The disk's size in bytes.
      type: int
    disk:
      description: The disk's file on the host.
      type: str
    names:
      description: All names of this image, its own among them.
      type: list
      elements: str
    usedBy:
      description: The pods that hold it, such as V(pod web).
      type: list
      elements: str
    layers:
      description: Digests and sizes of its layers as they are kept on the host; null when they are not.
      type: list
      elements: dict
    created:
      description: When it was made, as its author says; empty when it does not say.
      type: str
    architecture:
      description: The processor that it is made for.
      type: str
    config:
      description: How it is to be run, as OCI's image configuration has it (C(Entrypoint), C(Cmd), C(Env), …).
      type: dict
    history:
      description: How it was made, as OCI's image configuration has it.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._image_details import details
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**HOST_ARGUMENTS, "name": {"type": "list", "elements": "str", "aliases": ["names"]}},
        supports_check_mode=True,
    )
    run(module, lambda module, host: {"changed": False, "images": details(host, module.params["name"])})


if __name__ == "__main__":
    main()
