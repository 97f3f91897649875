# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of the collection as Ansible does on a host, without the price of a play (0.2 s instead of 1.3 s)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).resolve().parents[2] / "collections"
MODULES = COLLECTIONS / "ansible_collections/hyper/pods/plugins/modules"


def module_process(
    name: str, args: Mapping[str, Any], *, check: bool = False, diff: bool = True, env: Mapping[str, str] | None = None, within: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start the module ``name`` and leave it running: for tests that run several at once, or kill one. Its result is JSON on stdout.

    within: a command that runs another one, such as unshare.
    """
    payload = {"ANSIBLE_MODULE_ARGS": {**args, "_ansible_check_mode": check, "_ansible_diff": diff}}
    process = subprocess.Popen(
        [*within, sys.executable, str(MODULES / f"{name}.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS), **(env or {})},
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(payload))
    process.stdin.close()
    process.stdin = None
    return process


def run_module(
    name: str,
    args: Mapping[str, Any],
    *,
    check: bool = False,
    diff: bool = True,
    fails: bool = False,
    env: Mapping[str, str] | None = None,
    timeout: float = 300,
) -> dict[str, Any]:
    """Run the real module file with ``args`` and return its result (``changed``, ``diff``, ``msg``, …).

    check, diff: as ``ansible-playbook --check --diff`` would set them. fails: the module is expected to fail; without
    it a failure is an AssertionError that shows the module's message. timeout: seconds, after which the module is killed.
    """
    with module_process(name, args, check=check, diff=diff, env=env) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    try:
        result: dict[str, Any] = json.loads(stdout)
    except json.JSONDecodeError:
        raise AssertionError(f"module {name} gave no result (code {process.returncode}): {stdout}\n{stderr}") from None
    assert bool(result.get("failed")) == fails, f"module {name} {'succeeded' if fails else 'failed'}: {result.get('msg') or result}"
    return result
