# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper convert`` on files of every form: what it prints is the same pods, and Kubernetes' own form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _manifest_objects
from ansible_collections.hyper.pods.plugins.plugin_utils import forms

from hyperstart import _manifests, cli
from hyperstart.errors import BadDefinition
from tests.support.schema import VERSION

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_printed_is_read_as_the_same(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_manifests, "fetch", lambda uri: f"content of {uri}\n".encode())
    assert cli.main(["convert", "--json", str(path)]) == 0
    manifests = json.loads(capsys.readouterr().out)
    assert cli.main(["convert", str(path)]) == 0
    text = capsys.readouterr().out
    again = forms.load_manifests(text, where="printed")
    assert again == manifests
    assert manifests == _manifests.read_manifests(path)
    for manifest in manifests:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    # A manifest is its own conversion.
    assert forms.convert(again, where="printed") == again


def test_every_form_is_among_them() -> None:
    found = {forms.form_of(document) for path in FILES for document in forms.read(path.read_text(), where=path.name)}
    assert found == {"manifest", "podfile", "compose"}


def kinds(path: Path, **options: Any) -> list[str]:
    manifests = forms.load_manifests(path.read_text(), where=path.name, **options)
    return [manifest["kind"] for manifest in manifests if _manifest_objects.is_object(manifest) or manifest["kind"] == "Pod"]


def test_a_list_is_what_is_in_it() -> None:
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "a"}]}} for name in ("a", "b")]
    assert _manifests.convert(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}), where="list") == pods
    with pytest.raises(BadDefinition, match="list, pod 2: the kind is Deployment"):
        _manifests.parse_manifests(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*pods[:1], {"kind": "Deployment"}]}), where="list")


def test_inserted_files_stand_before_their_pod() -> None:
    assert kinds(EXAMPLES / "podfiles/insert-file.pod", fetch=lambda _uri: b"") == ["ConfigMap", "Pod"]
