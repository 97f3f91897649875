# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands run in a container by the control ports."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._channel import Channel, Deadline
from ansible_collections.hyper.pods.plugins.module_utils._control import ExecFailed, ExecResult, GuestTimeout
from ansible_collections.hyper.pods.plugins.module_utils._fields import NUMBER, field, fields
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame

from tests.support.init import PATIENCE, Init, Pod


@pytest.fixture(scope="module")
def pod(init: Init) -> Iterator[Pod]:
    """A pod that all tests of this file share; none of them may harm it."""
    app = init.sleeper("app", env=(("FROM_PLAN", "yes"), ("BOTH", "plan")), workdir="/tmp", user="app")
    with init.pod(app, init.sleeper("root"), ports=8) as pod:
        pod.until_running()
        yield pod


@pytest.mark.parametrize(
    ("script", "stdin", "wanted"),
    [
        ("true", None, ExecResult(0)),
        ("false", None, ExecResult(1)),
        ("echo out; echo err >&2; exit 3", None, ExecResult(3, b"out\n", b"err\n")),
        ("cat", None, ExecResult(0)),
        ("cat", b"", ExecResult(0)),
        ("cat", b"a\0b\xff\r\n", ExecResult(0, b"a\0b\xff\r\n")),
        ("cat >&2", b"in", ExecResult(0, b"", b"in")),
        ("read line; echo $line", b"one\ntwo\n", ExecResult(0, b"one\n")),
        ("printf '\\0\\377\\n\\r'", None, ExecResult(0, b"\0\xff\n\r")),
        ("kill -9 $$", None, ExecResult(137, b"", b"", 9)),
        ("kill -15 $$", None, ExecResult(143, b"", b"", 15)),
        ("pwd; echo $FROM_PLAN $BOTH $HOME; id -un", None, ExecResult(0, b"/tmp\nyes plan /home/app\napp\n")),
    ],
)
def test_streams_and_codes(pod: Pod, script: str, stdin: bytes | None, wanted: ExecResult) -> None:
    assert pod.exec("app", "/bin/sh", "-c", script, stdin=stdin) == wanted


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"workdir": "/etc"}, "/etc yes plan 1000\n"),
        ({"user": "root"}, "/tmp yes plan 0\n"),
        ({"env": {"BOTH": "exec", "NEW": "x"}}, "/tmp yes exec 1000\n"),
    ],
)
def test_what_is_given_replaces_the_containers_own(pod: Pod, more: dict[str, object], wanted: str) -> None:
    assert pod.shell("app", "echo $(pwd) $FROM_PLAN $BOTH $(id -u)", **more) == wanted


def test_without_a_name_it_is_the_first_container(pod: Pod) -> None:
    with pod.control() as control:
        assert control.exec(None, ["/bin/sh", "-c", "echo $FROM_PLAN"]).stdout == b"yes\n"


def test_every_exit_code(pod: Pod) -> None:
    with pod.control() as control:
        assert [control.exec("app", ["/bin/sh", "-c", f"exit {code}"]).code for code in range(256)] == list(range(256))


@pytest.mark.parametrize(
    ("container", "argv", "message", "code"),
    [
        ("nosuch", ["true"], "nosuch", None),
        ("app", ["nosuch-command"], "nosuch-command", 127),
        ("app", ["/bin/nosuch"], "/bin/nosuch", 127),
        ("app", ["/etc/passwd"], "/etc/passwd", 126),
        ("app", ["/etc"], "/etc", 126),
    ],
)
def test_commands_that_cannot_be_started(pod: Pod, container: str, argv: list[str], message: str, code: int | None) -> None:
    with pod.control() as control:
        with pytest.raises(ExecFailed, match=message) as failed:
            control.exec(container, argv)
        assert failed.value.code == code
        # The client and the port go on.
        assert control.exec("app", ["true"]).code == 0


def test_a_user_that_is_not_there(pod: Pod) -> None:
    with pytest.raises(ExecFailed, match="nosuch"):
        pod.exec("app", "true", user="nosuch")


def test_exec_is_in_the_container(pod: Pod) -> None:
    pod.shell("root", "echo written > /data/file")
    assert pod.shell("root", "cat /data/file") == "written\n"
    assert pod.exec("app", "cat", "/data/file").code == 1


def test_eight_side_by_side(pod: Pod) -> None:
    def run(port: int) -> ExecResult:
        with pod.control(port) as control:
            return control.exec("app", ["/bin/sh", "-c", f"read line; echo $line; sleep 0.2; exit {port}"], stdin=b"port %d\n" % port)

    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(8))) == [ExecResult(port, b"port %d\n" % port) for port in range(8)]
    assert time.monotonic() - started < 8 * 0.2


def test_several_on_one_port(pod: Pod) -> None:
    """The protocol lets one client run many commands at once."""
    channel = Channel(pod.ports[0].dup(), "port 0")
    channel.greet(Deadline(PATIENCE))
    for number in range(1, 6):
        argv = ("/bin/sh", "-c", f"read line; echo {number} $line; exit {number}")
        payload = b"".join(field(tag.EXEC_ARGV, word.encode()) for word in argv) + field(tag.EXEC_STDIN, NUMBER.encode(1))
        channel.send(Frame(tag.FRAME_EXEC, number, payload))
    outputs: dict[int, bytes] = {}
    codes: dict[int, int] = {}
    while len(codes) < 5:
        frame = channel.receive(Deadline(PATIENCE))
        assert frame is not None
        if frame.type == tag.FRAME_CREDIT:
            assert NUMBER.decode(frame.payload) == tag.STDIN_CREDIT
            channel.send(Frame(tag.FRAME_STDIN, frame.id, b"line\n"))
        elif frame.type == tag.FRAME_STDOUT:
            outputs[frame.id] = outputs.get(frame.id, b"") + frame.payload
        elif frame.type == tag.FRAME_EXIT:
            codes[frame.id] = NUMBER.decode(dict(fields(frame.payload))[tag.EXIT_CODE])
    channel.close()
    assert outputs == {number: b"%d line\n" % number for number in range(1, 6)}
    assert codes == {number: number for number in range(1, 6)}


@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_ten_megabytes_through_a_command(pod: Pod, kind: str) -> None:
    data = os.urandom(10_000_000)
    result = pod.exec("app", "cat", stdin=data if kind == "bytes" else io.BytesIO(data))
    assert result.code == 0
    assert result.stdout == data


def test_more_than_a_reader_takes_waits_and_harms_nobody(pod: Pod) -> None:
    """A client that does not read stops its own command, not the pod."""
    channel = Channel(pod.ports[0].dup(), "port 0")
    channel.greet(Deadline(PATIENCE))
    channel.send(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"yes")))
    assert channel.receive(Deadline(PATIENCE)) is not None
    with pod.control(1) as control:
        assert control.exec("app", ["echo", "works"]).stdout == b"works\n"
        assert control.status().phase == "Running"
    channel.close()
    pod.control().close()
    assert pod.gone("root", "yes")


def test_input_that_nobody_reads_does_not_block(pod: Pod) -> None:
    assert pod.exec("app", "sleep", "0.1", stdin=bytes(1_000_000)).code == 0


def test_a_command_that_takes_too_long_is_killed(pod: Pod) -> None:
    with pod.control() as control:
        with pytest.raises(GuestTimeout, match="within 0"):
            control.exec("app", ["sleep", "7701"], timeout=0.2)
        assert control.exec("app", ["true"]).code == 0
    assert pod.gone("root", "sleep 7701")


def test_a_signal_reaches_the_command(pod: Pod) -> None:
    with pod.control() as control:
        script = "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.01; done"
        taken: list[bytes] = []

        def on_stdout(data: bytes) -> None:
            taken.append(data)
            if data == b"ready\n":
                control.signal(10)

        assert control.exec("app", ["/bin/sh", "-c", script], on_stdout=on_stdout, timeout=PATIENCE).code == 5
    assert b"".join(taken) == b"ready\ngot\n"


def test_a_new_client_ends_what_the_former_left(pod: Pod) -> None:
    channel = Channel(pod.ports[2].dup(), "port 2")
    channel.greet(Deadline(PATIENCE))
    channel.send(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"sleep") + field(tag.EXEC_ARGV, b"7702")))
    while "sleep 7702" not in pod.shell("root", "ps -o args"):
        time.sleep(0.01)
    channel.close()
    with pod.control(2) as control:
        assert control.exec("app", ["echo", "next"]).stdout == b"next\n"
        assert pod.gone("root", "sleep 7702")


def test_a_client_that_goes_away_ends_what_it_ran(pod: Pod) -> None:
    channel = Channel(pod.ports[7], "port 7")
    channel.greet(Deadline(PATIENCE))
    channel.send(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"sleep") + field(tag.EXEC_ARGV, b"7703")))
    while "sleep 7703" not in pod.shell("root", "ps -o args"):
        time.sleep(0.01)
    channel.close()
    assert pod.gone("root", "sleep 7703")
    assert pod.exec("app", "true").code == 0


def test_no_descriptor_of_pid_1_reaches_a_command(pod: Pod) -> None:
    assert pod.shell("app", "ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads
