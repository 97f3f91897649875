#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container's changes as a new image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_commit
short_description: Make an image of what a pod's container has changed
description:
  - Makes an image of a container's image and, as one layer on top, what the container has changed in its root filesystem.
  - What it wrote to volumes is not part of that.
  - The pod must be stopped. Its disk is read by this module itself, and mounted by no kernel but the guest's.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  pod:
    description:
      - The pod's name.
    type: str
    required: true
  container:
    description:
      - The container's name; needed where the pod has several.
    type: str
  name:
    description:
      - The new image's name. A short name is stored under V(localhost/).
    type: str
    required: true
  changes:
    description:
      - How the image is to be run otherwise than the container's image, as lines of a Containerfile.
      - V(CMD), V(ENTRYPOINT), V(ENV), V(EXPOSE), V(LABEL), V(STOPSIGNAL), V(USER), V(VOLUME) and V(WORKDIR).
    type: list
    elements: str
  author:
    description:
      - Who made it, kept in the image's history.
    type: str
  comment:
    description:
      - What it is for, kept in the image's history.
    type: str
  progress:
    description:
      - File on the host to which lines of JSON are appended meanwhile, with C(pod) (empty), C(stage) and C(message).
    type: path
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: The disk is read; nothing is written.
  diff_mode:
    support: full
    description: Shows the image that has the name, before and after.
requirements:
  - erofs-utils
notes:
  - The layers of the container's image must be kept in the store.
"""

EXAMPLES = r"""
- name: Keep what was set up by hand
  hyper.pods.image_commit:
    pod: web
    name: web:configured
    changes:
      - CMD ["/bin/web", "--production"]
"""

RETURN = r"""
images:
  description: The new image, as the module M(hyper.pods.image) returns it.
  returned: success
  type: list
  elements: dict
actions:
  description: What was done, or would be, one line for each step.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._image_commit import apply
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **HOST_ARGUMENTS,
            "pod": {"type": "str", "required": True},
            "container": {"type": "str"},
            "name": {"type": "str", "required": True},
            "changes": {"type": "list", "elements": "str"},
            "author": {"type": "str"},
            "comment": {"type": "str"},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
