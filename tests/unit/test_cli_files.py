# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper convert`` and ``lock``: files in, files out, without a host or with one."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import yaml

from hyperstart._output import manifests_text
from tests.support.stage import COMPOSE, PODFILE, Stage, hyper


def test_convert_prints_manifests(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CONVERT_TAG", "7")
    (tmp_path / "compose.yaml").write_text(f"name: shop\n{COMPOSE}")
    (tmp_path / "own").write_text("mine")
    (tmp_path / "web.pod").write_text(
        json.dumps(
            {
                "id": "web",
                "containers": [{"name": "a", "image": "a", "files": [{"path": "/own", "filename": "own"}]}],
                "files": [{"name": "own", "uri": (tmp_path / "own").as_uri()}],
            }
        )
    )
    assert hyper(["convert", str(tmp_path / "compose.yaml")]) == 0
    converted = yaml.safe_load(capsys.readouterr().out)
    assert (converted["metadata"]["name"], converted["spec"]["containers"][0]["image"]) == ("shop", "nginx:7")
    assert hyper(["convert", "--json", str(tmp_path / "web.pod")]) == 0
    config_map, pod = json.loads(capsys.readouterr().out)
    assert (config_map["kind"], config_map["data"], pod["kind"]) == ("ConfigMap", {"own": "mine"}, "Pod")
    monkeypatch.setattr(sys, "stdin", io.StringIO(PODFILE))
    assert hyper("convert -") == 0
    assert yaml.safe_load(capsys.readouterr().out)["spec"]["containers"][0]["args"] == ["echo", "a\nb"]
    assert stage.calls == []


def test_converted_yaml_repeats_what_its_fields_share() -> None:
    shared = {"command": ["true"]}
    assert manifests_text([{"a": shared, "b": shared}, {"c": 1}]) == "a:\n  command:\n  - 'true'\nb:\n  command:\n  - 'true'\n---\nc: 1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Deployment\n", "the kind is Deployment"),
        ("", "there is no pod in it"),
        ("services: {web: {build: .}}", "services.web.build: not supported: images are not built here"),
        ("{id: web, containers: [{image: a}], files: [{name: f, uri: 'file:///nowhere'}]}", "files[0].uri: file:///nowhere cannot be fetched: "),
        ("{id: web, containers: [{image: a}], files: [{name: f, uri: 'ftp://a/b'}]}", "files[0].uri: ftp://a/b is none of http, https and file:///"),
    ],
)
def test_convert_refuses_what_a_manifest_cannot_say(stage: Stage, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text(text)
    assert hyper(["convert", str(tmp_path / "file")]) == 2
    assert message in capsys.readouterr().err
    assert stage.calls == []


def test_lock_prints_the_file_with_digests_or_writes_it(stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text("spec:\n  containers:\n    - image: nginx  # web\n    - image: own\n    - image: a@sha256:9\n")
    images = [
        {"reference": "docker.io/library/nginx:latest", "digest": "sha256:1", "source": "docker.io/library/nginx:latest"},
        {"reference": "localhost/own:latest", "digest": "sha256:2", "source": ""},
    ]
    stage.results = [("localhost", "image", {"changed": True, "images": images})]
    assert hyper(["lock", str(file)]) == 0
    captured = capsys.readouterr()
    wanted = file.read_text().replace("nginx", "nginx@sha256:1")
    assert (captured.out, captured.err) == (wanted, "hyper: own: not pinned: no registry has it\n")
    assert (stage.playbook, stage.variables["image_names"], stage.options["check"]) == ("pull_image.yml", ["nginx", "own"], True)
    assert hyper(["lock", "--in-place", str(file)]) == 0
    assert capsys.readouterr().out == "nginx@sha256:1\n"
    assert file.read_text() == wanted
