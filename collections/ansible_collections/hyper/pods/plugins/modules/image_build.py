#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container images of Containerfiles."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build a container image on a KVM host
description:
  - Builds an image of a Containerfile with buildah, and brings it into the image store.
  - An image that the Containerfile starts from is taken from the store where that has it with its layers; others are pulled.
  - Times in the image are those of 1970, so that the same files give the same image.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  path:
    description:
      - The directory on the host that the build takes files from.
    type: path
    required: true
  name:
    description:
      - The image's name. A short name is stored under V(localhost/).
    type: str
    required: true
  containerfile:
    description:
      - The Containerfile, by its path within O(path). Without it V(Containerfile), else V(Dockerfile).
    type: str
  build_args:
    description:
      - Values of the Containerfile's C(ARG)s.
    type: dict
  target:
    description:
      - The stage to build; the last without it.
    type: str
  authfile:
    description:
      - Path, on the host, of a credentials file. Without it, what M(hyper.pods.registry_login) keeps counts.
    type: path
  tls_verify:
    description:
      - Whether registries must speak HTTPS with a certificate that the host trusts.
    type: bool
    default: true
  progress:
    description:
      - File on the host to which lines of JSON are appended meanwhile, with C(pod) (empty), C(stage) and C(message).
    type: path
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: partial
    description: Says that it would be built; whether that makes another image than there is, only the build can tell.
  diff_mode:
    support: full
    description: Shows the image that has the name, before and after.
requirements:
  - buildah
  - skopeo
  - erofs-utils
notes:
  - The Containerfile's commands run on the host, in buildah's isolation (by crun or runc, or else a changed root). Build what you trust.
"""

EXAMPLES = r"""
- name: Build an image
  hyper.pods.image_build:
    path: /srv/web
    name: web:1.2
    build_args:
      VERSION: "1.2"
"""

RETURN = r"""
images:
  description: The image, as the module M(hyper.pods.image) returns it.
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
from ansible_collections.hyper.pods.plugins.module_utils._image_build import apply
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, REGISTRY_ARGUMENTS, run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **HOST_ARGUMENTS,
            **REGISTRY_ARGUMENTS,
            "path": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "containerfile": {"type": "str"},
            "build_args": {"type": "dict"},
            "target": {"type": "str"},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
