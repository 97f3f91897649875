# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb is a command, a playbook and a module, says what it did in JSON too, and exits as it is documented."""

from __future__ import annotations

import argparse
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperstart import _ansible, _operation, cli
from hyperstart.errors import HostFailure
from tests.support.stage import POD, Stage, hyper
from tests.support.verbs import DIRECT, LOOKS, PARTS, VERBS, Verb
from tests.unit.test_docs import MODULES, ROOT, check_task, options

PLAYBOOKS = {path.stem: path for path in (ROOT / "playbooks").glob("*.yml")}
USING = (ROOT / "docs/using.md").read_text(encoding="utf-8")
# What any of the modules may answer.
ANSWER = {
    "changed": True,
    "pods": [{**POD, "definition": {"kind": "Pod"}, "objects": [], "guest": {}}],
    "actions": [{"pod": "web", "action": "update", "effect": "live", "reason": "labels changed"}],
    "diff": {"before": {"web": {"containers": [{"name": "debug"}]}}, "after": {}},
    "rc": 0,
}
OTHERS: dict[str, dict[str, Any]] = {
    "pod_info": {"host": {}, "images": [], "logs": [], "processes": [], "usage": [], "events": []},
    "pod_history": {"revisions": []},
    "volume": {
        "volumes": [
            {"name": "data", "size": 1, "allocated": 0, "mode": "Filesystem", "labels": {}, "createdAt": "2026-01-01T00:00:00Z", "pods": [], "disk": "/d"}
        ],
        "actions": [],
    },
    "image": {"images": [], "actions": []},
    "image_info": {"images": []},
    "image_archive": {"images": [], "actions": []},
    "image_build": {"images": [], "actions": []},
    "image_commit": {"images": [], "actions": []},
    "registry_login": {"actions": []},
    "host_info": {"usage": {"images": {}, "pods": {}, "volumes": {}, "hyperstart": {}}, "findings": [], "host": {}},
    "host_prune": {"actions": []},
}


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser, without second names."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield " ".join(words), parser
    for group in groups:
        for name, inner in {id(inner): (name, inner) for name, inner in reversed(group.choices.items())}.values():
            yield from commands(inner, (*words, name))


COMMANDS = dict(commands(cli.parser()))


def plain(verb: Verb) -> str:
    """The command without its options: two verbs may be one command."""
    return verb.command.partition(" -")[0]


def each(*, playbook: bool = False) -> list[Any]:
    return [pytest.param(verb, id=f"{verb.command} {verb.playbook}".strip()) for verb in VERBS if verb.playbook or not playbook]


def words_of(verb: Verb, tmp_path: Path) -> list[str]:
    """Its example, over files that are there."""
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: a\n    image: nginx\n")
    (tmp_path / "context").mkdir(exist_ok=True)
    (tmp_path / "context/Containerfile").write_text("FROM nginx\n")
    places = {"FILE": tmp_path / "pod.yaml", "NEW": tmp_path / "new.tar", "DIR": tmp_path / "context"}
    return [str(places.get(word, word)) for word in shlex.split(verb.example or f"{verb.command} web")]


def test_every_command_is_a_verb() -> None:
    assert {plain(verb) for verb in VERBS} == set(COMMANDS)


def test_every_playbook_and_every_module_is_one_of_a_verb() -> None:
    assert {verb.playbook for verb in VERBS if verb.playbook} == set(PLAYBOOKS)
    assert {verb.module for verb in VERBS if verb.module} | set(PARTS) == {module.stem for module in MODULES}


def test_what_lacks_something_says_why() -> None:
    for verb in VERBS:
        assert verb.only or (verb.playbook and verb.module), verb.command


def tasks(playbook: str) -> Iterator[dict[str, Any]]:
    def flat(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in items:
            yield task
            for part in ("block", "rescue", "always"):
                yield from flat(task.get(part, []))

    for play in yaml.safe_load(PLAYBOOKS[playbook].read_text(encoding="utf-8")):
        yield from flat(play.get("tasks", []))


@pytest.mark.parametrize("verb", each(playbook=True))
def test_the_playbook_runs_the_module(verb: Verb) -> None:
    """With a state that the module has, with options that it documents, and with all that it requires."""
    found = [task[f"hyper.pods.{verb.module}"] for task in tasks(verb.playbook) if f"hyper.pods.{verb.module}" in task]
    assert found or not verb.module
    documented = options(verb.module) if verb.module else {}
    for task in tasks(verb.playbook):
        check_task({key: value for key, value in task.items() if key.startswith("hyper.pods.")} if "pods" not in str(task.get("args")) else {})
    for arguments in found:
        assert {name for name, option in documented.items() if option.get("required")} <= set(arguments)
    if verb.state:
        default = documented["state"].get("default")
        assert verb.state in documented["state"]["choices"]
        assert verb.state in [arguments.get("state", default) for arguments in found]


@pytest.mark.parametrize("verb", each())
def test_json_is_an_option(verb: Verb) -> None:
    options = {option for action in COMMANDS[plain(verb)]._actions for option in action.option_strings}
    assert "--json" in options
    for word in verb.command.split()[1:]:
        assert word in options or not word.startswith("-")


@pytest.mark.parametrize("verb", each())
def test_the_documents_name_it(verb: Verb) -> None:
    """In the list of commands, alone or behind others of its group; and its playbook in the list of playbooks."""
    rows = [line for line in USING.splitlines() if line.startswith("|")]
    group, _, name = plain(verb).rpartition(" ")
    spelled = rf"`hyper {plain(verb)}[ `]" if not group else rf"`hyper {group} (.*[` ])?{name}[` ]|`{group} {name}`"
    assert any(re.search(spelled, row) or (not group and re.search(rf"^\| `hyper .*`{name}`", row)) for row in rows), verb.command
    assert not verb.playbook or any(f"`{verb.playbook}.yml`" in row for row in rows), verb.playbook


@pytest.fixture
def answering(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage whose module is whichever the verb's is."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"secret\n")))
    return stage


def perform(stage: Stage, verb: Verb, tmp_path: Path, *more: str) -> int:
    stage.results = [("localhost", verb.module, {**ANSWER, **OTHERS.get(verb.module, {})})]
    words = words_of(verb, tmp_path)
    # Before the words of a command that is run, and behind those of a group.
    count = len(plain(verb).split())
    return hyper([*words[:count], *more, *words[count:]])


@pytest.mark.parametrize("verb", [param for param in each(playbook=True) if param.values[0].only != DIRECT])
def test_the_command_runs_the_playbook_and_says_so_in_json(answering: Stage, verb: Verb, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert perform(answering, verb, tmp_path, "--json") == 0
    assert answering.playbook == ("pull_image.yml" if verb.only == LOOKS else f"{verb.playbook}.yml")
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("verb", each())
@pytest.mark.parametrize(("how", "code"), [("failed", 1), ("misspelt", 2), ("interrupted", 130), ("terminated", 143)])
def test_exit_codes(
    answering: Stage, monkeypatch: pytest.MonkeyPatch, verb: Verb, how: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if how != "misspelt" and (not verb.playbook or verb.only == DIRECT or verb.command == "run --rm"):
        # Those that run no playbook have tests of their own; so has the removal of what was interrupted.
        return

    def run(_playbook: str, _variables: Mapping[str, Any], _options: Any) -> _ansible.Play:
        if how == "interrupted":
            raise KeyboardInterrupt
        if how == "terminated":
            raise cli._Terminated
        return _ansible.Play((), (HostFailure("localhost", "it broke. Mend it", "Broken"),), ())

    monkeypatch.setattr(_operation, "run_playbook", run)
    assert perform(answering, verb, tmp_path, *(["--no-such-option"] if how == "misspelt" else [])) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert {"failed": "hyper: it broke. Mend it\n", "interrupted": "hyper: interrupted\n", "terminated": ""}.get(how, captured.err) == captured.err


def test_the_documents_tell_all_exit_codes() -> None:
    told = {code for row in re.findall(r"^\| ([0-9, ]+) \|", USING, re.MULTILINE) for code in row.split(", ")}
    assert told == {str(code) for code in (0, cli.FAILURE, cli.USAGE, cli.INTERRUPTED, cli.TERMINATED, 126, 127)}


def test_syntax_of_all_playbooks() -> None:
    """One call for all of them, from the place that AWX runs them from."""
    ansible = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run([ansible, "--syntax-check", *sorted(PLAYBOOKS.values())], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stderr, done.stderr
