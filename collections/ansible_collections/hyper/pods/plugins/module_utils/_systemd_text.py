# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and commands as unit files hold them."""

from __future__ import annotations

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._steps import Step

# What no service of ours has any business with (systemd.exec(5), Sandboxing).
PROTECTED = (
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
)
# What a service can do without that makes no code while it runs, as QEMU does.
NARROWED = (
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
)
# The first lines of each unit.
HEAD = ("# Written by the Ansible collection hyper.pods; changes made here are lost.", "[Unit]")


def unit_file(*lines: str) -> str:
    """The content of a unit file."""
    return "".join(f"{each}\n" for each in lines)


def line(program: str, *arguments: str) -> str:
    """A command as systemd reads it back unchanged (systemd.syntax(7), Quoting; systemd.service(5), Command lines)."""
    return " ".join(quoted(word).replace("$", "$$") for word in (_command.find(program), *arguments))


def step_line(step: Step, prefix: str = "") -> str:
    """A step with systemd's own sign for one that may fail. prefix: other signs."""
    return f"{'-' if step.may_fail else ''}{prefix}{line(*step.argv)}"


def quoted(word: str) -> str:
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{plain(word)}"'


def plain(text: str) -> str:
    """Without what systemd would expand (systemd.unit(5), Specifiers)."""
    return text.replace("%", "%%")
