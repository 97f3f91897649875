# SPDX-License-Identifier: GPL-3.0-or-later
"""The direct roads: what an inventory says becomes a command, and what goes by it arrives."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodNotFound

from hyperstart import _road
from hyperstart.errors import NoHosts
from tests.support import peer

PLAIN = {"ansible_ssh_args": "", "ansible_user": "root"}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with a pod whose QEMU is a process that only looks like one."""
    host = Host(tmp_path / "s", tmp_path / "r", "nobody")
    host.pod_dir("web").mkdir(parents=True)
    host.pod_run_dir("web").mkdir(parents=True)
    spec = {"containers": [{"name": "app"}, {"name": "log"}], "initContainers": [{"name": "first"}]}
    (host.pod_dir("web") / "pod.json").write_text(json.dumps({"definition": {"spec": spec}}))
    pid_file = host.pod_run_dir("web") / "pid"
    with subprocess.Popen(["sh", "-c", "read line", str(pid_file)], stdin=subprocess.PIPE) as process:
        pid_file.write_text(str(process.pid))
        yield host


def there(host: Host, *, password: str | None = None) -> _road.There:
    """The road of a host whose Python is this one's, reached without ssh."""
    return _road.There("there", host, _road._python({"ansible_python_interpreter": sys.executable}, "root", None), password)


@pytest.mark.parametrize("kind", ["here", "there", "there with a password that nobody asked for"])
def test_a_command_runs_by_a_road(host: Host, kind: str) -> None:
    road = _road.Here("here", host) if kind == "here" else there(host, password="secret" if "password" in kind else None)
    data = os.urandom(3_000_000)

    def script(guest: peer.Peer) -> None:
        guest.greet()
        request = guest.expect(tag.FRAME_EXEC)
        guest.send(peer.credit(request, tag.STDIN_CREDIT))
        taken = b""
        while frame := guest.expect(tag.FRAME_STDIN).payload:
            taken += frame
            guest.send(Frame(tag.FRAME_STDOUT, request.id, frame), peer.credit(request, len(frame)))
        assert taken == data
        guest.send(peer.end(request, 3))

    with peer.serving(host.pod_run_dir("web"), script):
        way, port = _road.find([road], "web", lambda way: way.port("web", None))
        assert (way, port.container) == (road, "app")
        with Control.over(port.connection, "web", port.lock) as control:
            result = control.exec(port.container, ["cat"], stdin=data)
    assert (result.code, result.stdout) == (3, data)


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize(
    ("pod", "container", "message"),
    [
        ("nosuch", None, "there is no pod nosuch. Pods of this host: web"),
        ("web", "nosuch", "pod web: has no container nosuch. Its containers: first, app, log"),
        ("../web", None, "'../web' is not a pod's name"),
        ("off", None, "pod off: is not running. Start it: hyper start off"),
        ("broken", None, "cannot be read"),
    ],
)
def test_what_is_wrong_on_the_host_is_told(host: Host, remote: bool, pod: str, container: str | None, message: str) -> None:
    if pod in ("off", "broken"):
        host.pod_dir(pod).mkdir()
        (host.pod_dir(pod) / "pod.json").write_text("{}" if pod == "broken" else (host.pod_dir("web") / "pod.json").read_text())
    road = there(host) if remote else _road.Here("here", host)
    with pytest.raises(HyperError) as failed:
        road.port(pod, container)
    assert message in str(failed.value)
    assert isinstance(failed.value, PodNotFound) == (pod == "nosuch")


def test_a_host_that_cannot_be_reached_is_told_in_its_own_words(host: Host) -> None:
    with pytest.raises(_road.RoadFailed, match="kvm1: no route"):
        _road.There("kvm1", host, ["sh", "-c", "echo no route >&2; exit 255"]).port("web", None)


def test_the_host_that_has_the_pod_is_found(host: Host, tmp_path: Path) -> None:
    empty = [_road.Here(f"empty{number}", Host(tmp_path / "e", tmp_path / "e")) for number in range(2)]
    with pytest.raises(PodNotFound):
        _road.find(empty, "web", lambda way: way.port("web", None))
    with peer.serving(host.pod_run_dir("web"), peer.until_closed):
        way, port = _road.find([empty[0], _road.Here("right", host), empty[1]], "web", lambda way: way.port("web", "log"))
        assert (way.name, port.container) == ("right", "log")
        port.close()
    (host.pod_run_dir("web") / "control.0").unlink()
    with (
        peer.serving(host.pod_run_dir("web"), peer.until_closed),
        peer.serving(host.pod_run_dir("web"), peer.until_closed, port=1),
        pytest.raises(_road.SeveralPods, match="one, two"),
    ):
        _road.find([_road.Here("one", host), _road.Here("two", host)], "web", lambda way: way.port("web", None))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (PLAIN, "ssh -T -e none -l root -- kvm1"),
        ({**PLAIN, "ansible_host": "192.0.2.1", "ansible_port": 2222}, "ssh -T -e none -p 2222 -l root -- 192.0.2.1"),
        (
            {**PLAIN, "ansible_ssh_private_key_file": "/k y", "ansible_ssh_common_args": "-o 'ProxyJump=a b'"},
            "ssh -T -e none -l root -i '/k y' -o 'ProxyJump=a b' -- kvm1",
        ),
        ({**PLAIN, "ansible_ssh_args": "-o A=b", "ansible_host_key_checking": False}, "ssh -T -e none -o A=b -o StrictHostKeyChecking=no -l root -- kvm1"),
    ],
)
def test_ssh_is_told_what_the_inventory_says(values: Mapping[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANSIBLE_SSH_ARGS", "ANSIBLE_HOST_KEY_CHECKING"):
        monkeypatch.delenv(name, raising=False)
    if not values["ansible_ssh_args"]:
        values = {**values, "ansible_ssh_args": " "}
    way = _road.road("kvm1", values, None)
    assert isinstance(way, _road.There)
    *before, remote = way._command
    assert before == shlex.split(words)
    # What the host's shell gets is words of no meaning to it.
    assert shlex.split(remote)[:2] == ["python3", "-c"]
    assert not set(remote) & set("$`\\!*?~;&|<>#%{}\n")


@pytest.mark.parametrize(
    ("values", "password", "words"),
    [
        ({}, None, "sudo -n -H -u root -- python3 -c"),
        ({}, "secret", "sudo -S -p '' -H -u root -- python3 -c"),
        ({"ansible_become_user": "pods; reboot", "ansible_python_interpreter": "/a b"}, None, "sudo -n -H -u 'pods; reboot' -- '/a b' -c"),
        ({"ansible_become": False, "ansible_python_interpreter": "auto_silent"}, None, "python3 -c"),
    ],
)
def test_the_hosts_root_is_asked_for_as_the_inventory_says(values: Mapping[str, Any], password: str | None, words: str) -> None:
    assert _road._python(values, "admin", password)[:-1] == shlex.split(words)
    assert "secret" not in str(_road._python(values, "admin", password))


@pytest.mark.parametrize(
    "values",
    [
        {"ansible_connection": "community.docker.docker"},
        {"ansible_user": "{{ vault_user }}"},
        {"ansible_password": "x"},
        {"ansible_become_method": "doas"},
        {"ansible_host": "-oProxyCommand=reboot"},
    ],
)
def test_what_only_ansible_understands_is_left_to_it(values: Mapping[str, Any]) -> None:
    with pytest.raises(_road.NoRoad):
        _road.road("kvm1", values, None)


def test_hosts_are_those_of_a_group_and_of_the_groups_below() -> None:
    tree = {
        "_meta": {"hostvars": {"a": {"ansible_host": "x"}}},
        "kvm_hosts": {"hosts": ["a"], "children": ["more"]},
        "more": {"hosts": ["b"], "children": ["kvm_hosts"]},
        "other": {"hosts": ["c"]},
    }
    assert _road.hosts_of(tree, "kvm_hosts") == {"a": {"ansible_host": "x"}, "b": {}}


@pytest.mark.parametrize(
    ("limit", "hosts"), [(None, ["kvm1", "kvm2"]), ("kvm2", ["kvm2"]), ("kvm*,!kvm1", ["kvm2"]), ("@{}/only", ["kvm1"]), ("other1", []), ("nosuch", [])]
)
def test_ansible_itself_reads_the_inventory(tmp_path: Path, limit: str | None, hosts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_SSH_ARGS", "-C")
    (tmp_path / "only").write_text("kvm1\n")
    (tmp_path / "hosts.yml").write_text(
        "kvm_hosts: {vars: {ansible_user: root}, hosts: {kvm1: {ansible_host: 192.0.2.1}, kvm2: {ansible_port: 22}}}\nother: {hosts: {other1: {}}}\n"
    )
    options = {"inventory": [str(tmp_path / "hosts.yml")], "limit": limit and limit.format(tmp_path)}
    if not hosts:
        with pytest.raises(NoHosts, match="no host matches"):
            _road.roads(**options)  # type: ignore[arg-type]
        return
    ways = _road.roads(**options)  # type: ignore[arg-type]
    assert [way.name for way in ways] == hosts
    assert all(isinstance(way, _road.There) and way._command[:2] == ["ssh", "-T"] for way in ways)
