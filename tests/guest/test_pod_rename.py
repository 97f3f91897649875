# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod gets another name: in check mode and for real, first and again, killed before any change; and what is refused."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.guest.test_cli import Hyper
from tests.guest.test_networks import networked, places  # noqa: F401
from tests.guest.test_playbooks import Playbooks, recap
from tests.support.faults import Copy, forget, killed_module, listing, remains
from tests.support.netns import Namespace
from tests.support.pods import PodHost, manifest

pytestmark = pytest.mark.guest

NAMES = [f"ren-{os.getpid()}-{letter}-end" for letter in "abc"]


@pytest.fixture
def names(pods: PodHost) -> Iterator[list[str]]:
    """Three names that no other pod has; nothing of pods with them may be left."""
    yield NAMES
    pods.pod(*NAMES, state="absent", grace_period=0)
    assert [left for name in NAMES for left in remains(pods, name)] == []


def rename(pods: PodHost, name: str, new: str, **how: Any) -> dict[str, Any]:
    return pods.module("pod_rename", name=name, new_name=new, **how)


def test_twelve_steps(pods: PodHost, names: list[str]) -> None:
    """To another name, to a third one, and back to the first; what it wrote and its revisions come along."""
    first, second, third = names
    made = manifest(first, {"name": "a", "command": ["sleep", "infinity"]})
    pods.pod(made)
    pods.shell(first, "a", "echo kept > /srv/file; sync")
    pods.module("pod_patch", name=first, labels={"a": "1"})
    refused = rename(pods, first, second, fails=True)
    assert (refused["error"], refused["remedy"]) == ("PodRuns", f"Stop it first: hyper stop {first}")
    pods.pod(first, state="stopped", grace_period=0)
    pods.pod(manifest(third, {"name": "a"}), state="present")
    assert rename(pods, first, third, fails=True)["error"] == "PodExists"
    pods.pod(third, state="absent")
    assert [rename(pods, *pair, fails=True)["error"] for pair in (("nosuch", second), (first, "../x"), ("a/b", second))] == [
        "PodNotFound",
        "BadName",
        "BadName",
    ]
    for name, new in ((first, second), (second, third), (third, first)):
        expected = [{"pod": name, "action": "rename", "effect": "live", "reason": f"to {new}"}]
        checks = [rename(pods, name, new, check=True) for _ in range(2)]
        assert [check["actions"] for check in checks] == [expected, expected]
        assert (pods.info(name)["phase"], pods.host.pod_dir(new).exists()) == ("Stopped", False)
        done = rename(pods, name, new)
        assert (done["changed"], done["actions"], done["diff"]) == (True, expected, checks[0]["diff"])
        assert (done["pods"][0]["name"], remains(pods, name)) == (new, [])
        for check in (True, False):
            assert rename(pods, name, new, check=check)["changed"] is False
    rename(pods, first, second)
    pods.pod(second, state="started")
    assert pods.shell(second, "a", "cat /srv/file; hostname") == f"kept\n{second}"
    assert [each["definition"]["name"] for each in pods.module("pod_history", name=second)["revisions"]] == [second, second]
    # Its own manifest, under its new name, is no change.
    made["metadata"] = {"name": second, "labels": {"a": "1"}}
    assert pods.pod(made)["changed"] is False
    # And brought back to a former definition it keeps its name.
    assert pods.module("pod_rollback", name=second)["pods"][0]["labels"] == {}


def test_killed_before_any_of_its_changes(pods: PodHost, names: list[str], tmp_path: Path) -> None:
    name, new, _ = names
    pods.pod(manifest(name, {"name": "a"}), state="present")
    pods.module("pod_patch", name=name, labels={"a": "1"})
    copy = Copy.of(pods, name, tmp_path / "copy")
    rename(pods, name, new)
    whole, record = listing(pods.host.pod_dir(new)), json.loads((pods.host.pod_dir(new) / "pod.json").read_text())
    assert (record["definition"]["metadata"]["name"], record["former_name"]) == (new, name)
    for number in itertools.count(1):
        forget(pods, new)
        copy.put_back()
        moment = killed_module(pods, number, "pod_rename", name=name, new_name=new)
        if moment is None:
            break
        # It has one of the names, whole.
        [there] = [each for each in pods.module("pod_info")["pods"] if each["name"] in (name, new)]
        assert there["labels"] == {"a": "1"}
        rename(pods, name, new)
        assert (listing(pods.host.pod_dir(new)), remains(pods, name)) == (whole, []), f"killed before {moment}"
        assert json.loads((pods.host.pod_dir(new) / "pod.json").read_text()) == record
    assert number > 2


def test_its_place_on_a_network(pods: PodHost, names: list[str], places: tuple[Namespace, Namespace]) -> None:  # noqa: F811
    """The address stays, the name is the new one, and the former name's interface is free."""
    name, new, _ = names
    with places[0].entered():
        try:
            pods.pod(networked(name, "nat", {"name": "a"}), state="present")

            def network(pod: str) -> tuple[list[Any], str]:
                directory = pods.host.pod_dir(pod)
                return json.loads((directory / "network.json").read_text()), (directory / "network-hosts.default").read_text()

            [before], _ = network(name)
            rename(pods, name, new)
            [after], hosts = network(new)
            assert (after["addresses"], hosts.split()[1:3]) == (before["addresses"], [f"{new}.pods.internal", new])
            assert (after["tap"] != before["tap"], after["mac"] != before["mac"]) == (True, True)
        finally:
            pods.pod(*names, state="absent")


def test_by_the_command_line_and_the_playbook(pods: PodHost, names: list[str]) -> None:
    hyper, (name, new, _) = Hyper(pods), names
    pods.pod(manifest(name, {"name": "a"}), state="present")
    assert hyper("rename", name, new, "--check").stdout == f"{name}: would rename (to {new})\n"
    assert hyper("rename", name, new).stdout == f"{name}: renamed (to {new})\n"
    play = Playbooks({f"hyper_{key}": value for key, value in pods.arguments.items()})
    words = ["playbooks/rename_pod.yml", "-e", f"pod_name={new}", "-e", f"pod_new_name={name}"]
    assert [recap(play(*words))["changed"] for _ in range(2)] == [1, 0]
