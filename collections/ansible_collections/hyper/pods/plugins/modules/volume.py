#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of a KVM host, which outlive pods."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume
short_description: Manage volumes that outlive pods on a KVM host
description:
  - Makes, grows and removes volumes of a KVM host. A pod uses one by a C(persistentVolumeClaim) of its name, one pod at a time.
  - A volume is a sparse disk, with an ext4 filesystem or, as a block volume, without.
  - The module M(hyper.pods.pod) makes the volumes of the PersistentVolumeClaims that stand beside its pods; this module is for all else.
  - Without O(name), lists the volumes of the host.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  name:
    description:
      - The volumes' names, each at most 63 lower-case letters, digits, dashes and dots.
    type: list
    elements: str
    aliases: [names]
  state:
    description:
      - V(present) makes sure that the volumes are there, with the size, mode and labels that are given.
      - V(absent) removes them with all that is on them. A volume that a pod is defined with is not removed, whether the pod runs or not.
    type: str
    choices: [present, absent]
    default: present
  size:
    description:
      - The size, such as V(512M) or V(10Gi), in powers of 1024, rounded up to whole MiB. A new volume has 10 GiB unless given.
      - A volume grows to it; its filesystem grows when a pod is started with it. A volume never shrinks.
    type: str
  mode:
    description:
      - V(Filesystem) for mounting, V(Block) for the bare device. It never changes. A new volume is V(Filesystem) unless given.
    type: str
    choices: [Filesystem, Block]
  labels:
    description:
      - The volumes' labels, in place of those that they have.
      - With O(unused=true), only volumes that have all of them are removed.
    type: dict
  source:
    description:
      - What a volume begins with that is not there yet. One volume must be named.
      - Another volume's name makes a copy of it as it is now, a snapshot. No pod may run with it.
      - An absolute path is a file of the host that holds a disk, such as O(export) writes it. Its filesystem, unless it is for a volume of
        mode V(Block), is ext4 with a directory C(volume), which is what containers see.
      - Blocks are shared where the host's filesystem can do so. The volume is at least as large as what it begins with.
    type: str
  export:
    description:
      - The absolute path of a file on the host to which the volume's disk is written, sparse and for root alone. No pod may run with the volume.
      - A file that holds what the volume holds, by its size and time, stays as it is.
    type: path
  force:
    description:
      - With O(export), overwrite a file that holds something else.
    type: bool
    default: false
  unused:
    description:
      - With O(state=absent) and without O(name), remove all volumes that no pod is defined with.
    type: bool
    default: false
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: Nothing is written or removed.
  diff_mode:
    support: full
    description: Shows each volume's size, mode and labels, before and after.
requirements:
  - e2fsprogs
notes:
  - Volumes are made and removed by root only.
"""

EXAMPLES = r"""
- name: A volume of 20 GiB for a database
  hyper.pods.volume:
    name: shop-data
    size: 20Gi
    labels:
      app: shop

- name: A disk without a filesystem
  hyper.pods.volume:
    name: raw
    size: 1Gi
    mode: Block

- name: A copy of a volume as it is now
  hyper.pods.volume:
    name: shop-data-before-upgrade
    source: shop-data

- name: Write a volume to a file
  hyper.pods.volume:
    name: shop-data
    export: /srv/backup/shop-data.img

- name: A volume from a file
  hyper.pods.volume:
    name: shop-data-copy
    source: /srv/backup/shop-data.img

- name: Remove a volume and all that is on it
  hyper.pods.volume:
    name: shop-data
    state: absent

- name: Remove all volumes that no pod is defined with
  hyper.pods.volume:
    state: absent
    unused: true

- name: List the volumes of the host
  hyper.pods.volume:
  register: host
"""

RETURN = r"""
volumes:
  description:
    - The volumes that O(name) asks for, in its order; without O(name) all of the host.
    - With O(state=absent), those that were removed. In check mode, what they would be.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The volume's name.
      type: str
      sample: shop-data
    size:
      description: Its size in bytes.
      type: int
      sample: 21474836480
    allocated:
      description: What it takes of the host's disk, in bytes; null when it is gone, or has yet to be made.
      type: int
    mode:
      description: Filesystem or Block.
      type: str
      sample: Filesystem
    labels:
      description: Its labels.
      type: dict
    createdAt:
      description: When it was made, in ISO 8601, UTC.
      type: str
      sample: "2026-01-31T12:00:00Z"
    pods:
      description: The pods that are defined with it.
      type: list
      elements: str
    disk:
      description: Its file on the host.
      type: str
actions:
  description: What was done, or would be, one line for each step.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run
from ansible_collections.hyper.pods.plugins.module_utils._volume_operations import apply


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **HOST_ARGUMENTS,
            "name": {"type": "list", "elements": "str", "aliases": ["names"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "size": {"type": "str"},
            "mode": {"type": "str", "choices": ["Filesystem", "Block"]},
            "labels": {"type": "dict"},
            "source": {"type": "str"},
            "export": {"type": "path"},
            "force": {"type": "bool", "default": False},
            "unused": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("source", "export")],
        required_by={"source": "name", "export": "name"},
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
