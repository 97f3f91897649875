# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``hyper`` as a person uses it, with real guests on this machine."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from ansible_collections.hyper.pods.plugins.module_utils import _manifest

from tests.support.hyper import Hyper
from tests.support.pods import PodHost, free_port

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def hyper(pods: PodHost) -> Hyper:
    return Hyper(pods)


@pytest.fixture
def gone(pods: PodHost, hyper: Hyper) -> Iterator[list[str]]:
    """Names that a test puts here are removed after it."""
    names: list[str] = []
    yield names
    if names:
        hyper("rm", "--ignore", "--grace-period", "0", *names)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shop(pods: PodHost, hyper: Hyper, port: int) -> Iterator[str]:
    """A pod of three images that a person has started."""
    words = ["--name", "cli-shop", "--publish", f"{port}:80", "--memory", "128M", "--env", "COLOUR=blue {{ 1 }}", "--label", "tier=front"]
    out = hyper("run", "-p", "server", "tools", "tools:latest", *words).stdout
    assert out.startswith(f"Pod cli-shop: Running, 10.0.2.15, 127.0.0.1:{port}->80/tcp")
    assert [line.split()[:3] for line in out.splitlines() if line.startswith("  ")][1:] == [
        ["server", "server", "running"],
        ["tools", "tools", "running"],
        ["tools-2", "tools:latest", "running"],
    ]
    assert "Took " in out
    assert "boot" in out.splitlines()[-1]
    yield "cli-shop"
    hyper("rm", "--grace-period", "0", "cli-shop")


def test_list_json_is_for_machines(shop: str, hyper: Hyper) -> None:
    pod = hyper.pod(shop)
    assert (pod["host"], pod["phase"], pod["ip"], pod["labels"]) == ("localhost", "Running", "10.0.2.15", {"tier": "front"})
    assert [(each["name"], each["state"], each["exitCode"], each["restartCount"]) for each in pod["containers"]] == [
        ("server", "running", None, 0),
        ("tools", "running", None, 0),
        ("tools-2", "running", None, 0),
    ]
    assert hyper.json("list", "--limit", "localhost") == hyper.json("ps")


def test_list_and_inspect_tell_the_status_as_kubernetes_has_it(shop: str, hyper: Hyper) -> None:
    lines = [line.split() for line in hyper("list").stdout.splitlines()]
    assert lines[0] == ["NAME", "PHASE", "READY", "RESTARTS", "IP", "PORTS", "AGE"]
    assert [line[:4] for line in lines[1:] if line[0] == shop] == [[shop, "Running", "3/3", "0"]]
    (found,) = hyper.json("inspect", shop)
    status, definition = found["status"], found["definition"]
    assert status == hyper.pod(shop)["status"]
    assert [each["name"] for each in status["containerStatuses"]] == [each["name"] for each in definition["spec"]["containers"]]
    assert {each["type"]: each["status"] for each in status["conditions"]}["Ready"] == "True"
    times = [found["createdAt"], status["startTime"], status["conditions"][3]["lastTransitionTime"]]
    assert times == sorted(times)
    assert (found["guest"]["running"], found["guest"]["memoryMiB"]) == (True, 128)
    shown = yaml.safe_load(hyper("inspect", shop).stdout)
    assert shown == found
    assert _manifest.parse(shown["definition"]).name == shop
    assert "there is no pod nosuch" in hyper("inspect", "nosuch", code=1).stderr


def test_a_published_port_answers(shop: str, hyper: Hyper, port: int) -> None:
    hyper("exec", shop, "--", "sh", "-c", "echo hello > /srv/index.html")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        assert answer.read() == b"hello\n"


def test_exec_ends_with_the_commands_code_and_keeps_its_streams_apart(shop: str, hyper: Hyper) -> None:
    done = hyper("exec", shop, "-c", "tools", "--", "sh", "-c", 'echo "$COLOUR"; tr a-z A-Z >&2; exit 42', code=42, stdin="from stdin\n")
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("blue {{ 1 }}\n", "FROM STDIN")


def test_exec_of_what_is_not_there_fails_and_says_what_there_is(shop: str, hyper: Hyper) -> None:
    assert "Its containers: server, tools, tools-2" in hyper("exec", shop, "-c", "nosuch", "--", "ls", code=1).stderr
    assert f"Pods of this host: {shop}" in hyper("exec", "nosuch", "--", "ls", code=1).stderr
    assert "nosuch" in hyper("exec", shop, "--", "nosuch", code=127).stderr


def test_the_same_words_again_change_nothing_and_others_are_refused(shop: str, hyper: Hyper, port: int) -> None:
    same = ["--name", shop, "--publish", f"{port}:80", "--memory", "128M", "--env", "COLOUR=blue {{ 1 }}", "--label", "tier=front"]
    result = hyper.json("run", *same, "-p", "server", "tools", "tools:latest")
    assert (result["changed"], result["actions"]) == (False, [])
    assert "--replace" in hyper("run", "--name", shop, "tools", code=1).stderr
    out = hyper("run", "--check", "--diff", "--replace", "--name", shop, "tools").stdout
    assert "container server removed" in out
    assert "-memoryMiB: 128\n" in out
    assert len(hyper.pod(shop)["containers"]) == 3


def test_stop_start_restart_keep_files(shop: str, hyper: Hyper) -> None:
    hyper("exec", shop, "--", "sh", "-c", "echo kept > /srv/kept")
    assert hyper("stop", "--check", shop).stdout.startswith(f"{shop}: would stop")
    assert hyper("stop", "--grace-period", "1", shop).stdout == f"{shop}: stopped\n"
    assert hyper("stop", shop).stdout == f"{shop}: nothing to do\n"
    assert (hyper.pod(shop)["phase"], hyper.pod(shop)["ip"]) == ("Stopped", "")
    assert f"Start it: hyper start {shop}" in hyper("exec", shop, "--", "ls", code=1).stderr
    assert hyper("start", shop).stdout == f"{shop}: started\n"
    assert hyper("exec", shop, "--", "cat", "/srv/kept").stdout == "kept\n"
    hyper("restart", "--grace-period", "0", shop)
    assert hyper("exec", shop, "--", "cat", "/srv/kept").stdout == "kept\n"


def test_rm_leaves_nothing(hyper: Hyper, pods: PodHost) -> None:
    name = hyper.json("run", "tools")["pods"][0]["name"]
    assert name.startswith("tools-")
    assert hyper("rm", "--grace-period", "0", name).stdout == f"{name}: removed\n"
    assert name not in {pod["name"] for pod in hyper.json("list")}
    assert not pods.host.pod_dir(name).exists()
    assert not pods.host.pod_run_dir(name).exists()
    assert hyper("rm", name, code=1).stderr.splitlines()[-1] == f"hyper: there is no pod {name}"
    assert hyper("rm", "--ignore", name).stdout == f"{name}: nothing to do\n"


def test_a_file_of_two_pods_converges(hyper: Hyper, gone: list[str], tmp_path: Path) -> None:
    text = """
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec: {terminationGracePeriodSeconds: 0, containers: [{name: a, image: tools, env: [{name: TEXT, value: "%s"}]}]}
"""
    names = ["cli-one", "cli-two"]
    gone += names
    file = tmp_path / "pods.yaml"
    file.write_text("---".join(text % (name, "{{ first }}") for name in names))
    assert {pod["name"]: pod["phase"] for pod in hyper.json("run", "-f", str(file))["pods"]} == dict.fromkeys(names, "Running")
    file.write_text(text % (names[0], "{{ first }}") + "---" + text % (names[1], "second"))
    assert [(each["pod"], each["action"]) for each in hyper.json("run", "-f", str(file))["actions"]] == [("cli-two", "update")]
    assert hyper("exec", "cli-one", "sh", "-c", 'echo "$TEXT"').stdout == "{{ first }}\n"
    assert hyper("exec", "cli-two", "sh", "-c", 'echo "$TEXT"').stdout == "second\n"

    # What fails is taken back, and the command says why; a former definition comes back by its number.
    def said() -> str:
        return hyper("exec", "cli-two", "sh", "-c", 'echo "$TEXT"').stdout

    broken = (text % (names[1], "third")).replace("image: tools,", 'image: tools, command: [sh, -c, "echo no luck; exit 3"],')
    file.write_text(broken)
    told = hyper("run", "-f", str(file), "--min-ready", "2", code=1).stderr
    for words in ("pod cli-two, container a: ended with 3", "a no luck", "its former definition is back", "Correct the definition and run it again"):
        assert words in told, told
    assert said() == "second\n"
    lines = [line.split() for line in hyper("history", "cli-two").stdout.splitlines()]
    assert [(line[0], line[-1]) for line in lines[1:]] == [("1", "(tools)"), ("2", "now")]
    plan = hyper("rollback", "--check", "cli-two").stdout
    assert plan == "cli-two: would update, restarts container a (container a: env changed)\n"
    assert hyper("rollback", "cli-two").stdout == plan.replace("would update", "changed")
    assert said() == "{{ first }}\n"
    assert [(each["revision"], each["current"]) for each in hyper.json("history", "cli-two")] == [(1, False), (2, False), (3, True)]
    assert hyper.json("rollback", "cli-two", "2")["changed"]
    assert said() == "second\n"
    assert "there is no revision 77. Known are: 1, 2, 3, 4" in hyper("rollback", "cli-two", "77", code=1).stderr
    # Without a way back it stays as it was wanted, and the run fails all the same.
    file.write_text(broken)
    assert "is back" not in hyper("run", "-f", str(file), "--no-rollback", "--min-ready", "2", code=1).stderr
    assert hyper.json("history", "cli-two")[-1]["definition"]["containers"][0]["command"] == ["sh", "-c", "echo no luck; exit 3"]


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("true", 0), ("kill -9 $$", 137)])
def test_run_rm_exits_with_the_containers_code_and_leaves_nothing(hyper: Hyper, pods: PodHost, script: str, code: int) -> None:
    done = hyper("run", "--rm", "--name", "cli-job", "tools", "sh", "-c", f"echo out; echo err >&2; {script}", code=code)
    assert done.stdout == "out\n"
    assert done.stderr.splitlines()[-1] == "err"
    assert not pods.host.pod_dir("cli-job").exists()


def test_run_rm_shows_the_output_while_it_runs_and_removes_the_pod_when_interrupted(hyper: Hyper, pods: PodHost) -> None:
    words = ["run", "--rm", "--name", "cli-long", "tools", "sh", "-c", "echo begun; sleep 1000"]
    with hyper.start(*words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert not pods.host.pod_dir("cli-long").exists()


def test_run_rm_touches_no_pod_that_was_there(shop: str, hyper: Hyper) -> None:
    assert f"pod {shop}: there is a pod of this name" in hyper("run", "--rm", "--name", shop, "tools", "true", code=1).stderr
    assert hyper.pod(shop)["phase"] == "Running"


def test_run_rm_removes_what_could_not_be_started(hyper: Hyper, pods: PodHost) -> None:
    assert "nosuch" in hyper("run", "--rm", "--name", "cli-bad", "tools", "nosuch", code=1).stderr
    assert not pods.host.pod_dir("cli-bad").exists()


def test_a_pod_that_has_ended_is_not_run_again_and_its_log_stays(hyper: Hyper, gone: list[str]) -> None:
    gone.append("cli-done")
    hyper("run", "--name", "cli-done", "tools", "sh", "-c", "echo line 1; echo line 2; echo error >&2")
    deadline = time.monotonic() + 60
    while (pod := hyper.pod("cli-done"))["phase"] == "Running":
        assert time.monotonic() < deadline
    assert (pod["phase"], pod["containers"][0]["exitCode"], pod["containers"][0]["restartCount"]) == ("Succeeded", 0, 0)
    assert sorted(hyper("logs", "cli-done").stdout.splitlines()) == ["error", "line 1", "line 2"]
    assert len(hyper.json("logs", "cli-done", "tools", "--tail", "2")) == 2
    assert "Its containers: tools" in hyper("logs", "cli-done", "nosuch", code=1).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch.invalid/image:1"], "nosuch.invalid/image:1"),
        (["--pull", "never", "nosuch"], "nosuch"),
        (["--memory", "9999G", "tools"], "memory"),
    ],
)
def test_what_cannot_be_run_fails_and_changes_nothing(hyper: Hyper, pods: PodHost, words: Sequence[str], message: str) -> None:
    assert message in hyper("run", "--name", "cli-bad", *words, code=1).stderr
    assert not pods.host.pod_dir("cli-bad").exists()


def test_images_and_pull(hyper: Hyper, pods: PodHost) -> None:
    assert {"localhost/tools:latest", "localhost/server:latest"} <= {image["reference"] for image in hyper.json("images")}
    (image,) = hyper.json("pull", "--source", f"oci:{pods.layout}:tools", "pulled")
    assert image["reference"] == "localhost/pulled:latest"
    assert "localhost/pulled:latest" in hyper("images").stdout
    assert "nowhere" in hyper("pull", "oci-archive:/nowhere.tar", code=1).stderr


def test_info_tells_what_the_host_is_made_of(hyper: Hyper) -> None:
    facts = hyper.json("info")["localhost"]
    assert facts["accelerator"] in {"kvm", "tcg"}
    assert facts["acceleratorReason"]
    assert facts["qemu"]
    assert facts["hyperstart"] in hyper("info").stdout
