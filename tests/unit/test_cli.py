# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: which words become which variables of which playbook, what is printed, and the exit codes."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from typing import Any

import pytest

from hyperstart.errors import HostFailure
from tests.support.stage import POD, Stage, hyper


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


def test_rm_of_a_name_that_no_pod_has(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("localhost", "pod", {"changed": True, "pods": [], "actions": [{"pod": "web", "action": "delete", "reason": "the pod is defined"}]})]
    assert hyper("rm web nosuch") == 1
    assert capsys.readouterr() == ("web: removed\n", "hyper: there is no pod nosuch\n")
    assert hyper("rm --ignore web nosuch") == 0
    assert capsys.readouterr() == ("web: removed\nnosuch: nothing to do\n", "")


def test_a_password_comes_from_standard_input_and_is_not_shown(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cret {{ x }}\n"))
    stage.results = [("localhost", "registry_login", {"changed": True, "actions": []})]
    assert hyper("login -u shop --password-stdin r.example") == 0
    assert stage.variables == {"registry_name": "r.example", "registry_username": "shop", "registry_password": "s3cret {{ x }}"}
    assert capsys.readouterr().out == "r.example: logged in\n"


def test_a_failure_on_this_machine_is_the_modules_own_message(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results, stage.failures = [], [HostFailure("localhost", "image nosuch:1: not found. Check its name", "ImageNotFound")]
    assert hyper("run nosuch:1") == 1
    assert capsys.readouterr().err == "hyper: image nosuch:1: not found. Check its name\n"


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
