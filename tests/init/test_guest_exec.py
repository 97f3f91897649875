# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in hyperstart's own namespaces: with a container's files, as root, and gone with the container."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._control import ExecFailed, ExecResult

from tests.init.test_process import caps
from tests.support.init import Init, Pod


@pytest.fixture(scope="module")
def pod(init: Init) -> Iterator[Pod]:
    """A pod whose first container may do little."""
    app = init.sleeper("app", env=(("FROM_PLAN", "yes"),), workdir="/tmp", user="app", no_new_privileges=True, capabilities=())
    with init.pod(app, init.sleeper("other"), ports=8) as pod:
        pod.until_running()
        yield pod


def guest(pod: Pod, script: str, container: str = "app", **more: object) -> str:
    return pod.shell(container, script, guest=True, **more)


def test_it_is_where_hyperstart_is(pod: Pod) -> None:
    own, inits, containers = (
        guest(pod, "readlink /proc/self/ns/mnt"),
        guest(pod, "readlink /proc/1/ns/mnt"),
        pod.shell("other", "readlink /proc/self/ns/mnt"),
    )
    assert own == inits != containers
    # All that is mounted there, which no container sees.
    assert guest(pod, "cat /proc/1/root/proc/1/mounts") == guest(pod, "cat /proc/1/mounts") != ""
    assert pod.exec("other", "ls", "/proc/1/root/").code != 0


def test_its_files_are_the_containers(pod: Pod) -> None:
    pod.shell("other", "echo theirs > /data/file")
    assert guest(pod, "cat /data/file", "other") == "theirs\n"
    guest(pod, "echo ours > /data/file2", "other")
    assert pod.shell("other", "cat /data/file2") == "ours\n"
    # And, by way of any process, those of all containers.
    with pod.control() as control:
        [pid] = [each.pid for each in control.status().containers if each.name == "other"]
    assert guest(pod, f"cat /proc/{pid}/root/data/file") == "theirs\n"


def test_it_is_root_with_everything(pod: Pod) -> None:
    said = guest(pod, "cat /proc/self/status; pwd; echo $FROM_PLAN $ADDED", env={"ADDED": "too"})
    assert caps(said)["CapEff"] == caps(Path("/proc/self/status").read_text())["CapEff"]
    assert re.search(r"^NoNewPrivs:\t0$", said, re.MULTILINE)
    assert re.search(r"^Seccomp:\t0$", said, re.MULTILINE) or "Seccomp:\t0" not in Path("/proc/self/status").read_text()
    assert said.endswith("/\nyes too\n")
    assert guest(pod, "pwd", workdir="/etc") == "/etc\n"


@pytest.mark.parametrize(("script", "wanted"), [("exit 3", ExecResult(3)), ("kill -9 $$", ExecResult(137, b"", b"", 9)), ("cat", ExecResult(0, b"in"))])
def test_streams_and_codes(pod: Pod, script: str, wanted: ExecResult) -> None:
    assert pod.exec("app", "/bin/sh", "-c", script, stdin=b"in", guest=True) == wanted


@pytest.mark.parametrize(
    ("argv", "more", "message"),
    [
        (["nosuch-command"], {}, "nosuch-command"),
        (["true"], {"user": "app"}, "a command is root's"),
        (["/"], {"tree": 1}, "a command is root's"),
        ([], {"attach": True}, "who attaches runs nothing"),
    ],
)
def test_what_is_refused(pod: Pod, argv: list[str], more: dict[str, object], message: str) -> None:
    with pod.control() as control, pytest.raises(ExecFailed, match=message):
        control.exec("app", argv, guest=True, **more)  # type: ignore[arg-type]
