# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the arguments that every module of the collection takes."""

from __future__ import annotations


class ModuleDocFragment:
    """The directories of a host and the account of QEMU."""

    DOCUMENTATION = r"""
options:
  state_dir:
    description:
      - Directory on the host that survives reboots.
      - It holds images, versions of hyperstart, pods and guests.
    type: path
    default: /var/lib/hyper
  run_dir:
    description:
      - Directory on the host for sockets, pid files and locks.
      - Keep it short, since the path of a UNIX socket has at most 107 bytes.
    type: path
    default: /run/hyper
  qemu_user:
    description:
      - The unprivileged system user that QEMU runs as.
    type: str
    default: hyper-qemu
"""
