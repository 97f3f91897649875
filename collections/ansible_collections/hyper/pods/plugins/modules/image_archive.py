#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container images from files and to files of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_archive
short_description: Save, load and import container images on a KVM host
description:
  - Saves images of the store to an OCI archive, loads the images of an OCI archive or a Docker archive under the names that they have there, and
    makes an image of the archive of a root filesystem.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  path:
    description:
      - The file on the host.
      - One that O(state=saved) replaces keeps its owner and mode; a new one can be read by root alone.
    type: path
    required: true
  state:
    description:
      - V(saved) writes the images in O(name) to an OCI archive (a tar of an OCI layout), which skopeo, podman and docker read as well.
      - V(loaded) brings all images of an archive into the store.
      - V(imported) makes the image O(name) of a tar, uncompressed or compressed with gzip or zstd, that holds a root filesystem.
    type: str
    choices: [saved, loaded, imported]
    required: true
  name:
    description:
      - With O(state=saved), the images' references.
      - With O(state=imported), the new image's name. A short name is stored under V(localhost/).
      - With O(state=loaded), what the only image of the archive shall be called instead of its own name; needed where it has none.
    type: list
    elements: str
    aliases: [names]
  changes:
    description:
      - With O(state=imported), how the image is to be run, as lines of a Containerfile.
      - V(CMD), V(ENTRYPOINT), V(ENV), V(EXPOSE), V(LABEL), V(STOPSIGNAL), V(USER), V(VOLUME) and V(WORKDIR).
    type: list
    elements: str
  signature_policy:
    description:
      - With O(state=loaded), a file on the host that says which images may come in, as C(containers-policy.json(5)) has it.
    type: path
  progress:
    description:
      - File on the host to which lines of JSON are appended meanwhile, with C(pod) (empty), C(stage) and C(message).
    type: path
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: Archives are read; nothing is written.
  diff_mode:
    support: full
    description: Shows images, or the file, before and after.
requirements:
  - skopeo
  - erofs-utils
  - zstd (for what is compressed with it)
notes:
  - The layers of an image that is saved must be kept in the store.
"""

EXAMPLES = r"""
- name: Two images in one file
  hyper.pods.image_archive:
    state: saved
    name: [web, redis:7]
    path: /srv/shop.tar

- name: All images of a file
  hyper.pods.image_archive:
    state: loaded
    path: /srv/shop.tar

- name: An image of a root filesystem
  hyper.pods.image_archive:
    state: imported
    name: debian:12
    path: /srv/rootfs.tar.gz
    changes:
      - CMD ["/bin/bash"]
      - ENV LANG=C.UTF-8
"""

RETURN = r"""
images:
  description: The images, as the module M(hyper.pods.image) returns them.
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
from ansible_collections.hyper.pods.plugins.module_utils._image_exchange import apply
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **HOST_ARGUMENTS,
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["saved", "loaded", "imported"], "required": True},
            "name": {"type": "list", "elements": "str", "aliases": ["names"]},
            "changes": {"type": "list", "elements": "str"},
            "signature_policy": {"type": "path"},
            "progress": {"type": "path"},
        },
        required_if=[("state", "saved", ("name",)), ("state", "imported", ("name",))],
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
