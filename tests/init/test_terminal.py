# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that get a terminal, and commands that are left running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._control import ExecFailed, ExecResult

from tests.support.init import PATIENCE, Init, Pod


class Typist:
    """A terminal's window and its keyboard, a pipe, that do what a test says when output comes."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        self.sizes = list(sizes)
        self.keyboard, self.keys = os.pipe()
        self.changed, self.change = os.pipe()
        self.seen = b""

    def fileno(self) -> int:
        return self.changed

    def size(self) -> tuple[int, int]:
        if len(self.sizes) < self.first:
            os.read(self.changed, 1)
        return self.sizes.pop(0)

    def run(self, pod: Pod, *argv: str, on: dict[bytes, Any] | None = None, container: str = "root", **more: Any) -> ExecResult:
        """Run a command; when its output holds a key of ``on``, its value is typed, or called."""
        self.first = len(self.sizes)
        left = dict(on or {})

        def output(data: bytes) -> None:
            self.seen += data
            for text in [text for text in left if text in self.seen]:
                then = left.pop(text)
                if callable(then):
                    then()
                else:
                    os.write(self.keys, then)

        with pod.control() as control, os.fdopen(self.keyboard, "rb", buffering=0) as keyboard:
            return control.exec(container, argv, window=self, stdin=keyboard, on_stdout=output, timeout=PATIENCE, **more)

    def resize(self) -> None:
        os.write(self.change, b"\0")


@pytest.fixture(scope="module")
def pod(init: Init) -> Iterator[Pod]:
    with init.pod(init.sleeper("root"), init.sleeper("app", user="app"), ports=2) as pod:
        pod.until_running()
        yield pod


def test_all_streams_are_one_terminal_of_the_size_that_is_given(pod: Pod) -> None:
    typist = Typist((33, 101))
    script = "test -t 0 -a -t 1 -a -t 2 && stty size && echo $TERM >&2; tty | grep -c ^/dev/pts/; exit 7"
    assert typist.run(pod, "sh", "-c", script).code == 7
    assert typist.seen == b"33 101\r\nxterm\r\n1\r\n"


def test_the_terminal_belongs_to_the_user_of_the_command(pod: Pod) -> None:
    typist = Typist((24, 80))
    assert typist.run(pod, "sh", "-c", "echo opened > $(tty)", container="app").code == 0
    assert typist.seen == b"opened\r\n"


def test_a_change_of_size_is_told(pod: Pod) -> None:
    typist = Typist((24, 80), (50, 132))
    script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.02; done"
    assert typist.run(pod, "sh", "-c", script, on={b"ready\r\n": typist.resize}).code == 0
    assert typist.seen == b"ready\r\n50 132\r\n"


@pytest.mark.parametrize(("key", "result"), [(b"\x03", ExecResult(130, b"", b"", 2)), (b"\x1c", ExecResult(131, b"", b"", 3))])
def test_keys_are_signals(pod: Pod, key: bytes, result: ExecResult) -> None:
    typist = Typist((24, 80))
    # No shell, which would ignore one of them: first the terminal shows what is typed, then the command does.
    os.write(typist.keys, b"ready\n")
    assert typist.run(pod, "cat", on={b"ready\r\nready\r\n": key}) == result


def test_a_shell_is_typed_into_and_left(pod: Pod) -> None:
    typist = Typist((24, 80))
    assert typist.run(pod, "sh", "-c", "PS1='$ ' exec sh", on={b"$ ": b"echo $((6 * 7)); exit 3\n"}).code == 3
    assert b"\r\n42\r\n" in typist.seen


def test_terminals_leave_nothing(pod: Pod) -> None:
    for _ in range(70):
        assert Typist((24, 80)).run(pod, "true").code == 0
    assert pod.shell("root", "ls /dev/pts").split() == ["ptmx"]


def test_what_was_started_in_a_terminal_ends_with_its_client(pod: Pod) -> None:
    typist = Typist((24, 80))

    def leave() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        typist.run(pod, "sh", "-c", "echo ready; exec sleep 7711", on={b"ready\r\n": leave})
    assert pod.gone("root", "sleep 7711")


def test_a_detached_command_outlives_its_client(pod: Pod) -> None:
    for _ in range(70):
        assert pod.exec("root", "true", detached=True) == ExecResult(0)
    assert pod.exec("root", "sleep", "7712", detached=True) == ExecResult(0)
    assert pod.exec("root", "true") == ExecResult(0)
    assert "sleep 7712" in pod.shell("root", "ps -o args")
    pod.shell("root", "kill $(ps -o pid,args | awk '/[s]leep 7712/ {print $1}')")
    assert pod.gone("root", "sleep 7712")


@pytest.mark.parametrize(("argv", "code"), [(["nosuch"], 127), (["/etc/passwd"], 126)])
def test_a_detached_command_that_cannot_be_started_says_so(pod: Pod, argv: list[str], code: int) -> None:
    with pytest.raises(ExecFailed) as failed:
        pod.exec("root", *argv, detached=True)
    assert failed.value.code == code


def test_a_terminal_and_nothing_at_all_exclude_each_other(pod: Pod) -> None:
    with pytest.raises(ExecFailed, match="detached"):
        Typist((24, 80)).run(pod, "true", detached=True)
