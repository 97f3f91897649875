# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client asks of a guest: state, stop, commands with their streams."""

from __future__ import annotations

import io
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._control import (
    ContainerStatus,
    ExecFailed,
    ExecResult,
    GuestTimeout,
    GuestUnreachable,
    RequestRefused,
    Status,
)
from ansible_collections.hyper.pods.plugins.module_utils._fields import NUMBER, TEXT, Malformed, field, fields
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame
from ansible_collections.hyper.pods.plugins.module_utils._status import STATUS

from tests.support.peer import PATIENCE, Peer, control, credit, end, until_closed

FULL = Status(
    "Running",
    "fine",
    (
        ContainerStatus("web", "running", pid=7, restart_count=2, exit_code=137, signal=9, started_at=1795367100.5, finished_at=1795367099.5),
        ContainerStatus("app", "waiting", "CrashLoopBackOff", "back-off 10s"),
    ),
)


@pytest.mark.parametrize("status", [FULL, Status("Pending")])
def test_status(run_dir: Path, status: Status) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_STATUS)
        assert request.payload == b""
        peer.send(Frame(tag.FRAME_STATUS, request.id + 9, STATUS.encode(Status("Failed"))))
        peer.send(Frame(tag.FRAME_STATUS, request.id, STATUS.encode(status)))

    with control(run_dir, script) as client:
        assert client.status() == status


def test_a_status_that_makes_no_sense_is_told(run_dir: Path) -> None:
    def script(peer: Peer) -> None:
        peer.send(Frame(tag.FRAME_STATUS, peer.expect(tag.FRAME_STATUS).id, b"\1\0\xff\xff\xff\xff"))

    with control(run_dir, script) as client, pytest.raises(Malformed):
        client.status()


def test_watch_tells_of_every_change_until_the_guest_is_off(run_dir: Path) -> None:
    phases = ["Pending", "Running", "Stopping"]

    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_WATCH)
        for phase in phases:
            peer.send(Frame(tag.FRAME_STATUS, request.id, STATUS.encode(Status(phase))))

    with control(run_dir, script) as client:
        statuses = client.watch(PATIENCE)
        assert [next(statuses).phase for _ in phases] == phases
        with pytest.raises(GuestUnreachable):
            next(statuses)


def test_watch_ends_with_its_time(run_dir: Path) -> None:
    with control(run_dir, lambda peer: (peer.expect(tag.FRAME_WATCH), until_closed(peer))) as client, pytest.raises(GuestTimeout):
        next(client.watch(0.02))


@pytest.mark.parametrize(("grace_period", "payload"), [(None, b""), (0, field(1, bytes(8))), (30, field(1, NUMBER.encode(30)))])
def test_stop(run_dir: Path, grace_period: int | None, payload: bytes) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_STOP)
        assert request.payload == payload
        peer.send(Frame(tag.FRAME_OK, request.id))

    with control(run_dir, script) as client:
        client.stop(grace_period)


def test_a_refused_request_says_why(run_dir: Path) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_STOP)
        peer.send(Frame(tag.FRAME_ERROR, request.id, field(tag.ERROR_MESSAGE, TEXT.encode("not now"))))

    with control(run_dir, script) as client, pytest.raises(RequestRefused, match="not now"):
        client.stop()


def test_exec_sends_what_it_was_given_and_returns_what_came(run_dir: Path) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        assert list(fields(request.payload)) == [
            (tag.EXEC_CONTAINER, b"web"),
            (tag.EXEC_ARGV, b"echo"),
            (tag.EXEC_ARGV, b""),
            (tag.EXEC_ARGV, "größe".encode()),
            (tag.EXEC_ENV, b"A=1"),
            (tag.EXEC_ENV, b"B=x=y"),
            (tag.EXEC_WORKDIR, b"/srv"),
            (tag.EXEC_USER, b"app"),
            (tag.EXEC_STDIN, bytes(8)),
        ]
        peer.send(
            Frame(tag.FRAME_STDOUT, request.id, b"out"),
            Frame(tag.FRAME_STDOUT, request.id + 1, b"of another"),
            Frame(tag.FRAME_STDERR, request.id, b"err"),
            Frame(tag.FRAME_STDOUT, request.id, b"\0put"),
            end(request, 137, field(tag.EXIT_SIGNAL, NUMBER.encode(9))),
        )

    with control(run_dir, script) as client:
        result = client.exec("web", ["echo", "", "größe"], env={"A": "1", "B": "x=y"}, workdir="/srv", user="app")
    assert result == ExecResult(137, b"out\0put", b"err", 9)


def test_exec_leaves_out_what_it_was_not_given(run_dir: Path) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        assert [number for number, _ in fields(request.payload)] == [tag.EXEC_ARGV, tag.EXEC_STDIN]
        peer.send(end(request, 0))

    with control(run_dir, script) as client:
        assert client.exec(None, ["true"]) == ExecResult(0)


def test_exec_hands_output_on_as_it_comes(run_dir: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    arrived = threading.Event()

    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        peer.send(Frame(tag.FRAME_STDOUT, request.id, b"first"))
        assert arrived.wait(PATIENCE)
        peer.send(Frame(tag.FRAME_STDERR, request.id, b"second"), end(request, 0))

    def on_stdout(data: bytes) -> None:
        seen.append(("stdout", data))
        arrived.set()

    with control(run_dir, script) as client:
        result = client.exec("web", ["x"], on_stdout=on_stdout, on_stderr=lambda data: seen.append(("stderr", data)))
    assert result == ExecResult(0)
    assert seen == [("stdout", b"first"), ("stderr", b"second")]


@pytest.mark.parametrize("code", [127, 126, None])
def test_a_command_that_could_not_be_started(run_dir: Path, code: int | None) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        payload = field(tag.ERROR_MESSAGE, b"nosuch: not found") + (field(tag.ERROR_CODE, NUMBER.encode(code)) if code else b"")
        peer.send(Frame(tag.FRAME_ERROR, request.id, payload))

    with control(run_dir, script) as client, pytest.raises(ExecFailed, match="web: nosuch: not found") as failed:
        client.exec("web", ["nosuch"])
    assert failed.value.code == code


def test_a_command_that_does_not_fit_into_a_frame_is_refused(run_dir: Path) -> None:
    with control(run_dir, until_closed) as client, pytest.raises(ExecFailed, match="at most 65536"):
        client.exec("web", ["x" * 65536])


def stdin_of_every_kind(data: bytes, path: Path) -> Iterator[tuple[str, object]]:
    yield "bytes", data
    yield "memory file", io.BytesIO(data)
    (path / "stdin").write_bytes(b"skip" + data)
    file = (path / "stdin").open("rb")
    assert file.read(4) == b"skip"
    yield "regular file", file
    file.close()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, ThreadPoolExecutor(1) as pool:

        def write() -> None:
            with os.fdopen(writing, "wb") as end:
                end.write(data)

        pool.submit(write)
        yield "pipe", pipe


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 70000])
def test_stdin_never_exceeds_its_credit_and_ends(run_dir: Path, size: int) -> None:
    data = os.urandom(size)

    def script(peer: Peer) -> None:
        for _ in range(4):
            request = peer.expect(tag.FRAME_EXEC)
            assert dict(fields(request.payload))[tag.EXEC_STDIN] == NUMBER.encode(1)
            received = b""
            given = 100
            peer.send(credit(request, given))
            while True:
                frame = peer.expect(tag.FRAME_STDIN)
                received += frame.payload
                assert len(received) <= given
                if not frame.payload:
                    break
                if len(received) == given:
                    given += 30000
                    peer.send(credit(request, 30000))
            peer.send(Frame(tag.FRAME_STDERR, request.id, str(len(received)).encode()), end(request, int(received == data)))

    with control(run_dir, script) as client:
        for kind, stdin in stdin_of_every_kind(data, run_dir):
            assert client.exec("web", ["x"], stdin=stdin) == ExecResult(1, b"", str(size).encode()), kind


def test_stdin_from_a_pipe_goes_out_as_it_comes(run_dir: Path) -> None:
    """As a person types: each line is answered before the next one is there."""
    reading, writing = os.pipe()
    answers: list[bytes] = []

    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        peer.send(credit(request, 65536))
        while frame := peer.expect(tag.FRAME_STDIN):
            if not frame.payload:
                break
            peer.send(Frame(tag.FRAME_STDOUT, request.id, frame.payload.upper()))
        peer.send(end(request, 0))

    def on_stdout(data: bytes) -> None:
        answers.append(data)
        if len(answers) < 3:
            os.write(writing, b"line %d\n" % len(answers))
        else:
            os.close(writing)

    with control(run_dir, script) as client, os.fdopen(reading, "rb") as stdin:
        os.write(writing, b"line 0\n")
        assert client.exec("web", ["cat"], stdin=stdin, on_stdout=on_stdout).code == 0
    assert answers == [b"LINE 0\n", b"LINE 1\n", b"LINE 2\n"]


def test_ten_megabytes_there_and_back(run_dir: Path) -> None:
    data = os.urandom(10_000_000)

    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        peer.send(credit(request, 65536))
        while True:
            payload = peer.expect(tag.FRAME_STDIN).payload
            if not payload:
                break
            peer.send(Frame(tag.FRAME_STDOUT, request.id, payload), credit(request, len(payload)))
        peer.send(end(request, 0))

    with control(run_dir, script) as client:
        assert client.exec("web", ["cat"], stdin=data).stdout == data


@pytest.mark.parametrize("chatty", [False, True])
def test_a_command_that_takes_too_long_is_killed(run_dir: Path, chatty: bool) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        peer.connection.setblocking(False)
        while chatty:
            try:
                peer.send(Frame(tag.FRAME_STDOUT, request.id, bytes(1000)))
            except BlockingIOError:
                # The client has stopped reading, and the rest of a frame is lost with it.
                break
        peer.connection.settimeout(PATIENCE)
        assert peer.receive() == Frame(tag.FRAME_SIGNAL, request.id, field(tag.SIGNAL_NUMBER, NUMBER.encode(signal.SIGKILL)))

    with control(run_dir, script) as client, pytest.raises(GuestTimeout, match=r"within 0\.1 seconds"):
        client.exec("web", ["yes"], timeout=0.1, on_stdout=lambda _: None)


def test_a_guest_that_ends_during_exec_has_said_its_last_words(run_dir: Path) -> None:
    seen: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.send(Frame(tag.FRAME_STDOUT, peer.expect(tag.FRAME_EXEC).id, b"last words"))

    with control(run_dir, script) as client, pytest.raises(GuestUnreachable, match="has ended"):
        client.exec("web", ["x"], on_stdout=seen.append)
    assert seen == [b"last words"]


def test_a_signal_goes_to_the_command_that_runs(run_dir: Path) -> None:
    def script(peer: Peer) -> None:
        request = peer.expect(tag.FRAME_EXEC)
        peer.send(Frame(tag.FRAME_STDOUT, request.id, b"ready"))
        assert peer.receive() == Frame(tag.FRAME_SIGNAL, request.id, field(tag.SIGNAL_NUMBER, NUMBER.encode(signal.SIGINT)))
        peer.send(end(request, 130))

    with control(run_dir, script) as client:
        client.signal(signal.SIGINT)
        assert client.exec("web", ["x"], on_stdout=lambda _: client.signal(signal.SIGINT)).code == 130
        client.signal(signal.SIGINT)


def test_one_client_asks_many_things_in_turn(run_dir: Path) -> None:
    def script(peer: Peer) -> None:
        for number in range(3):
            request = peer.expect(tag.FRAME_EXEC)
            peer.send(end(request, number))

    with control(run_dir, script) as client:
        assert [client.exec("web", ["x"]).code for _ in range(3)] == [0, 1, 2]
