# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pod of the scenario does, seen from its host."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
STATE_DIR, RUN_DIR = "/var/lib/hyper-molecule", "/run/hyper-molecule"
CONTAINERS = ["web", "app", "log", "cron"]


def hyper(host: Host, *words: str) -> str:
    """What the command prints, which must end with 0."""
    environment = f"cd {shlex.quote(str(ROOT))} && HYPER_STATE_DIR={STATE_DIR} HYPER_RUN_DIR={RUN_DIR}"
    return str(host.check_output(f"{environment} {shlex.quote(sys.executable)} -m hyperstart {shlex.join(words)} < /dev/null"))


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    (found,) = json.loads(hyper(testinfra.get_host("local://"), "list", "--json"))
    return dict(found)


@pytest.fixture(scope="module")
def namespaces() -> dict[str, dict[str, str]]:
    """The namespaces of a shell in each container: container → kind → inode."""
    here = testinfra.get_host("local://")
    script = "for kind in pid net ipc uts user mnt; do echo $kind $(readlink /proc/self/ns/$kind); done"
    found = {name: hyper(here, "exec", "molecule", "-c", name, "--", "sh", "-c", script) for name in CONTAINERS}
    return {name: dict(line.split() for line in text.splitlines()) for name, text in found.items()}


def test_every_container_runs(pod: dict[str, Any]) -> None:
    assert (pod["name"], pod["phase"]) == ("molecule", "Running")
    assert [(each["name"], each["state"]) for each in pod["containers"]] == [(name, "running") for name in CONTAINERS]


def test_qemu_runs_unprivileged(host: Host) -> None:
    (process,) = [process for process in host.process.filter(comm="qemu-system-x86") if STATE_DIR in process.args]
    assert process.user == "hyper-qemu"
    assert "-sandbox" in process.args


@pytest.mark.parametrize("kind", ["pid", "net", "ipc", "uts", "user"])
def test_containers_share_a_namespace(namespaces: dict[str, dict[str, str]], kind: str) -> None:
    assert len({namespaces[name][kind] for name in CONTAINERS}) == 1


def test_containers_do_not_share_mounts(namespaces: dict[str, dict[str, str]]) -> None:
    assert len({namespaces[name]["mnt"] for name in CONTAINERS}) == len(CONTAINERS)


def test_the_published_port_answers_with_what_a_neighbour_says(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:27180").is_listening
    page = host.check_output(f"{sys.executable} -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:27180/', timeout=20).read().decode())\"")
    assert "Hello from pod molecule." in page
    assert "processes in the pod" in page
