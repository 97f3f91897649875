#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Change a part of a pod's definition."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_patch
short_description: Change a part of a pod's definition
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Changes labels, published ports or the list of containers of a pod, and brings the pod to that, as M(hyper.pods.pod) brings it to any definition.
    All that is not named stays as it is. Nothing is pulled.
  - A pod that runs goes on - what would restart its guest is refused, unless O(restart=true). A pod that does not run is not started.
  - The former definition stays a revision of the pod, to which M(hyper.pods.pod_rollback) brings it back.
extends_documentation_fragment:
  - hyper.pods.change
  - hyper.pods.host
attributes:
  check_mode:
    description: Tells every action that the real run would do and touches nothing.
    support: full
  diff_mode:
    description: Shows the definitions before and after.
    support: full
options:
  name:
    description: The pod.
    type: str
    required: true
  labels:
    description: Labels that the pod has then, with these values.
    type: dict
    default: {}
  remove_labels:
    description: Labels that it does not have then, by their keys.
    type: list
    elements: str
    default: []
  publish:
    description:
      - Ports that are published then, as C([IP:]HOST:CONTAINER[/udp]); without an IP on 127.0.0.1 alone. One that the pod publishes otherwise is changed.
      - A pod on a C(user) network that runs can publish ports from 1024 on; for others its guest has to be restarted.
    type: list
    elements: str
    default: []
  unpublish:
    description: Ports of the host that are not published then, as C([IP:]HOST[:CONTAINER][/udp]). An IP or a container port that is written has to be the same.
    type: list
    elements: str
    default: []
  remove_containers:
    description:
      - Containers that the pod does not have then. They are ended in order, and what they wrote is lost; their neighbours go on.
      - The guest of a pod that runs keeps its CPUs and its memory, which then are the pod's own limits. The last container is not removed.
    type: list
    elements: str
    default: []
  restart:
    description: Whether the guest is restarted where the change cannot be made while it runs.
    type: bool
    default: false
  wait:
    description: What to wait for when the guest is restarted, as in M(hyper.pods.pod).
    type: str
    choices: [ready, running, none]
    default: running
seealso:
  - module: hyper.pods.pod
  - module: hyper.pods.pod_rollback
"""

EXAMPLES = r"""
- name: Mark a pod, and take a mark away
  hyper.pods.pod_patch:
    name: shop
    labels:
      tier: front
    remove_labels: [trial]

- name: Publish a port of a pod that runs, and take another back
  hyper.pods.pod_patch:
    name: shop
    publish: ["8443:443"]
    unpublish: ["8080"]

- name: Remove a container; its neighbours go on
  hyper.pods.pod_patch:
    name: shop
    remove_containers: [debug]
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order, as M(hyper.pods.pod) returns it.
  returned: success
  type: list
  elements: dict
pods:
  description: The pod afterwards, as M(hyper.pods.pod_info) reports it.
  returned: success
  type: list
  elements: dict
before:
  description: The definition in brief before, by name.
  returned: success
  type: dict
after:
  description: The definition in brief afterwards.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _module, _pod_revisions, _pods_call
from ansible_collections.hyper.pods.plugins.module_utils._change_arguments import CHANGE_ARGUMENTS, change_options
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pod_patch import Patch


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Change the pod."""
    params = module.params
    options = _pods_call.Options(**change_options(module), restart_guest=params["restart"])
    wanted = Patch(
        # YAML takes some for numbers; how true and false were meant nobody knows.
        {key: str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value for key, value in params["labels"].items()},
        params["remove_labels"],
        params["publish"],
        params["unpublish"],
        params["remove_containers"],
    )
    return _pod_revisions.patch(host, params["name"], wanted, options).as_result()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            **CHANGE_ARGUMENTS,
            "name": {"type": "str", "required": True},
            "labels": {"type": "dict", "default": {}},
            **{name: {"type": "list", "elements": "str", "default": []} for name in ("remove_labels", "publish", "unpublish", "remove_containers")},
            "restart": {"type": "bool", "default": False},
            "wait": {"type": "str", "choices": ["ready", "running", "none"], "default": "running"},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
