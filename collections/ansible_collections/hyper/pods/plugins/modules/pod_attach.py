#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Share the streams of a container for a while."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_attach
short_description: Give a container something to read, and see what it writes
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Shares the streams of a container itself, no other process is started. What it writes from now on is returned, until it ends or O(timeout) is over.
  - What it wrote before, and all that it writes, is in its log; see M(hyper.pods.pod_info).
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    description: Nobody is attached; the pod and the container are checked.
    support: full
  diff_mode:
    description: What a container makes of what it reads is not known.
    support: none
options:
  pod:
    description: The pod's name.
    type: str
    required: true
  container:
    description: The container; without it the pod's first.
    type: str
  stdin_base64:
    description:
      - What the container is given to read, in base64. It needs C(stdin: true) in its definition.
      - With C(stdinOnce: true) its standard input is at its end then.
    type: str
  timeout:
    description: Seconds after which the container is left alone. Without it there is no limit.
    type: int
"""

EXAMPLES = r"""
- name: Have the game saved, and see what it says
  hyper.pods.pod_attach:
    pod: game
    container: server
    stdin_base64: "{{ 'save-all\n' | b64encode }}"
    timeout: 5
  register: said
"""

RETURN = r"""
exit_code:
  description: The container's exit code, 128 + signal when a signal ended it; C(null) where it goes on. None of them is a failure of the module.
  returned: when somebody was attached
  type: int
stdout:
  description: What it wrote to its standard output meanwhile, as text; of a container with a terminal all that it wrote.
  returned: when somebody was attached
  type: str
stderr:
  description: What it wrote to its standard error meanwhile, as text.
  returned: when somebody was attached
  type: str
stdout_base64:
  description: The same as RV(stdout), byte for byte.
  returned: when somebody was attached
  type: str
stderr_base64:
  description: The same as RV(stderr), byte for byte.
  returned: when somebody was attached
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _module, _pod_exec
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Share the streams."""
    params = module.params
    stdin = _pod_exec.decoded(params["stdin_base64"])
    target = _pod_exec.find(host, params["pod"], params["container"])
    if module.check_mode:
        return {"changed": stdin is not None}
    attached = _pod_exec.attach(host, target, stdin=stdin, timeout=params["timeout"])
    return {"changed": stdin is not None, "exit_code": attached.code, **_pod_exec.as_result(attached.stdout, attached.stderr)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            "pod": {"type": "str", "required": True},
            "container": {"type": "str"},
            "stdin_base64": {"type": "str", "no_log": True},
            "timeout": {"type": "int"},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
