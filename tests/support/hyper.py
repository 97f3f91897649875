# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``hyper`` in a process of its own, as a person starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.support.pods import ROOT, PodHost


class Hyper:
    """Runs the command in a process of its own, on the tests' host."""

    def __init__(self, pods: PodHost) -> None:
        arguments = pods.arguments
        self.env = {
            **os.environ,
            "HYPER_STATE_DIR": arguments["state_dir"],
            "HYPER_RUN_DIR": arguments["run_dir"],
            "HYPER_QEMU_USER": arguments["qemu_user"],
        }

    def start(self, *words: str, **rest: Any) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-m", "hyperstart", *words], env=self.env, cwd=ROOT, text=True, **rest)

    def __call__(self, *words: str, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        with self.start(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            stdout, stderr = process.communicate(stdin, timeout=180)
        assert process.returncode == code, f"hyper {' '.join(words)} ended with {process.returncode}: {stdout}{stderr}"
        return subprocess.CompletedProcess(words, code, stdout, stderr)

    def json(self, *words: str) -> Any:
        return json.loads(self(words[0], "--json", *words[1:]).stdout)

    def pod(self, name: str) -> dict[str, Any]:
        (pod,) = [pod for pod in self.json("list") if pod["name"] == name]
        return dict(pod)
