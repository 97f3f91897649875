# SPDX-License-Identifier: GPL-3.0-or-later
"""``hyper run`` and ``create``: from words and files to definitions, and what is told of the pod."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions

from hyperstart import _ansible, _operation, cli
from tests.support.stage import POD, PODFILE, Stage, hyper, pod_of

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {A: b}\n---\n"


@pytest.mark.parametrize(
    ("words", "images", "args"),
    [
        ("run nginx", ["nginx"], None),
        ("run -p nginx rails logstash", ["nginx", "rails", "logstash"], None),
        ("run -p nginx rails --name web", ["nginx", "rails"], None),
        ("run -p --name web nginx rails --memory 1G", ["nginx", "rails"], None),
        ("run -p nginx --memory 1G rails --cpus 2 job", ["nginx", "rails", "job"], None),
        ("run busybox echo hello", ["busybox"], ["echo", "hello"]),
        ("run --name web busybox ls --name -l", ["busybox"], ["ls", "--name", "-l"]),
        ("run busybox -- ls -l", ["busybox"], ["ls", "-l"]),
        ("run busybox -c -- x", ["busybox"], ["-c", "--", "x"]),
    ],
)
def test_run_takes_images_and_a_command(stage: Stage, words: str, images: list[str], args: list[str] | None) -> None:
    assert hyper(words) == 0
    pod = pod_of(stage)
    assert [container["image"] for container in pod["spec"]["containers"]] == images
    assert pod["spec"]["containers"][0].get("args") == args
    assert pod["metadata"]["name"] == ("web" if "--name web" in words else f"{definitions.container_name(images[0])}-x7k2b")
    assert stage.playbook == "run_pod.yml"
    assert stage.variables["pod_conflict"] == "refuse"


def test_run_hands_on_every_option(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "{{ x }}")
    words = "run --cpus 2 --memory 512M --env A=1 --env SECRET --publish 8080:80 --label tier=front --replace --pull always --timeout 5"
    assert hyper(words + " --authfile /a --tls-verify false --inventory h1,h2 -i h3, --limit h1 --check --diff nginx") == 0
    pod = pod_of(stage)
    assert pod["spec"]["resources"] == {"limits": {"cpu": "2", "memory": "512Mi"}}
    assert pod["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}, {"name": "SECRET", "value": "{{ x }}"}]
    assert pod["spec"]["containers"][0]["ports"][0]["hostPort"] == 8080
    assert pod["metadata"]["labels"] == {"tier": "front"}
    del stage.variables["pods"]
    assert stage.variables == {"pod_conflict": "converge", "pod_pull": "always", "pod_wait_timeout": 5, "pod_authfile": "/a", "pod_tls_verify": False}
    assert (stage.options["inventory"], stage.options["limit"], stage.options["check"], stage.options["diff"]) == (["h1,h2", "h3,"], "h1", True, True)


def test_run_takes_manifests_from_files_and_standard_input(stage: Stage, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: a, image: a}]}\n"
    (tmp_path / "pod.yaml").write_text(text % "one" + "---\n" + text % "two")
    monkeypatch.setattr(sys, "stdin", io.StringIO(text % "three"))
    assert hyper(["run", "--memory", "512M", "-f", str(tmp_path / "pod.yaml"), "-f", "-"]) == 0
    assert [pod["metadata"]["name"] for pod in stage.variables["pods"]] == ["one", "two", "three"]
    assert [pod["spec"]["resources"] for pod in stage.variables["pods"]] == [{"limits": {"memory": "512Mi"}}] * 3
    assert stage.variables["pod_conflict"] == "converge"


def test_run_takes_podfiles_and_compose_files(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERT_TAG", "7")
    directory = tmp_path / "My Shop"
    directory.mkdir()
    (directory / "compose.yaml").write_text("services: {web: {image: 'nginx:${CONVERT_TAG}'}}")
    monkeypatch.setattr(sys, "stdin", io.StringIO(PODFILE))
    assert hyper(["run", "-f", str(directory / "compose.yaml"), "-f", "-"]) == 0
    assert [(pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]) for pod in stage.variables["pods"]] == [("my-shop", "nginx:7"), ("web", "nginx")]


@pytest.mark.parametrize("options", ["", "--rm -i kvm1, --json"])
def test_run_takes_what_stands_beside_a_pod(stage: Stage, tmp_path: Path, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pod.yaml").write_text(f"{CONFIG_MAP}apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{name: a, image: a}}]}}\n")
    hyper(["run", *options.split(), "-f", str(tmp_path / "pod.yaml")])
    assert [manifest["kind"] for manifest in stage.variables["pods"]] == ["ConfigMap", "Pod"]
    assert "settings" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"), [("kind: Pod\n", "metadata: is required"), ("kind: Pod\nmetadata: {name: a}\nspec: x\n", "apiVersion: is required")]
)
def test_run_refuses_a_pod_that_lacks_its_parts(stage: Stage, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pod.yaml").write_text(text)
    for options in ([], ["--rm"]):
        assert hyper(["run", *options, "-f", str(tmp_path / "pod.yaml")]) == 2
        assert message in capsys.readouterr().err
    assert stage.calls == []


def test_run_ends_with_the_pods_containers_address_acceleration_and_times(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert hyper("run --name web nginx") == 0
    out = capsys.readouterr().out
    assert "Pod web: Running, 10.0.2.15, 127.0.0.1:8080->80/tcp, emulated, without KVM (why: hyper info)" in out
    assert "  nginx      nginx:1  running                          0\n" in out
    assert "  job        busybox  terminated (exit code 3, Error)  2\n" in out
    assert "in all: images 0.2 s, boot 3.0 s\n" in out


def test_run_rm_shows_the_output_and_exits_with_the_containers_code(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"time": "t", "container": "busybox", "stream": "stdout", "message": "out"}
    stage.results = [
        ("kvm1", "pod_info", {"pods": []}),
        ("kvm1", "pod", {"changed": True, "pods": [POD], "actions": [{"pod": "web", "action": "create"}]}),
        ("kvm1", "pod_info", {"pods": [POD], "logs": [{"pod": "web", "lines": [line, {**line, "stream": "stderr", "message": "err"}]}]}),
        ("kvm1", "pod", {"changed": True, "pods": [], "actions": [{"pod": "web", "action": "delete"}]}),
    ]
    assert hyper("run --rm -i kvm1, --name web busybox sh -c x") == 3
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("out\n", "err\n")
    assert stage.calls == ["run_pod_once.yml"]
    assert pod_of(stage)["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(("interruption", "code"), [(KeyboardInterrupt, 130), (cli._Terminated, 143)])
def test_run_rm_removes_the_pod_when_it_is_interrupted(stage: Stage, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException], code: int) -> None:
    def run(playbook: str, variables: Mapping[str, Any], options: Any) -> _ansible.Play:
        if playbook == "run_pod_once.yml":
            stage.calls.append(playbook)
            options["on_event"]({"event": "playbook_on_task_start", "event_data": {"task_action": "hyper.pods.pod"}})
            raise interruption
        return stage.run(playbook, variables, options)

    monkeypatch.setattr(_operation, "run_playbook", run)
    assert hyper("run --rm --name web busybox") == code
    assert stage.calls == ["run_pod_once.yml", "remove_pod.yml"]
    assert stage.variables == {"pod_names": ["web"], "pod_grace_period": 0}


def test_create_takes_what_run_takes(stage: Stage) -> None:
    assert hyper("create --name web --memory 512M --pull never nginx -g daemon") == 0
    assert (stage.playbook, stage.variables["pod_pull"], stage.variables["pod_conflict"]) == ("create_pod.yml", "never", "refuse")
    assert pod_of(stage)["metadata"]["name"] == "web"
    assert hyper("create --rm nginx") == 2
