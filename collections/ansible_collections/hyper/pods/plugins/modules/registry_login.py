#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A KVM host's credentials for a registry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_login
short_description: Log a KVM host in to a registry of container images
description:
  - Keeps credentials for a registry on the host, with which images are pulled and pushed, or forgets them.
  - New ones are kept only when the registry takes them. Those that are kept already are not tried again.
version_added: 0.1.0
author:
  - Hyper pods developers (@hyper-pods)
options:
  registry:
    description:
      - The registry, as V(HOST[:PORT]).
    type: str
    required: true
  username:
    description:
      - The account's name.
    type: str
  password:
    description:
      - Its password or token. It is handed to skopeo on its standard input.
    type: str
  state:
    description:
      - V(present) logs in, V(absent) forgets the credentials.
    type: str
    choices: [present, absent]
    default: present
  authfile:
    description:
      - The file on the host in which credentials are kept, as C(containers-auth.json(5)) has it.
      - Without it C(auth.json) in O(state_dir), which counts wherever no other is given, for pods too.
    type: path
  tls_verify:
    description:
      - Whether the registry must speak HTTPS with a certificate that the host trusts.
    type: bool
    default: true
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: The registry is not asked.
  diff_mode:
    support: full
    description: Shows the account's name before and after, never the password.
requirements:
  - skopeo
"""

EXAMPLES = r"""
- name: Log in
  hyper.pods.registry_login:
    registry: registry.example.com
    username: shop
    password: "{{ vault_registry_password }}"

- name: Log out
  hyper.pods.registry_login:
    registry: registry.example.com
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, REGISTRY_ARGUMENTS, run
from ansible_collections.hyper.pods.plugins.module_utils._registry_login import apply


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **HOST_ARGUMENTS,
            **REGISTRY_ARGUMENTS,
            "registry": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("username", "password"))],
        supports_check_mode=True,
    )
    run(module, apply)


if __name__ == "__main__":
    main()
