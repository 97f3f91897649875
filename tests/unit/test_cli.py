# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: which words become which variables of which playbook, what is printed, and the exit codes."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions

from hyperstart import _ansible, _cli_watch, _operation, _road, api, cli
from hyperstart._output import manifests_text
from hyperstart.errors import HostFailure

POD = {
    "name": "web",
    "phase": "Running",
    "ip": "10.0.2.15",
    "accelerator": "tcg",
    "ports": ["127.0.0.1:8080->80/tcp"],
    "createdAt": "2026-01-01T00:00:00Z",
    "containers": [
        {"name": "nginx", "image": "nginx:1", "state": "running", "exitCode": None, "restartCount": 0, "ready": True},
        {"name": "job", "image": "busybox", "state": "terminated", "exitCode": 3, "restartCount": 2, "reason": "Error"},
    ],
    "timings": {"images": 0.21, "boot": 3.04},
}


class Stage:
    """Stands in for Ansible: keeps what a playbook was called with, gives back what a test wrote down."""

    def __init__(self) -> None:
        self.playbook = ""
        self.variables: dict[str, Any] = {}
        self.options: Mapping[str, Any] = {}
        self.calls: list[str] = []
        self.results: list[tuple[str, str, dict[str, Any]]] = []
        self.failures: list[HostFailure] = []

    def run(self, playbook: str, variables: Mapping[str, Any], options: Any) -> _ansible.Play:
        self.playbook, self.options = playbook, options
        self.variables = {key: value for key, value in variables.items() if value is not None}
        self.calls.append(playbook)
        return _ansible.Play(tuple(_ansible.HostValues(*result) for result in self.results), tuple(self.failures), ())


def no_road(**_options: Any) -> list[_road.Road]:
    raise _road.NoRoad("only Ansible can reach it", where="localhost")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    result = Stage()
    result.results = [("localhost", "pod", {"changed": True, "pods": [POD], "actions": [{"pod": "web", "action": "start", "reason": "it was stopped"}]})]
    monkeypatch.setattr(_operation, "run_playbook", result.run)
    # The host is one that only Ansible can reach; test_road.py has the direct ones.
    monkeypatch.setattr(_road, "roads", no_road)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest's own process keeps its handlers
    monkeypatch.setattr(api, "generated_name", lambda images: f"{definitions.container_name(images[0])}-x7k2b")
    return result


def hyper(words: str | list[str]) -> int:
    try:
        return cli.main(words.split() if isinstance(words, str) else words)
    except SystemExit as end:
        return int(end.code or 0)


def pod_of(stage: Stage) -> dict[str, Any]:
    (pod,) = stage.variables["pods"]
    return dict(pod)


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


PODFILE = '{\n\t"id": "web",\n\t"containers": [{"image": "nginx", "command": ["echo", "a\\nb"]}]}'
COMPOSE = "services: {web: {image: 'nginx:${CONVERT_TAG}', restart: always, healthcheck: {test: 'true'}}}"


def test_run_takes_podfiles_and_compose_files(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERT_TAG", "7")
    directory = tmp_path / "My Shop"
    directory.mkdir()
    (directory / "compose.yaml").write_text("services: {web: {image: 'nginx:${CONVERT_TAG}'}}")
    monkeypatch.setattr(sys, "stdin", io.StringIO(PODFILE))
    assert hyper(["run", "-f", str(directory / "compose.yaml"), "-f", "-"]) == 0
    assert [(pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]) for pod in stage.variables["pods"]] == [("my-shop", "nginx:7"), ("web", "nginx")]


CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {A: b}\n---\n"


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "required: COMMAND"),
        ("run", "name an image, or a file with -f"),
        ("run -p", "name an image"),
        ("run -f pod.yaml nginx", "-f takes the images from the file"),
        ("run --name web -f pod.yaml", "--name goes with images"),
        ("run -f /nowhere.yaml", "/nowhere.yaml: cannot be read: no such file or directory"),
        ("run --publish 80 nginx", "publish: 80 is not a published port. Write [IP:]HOST_PORT"),
        ("run --memory much nginx", "memory: much is not an amount of memory. Write a number and a unit"),
        ("run --memory 1M nginx", "memory"),
        ("run --env A=b -f pod.yaml", "--env goes with images; with -f write it in the file"),
        ("run --cpus 0 nginx", "cpus: 0 is not a number of CPUs"),
        ("run --env NO_SUCH_VARIABLE nginx", "there is no such variable in the environment"),
        ("run --name Web nginx", "metadata.name: "),
        ("run --label a=/ nginx", "metadata.labels"),
        ("run --nam web nginx", "unrecognized arguments"),
        ("exec", "name a pod"),
        ("exec web", "give a command, for example: hyper exec web -- ps"),
        ("exec -- ps", "name a pod"),
        ("exec web --nonsense -- ps", "nonsense"),
        ("exec -d -i web -- ps", "--detach goes without --tty and --interactive"),
        ("logs web --follow --previous", "there is nothing to --follow"),
        ("logs web --since yesterday", "yesterday is neither a time"),
        ("logs web --tail -1", "--tail"),
        ("exec -t web -- ps", "standard input is not a terminal"),
        ("stop", "required: POD"),
        ("pull", "required: IMAGE"),
        ("convert", "required: FILE"),
        ("convert /nowhere.yaml", "/nowhere.yaml: cannot be read: no such file or directory"),
        ("load /nowhere.tar", "/nowhere.tar: there is no such file"),
        ("save web", "required: -o/--output"),
        ("login r.example", "required: -u/--username"),
        ("nonsense", "invalid choice"),
    ],
)
def test_bad_words_are_refused_before_ansible_starts(stage: Stage, words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hyper(words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert stage.calls == []


@pytest.mark.parametrize(
    ("words", "playbook", "variables"),
    [
        ("list", "list_pods.yml", {}),
        ("ps", "list_pods.yml", {}),
        ("stop web shop --grace-period 3", "stop_pod.yml", {"pod_names": ["web", "shop"], "pod_grace_period": 3}),
        ("start web --timeout 9", "start_pod.yml", {"pod_names": ["web"], "pod_wait_timeout": 9}),
        ("restart web --grace-period 0", "restart_pod.yml", {"pod_names": ["web"], "pod_grace_period": 0}),
        ("restart web -c nginx -c job", "restart_pod.yml", {"pod_names": ["web"], "pod_containers": ["nginx", "job"]}),
        ("kill web", "kill_pod.yml", {"pod_names": ["web"]}),
        ("kill -s HUP web shop -c nginx", "kill_pod.yml", {"pod_names": ["web", "shop"], "pod_containers": ["nginx"], "pod_signal": "HUP"}),
        ("pause web", "pause_pod.yml", {"pod_names": ["web"]}),
        ("unpause web", "unpause_pod.yml", {"pod_names": ["web"]}),
        ("wait web --for ready --timeout 5", "wait_pod.yml", {"pod_names": ["web"], "pod_condition": "ready", "pod_wait_timeout": 5}),
        ("rm --ignore web", "remove_pod.yml", {"pod_names": ["web"]}),
        ("inspect web", "inspect_pod.yml", {"pod_names": ["web"]}),
        ("logs web", "pod_logs.yml", {"pod_name": "web"}),
        ("logs web nginx --tail 5", "pod_logs.yml", {"pod_name": "web", "pod_container": "nginx", "pod_tail": 5}),
        ("images", "list_images.yml", {}),
        ("pull nginx redis:7", "pull_image.yml", {"image_names": ["nginx", "redis:7"], "image_pull": "always"}),
        ("pull --pull missing --source oci:/a web", "pull_image.yml", {"image_names": ["web"], "image_pull": "missing", "image_source": "oci:/a"}),
        ("info", "host_info.yml", {}),
        ("history web", "pod_history.yml", {"pod_name": "web"}),
        ("rollback web", "rollback_pod.yml", {"pod_name": "web"}),
        ("rollback web 3 --check --wait ready", "rollback_pod.yml", {"pod_name": "web", "pod_revision": 3, "pod_wait": "ready"}),
        ("volume ls", "list_volumes.yml", {}),
        ("volume create a b", "create_volume.yml", {"volume_names": ["a", "b"]}),
        (
            "volume create a --size 2G --block --label app=shop",
            "create_volume.yml",
            {"volume_names": ["a"], "volume_size": "2G", "volume_mode": "Block", "volume_labels": {"app": "shop"}},
        ),
        ("volume rm a b --check", "remove_volume.yml", {"volume_names": ["a", "b"]}),
        ("volume snapshot a b", "create_volume.yml", {"volume_names": ["b"], "volume_source": "a"}),
        ("volume import /f a --block", "create_volume.yml", {"volume_names": ["a"], "volume_source": "/f", "volume_mode": "Block"}),
        ("volume export a /f --force", "export_volume.yml", {"volume_name": "a", "volume_file": "/f", "volume_force": True}),
        ("volume prune --label app=shop", "prune_volumes.yml", {"volume_labels": {"app": "shop"}}),
        ("prepare -e a=b", "prepare_host.yml", {"a": "b"}),
        ("rmi nginx redis", "remove_image.yml", {"image_names": ["nginx", "redis"]}),
        ("rmi --force nginx", "remove_image.yml", {"image_names": ["nginx"], "image_force": True}),
        ("tag web a b", "tag_image.yml", {"image_name": "web", "image_tags": ["a", "b"]}),
        ("image prune", "prune_images.yml", {}),
        ("image prune --all --layers", "prune_images.yml", {"image_all": True, "image_layers": True}),
        ("image inspect nginx", "inspect_image.yml", {"image_names": ["nginx"]}),
        ("push web", "push_image.yml", {"image_names": ["web"]}),
        ("push web r.example/web --authfile /a", "push_image.yml", {"image_names": ["web"], "image_destination": "r.example/web", "pod_authfile": "/a"}),
        ("save -o /x/shop.tar web app", "save_image.yml", {"image_names": ["web", "app"], "image_file": "/x/shop.tar"}),
        ("load --name web /etc/passwd", "load_image.yml", {"image_file": "/etc/passwd", "image_name": "web"}),
        (
            ["import", "--change", "USER 1", "--entrypoint", '["/x"]', "/etc/passwd", "base"],
            "import_image.yml",
            {"image_file": "/etc/passwd", "image_name": "base", "image_changes": ["USER 1", 'ENTRYPOINT ["/x"]']},
        ),
        (
            "commit shop --container db -a me -m why --entrypoint /x db:1",
            "commit_pod.yml",
            {
                "pod_name": "shop",
                "pod_container": "db",
                "image_name": "db:1",
                "image_author": "me",
                "image_comment": "why",
                "image_changes": ["ENTRYPOINT /x"],
            },
        ),
        (
            "build -t web --file x/Containerfile --build-arg A=1 --target t /etc",
            "build_image.yml",
            {"image_context": "/etc", "image_name": "web", "image_containerfile": "x/Containerfile", "image_build_args": {"A": "1"}, "image_target": "t"},
        ),
        ("logout r.example", "logout_registry.yml", {"registry_name": "r.example"}),
        ("df", "host_usage.yml", {}),
        ("doctor", "check_host.yml", {}),
        ("prune", "prune_host.yml", {}),
    ],
)
def test_each_command_runs_its_playbook(stage: Stage, words: str | list[str], playbook: str, variables: dict[str, Any]) -> None:
    if playbook in HOST_RESULTS:
        stage.results = [("localhost", *HOST_RESULTS[playbook])]
    assert hyper(words) == 0
    assert (stage.playbook, stage.variables) == (playbook, variables)


HOST_RESULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "host_usage.yml": (
        "host_info",
        {
            "usage": {
                "free": 0,
                "total": 0,
                "stateDir": "",
                "images": dict.fromkeys(("count", "size", "unused", "layers"), 0),
                "pods": [],
                "volumes": [],
                "hyperstart": [],
            }
        },
    ),
    "check_host.yml": ("host_info", {"findings": []}),
    "prune_host.yml": ("host_prune", {"actions": []}),
    "inspect_image.yml": ("image_info", {"images": []}),
}


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["exec", "web", "--", "ps", "-e"], {"pod_command": ["ps", "-e"]}),
        (["exec", "web", "ps", "-e"], {"pod_command": ["ps", "-e"]}),
        (["exec", "web", "-c", "nginx", "--", "ps", "-c", "x"], {"pod_command": ["ps", "-c", "x"], "pod_container": "nginx"}),
        (
            ["exec", "-c", "nginx", "-u", "1:2", "web", "-e", "A=1", "--", "ps"],
            {"pod_command": ["ps"], "pod_container": "nginx", "pod_user": "1:2", "pod_env": {"A": "1"}},
        ),
        (["exec", "web", "-w", "/", "--timeout", "5", "--", "--", "x"], {"pod_command": ["--", "x"], "pod_workdir": "/", "pod_timeout": 5}),
    ],
)
def test_exec_tells_its_own_options_from_the_commands(stage: Stage, words: list[str], variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"in\0put"))
    monkeypatch.setattr(sys, "stdin", stdin)
    stage.results = [("localhost", "pod_exec", {"rc": 0, "stdout_base64": "", "stderr_base64": ""})]
    assert hyper(words) == 0
    assert stage.variables == {"pod_name": "web", "pod_stdin_base64": base64.b64encode(b"in\0put").decode(), **variables}


def test_exec_gives_output_byte_for_byte_and_the_commands_exit_code(
    stage: Stage, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    values = {"rc": 42, "stdout_base64": base64.b64encode(b"\xff\0out").decode(), "stderr_base64": base64.b64encode(b"err").decode()}
    stage.results = [("localhost", "pod_exec", values)]
    assert hyper("exec web -- cat") == 42
    assert capfdbinary.readouterr() == (b"\xff\0out", b"err")


def test_list_reads_well(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("localhost", "pod_info", {"pods": [POD, {**POD, "name": "a-long-name", "phase": "Stopped", "ip": "", "ports": [], "createdAt": None}]})]
    assert hyper("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "PHASE", "READY", "RESTARTS", "IP", "PORTS", "AGE"]
    assert lines[1].split()[:6] == ["web", "Running", "1/2", "2", "10.0.2.15", "127.0.0.1:8080->80/tcp"]
    assert lines[2].split() == ["a-long-name", "Stopped", "1/2", "2", "-", "-", "-"]
    assert lines[0].index("PHASE") == lines[1].index("Running") == lines[2].index("Stopped")


def test_list_names_the_hosts_when_there_are_several(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("kvm1", "pod_info", {"pods": [POD]}), ("kvm2", "pod_info", {"pods": [POD]})]
    assert hyper("list -i kvm1,kvm2") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["HOST", "kvm1", "kvm2"]


def test_list_json_is_a_list_of_pods_and_nothing_else(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert hyper("list --json") == 0
    (pod,) = json.loads(capsys.readouterr().out)
    assert {"name": "web", "host": "localhost", "phase": "Running", "ip": "10.0.2.15"}.items() <= pod.items()
    assert {"name": "job", "image": "busybox", "state": "terminated", "exitCode": 3, "restartCount": 2}.items() <= pod["containers"][1].items()


def test_list_shows_the_hosts_that_answered_and_fails_for_the_other(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("kvm1", "pod_info", {"pods": [POD]})]
    stage.failures = [HostFailure("kvm2", "Failed to connect", unreachable=True)]
    assert hyper("list -i kvm1,kvm2") == 1
    captured = capsys.readouterr()
    assert "web" in captured.out
    assert captured.err == "hyper: kvm2: Failed to connect\n"


def test_run_ends_with_the_pods_containers_address_acceleration_and_times(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert hyper("run --name web nginx") == 0
    out = capsys.readouterr().out
    assert "Pod web: Running, 10.0.2.15, 127.0.0.1:8080->80/tcp, emulated, without KVM (why: hyper info)" in out
    assert "  nginx      nginx:1  running                          0\n" in out
    assert "  job        busybox  terminated (exit code 3, Error)  2\n" in out
    assert "in all: images 0.2 s, boot 3.0 s\n" in out


def test_inspect_shows_a_document_for_each_pod(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    definition = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
    details = {"definition": definition, "objects": [{"kind": "ConfigMap"}], "guest": {"running": True}, "status": {"phase": "Running"}}
    stage.results = [("kvm1", "pod_info", {"pods": [{**POD, **details}]}), ("kvm2", "pod_info", {"pods": [{**POD, **details, "name": "shop"}]})]
    assert hyper("inspect web shop") == 0
    shown = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [(each["name"], each["host"]) for each in shown] == [("web", "kvm1"), ("shop", "kvm2")]
    assert details.items() <= shown[0].items()
    assert hyper("inspect --json web shop") == 0
    assert json.loads(capsys.readouterr().out) == shown
    assert (stage.playbook, stage.variables) == ("inspect_pod.yml", {"pod_names": ["web", "shop"]})


def test_rm_of_a_name_that_no_pod_has(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("localhost", "pod", {"changed": True, "pods": [], "actions": [{"pod": "web", "action": "delete", "reason": "the pod is defined"}]})]
    assert hyper("rm web nosuch") == 1
    assert capsys.readouterr() == ("web: removed\n", "hyper: there is no pod nosuch\n")
    assert hyper("rm --ignore web nosuch") == 0
    assert capsys.readouterr() == ("web: removed\nnosuch: nothing to do\n", "")


def test_a_change_is_told_for_each_pod(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert hyper("start web shop") == 0
    assert capsys.readouterr().out == "web: started\nshop: nothing to do\n"
    assert hyper("start web shop --check") == 0
    assert capsys.readouterr().out == "web: would start (it was stopped)\nshop: nothing to do\n"


def test_a_diff_shows_definitions_as_yaml(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results[0][2]["diff"] = {"before": {"web": {"image": "a:1", "n": 1}}, "after": {"web": {"image": "a:2", "n": 1}}}
    assert hyper("run --check --diff --name web nginx") == 0
    assert "--- web (before)\n+++ web (after)\n@@ -1,2 +1,2 @@\n-image: a:1\n+image: a:2\n n: 1\n" in capsys.readouterr().out


def test_logs_name_the_containers_when_several_wrote(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"time": "t", "stream": "stdout", "container": "nginx", "message": "GET /"}
    log = {"pod": "web", "lines": [line, {**line, "container": "db", "message": "ready"}]}
    stage.results = [("localhost", "pod_info", {"logs": [log]})]
    assert hyper("logs web") == 0
    assert capsys.readouterr().out == "nginx | GET /\ndb    | ready\n"
    log["lines"] = [line]
    assert hyper("logs web nginx") == 0
    assert capsys.readouterr().out == "GET /\n"


def test_images_and_info_read_well(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("localhost", "image", {"images": [{"reference": "nginx:1", "id": "sha256:" + "ab" * 32, "digest": "", "size": 4_404_019}]})]
    assert hyper("images") == 0
    assert capsys.readouterr().out == "IMAGE    ID            SIZE\nnginx:1  abababababab  4.2 MiB\n"
    stage.results = [
        ("localhost", "pod_info", {"host": {"hostname": "kvm1", "qemu": None, "accelerator": "tcg", "acceleratorReason": "no /dev/kvm", "memoryMiB": 2048}})
    ]
    assert hyper("info") == 0
    out = capsys.readouterr().out
    assert "Acceleration: tcg: no /dev/kvm\n" in out
    assert "not installed (run: hyper prepare)" in out


def test_a_history_reads_well(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    definition = {"name": "web", "containers": [{"name": "a", "image": "nginx"}, {"name": "b", "image": "redis:7"}]}
    revision = {"pod": "web", "revision": 3, "current": True, "changedAt": None, "definition": definition}
    stage.results = [("localhost", "pod_history", {"revisions": [revision]})]
    assert hyper("history web") == 0
    assert capsys.readouterr().out.split("\n")[1].split() == ["3", "-", "a", "(nginx),", "b", "(redis:7)", "now"]
    assert hyper("history web --json") == 0
    assert json.loads(capsys.readouterr().out) == [{**revision, "host": "localhost"}]


def test_volumes_read_well(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    volume = {"name": "a", "size": 2**30, "allocated": 2**20, "mode": "Filesystem", "labels": {}, "createdAt": None, "pods": ["x", "y"], "disk": "/d"}
    stage.results = [("localhost", "volume", {"volumes": [volume], "actions": ["create a: there is no volume a"]})]
    assert hyper("volume ls") == 0
    assert capsys.readouterr().out == "VOLUME  SIZE     ON DISK  MODE        PODS  AGE\na       1.0 GiB  1.0 MiB  Filesystem  x, y  -\n"
    assert hyper("volume inspect a --json") == 0
    assert json.loads(capsys.readouterr().out) == [{**volume, "host": "localhost"}]
    assert hyper("volume inspect a b") == 2
    assert "there is no volume b" in capsys.readouterr().err
    assert hyper("volume rm a") == 0
    assert capsys.readouterr().out == "create a: there is no volume a\n"


FINDINGS = [
    {"level": "ok", "subject": "QEMU", "message": "7.2", "remedy": ""},
    {"level": "warning", "subject": "acceleration", "message": "emulated", "remedy": "Turn it on"},
    {"level": "error", "subject": "programs", "message": "skopeo is not installed", "remedy": "Install it"},
]


@pytest.mark.parametrize(
    ("words", "findings", "code", "out"),
    [
        ("doctor", FINDINGS[:1], 0, "localhost: all is well\n"),
        ("doctor --all", FINDINGS[:1], 0, "localhost: all is well\n  OK       QEMU: 7.2\n"),
        ("doctor", FINDINGS[:2], 0, "localhost: look at this\n  WARNING  acceleration: emulated\n           → Turn it on\n"),
        (
            "doctor",
            FINDINGS,
            1,
            "localhost: look at this\n  ERROR    programs: skopeo is not installed\n           → Install it\n"
            "  WARNING  acceleration: emulated\n           → Turn it on\n",
        ),
        ("doctor --json", FINDINGS[2:], 1, json.dumps({"localhost": FINDINGS[2:]}) + "\n"),
    ],
)
def test_doctor_tells_what_is_wrong_by_its_exit_code_too(
    stage: Stage, words: str, findings: list[Any], code: int, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.results = [("localhost", "host_info", {"findings": findings})]
    assert hyper(words) == code
    assert capsys.readouterr().out == out


def test_df_and_prune_read_well(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    usage = {
        "stateDir": "/var/lib/hyper",
        "total": 4 << 30,
        "free": 1 << 30,
        "images": {"count": 2, "size": 3 << 20, "unused": 1 << 20, "layers": 2 << 20, "list": []},
        "pods": [{"name": "web", "own": 4096, "shared": 1 << 20}],
        "volumes": [],
        "hyperstart": [{"version": "1", "current": True, "used": True, "own": 0, "shared": 9}, {"version": "0", "used": False, "own": 1 << 20, "shared": 0}],
        "templates": [{"name": "a-b", "used": True, "own": 64 << 20, "shared": 0}],
    }
    stage.results = [("localhost", "host_info", {"usage": usage})]
    assert hyper("df") == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["localhost:", "1.0", "GiB", "free", "of", "4.0", "GiB", "at", "/var/lib/hyper"],
        ["COUNT", "SIZE"],
        ["Images", "2", "3.0", "MiB", "1.0", "MiB", "in", "no", "pod"],
        ["Layers", "2.0", "MiB", "for", "pushing", "and", "building"],
        ["Pods", "1", "4.0", "KiB"],
        ["Volumes", "0", "0", "B"],
        ["hyperstart", "2", "1.0", "MiB", "1.0", "MiB", "not", "used"],
        ["Templates", "1", "64.0", "MiB"],
        ["POD", "OWN", "SHARED"],
        ["web", "4.0", "KiB", "1.0", "MiB"],
    ]
    stage.results = [("kvm1", "host_prune", {"changed": True, "actions": ["remove hyperstart 0"]})]
    assert hyper("prune --check") == 0
    assert capsys.readouterr().out == "kvm1: would remove hyperstart 0\n"


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


def test_a_password_comes_from_standard_input_and_is_not_shown(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret {{ x }}\n"))
    stage.results = [("localhost", "registry_login", {"changed": True, "actions": []})]
    assert hyper("login -u shop --password-stdin r.example") == 0
    assert stage.variables == {"registry_name": "r.example", "registry_username": "shop", "registry_password": "s3cret {{ x }}"}
    assert capsys.readouterr().out == "r.example: logged in\n"


@pytest.mark.parametrize("command", ["list", "images"])
def test_nothing_to_list_names_the_next_step(stage: Stage, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("localhost", "pod_info", {"pods": [], "images": []})]
    assert hyper(command) == 0
    assert capsys.readouterr().out in {"No pods. Run one: hyper run IMAGE\n", "No images. Pull one: hyper pull IMAGE\n"}


def test_a_failure_on_this_machine_is_the_modules_own_message(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results, stage.failures = [], [HostFailure("localhost", "image nosuch:1: not found. Check its name", "ImageNotFound")]
    assert hyper("run nosuch:1") == 1
    assert capsys.readouterr().err == "hyper: image nosuch:1: not found. Check its name\n"


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


@pytest.mark.parametrize(
    "words",
    [
        "",
        "run",
        "list",
        "inspect",
        "logs",
        "exec",
        "stop",
        "start",
        "restart",
        "rm",
        "images",
        "pull",
        "convert",
        "info",
        "prepare",
        "rmi",
        "tag",
        "df",
        "doctor",
        "prune",
        "volume",
        "volume create",
        "history",
        "rollback",
    ],
)
def test_help_has_examples(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hyper(f"{words} --help") == 0
    assert f"examples:\n  hyper {words}" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.run(f"{sys.executable} -m hyperstart --help | head -1", shell=True, capture_output=True, text=True, check=True)
    assert (process.stdout, process.stderr) == ("usage: hyper [-h] COMMAND ...\n", "")


def test_what_pods_do_as_text() -> None:
    process = {"pod": "web", "container": "a", "pid": 7, "parent": 1, "uid": 0, "state": "S", "cpu": 1.25, "memory": 4096, "age": 3.2, "command": "sh\x1b[1m"}
    assert _cli_watch.top_text([process]).splitlines()[1].split() == ["a", "7", "1", "0", "S", "1.2s", "4.0", "KiB", "3s", "sh?[1m"]
    container = {"name": "a", "cpuPercent": 12.5, "cpuSeconds": 3.0, "memory": 1 << 20, "processes": 2}
    bytes_ = {"memory": 1 << 20, "memoryTotal": 1 << 30, "blockRead": 0, "blockWritten": 512, "netReceived": 1, "netSent": 2}
    lines = _cli_watch.stats_text([{"pod": "web", **bytes_, "containers": [container]}]).splitlines()
    assert lines[1].split() == ["web", "12.5%", "1.0", "MiB", "/", "1.0", "GiB", "2", "0", "B", "/", "512", "B", "1", "B", "/", "2", "B"]
    assert lines[2].split() == ["a", "12.5%", "1.0", "MiB", "2"]
    event = {"pod": "web", "time": "2026-01-01T00:00:00.123456789Z", "container": "a", "event": "exited", "values": {"code": "1", "message": "a b"}}
    assert _cli_watch.event_text(event) == '2026-01-01T00:00:00Z web/a exited code=1 message="a b"\n'


def test_create_takes_what_run_takes(stage: Stage) -> None:
    assert hyper("create --name web --memory 512M --pull never nginx -g daemon") == 0
    assert (stage.playbook, stage.variables["pod_pull"], stage.variables["pod_conflict"]) == ("create_pod.yml", "never", "refuse")
    assert pod_of(stage)["metadata"]["name"] == "web"
    assert hyper("create --rm nginx") == 2


def test_what_is_done_to_one_container_names_it(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    actions = [{"pod": "web", "action": "kill", "reason": "", "container": "nginx", "signal": "SIGHUP"}, {"pod": "web", "action": "resume", "reason": "x"}]
    stage.results = [("localhost", "pod", {"changed": True, "pods": [POD], "actions": actions})]
    assert hyper("kill web -s HUP -c nginx") == 0
    assert capsys.readouterr().out == "web/nginx: killed by SIGHUP\nweb: unpaused\n"


def test_wait_ends_with_the_pods_code(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("localhost", "pod_wait", {"changed": False, "pods": [{**POD, "phase": "Failed"}], "rc": 3})]
    assert hyper("wait web") == 3
    assert capsys.readouterr().out == "web: Failed\n"
    assert hyper("wait web --json") == 3
    assert json.loads(capsys.readouterr().out)["exitCode"] == 3
