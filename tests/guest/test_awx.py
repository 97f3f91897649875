# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree as an AWX project: a private data directory laid out as AWX lays it out, run by ansible-runner as AWX runs it, its job events read.

Sources: awx/main/tasks/jobs.py (``build_private_data_files``, ``build_env``, ``build_params_...``) and ansible-runner's documentation of the directory.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.pods import ROOT, PodHost

pytestmark = pytest.mark.guest


def lay_out(directory: Path, playbook: str, extra_vars: Mapping[str, Any]) -> Path:
    """What AWX hands to ansible-runner for a job of ``playbook``."""
    shutil.copytree(ROOT, directory / "project", symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    (directory / "inventory").mkdir()
    here = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    inventory = {"all": {"children": ["kvm_hosts"]}, "kvm_hosts": {"hosts": ["kvm1"]}, "_meta": {"hostvars": {"kvm1": here}}}
    script = directory / "inventory/hosts"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(inventory)}\nEND\n")
    script.chmod(0o700)
    environment = directory / "env"
    environment.mkdir(mode=0o700)
    # AWX reads the project's ansible.cfg and puts its own directories in front of the paths that it finds there.
    configuration = configparser.ConfigParser()
    configuration.read(directory / "project/ansible.cfg")
    collections = f"{directory}/requirements_collections:{configuration['defaults']['collections_path']}"
    roles = f"{directory}/requirements_roles:{configuration['defaults']['roles_path']}"
    variables = {
        "ANSIBLE_COLLECTIONS_PATH": collections,
        "ANSIBLE_ROLES_PATH": roles,
        "ANSIBLE_FORCE_COLOR": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
        "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
        "JOB_ID": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    for name, content in (
        ("envvars", variables),
        ("extravars", {"awx_job_id": 1, "awx_user_name": "admin", "tower_job_id": 1, **extra_vars}),
        ("settings", {"suppress_ansible_output": True, "job_timeout": 300, "idle_timeout": None, "pexpect_timeout": 5}),
        ("passwords", {}),
    ):
        (environment / name).write_text(json.dumps(content))
    (environment / "cmdline").write_text(f"-u root -i {directory}/inventory")
    return directory


def run_job(directory: Path, playbook: str) -> list[dict[str, Any]]:
    """Run the job in a process of its own and return its events in order."""
    argv = [sys.executable, "-m", "ansible_runner", "run", str(directory), "--playbook", playbook, "--ident", "job"]
    # ansible-runner adds the inventory directory itself; nothing of this process's surroundings may help.
    done = subprocess.run(argv, cwd="/", env={"PATH": os.environ["PATH"], "HOME": str(directory)}, capture_output=True, text=True, timeout=200, check=False)
    events = [json.loads(path.read_text()) for path in (directory / "artifacts/job/job_events").glob("*.json")]
    events.sort(key=lambda event: int(event["counter"]))
    assert done.returncode == int((directory / "artifacts/job/rc").read_text()), done.stderr
    return events


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["event_data"] for event in events if event["event"] == kind]


def test_a_job_runs_a_pod_and_its_events_tell_what_happened(pods: PodHost, tmp_path: Path) -> None:
    survey = {"pod_name": "awx-pod", "pod_images": "tools, tools", "pod_publish": "", "pod_env": "A=1\nB=2", "pod_memory": "128M"}
    extra_vars = {**survey, **{f"hyper_{name}": value for name, value in pods.arguments.items()}}
    try:
        events = run_job(lay_out(tmp_path / "job1", "playbooks/run_pod.yml", extra_vars), "playbooks/run_pod.yml")
        (result,) = [data for data in of(events, "runner_on_ok") if data["task_action"] == "hyper.pods.pod"]
        assert (result["host"], result["res"]["changed"]) == ("kvm1", True)
        (pod,) = result["res"]["pods"]
        assert (pod["name"], pod["phase"], [container["state"] for container in pod["containers"]]) == ("awx-pod", "Running", ["running", "running"])
        assert of(events, "playbook_on_stats")[0]["changed"] == {"kvm1": 1}
        again = run_job(lay_out(tmp_path / "job2", "playbooks/run_pod.yml", extra_vars), "playbooks/run_pod.yml")
        assert of(again, "playbook_on_stats")[0]["changed"] == {}
    finally:
        pods.pod("awx-pod", state="absent", grace_period=0)


def test_a_job_without_its_variables_fails_with_an_example(pods: PodHost, tmp_path: Path) -> None:
    events = run_job(lay_out(tmp_path / "job", "playbooks/run_pod.yml", {}), "playbooks/run_pod.yml")
    (failure,) = of(events, "runner_on_failed")
    assert "Set pod_name and pod_images" in failure["res"]["msg"]
