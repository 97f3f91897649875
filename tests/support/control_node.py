# SPDX-License-Identifier: GPL-3.0-or-later
"""The control node beside a PodHost: the command ``hyper``, ``ansible-playbook`` and the Python API, told of the host by an inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.pods import ROOT, PodHost

# The one of this Python, whatever is on PATH.
_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))


@dataclass(frozen=True)
class ControlNode:
    """inventory: a file that names this machine, with the host's directories, as the only KVM host."""

    inventory: Path

    @classmethod
    def of(cls, pods: PodHost, directory: Path) -> ControlNode:
        """A control node whose inventory is written into ``directory``."""
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3",
            **{f"hyper_{name}": value for name, value in pods.arguments.items()},
        }
        inventory = directory / "hosts.json"
        inventory.write_text(json.dumps({"kvm_hosts": {"hosts": {"localhost": variables}}}))
        return cls(inventory)

    def hyper(
        self, command: str, *words: str, code: int = 0, cwd: Path = ROOT, within: Sequence[str] = (), timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Run ``hyper COMMAND --inventory … WORDS``, which must end with ``code``. within: a command that runs another one, such as unshare."""
        argv = [*within, sys.executable, "-m", "hyperstart", command, "--inventory", str(self.inventory), *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
        assert done.returncode == code, f"hyper {command} ended with {done.returncode}: {done.stdout}\n{done.stderr}"
        return done

    def playbook_process(self, playbook: str, variables: Mapping[str, Any]) -> subprocess.Popen[str]:
        """Start ``ansible-playbook playbooks/PLAYBOOK`` as leader of a session of its own. Both its streams go to stdout."""
        argv = [_PLAYBOOK, "--inventory", str(self.inventory), f"playbooks/{playbook}", "--extra-vars", json.dumps(variables)]
        return subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def playbook(self, playbook: str, variables: Mapping[str, Any], *, timeout: float = 180) -> str:
        """Run a playbook to its end, which must be a good one; returns the line of its recap."""
        with self.playbook_process(playbook, variables) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode == 0, output
        return next(line for line in reversed(output.splitlines()) if line.startswith("localhost"))
