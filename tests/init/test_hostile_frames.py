# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged and senseless frames are passed over, whatever they are; the next client is answered. Under ASan and UBSan."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._channel import Channel, Deadline
from ansible_collections.hyper.pods.plugins.module_utils._fields import NUMBER, field
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.init import FAILED, PATIENCE, Init, Pod


@pytest.fixture(scope="module")
def pod(sanitized: Init) -> Iterator[Pod]:
    with sanitized.pod(sanitized.sleeper("app"), ports=2) as pod:
        pod.until_running()
        yield pod
        assert pod.exec("app", "echo", "still here").stdout == b"still here\n"
        pod.stop()
        assert pod.life().ended


def stands(pod: Pod, rubbish: bytes) -> None:
    """After rubbish a new client is answered, at the latest behind the zeros of a second greeting."""
    pod.ports[1].settimeout(PATIENCE)
    pod.ports[1].sendall(rubbish)
    with pod.control(1, resync_after=0.05) as control:
        assert control.status().phase == "Running"


# The same in every worker of pytest-xdist.
CHANCE = random.Random(1)
GOOD = encode(Frame(tag.FRAME_STATUS, 1))


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\0" * 100_000,
        b"H" * 100_000,
        b"HP" * 50_000,
        CHANCE.randbytes(1_000_000),
        GOOD[:-1] + b"\0",
        GOOD[:10],
        encode(Frame(tag.FRAME_STDIN, 1, bytes(65536)))[:30_000],
        b"HP\x04\0\1\0\0\0\1\0\1\0" + bytes(4) + bytes(65537),
        b"HP\x04\0\1\0\0\0\xff\xff\xff\xff" + bytes(4),
        b"HP\x04\0\1\0\0\0\0\0\1\0" + bytes(4) + bytes(65536),
        b"".join(encode(Frame(number, 7, CHANCE.randbytes(50))) for number in range(256)),
        b"".join(encode(Frame(number, 7)) for number in range(256) if number != tag.FRAME_STOP),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b""))),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"a\0b"))),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"x" * 65530))),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"") * 10_000)),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"true") + field(tag.EXEC_STDIN, b"\1"))),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"true") + b"\1\0\xff\xff\xff\xff")),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"true") + field(tag.EXEC_ENV, b"no equals sign"))),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"true") + field(tag.EXEC_WORKDIR, b"relative"))),
        encode(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"true"))) * 100,
        b"".join(encode(Frame(tag.FRAME_EXEC, number, field(tag.EXEC_ARGV, b"sleep") + field(tag.EXEC_ARGV, b"9"))) for number in range(100)),
        encode(Frame(tag.FRAME_STDIN, 9, b"nobody's")),
        encode(Frame(tag.FRAME_SIGNAL, 9, field(tag.SIGNAL_NUMBER, NUMBER.encode(9)))),
        encode(Frame(tag.FRAME_SIGNAL, 9, field(tag.SIGNAL_NUMBER, NUMBER.encode(2**64 - 1)))),
        encode(Frame(tag.FRAME_STOP, 9, field(tag.STOP_GRACE_PERIOD, NUMBER.encode(2**64 - 2)))),
        encode(Frame(tag.FRAME_STOP, 9, field(tag.STOP_GRACE_PERIOD, b"\1"))),
        GOOD * 5000,
        encode(Frame(tag.FRAME_WATCH, 1)) * 100,
    ],
)
def test_any_frame_is_survived(pod: Pod, rubbish: bytes) -> None:
    stands(pod, rubbish)


def test_more_input_than_credit_is_survived(pod: Pod) -> None:
    payload = field(tag.EXEC_ARGV, b"sleep") + field(tag.EXEC_ARGV, b"100") + field(tag.EXEC_STDIN, NUMBER.encode(1))
    channel = Channel(pod.ports[1].dup(), "port 1")
    channel.greet(Deadline(PATIENCE))
    channel.send(Frame(tag.FRAME_EXEC, 1, payload))
    for _ in range(20):
        channel.send(Frame(tag.FRAME_STDIN, 1, bytes(65536)))
    answers = []
    while not answers or answers[-1].type != tag.FRAME_ERROR:
        frame = channel.receive(Deadline(PATIENCE))
        assert frame is not None
        answers.append(frame)
    channel.close()
    stands(pod, b"")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.builds(
                lambda kind, number, payload: encode(Frame(kind, number, payload)),
                st.integers(0, 14).filter(lambda kind: kind != tag.FRAME_STOP),
                st.integers(0, 3),
                st.binary(max_size=60),
            ),
            st.builds(
                lambda number, pairs: encode(Frame(tag.FRAME_EXEC, number, b"".join(field(*pair) for pair in pairs))),
                st.integers(0, 3),
                st.lists(st.tuples(st.integers(0, 7), st.sampled_from([b"app", b"true", b"cat", b"A=b", b"/", bytes(8), NUMBER.encode(1)])), max_size=6),
            ),
        ),
        max_size=12,
    ),
    cut=st.integers(0, 40),
)
def test_any_run_of_frames_is_survived(pod: Pod, pieces: list[bytes], cut: int) -> None:
    data = b"".join(pieces)
    stands(pod, data[: len(data) - cut] if cut < len(data) else data)


def test_a_large_life_under_the_sanitizers(sanitized: Init) -> None:
    """The usual things once more where every wrong access is told: many containers, execs, restarts, output, stop."""
    containers = [sanitized.sh(f"c{number}", f"head -c 50000 /dev/urandom; echo; echo $(seq 1 {number * 100}) >&2; exit {number % 2}") for number in range(10)]
    again = sanitized.sh("again", "exit 1", restart_policy="Always")
    terminal = sanitized.sh("terminal", "tty; sleep 1000", tty=True)
    with sanitized.pod(sanitized.sleeper("app"), *containers, again, terminal, ports=4) as pod:
        pod.until(lambda status: sum(container.state == "terminated" for container in status.containers) == 10)
        data = os.urandom(300_000)
        with ThreadPoolExecutor(4) as pool:

            def run(port: int) -> bytes:
                with pod.control(port) as control:
                    return control.exec("app", ["cat"], stdin=data).stdout

            assert list(pool.map(run, range(4))) == [data] * 4
        assert pod.stop(0) == FAILED
        assert pod.life().ended
        assert len(pod.life().containers) == 13
        assert sum(line.stream != "event" for line in _log.read(pod.log)) > 100
