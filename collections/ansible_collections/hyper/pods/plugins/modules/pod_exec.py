#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command in a container of a pod."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_exec
short_description: Run a command in a container of a pod
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Runs a command beside the processes of a container and returns its output and exit code.
  - A command that ends with a code other than 0 is no failure of the module; see RV(rc).
    A command that is not there ends with 127, one that cannot be executed with 126, as in a shell.
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    description: The command is not run; the pod and the container are checked.
    support: full
  diff_mode:
    description: What a command changes is not known.
    support: none
options:
  pod:
    description: The pod's name.
    type: str
    required: true
  container:
    description: The container; without it the pod's first.
    type: str
  argv:
    description: The command and its arguments. No shell is involved.
    type: list
    elements: str
    required: true
  env:
    description: Variables in addition to the container's environment.
    type: dict
    default: {}
  workdir:
    description: The working directory; without it the container's own.
    type: str
  user:
    description: The user, as C(uid), C(name), C(uid:gid) or C(name:group); without it the container's own.
    type: str
  stdin_base64:
    description: What the command reads from its standard input, in base64.
    type: str
  guest:
    description:
      - Whether the command runs in the guest's own namespaces, those of hyperstart, instead of the container's, as root with all capabilities and without the
        container's seccomp profile. It is a program of the container's image, whose files it sees as C(/), and it ends with the container, in whose cgroup it
        is.
      - All that the guest has is below C(/proc/1/root). What an image brings is trusted with the pod's guest then, and with no more.
    type: bool
    default: false
  timeout:
    description: Seconds after which the command is ended and the module fails. Without it there is no limit.
    type: int
"""

EXAMPLES = r"""
- name: Ask the cache how it is
  hyper.pods.pod_exec:
    pod: shop
    container: cache
    argv: [redis-cli, ping]
  register: answer

- name: See all that is mounted in the guest
  hyper.pods.pod_exec:
    pod: shop
    argv: [cat, /proc/1/mounts]
    guest: true
"""

RETURN = r"""
rc:
  description: The command's exit code, 128 + signal when a signal ended it.
  returned: when the command ran
  type: int
stdout:
  description: Its standard output as text.
  returned: when the command ran
  type: str
stderr:
  description: Its standard error as text.
  returned: when the command ran
  type: str
stdout_base64:
  description: Its standard output, byte for byte.
  returned: when the command ran
  type: str
stderr_base64:
  description: Its standard error, byte for byte.
  returned: when the command ran
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _module, _pod_exec
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Run the command."""
    params = module.params
    stdin = _pod_exec.decoded(params["stdin_base64"])
    if params["guest"] and params["user"] is not None:
        raise HyperError("in the guest's own namespaces a command is root's", where="user", remedy="Leave out one of guest and user")
    target = _pod_exec.find(host, params["pod"], params["container"])
    if module.check_mode:
        return {"changed": True}
    result = _pod_exec.run(
        host,
        target,
        params["argv"],
        env=tuple((name, str(value)) for name, value in params["env"].items()),
        workdir=params["workdir"],
        user=params["user"],
        stdin=stdin or b"",
        guest=params["guest"],
        timeout=params["timeout"],
    )
    return {"changed": True, "rc": result.code, **_pod_exec.as_result(result.stdout, result.stderr)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            "pod": {"type": "str", "required": True},
            "container": {"type": "str"},
            "argv": {"type": "list", "elements": "str", "required": True},
            "env": {"type": "dict", "default": {}},
            "workdir": {"type": "str"},
            "user": {"type": "str"},
            "stdin_base64": {"type": "str", "no_log": True},
            "guest": {"type": "bool", "default": False},
            "timeout": {"type": "int"},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
