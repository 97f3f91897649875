# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents show is true: commands parse, manifests are accepted, tasks fit their modules, Python runs."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _manifest_objects

import hyperstart
from hyperstart import cli

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted((ROOT / "collections/ansible_collections/hyper/pods/plugins/modules").glob("*.py"))
COMMAND = re.compile(r"^(?:    |  )?(hyper [a-z].*?)(?:  +#.*)?$|`(hyper [a-z][^`…]*)`", re.MULTILINE)


def commands() -> Iterator[Any]:
    """Every line of a document, and of a command's help, that is a command with real arguments."""
    texts = {document.name: document.read_text(encoding="utf-8") for document in DOCUMENTS}
    for name, text in texts.items():
        for match in COMMAND.finditer(text):
            line = match[1] or match[2]
            # COMMAND, IMAGE, POD … stand for something, and `hyper NAME` in a sentence is a name.
            if not re.search(r"\b[A-Z]{2,}\b|…", line) and not (match[2] and len(line.split()) == 2):
                yield pytest.param(line, id=f"{name}: {line}")


def blocks(language: str) -> Iterator[Any]:
    """Every fenced block of a language."""
    for document in DOCUMENTS:
        for index, block in enumerate(re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)):
            yield pytest.param(block, id=f"{document.name}-{index}")


def constant(module: Path, name: str) -> Any:
    """A module's DOCUMENTATION or EXAMPLES, or that of a fragment, read."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{module.name} has no {name}")


def options(module: str) -> dict[str, Any]:
    """What a module documents that it takes, also by fragments."""
    path = MODULES[0].with_name(f"{module}.py")
    documentation = constant(path, "DOCUMENTATION")
    fragments = [path.parents[1] / f"doc_fragments/{name.rpartition('.')[2]}.py" for name in documentation["extends_documentation_fragment"]]
    found: dict[str, Any] = {}
    for part in (*(constant(fragment, "DOCUMENTATION") for fragment in fragments), documentation):
        found.update(part.get("options") or {})
    return found


def check_task(task: dict[str, Any]) -> None:
    """A task of the collection has only options that its module documents, and manifests that are accepted."""
    for key, arguments in task.items():
        if not key.startswith("hyper.pods."):
            continue
        documented = options(key.rpartition(".")[2])
        assert set(arguments or {}) <= set(documented) | {alias for option in documented.values() for alias in option.get("aliases", ())}
        for pod in (arguments or {}).get("pods") or ():
            if isinstance(pod, dict):
                _manifest.parse(pod)


@pytest.mark.parametrize("line", list(commands()))
def test_commands_parse(line: str) -> None:
    try:
        cli.parser().parse_args(shlex.split(line, comments=True)[1:])
    except SystemExit as end:
        assert end.code == 0  # noqa: PT017 - --help ends so


def test_there_are_commands() -> None:
    assert len(list(commands())) >= 8


@pytest.mark.parametrize("block", list(blocks("yaml")))
def test_yaml(block: str) -> None:
    documents = list(yaml.safe_load_all(block))
    if isinstance(documents[0], dict):
        pods, objects = _manifest_objects.split(documents)
        for pod in pods:
            _manifest.parse(pod, objects)
        return
    for task in documents[0]:
        check_task(task)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.stem))
def test_examples_of_modules(module: Path) -> None:
    examples = constant(module, "EXAMPLES")
    assert examples
    for task in examples:
        check_task(task)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.stem))
def test_a_module_takes_what_it_documents(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option, with its type, its default, and what it may be."""
    imported = importlib.import_module(f"ansible_collections.hyper.pods.plugins.modules.{module.stem}")
    taken: dict[str, Any] = {}

    class Made(Exception):
        pass

    def make(argument_spec: dict[str, Any], **_: Any) -> None:
        taken.update(argument_spec)
        raise Made

    for name, value in list(vars(imported).items()):
        if isinstance(value, type) and issubclass(value, AnsibleModule):
            monkeypatch.setattr(imported, name, make)
    with pytest.raises(Made):
        imported.main()

    def said(option: dict[str, Any]) -> dict[str, Any]:
        facts = {"type": "str", "required": False, "default": None, "choices": None, "elements": None, "aliases": None}
        return {fact: option.get(fact, default) for fact, default in facts.items()}

    assert {name: said(option) for name, option in taken.items()} == {name: said(option) for name, option in options(module.stem).items()}


@pytest.mark.parametrize("block", list(blocks("python")))
def test_python(block: str) -> None:
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "hyperstart":
            assert all(hasattr(hyperstart, alias.name) for alias in node.names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.name))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target
