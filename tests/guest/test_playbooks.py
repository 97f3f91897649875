# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook as written, without the wrapper, from the project's root and from its own directory."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.pods import ROOT, PodHost, manifest

ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
NAMES = ["play-a", "play-b", "play-c"]


class Playbooks:
    """Runs ansible-playbook on the tests' host. The interpreter and the connection are those of inventories/localhost.yml."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables

    def __call__(self, playbook: str, *words: str, cwd: Path = ROOT, code: int = 0) -> str:
        argv = [str(ANSIBLE_PLAYBOOK), playbook, "-e", json.dumps(self.variables), *words]
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=180, check=False, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def recap(output: str) -> dict[str, int]:
    """The counts of the only host."""
    (line,) = re.findall(r"^localhost +: (.*)$", output, re.MULTILINE)
    return {key: int(value) for key, value in (word.split("=") for word in line.split())}


@pytest.fixture(scope="module")
def play(pods: PodHost) -> Iterator[Playbooks]:
    yield Playbooks({f"hyper_{name}": value for name, value in pods.arguments.items()})
    pods.pod(*NAMES, state="absent", grace_period=0)


@pytest.mark.guest
def test_a_pod_of_words_is_run_once_and_then_left_alone(play: Playbooks) -> None:
    words = ["-e", "pod_name=play-a", "-e", '{"pod_images": ["tools", "tools"], "pod_env": {"A": "b"}, "pod_memory": "128M"}']
    output = play("playbooks/run_pod.yml", *words)
    assert recap(output)["changed"] == 1
    assert "phase: Running" in output
    again = recap(play("run_pod.yml", *words, cwd=ROOT / "playbooks"))
    assert (again["changed"], again["ok"]) == (0, 2)
    changed = play("run_pod.yml", "--check", "--diff", *words, "-e", "pod_cpus=2", cwd=ROOT / "playbooks")
    assert recap(changed)["changed"] == 1
    assert "cpus" in changed


@pytest.mark.guest
def test_several_pods_from_a_file_and_from_a_variable(play: Playbooks, pods: PodHost, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(manifest("play-b", {"name": "b", "args": ["sleep", "inf{{ x }}"], "command": ["echo"]})))
    third = manifest("play-c", {"name": "c"})
    variables = json.dumps({"pods": [third], "pod_definition": "b.yaml"})
    # Ansible's own configuration is named, since it is not in this directory; the file is.
    env = Playbooks({**play.variables, "pod_wait": "none"})
    done = subprocess.run(
        [str(ANSIBLE_PLAYBOOK), str(ROOT / "playbooks/run_pod.yml"), "-e", json.dumps(env.variables), "-e", variables],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert pods.info("play-c")["containers"][0]["image"] == "tools"
    listed = play("playbooks/list_pods.yml")
    assert {"play-b", "play-c"} <= set(re.findall(r"name: (play-\S+)", listed))
    assert "inf{{ x }}" in (pods.host.pod_dir("play-b") / "plan.img").open("rb").read(65536).decode(errors="replace")


@pytest.mark.guest
def test_the_other_operations(play: Playbooks) -> None:
    words = ["-e", "pod_name=play-a"]
    play("playbooks/run_pod.yml", *words, "-e", "pod_images=tools,tools", "-e", '{"pod_env": {"A": "b"}, "pod_memory": "128M"}')
    assert "b" in play("playbooks/exec_pod.yml", *words, "-e", '{"pod_command": ["sh", "-c", "echo $A"]}')
    failed = play("playbooks/exec_pod.yml", *words, "-e", '{"pod_command": ["sh", "-c", "echo why; exit 3"]}', code=2)
    assert "why" in failed
    assert recap(play("playbooks/pod_logs.yml", *words, "-e", "pod_tail=5"))["failed"] == 0
    for name, changed in (("stop_pod", 1), ("stop_pod", 0), ("start_pod", 1), ("start_pod", 0), ("restart_pod", 1), ("remove_pod", 1), ("remove_pod", 0)):
        assert recap(play(f"playbooks/{name}.yml", *words, "-e", "pod_grace_period=0"))["changed"] == changed, name


@pytest.mark.guest
def test_a_pod_that_runs_once(play: Playbooks, pods: PodHost) -> None:
    output = play("playbooks/run_pod_once.yml", "-e", "pod_name=play-job", "-e", "pod_images=tools", "-e", "pod_command='echo said this'")
    assert "message: said this" in output
    assert not pods.host.pod_dir("play-job").exists()


@pytest.mark.guest
def test_images_and_hosts(play: Playbooks, pods: PodHost) -> None:
    pulled = ["-e", "image_names=played", "-e", f"image_source=oci:{pods.layout}:tools"]
    assert recap(play("playbooks/pull_image.yml", *pulled))["changed"] == 1
    assert recap(play("playbooks/pull_image.yml", *pulled))["changed"] == 0
    assert "localhost/played:latest" in play("playbooks/list_images.yml")
    assert "acceleratorReason" in play("playbooks/host_info.yml")


@pytest.mark.parametrize(
    ("playbook", "words", "message"),
    [
        ("run_pod", [], "there is nothing to run. Set pod_name and pod_images"),
        ("run_pod", ["-e", "pod_images=a"], "the pod has no name"),
        ("run_pod", ["-e", "pod_definition=nosuch.yaml"], "there is no such file. Give an absolute path; sought"),
        ("run_pod_once", [], "there is nothing to run"),
        ("stop_pod", [], "for example -e pod_name=web"),
        ("start_pod", [], "for example -e pod_name=web"),
        ("restart_pod", [], "for example -e pod_name=web"),
        ("remove_pod", [], "for example -e pod_name=web"),
        ("pod_logs", [], "for example -e pod_name=web"),
        ("exec_pod", [], "for example -e pod_name=web"),
        ("exec_pod", ["-e", "pod_name=web"], "Give the command as a list"),
        ("pull_image", [], "for example -e image_names=nginx,redis"),
    ],
)
def test_a_missing_variable_is_named_with_an_example(playbook: str, words: list[str], message: str, tmp_path: Path) -> None:
    output = Playbooks({"hyper_state_dir": str(tmp_path / "s"), "hyper_run_dir": str(tmp_path / "r")})(f"playbooks/{playbook}.yml", *words, code=2)
    assert message in " ".join(output.split())
    assert not (tmp_path / "s").exists()


def test_both_configurations_of_ansible_say_the_same() -> None:
    root, own = configparser.ConfigParser(), configparser.ConfigParser()
    root.read(ROOT / "ansible.cfg")
    own.read(ROOT / "playbooks/ansible.cfg")
    paths = {"collections_path", "roles_path", "inventory"}
    for section in root.sections():
        expected = {key: f"../{value}" if key in paths else value for key, value in root[section].items()}
        assert dict(own[section]) == expected
    assert own.sections() == root.sections()


@pytest.mark.parametrize("playbook", sorted((ROOT / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_a_playbook_asks_no_facts_and_no_questions(playbook: Path) -> None:
    for part in yaml.safe_load(playbook.read_text()):
        assert part["gather_facts"] is False
        assert part["hosts"] == "{{ pod_hosts | default('kvm_hosts') }}"
        assert part["become"] is True
        assert "vars_prompt" not in part
