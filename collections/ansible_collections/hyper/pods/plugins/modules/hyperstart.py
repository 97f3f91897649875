#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install hyperstart, the init of guests, with its kernel on a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hyperstart
short_description: Install hyperstart and the kernel of guests on a KVM host
description:
  - Puts a version of hyperstart on a host, which is a kernel and an initramfs that holds hyperstart and the kernel's modules.
  - A version is made whole or not at all, never changes, and its name tells its content.
  - Whether KVM can be used is proved by a guest, once for each boot of the host, version of QEMU and kernel. That takes up to 10 seconds.
  - On a host that keeps templates the one for pods of the usual size is made then, by a process that nobody waits for.
  - Pods keep the version that they were started with. New guests boot the current one.
author:
  - The Hyper pods authors
version_added: 0.1.0
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: Nothing is written. A kernel that would be fetched is not, so that the end of the version's name is not known.
  diff_mode:
    support: full
    description: Shows the current version before and after.
  platform:
    support: full
    platforms: linux
    description: Hosts with an x86_64 processor.
options:
  state:
    description:
      - V(present) makes a version of O(init) and a kernel the current one. When that is a new one, those that no pod uses go, but for the one before.
      - V(absent) leaves no current version. Versions that pods use stay.
    type: str
    choices: [present, absent]
    default: present
  init:
    description:
      - The binary of hyperstart on the host, linked statically.
      - Required with O(state=present).
    type: path
  kernel:
    description:
      - The image of a kernel on the host, a bzImage or an ELF kernel with a PVH entry.
      - >-
        Without it the kernel is the distribution's: the one of the current version if there is one, else the newest of its cloud kernels that the
        host has installed, else the one in the package C(linux-image-cloud-amd64), which is fetched by apt and not installed.
    type: path
  modules:
    description:
      - The directory C(lib/modules/VERSION) of O(kernel), with a C(modules.dep).
      - Without it the host's own for that version are taken. Where there are none, all that is needed must be built in.
    type: path
  upgrade:
    description:
      - Look for a newer kernel of the distribution, although there is one here.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Install hyperstart with the distribution's kernel
  hyper.pods.hyperstart:
    init: /var/lib/hyper/hyperstart.init

- name: Install it with a kernel of one's own
  hyper.pods.hyperstart:
    init: /var/lib/hyper/hyperstart.init
    kernel: /srv/linux/arch/x86/boot/bzImage
    modules: /srv/linux-modules/lib/modules/6.12.0

- name: Remove it
  hyper.pods.hyperstart:
    state: absent
"""

RETURN = r"""
version:
  description: The version that new guests boot, or null. Its parts are hyperstart's version, the kernel's, and 8 digits of the content's SHA-256.
  returned: success
  type: str
  sample: 0.1.0-6.1.0-56-cloud-amd64-1f0c9a5e
hyperstart_version:
  description: The version of hyperstart, or null.
  returned: success
  type: str
  sample: 0.1.0
kernel_version:
  description: The release of the kernel, or null.
  returned: success
  type: str
  sample: 6.1.0-56-cloud-amd64
accelerator:
  description: What guests are run with on this host, C(kvm) where a guest proved that it works, else C(tcg). Null in check mode and where QEMU is missing.
  returned: success
  type: str
accelerator_reason:
  description: Why, for people.
  returned: success
  type: str
removed:
  description: Versions that were removed.
  returned: success
  type: list
  elements: str
kept:
  description: Versions that are not current and stay, since pods use them.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _hyperstart_install as install
from ansible_collections.hyper.pods.plugins.module_utils import _kvm, _usual_template
from ansible_collections.hyper.pods.plugins.module_utils._command import CommandMissing
from ansible_collections.hyper.pods.plugins.module_utils._host import Host, NotPrepared
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import installed
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run


def _operation(module: AnsibleModule, host: Host) -> dict[str, Any]:
    outcome = install.converge(host, _wanted(module.params), check=module.check_mode)
    return {**outcome.as_dict(), **_acceleration(host, needed=not module.check_mode and outcome.after is not None)}


def _acceleration(host: Host, *, needed: bool) -> dict[str, str | None]:
    """The verdict on KVM, and the template of usual pods, so that the first pod does not wait for them. A host without QEMU has neither yet."""
    if not needed:
        return {"accelerator": None, "accelerator_reason": None}
    try:
        init = installed(host)
        verdict = _kvm.accelerator(host, init)
        _usual_template.provide(host, init, verdict.accelerator)
    except (CommandMissing, NotPrepared) as lacking:
        return {"accelerator": None, "accelerator_reason": str(lacking)}
    return {"accelerator": verdict.accelerator, "accelerator_reason": verdict.reason}


def _wanted(params: dict[str, Any]) -> install.Wanted | None:
    if params["state"] == "absent":
        return None
    kernel, modules = (Path(params[name]) if params[name] else None for name in ("kernel", "modules"))
    return install.Wanted(Path(params["init"]), kernel, modules, params["upgrade"])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "init": {"type": "path"},
            "kernel": {"type": "path"},
            "modules": {"type": "path"},
            "upgrade": {"type": "bool", "default": False},
            **HOST_ARGUMENTS,
        },
        required_if=[("state", "present", ["init"])],
        required_by={"modules": ["kernel"]},
        supports_check_mode=True,
    )
    run(module, _operation)


if __name__ == "__main__":
    main()
