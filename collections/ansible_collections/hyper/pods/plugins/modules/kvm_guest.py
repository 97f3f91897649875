#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Create, start, stop and delete a KVM guest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_guest
short_description: Create, start, stop and delete a KVM guest
description:
  - Manages one guest of a KVM host from typed parameters. QEMU is run directly, as an unprivileged user and in a sandbox, and supervised by systemd where
    that is PID 1.
  - A parameter that is not given keeps the value that the guest has; a new guest gets the default.
  - QEMU takes new parameters only when it starts, so an update of a running guest restarts it. RV(actions) says so, in check mode too.
author:
  - The Hyper pods authors
version_added: 0.1.0
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    support: full
    description: Nothing is written, started or stopped.
  diff_mode:
    support: full
    description: Shows the definition and the state before and after.
  platform:
    support: full
    platforms: linux
    description: Hosts with an x86_64 processor.
options:
  name:
    description:
      - Name of the guest. At most 63 lower-case letters, digits, C(-) and C(.).
    type: str
    required: true
  state:
    description:
      - V(present) defines the guest, and leaves it running or off as it is.
      - V(started) defines and starts it. Under systemd it is then started at each boot of the host.
      - V(stopped) defines it and turns it off, by its power button and, after O(grace_period), by force.
      - V(absent) turns it off and deletes it, and the disks and files that lie in its own directory.
    type: str
    choices: [present, started, stopped, absent]
    default: present
  vcpus:
    description:
      - Number of virtual processors. The default for a new guest is 1.
    type: int
  memory:
    description:
      - Memory in MiB. The default for a new guest is 256.
    type: int
  kernel:
    description:
      - A kernel to boot, on the host. Without it the guest boots from its first disk.
    type: path
  initrd:
    description:
      - The initial RAM disk for O(kernel).
    type: path
  cmdline:
    description:
      - The command line for O(kernel).
    type: str
  disks:
    description:
      - The guest's disks, attached by virtio.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The disk's file on the host, readable for O(qemu_user). Without it the file lies in the guest's own directory, and is deleted with the guest.
        type: path
      serial:
        description:
          - The serial that the guest sees. At most 20 bytes.
        type: str
      readonly:
        description:
          - Whether the guest can only read.
        type: bool
        default: false
      format:
        description:
          - Format of the file.
        type: str
        choices: [raw, qcow2]
        default: raw
      size:
        description:
          - Size of the disk that is made where there is no file, such as C(10G). A file that is there stays as it is.
        type: bytes
  nics:
    description:
      - The guest's NICs, each on a user-mode network of its own, where the guest is 10.0.2.15, its gateway 10.0.2.2 and its name server 10.0.2.3.
    type: list
    elements: dict
    suboptions:
      mac:
        description:
          - MAC address. Without it one is derived from the guest's name.
        type: str
      restrict:
        description:
          - Whether the guest can open no connections to the outside.
        type: bool
        default: false
      forwards:
        description:
          - Ports of the host that lead to the guest.
        type: list
        elements: dict
        suboptions:
          protocol:
            description:
              - Protocol.
            type: str
            choices: [tcp, udp]
            default: tcp
          host_ip:
            description:
              - IPv4 address of the host to listen at.
            type: str
            default: 127.0.0.1
          host_port:
            description:
              - Port of the host.
            type: int
            required: true
          guest_port:
            description:
              - Port of the guest.
            type: int
            required: true
  ports:
    description:
      - Virtio-serial ports.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name that the guest sees.
        type: str
        required: true
      kind:
        description:
          - V(socket) is a UNIX socket on the host that serves one client at a time, V(file) a file that gets what the guest writes.
        type: str
        choices: [socket, file]
        default: socket
      path:
        description:
          - The socket or file. Without it a socket lies in the guest's directory below O(run_dir) and a file in the one below O(state_dir),
            named C(port-) and the port's name.
        type: path
  reboots:
    description:
      - Whether the guest starts again when it resets. Otherwise that turns it off. The default for a new guest is V(true).
    type: bool
  accelerator:
    description:
      - V(kvm), V(tcg) (emulation), or V(auto), which is the new guest's default and takes KVM where it was proved to run guests.
    type: str
    choices: [auto, kvm, tcg]
  grace_period:
    description:
      - Seconds that the guest has to turn itself off before it is turned off by force. The default for a new guest is 60.
    type: int
"""

EXAMPLES = r"""
- name: A guest that boots from a disk
  hyper.pods.kvm_guest:
    name: build
    state: started
    vcpus: 2
    memory: 2048
    disks:
      - path: /srv/images/debian-12.qcow2
        format: qcow2
      - serial: scratch
        size: 20G
    nics:
      - forwards:
          - host_port: 2222
            guest_port: 22

- name: A guest that boots a kernel, with a port that its console's reader connects to
  hyper.pods.kvm_guest:
    name: probe
    state: started
    kernel: /var/lib/hyper/hyperstart/current/vmlinux
    initrd: /srv/probe.cpio
    cmdline: console=ttyS0 quiet
    ports:
      - name: org.example.probe

- name: Turn it off
  hyper.pods.kvm_guest:
    name: probe
    state: stopped

- name: Delete it
  hyper.pods.kvm_guest:
    name: probe
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be, in order. C(create), C(update), C(start), C(stop), C(restart), C(delete).
  returned: success
  type: list
  elements: str
  sample: [update, restart]
guest:
  description: The guest as it is defined now.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
    state:
      description: C(running), C(stopped) or C(absent).
      returned: always
      type: str
    pid:
      description: The pid of its QEMU, or null.
      returned: always
      type: int
    running_with:
      description: C(kvm) or C(tcg), empty when it does not run.
      returned: always
      type: str
    qmp:
      description: The socket of QEMU's machine protocol.
      returned: always
      type: str
    console:
      description: The file with what the guest wrote to its first serial port since its last start.
      returned: always
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _guest_life
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._module import HOST_ARGUMENTS, run

_DISK = {
    "path": {"type": "path"},
    "serial": {"type": "str"},
    "readonly": {"type": "bool", "default": False},
    "format": {"type": "str", "choices": ["raw", "qcow2"], "default": "raw"},
    "size": {"type": "bytes"},
}
_FORWARD = {
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "host_ip": {"type": "str", "default": "127.0.0.1"},
    "host_port": {"type": "int", "required": True},
    "guest_port": {"type": "int", "required": True},
}
_NIC = {
    "mac": {"type": "str"},
    "restrict": {"type": "bool", "default": False},
    "forwards": {"type": "list", "elements": "dict", "options": _FORWARD},
}
_PORT = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["socket", "file"], "default": "socket"},
    "path": {"type": "path"},
}


def _operation(module: AnsibleModule, host: Host) -> dict[str, Any]:
    return _guest_life.converge(host, module.params["name"], module.params, module.params["state"], check=module.check_mode)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "started", "stopped", "absent"], "default": "present"},
            "vcpus": {"type": "int"},
            "memory": {"type": "int"},
            "kernel": {"type": "path"},
            "initrd": {"type": "path"},
            "cmdline": {"type": "str"},
            "disks": {"type": "list", "elements": "dict", "options": _DISK},
            "nics": {"type": "list", "elements": "dict", "options": _NIC},
            "ports": {"type": "list", "elements": "dict", "options": _PORT},
            "reboots": {"type": "bool"},
            "accelerator": {"type": "str", "choices": ["auto", "kvm", "tcg"]},
            "grace_period": {"type": "int"},
            **HOST_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    run(module, _operation)


if __name__ == "__main__":
    main()
