#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container images in the store of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Manage container images on a KVM host
description:
  - Brings container images into the image store of a KVM host, each as a read-only disk that any number of pods share, and removes them.
  - Images come from a registry, an OCI layout or archive, a Docker archive, or an AppContainer image.
  - Without O(name), lists the images of the store.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  name:
    description:
      - The images' references, as V([REGISTRY/]NAME[:TAG][@DIGEST]).
      - A short name such as V(nginx) is looked for in the store under V(localhost/) first, then under V(docker.io/library/).
      - Also V(oci:DIR[:TAG]), V(oci-archive:FILE[:TAG]), V(docker-archive:FILE[:NAME:TAG]) and V(aci:FILE), with absolute paths on the host.
      - Layers that several images of one task share are fetched once.
    type: list
    elements: str
    aliases: [names]
  state:
    description:
      - V(present) makes sure that the images are in the store.
      - V(absent) removes the names, and each disk with its last name.
      - V(tagged) gives the one image in O(name), which must be in the store, the names in O(tags) too.
      - V(pruned) removes what pulls that were killed have left, with O(all) also the images that no pod holds, and with O(layers) the layers.
      - V(pushed) brings the images in O(name), which must be in the store with their layers, to the registries that they are named after,
        or the one image to O(destination).
    type: str
    choices: [present, absent, tagged, pruned, pushed]
    default: present
  tags:
    description:
      - The new names, with O(state=tagged). A name that another image has is taken from it.
      - A short name is stored under V(localhost/).
    type: list
    elements: str
  all:
    description:
      - With O(state=pruned), remove all images that no pod holds.
    type: bool
    default: false
  layers:
    description:
      - With O(state=pruned), remove the layers that images were made from, which take about as much room as the images.
      - Pods need them not; but such an image can be neither pushed nor built upon until it was removed and pulled again.
    type: bool
    default: false
  source:
    description:
      - Where to take the image from, when not from where O(name) says. Takes the same forms as O(name), which must be one name then.
      - A short O(name) is stored under V(localhost/).
      - The store remembers it; a later task with O(pull=always) and without O(source) looks there again.
    type: str
  pull:
    description:
      - V(missing) pulls images that the store lacks.
      - V(always) asks each source, and pulls an image that has another manifest there.
    type: str
    choices: [missing, always]
    default: missing
  destination:
    description:
      - With O(state=pushed), where to push the one image in O(name), as V(REGISTRY/NAME[:TAG]).
    type: str
  authfile:
    description:
      - Path, on the host, of a credentials file as C(podman login) and C(docker login) write it.
      - Without it, what M(hyper.pods.registry_login) keeps counts, and where that keeps nothing, what skopeo finds.
    type: path
  signature_policy:
    description:
      - Path, on the host, of a file that says which images may be pulled, as C(containers-policy.json(5)) has it.
      - Without it C(policy.json) in O(state_dir) counts, for pods too, and where there is none, skopeo's own, C(/etc/containers/policy.json).
        Debian's lets all images in.
      - Where signatures are that a registry does not hold says C(registries.d) in O(state_dir), as C(containers-registries.d(5)) has it,
        and where there is none, C(/etc/containers/registries.d).
    type: path
  tls_verify:
    description:
      - Whether registries must speak HTTPS with a certificate that the host trusts.
      - V(false) allows HTTP too.
    type: bool
    default: true
  progress:
    description:
      - File on the host to which lines of JSON are appended while images are pulled, with C(pod) (empty), C(stage) and C(message).
    type: path
  force:
    description:
      - With O(state=absent), remove an image though pods use it. They keep their own link of its disk and go on.
    type: bool
    default: false
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: Sources are asked what they offer; nothing is pulled, written or removed.
  diff_mode:
    support: full
    description: Shows each image's ID, manifest digest and source, before and after.
requirements:
  - skopeo
  - erofs-utils
  - zstd (for layers that are compressed with it)
notes:
  - Images are added and removed by root only.
"""

EXAMPLES = r"""
- name: Two images of Docker Hub
  hyper.pods.image:
    name: [nginx:1.25, redis:7]

- name: An image of a private registry, the newest of its tag
  hyper.pods.image:
    name: registry.example.com/shop/web:stable
    pull: always
    authfile: /etc/hyper/auth.json

- name: An image from an archive
  hyper.pods.image:
    name: web
    source: oci-archive:/srv/images/web.tar

- name: Remove an image
  hyper.pods.image:
    name: redis:7
    state: absent

- name: Another name, under which it can be pushed
  hyper.pods.image:
    name: web
    state: tagged
    tags: [registry.example.com/shop/web:1.2]

- name: Push an image
  hyper.pods.image:
    name: web
    state: pushed
    destination: registry.example.com/shop/web:1.2

- name: Remove all images that no pod holds
  hyper.pods.image:
    state: pruned
    all: true

- name: List the images of the store
  hyper.pods.image:
  register: store
"""

RETURN = r"""
images:
  description:
    - The images that O(name) asks for, in its order; without O(name) all images of the store.
    - With O(state=absent) and O(state=pruned), those that were removed; with O(state=tagged) the image under each new name. In check mode, what they would be.
  returned: success
  type: list
  elements: dict
  contains:
    reference:
      description: The complete reference, under which the image is stored.
      type: str
      sample: docker.io/library/nginx:1.25
    id:
      description: The digest of the image's config; null in check mode where only a pull can tell.
      type: str
    digest:
      description: The digest of the manifest (or index) that the name pointed at.
      type: str
    source:
      description: Where the image comes from; empty for one that was made on the host.
      type: str
      sample: docker.io/library/nginx:1.25
    disk:
      description: The disk's file on the host; null when it has yet to be made.
      type: str
    size:
      description: The disk's size in bytes; null when it has yet to be made.
      type: int
    architecture:
      description: The processor that the image is made for; null when it has yet to be pulled.
      type: str
freed:
  description: With O(state=pruned), how many bytes of the disk it gave back; 0 in check mode.
  returned: O(state=pruned)
  type: int
actions:
  description: What was done, or would be, one line for each image; what a pull reported on its way.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._images import apply
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, REGISTRY_ARGUMENTS, run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **HOST_ARGUMENTS,
            **REGISTRY_ARGUMENTS,
            "name": {"type": "list", "elements": "str", "aliases": ["names"]},
            "state": {"type": "str", "choices": ["present", "absent", "tagged", "pruned", "pushed"], "default": "present"},
            "tags": {"type": "list", "elements": "str"},
            "all": {"type": "bool", "default": False},
            "layers": {"type": "bool", "default": False},
            "source": {"type": "str"},
            "pull": {"type": "str", "choices": ["missing", "always"], "default": "missing"},
            "destination": {"type": "str"},
            "signature_policy": {"type": "path"},
            "progress": {"type": "path"},
            "force": {"type": "bool", "default": False},
        },
        required_by={"source": "name"},
        required_if=[("state", "absent", ("name",)), ("state", "tagged", ("name", "tags")), ("state", "pushed", ("name",))],
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
