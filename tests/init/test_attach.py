# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that see what a container itself writes, and type what it reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._channel import Channel, Deadline, GuestTimeout
from ansible_collections.hyper.pods.plugins.module_utils._control import ExecFailed, ExecResult
from ansible_collections.hyper.pods.plugins.module_utils._fields import NUMBER, field
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame

from hyperstart._cli_inside import Detached, DetachKeys
from tests.support.init import PATIENCE, Init

READER = "while read line; do [ $line = quit ] && exit 5; echo out $line; echo err $line >&2; done"


class Screen:
    """What a client has seen, and what it does when it sees something."""

    def __init__(self, on: dict[bytes, Callable[[], object]]) -> None:
        self.seen = b""
        self.on = on

    def __call__(self, data: bytes) -> None:
        self.seen += data
        for text in [text for text in self.on if text in self.seen]:
            self.on.pop(text)()


class Window:
    """A terminal whose size does not change."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()

    def fileno(self) -> int:
        return self.reads

    def size(self) -> tuple[int, int]:
        return 33, 101


def test_streams_both_ways_until_the_container_ends(sanitized: Init) -> None:
    with sanitized.pod(sanitized.sh("app", READER, stdin=True), sanitized.sleeper("other"), ports=3) as pod:
        pod.until_running()
        reads, writes = os.pipe()
        watcher = Screen({})

        def watch() -> ExecResult:
            with pod.control(1) as control:
                return control.exec("app", (), attach=True, on_stdout=watcher, timeout=PATIENCE)

        with ThreadPoolExecutor(1) as pool, pod.control() as control, os.fdopen(reads, "rb", buffering=0) as stdin:
            watching = pool.submit(watch)
            errors = Screen({b"err two\n": lambda: os.write(writes, b"quit\n")})
            output = Screen({b"out one\n": lambda: os.write(writes, b"two\n")})
            os.write(writes, b"one\n")
            result = control.exec("app", (), attach=True, stdin=stdin, on_stdout=output, on_stderr=errors, timeout=PATIENCE)
            assert (result.code, output.seen, errors.seen) == (5, b"out one\nout two\n", b"err one\nerr two\n")
            assert watching.result(PATIENCE).code == 5
        assert b"out one\nout two\n".endswith(watcher.seen)
        assert pod.exec("other", "true").code == 0
        with pod.control() as control, pytest.raises(ExecFailed, match="container app is not running"):
            control.exec("app", (), attach=True)
        # All of it is in the log as well.
        assert b"out two" in pod.output("app")


def test_a_terminal_is_shared_and_left(sanitized: Init) -> None:
    script = "echo ready; read line; stty size; read line; echo bye; exit 3"
    with sanitized.pod(sanitized.sh("app", script, stdin=True, tty=True), ports=2) as pod:
        pod.until_said("app", b"ready")
        for typed, wanted in ((b"\n", b"33 101\r\n"), (b"\n", b"bye\r\n")):
            reads, writes = os.pipe()
            os.write(writes, typed)
            screen = Screen({b"33 101\r\n": lambda end=writes: os.write(end, b"\x10\x11")})
            with pod.control() as control, os.fdopen(reads, "rb", buffering=0) as stdin:
                try:
                    result = control.exec("app", (), attach=True, stdin=stdin, on_stdin=DetachKeys(), on_stdout=screen, window=Window(), timeout=PATIENCE)
                    assert (result.code, wanted) == (3, b"bye\r\n")
                except Detached:
                    assert wanted == b"33 101\r\n"
            assert wanted in screen.seen
            os.close(writes)


def test_stdin_for_one_client(sanitized: Init) -> None:
    """It waits for the first, ends when that has left, with a farewell or without, and is new after a restart."""
    app = sanitized.sh("app", "cat; echo at the end; sleep 1000", stdin=True, stdin_once=True)
    with sanitized.pod(app, ports=2) as pod:
        pod.until_running()
        # Who only looks leaves nothing.
        with pod.control() as control, pytest.raises(GuestTimeout):
            control.exec("app", (), attach=True, timeout=0.3)
        assert b"at the end" not in pod.output("app")
        channel = Channel(pod.ports[1], "port 1")
        channel.greet(Deadline(PATIENCE))
        payload = field(tag.EXEC_CONTAINER, b"app") + field(tag.EXEC_ATTACH, NUMBER.encode(1)) + field(tag.EXEC_STDIN, NUMBER.encode(1))
        channel.send(Frame(tag.FRAME_EXEC, 1, payload))
        while (frame := channel.receive(Deadline(PATIENCE))) is None or frame.type != tag.FRAME_CREDIT:
            pass
        channel.send(Frame(tag.FRAME_STDIN, 1, b"typed\n"))
        pod.until_said("app", b"typed")
        assert b"at the end" not in pod.output("app")
        channel.send(Frame(tag.FRAME_STDIN, 1, b""))
        pod.until_said("app", b"at the end")
        with pod.control() as control:
            with pytest.raises(ExecFailed, match="the stdin of container app is closed: it was for one client"):
                control.exec("app", (), attach=True, stdin=b"x")
            assert control.exec("app", ["true"]).code == 0


@pytest.mark.parametrize(
    ("container", "more", "message"),
    [("nosuch", {}, "there is no container"), ("app", {"stdin": b"x"}, "app has no stdin"), ("app", {"tree": 1}, "runs nothing")],
)
def test_what_cannot_be_attached_to(sanitized: Init, container: str, more: dict[str, object], message: str) -> None:
    with sanitized.pod(sanitized.sleeper()) as pod:
        pod.until_running()
        with pod.control() as control:
            with pytest.raises(ExecFailed, match=message):
                control.exec(container, (), attach=True, **more)
            with pytest.raises(ExecFailed, match="the command is missing"):
                control.exec("app", ())
            assert control.exec("app", ["true"]).code == 0


@pytest.mark.slow
def test_who_does_not_read_keeps_nobody_waiting_and_is_told(sanitized: Init) -> None:
    script = "read line; seq 1 300000; read line; echo last; exit 4"
    with sanitized.pod(sanitized.sh("app", script, stdin=True), sanitized.sleeper("other"), ports=2) as pod:
        pod.until_running()
        channel = Channel(pod.ports[1], "port 1")
        channel.greet(Deadline(PATIENCE))
        payload = field(tag.EXEC_CONTAINER, b"app") + field(tag.EXEC_ATTACH, NUMBER.encode(1)) + field(tag.EXEC_STDIN, NUMBER.encode(1))
        channel.send(Frame(tag.FRAME_EXEC, 1, payload))
        while (frame := channel.receive(Deadline(PATIENCE))) is None or frame.type != tag.FRAME_CREDIT:
            pass
        channel.send(Frame(tag.FRAME_STDIN, 1, b"go\n"))
        pod.until_said("app", b"300000")
        channel.send(Frame(tag.FRAME_STDIN, 1, b"end\n"))
        shown, told, frame = b"", b"", None
        while frame is None or frame.type != tag.FRAME_EXIT:
            frame = channel.receive(Deadline(PATIENCE))
            assert frame is not None
            shown += frame.payload if frame.type == tag.FRAME_STDOUT else b""
            told += frame.payload if frame.type == tag.FRAME_STDERR else b""
        assert shown.startswith(b"1\n2\n")
        assert shown.endswith(b"last\n") or b"came too fast to be shown" in told
        assert b"came too fast to be shown; the log has them" in told
        assert len(pod.output("app").splitlines()) == 300_001


@pytest.mark.parametrize(
    ("typed", "sent"),
    [([b"abc"], b"abc"), ([b"a\x10", b"b"], b"a\x10b"), ([b"\x10\x10"], b"\x10"), ([b"\x11\x10"], b"\x11"), ([b"\x10", b"\x10a"], b"\x10\x10a"), ([b""], b"")],
)
def test_keys_that_are_no_farewell_are_typed(typed: list[bytes], sent: bytes) -> None:
    keys = DetachKeys()
    assert b"".join(map(keys, typed)) == sent


@pytest.mark.parametrize("typed", [[b"\x10\x11"], [b"x\x10", b"\x11"], [b"\x10\x10\x11 more"]])
def test_the_keys_that_are(typed: list[bytes]) -> None:
    keys = DetachKeys()
    with pytest.raises(Detached):
        list(map(keys, typed))
