# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands print: tables, documents and JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from hyperstart import _cli_watch
from hyperstart.errors import HostFailure
from tests.support.stage import POD, Stage, hyper


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


@pytest.mark.parametrize("command", ["list", "images"])
def test_nothing_to_list_names_the_next_step(stage: Stage, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    stage.results = [("localhost", "pod_info", {"pods": [], "images": []})]
    assert hyper(command) == 0
    assert capsys.readouterr().out in {"No pods. Run one: hyper run IMAGE\n", "No images. Pull one: hyper pull IMAGE\n"}


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
