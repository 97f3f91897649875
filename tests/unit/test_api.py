# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python API through the real Ansible and the real playbooks, over modules that answer what a test wrote down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hyperstart
from hyperstart import Progress, _ansible, _project
from tests.support.project import ROOT, FakeProject

POD = {"name": "web", "phase": "Running", "containers": [{"name": "a", "image": "a", "state": "running"}]}
SECRET = "{{ lookup('pipe', 'id') }} 'quoted' \"so\" é"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProject]:
    fake = FakeProject(tmp_path / "project")
    monkeypatch.setattr(_project, "ROOT", fake.root)
    monkeypatch.setattr(_project, "PLAYBOOKS", fake.root / "playbooks")
    monkeypatch.setattr(_project, "CONFIGURATION", fake.root / "ansible.cfg")
    monkeypatch.setenv("HYPER_STATE_DIR", str(fake.state_dir))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    yield fake
    assert not list(temporary.glob("hyper-*")), "a run left files behind"


def test_a_run_reports_pods_actions_progress_and_events(project: FakeProject) -> None:
    action = {"pod": "web", "action": "create", "effect": "", "reason": "new"}
    steps = [{"pod": "web", "stage": "images", "message": "pulling"}, {"pod": "web", "stage": "boot"}]
    project.answer("pod", {"changed": True, "pods": [POD], "actions": [action], "progress": steps, "warnings": ["look"]})
    seen: list[Progress] = []
    events: list[str] = []
    result = hyperstart.run_pod(
        images=["a"], name="web", env={"SECRET": SECRET}, wait="none", on_progress=seen.append, on_event=lambda event: events.append(event["event"])
    )
    assert (result.changed, result.warnings) == (True, ("look",))
    assert [(pod.name, pod.host, pod.phase) for pod in result.pods] == [("web", "localhost", "Running")]
    assert [(each.host, each.action) for each in result.actions] == [("localhost", "create")]
    assert seen == [Progress("web", "images", "pulling"), Progress("web", "boot", "")]
    assert events == [event["event"] for event in result.events]
    assert {"playbook_on_start", "runner_on_ok", "playbook_on_stats"} <= set(events)
    (asked,) = project.asked("pod")
    assert asked["pods"][0]["spec"]["containers"][0]["env"] == [{"name": "SECRET", "value": SECRET}]
    assert (asked["state"], asked["wait"], asked["check"]) == ("started", "none", False)
    with pytest.raises(AttributeError):
        result.changed = False  # type: ignore[misc]


@pytest.mark.slow
def test_check_and_diff_reach_the_module(project: FakeProject) -> None:
    project.answer("pod", {"changed": True, "pods": [], "actions": [], "diff": {"before": {}, "after": {"web": {"n": 1}}}})
    result = hyperstart.stop_pods(names=["web"], check=True, diff=True)
    assert project.asked("pod")[0]["check"] is True
    assert result.diffs == ({"before": {}, "after": {"web": {"n": 1}}},)


@pytest.mark.slow
def test_a_failure_names_the_host_and_keeps_the_modules_words(project: FakeProject) -> None:
    project.answer("pod", {"fail": {"msg": "pod web: taken. Use another", "error": "PodExists", "where": "pod web", "remedy": "Use another"}})
    with pytest.raises(hyperstart.OperationFailed) as caught:
        hyperstart.start_pods(names=["web"])
    (failure,) = caught.value.failures
    assert (failure.host, failure.message, failure.kind, failure.where) == ("localhost", "pod web: taken. Use another", "PodExists", "pod web")
    assert str(caught.value) == "localhost: pod web: taken. Use another"


def test_exec_carries_bytes_both_ways_and_its_exit_code_is_no_failure(project: FakeProject) -> None:
    project.answer("pod_exec", {"changed": True, "rc": 3, "stdout_base64": "/wA=", "stderr_base64": "", "stdout": "", "stderr": ""})
    result = hyperstart.exec_pod(pod="web", command=["cat", SECRET], stdin=b"\xff\0")
    assert (result.exit_code, result.stdout, result.host) == (3, b"\xff\0", "localhost")
    (asked,) = project.asked("pod_exec")
    assert (asked["argv"], asked["stdin_base64"]) == (["cat", SECRET], "/wA=")


@pytest.mark.slow
def test_one_of_two_hosts_that_cannot_be_reached(project: FakeProject, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory.write_text(json.dumps({"kvm_hosts": {"hosts": {"here": here, "nowhere": nowhere}}}))
    project.answer("pod_info", {"pods": [POD]})
    with pytest.raises(hyperstart.OperationFailed) as caught:
        hyperstart.list_pods(inventory=str(inventory))
    assert isinstance(caught.value.result, hyperstart.PodsResult)
    assert [pod.host for pod in caught.value.result.pods] == ["here"]
    assert [(failure.host, failure.unreachable) for failure in caught.value.failures] == [("nowhere", True)]
    with pytest.raises(hyperstart.HostUnreachable, match=r"^nowhere: "):
        hyperstart.list_pods(inventory=str(inventory), limit="nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": "nosuch"}, "limit nosuch: no host matches. Put hosts in the group kvm_hosts"),
        ({"inventory": "/nowhere.yml"}, "/nowhere.yml: there is no such inventory"),
    ],
)
def test_no_host_at_all(project: FakeProject, options: dict[str, Any], message: str) -> None:
    with pytest.raises(hyperstart.NoHosts, match=message):
        hyperstart.list_pods(**options)


def test_a_pod_that_one_of_the_hosts_has_is_found() -> None:
    missing = hyperstart.HostFailure("kvm1", "pod web: not found", "PodNotFound")
    found = _ansible.HostValues("kvm2", "pod", {"changed": True, "pods": [POD]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hyperstart._operation.run_playbook", lambda *_: _ansible.Play((found,), (missing,), ()))
        assert [pod.host for pod in hyperstart.stop_pods(names=["web"]).pods] == ["kvm2"]
        patch.setattr("hyperstart._operation.run_playbook", lambda *_: _ansible.Play((), (missing,), ()))
        with pytest.raises(hyperstart.OperationFailed):
            hyperstart.stop_pods(names=["web"])


def test_a_package_without_its_playbooks_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_project, "PLAYBOOKS", tmp_path)
    with pytest.raises(hyperstart.ProjectMissing, match="pip install --editable"):
        hyperstart.list_pods()


def test_a_manifest_that_no_host_takes_is_refused_before_ansible_starts(project: FakeProject) -> None:
    with pytest.raises(hyperstart.HyperError, match=r"spec\.containers"):
        hyperstart.run_pods(manifests=[{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}}])
    assert project.asked("pod") == []


def test_secrets_stand_in_no_command_line_and_in_no_file_that_others_read(project: FakeProject, tmp_path: Path) -> None:
    project.answer("pod", {"pods": [], "sleep": 1})
    found: list[str] = []
    modes: set[int] = set()

    def look() -> None:
        while not project.asked("pod"):
            time.sleep(0.05)
        for directory in (tmp_path / "tmp").iterdir():
            modes.add(directory.stat().st_mode & 0o777)
            modes.update(path.stat().st_mode & 0o077 for path in directory.rglob("*") if path.is_file())
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found.append(process.read_text())
            except OSError:
                continue

    watcher = threading.Thread(target=look)
    watcher.start()
    hyperstart.run_pod(images=["a"], name="web", env={"PASSWORD": "correct-horse"})
    watcher.join()
    assert any("ansible-playbook" in line for line in found)
    assert not [line for line in found if "correct-horse" in line]
    assert modes == {0o700, 0}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_ends_ansible_and_the_module(project: FakeProject, number: signal.Signals, code: int) -> None:
    project.answer("pod_info", {"pods": [], "sleep": 60})
    program = (
        "import sys; from hyperstart import _project, cli; from pathlib import Path; root = Path(sys.argv[1]);"
        "_project.ROOT, _project.PLAYBOOKS, _project.CONFIGURATION = root, root / 'playbooks', root / 'ansible.cfg'; sys.exit(cli.main(['list']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(project.root)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(project.root.parent / "tmp")},
    )
    with process:
        deadline = time.monotonic() + 20
        while not (asked := project.asked("pod_info")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in stderr
    deadline = time.monotonic() + 5
    while Path(f"/proc/{asked[0]['pid']}/stat").exists() and Path(f"/proc/{asked[0]['pid']}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "the module goes on"
        time.sleep(0.02)
