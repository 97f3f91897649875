# SPDX-License-Identifier: GPL-3.0-or-later
"""The control ports and the log across QEMU: what sockets and namespaces cannot show."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._channel import Channel, Deadline
from ansible_collections.hyper.pods.plugins.module_utils._control import AllPortsBusy, Control
from ansible_collections.hyper.pods.plugins.module_utils._fields import field
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame, encode

from tests.support.guests import wait_for
from tests.support.pods import PodHost, manifest, sh

pytestmark = pytest.mark.guest
PATIENCE = 60.0


@pytest.fixture(scope="module")
def pod(pods: PodHost) -> Iterator[PodHost]:
    """One pod with a container that stays and one that has written much."""
    talks = sh("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done; head -c 200000 /dev/zero | tr '\\0' x; echo; sleep 1000")
    pods.pod(manifest("ports", {"name": "stays"}, {"name": "talks", "command": talks}))
    yield pods
    pods.pod("ports", state="absent", grace_period=0)


def client(pod: PodHost, timeout: float = PATIENCE) -> Control:
    return Control.connect(pod.host.pod_run_dir("ports"), timeout)


def processes(pod: PodHost) -> str:
    return pod.shell("ports", "stays", "ps -o args")


def test_eight_clients_side_by_side_and_no_ninth(pod: PodHost) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(client(pod)) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda number: clients[number].exec("stays", ["sh", "-c", f"echo {number}; exit {number}"]), range(8))
        assert [(answer.code, answer.stdout) for answer in answers] == [(number, b"%d\n" % number) for number in range(8)]
        with pytest.raises(AllPortsBusy):
            client(pod, 0.2)
    client(pod).close()


def test_megabytes_through_a_command_arrive_whole(pod: PodHost) -> None:
    data = os.urandom(5_000_000)
    with client(pod) as control:
        result = control.exec("stays", ["cat"], stdin=data, timeout=PATIENCE)
    assert (result.code, result.stdout == data) == (0, True)


def test_a_client_that_goes_away_ends_what_it_ran(pod: PodHost) -> None:
    def interrupt(_: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), client(pod) as control:
        control.exec("stays", ["sh", "-c", "echo ready; exec sleep 7771"], on_stdout=interrupt)
    wait_for(lambda: "sleep 7771" not in processes(pod), "the command to end")


@pytest.mark.parametrize(
    "half",
    [
        encode(Frame(tag.FRAME_STDIN, 1, bytes(65536)))[:17],
        encode(Frame(tag.FRAME_STDIN, 1, bytes(65536)))[:40000],
        encode(Frame(tag.FRAME_STATUS, 1))[:3],
    ],
    ids=["header", "half", "half a header"],
)
def test_a_client_that_goes_away_in_a_frame_harms_nobody(pod: PodHost, half: bytes) -> None:
    path = pod.host.pod_run_dir("ports") / "control.0"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.fspath(path))
        channel = Channel(connection, "rude")
        channel.greet(Deadline(PATIENCE))
        connection.setblocking(True)
        connection.sendall(half)
    # QEMU told of the end in time, or the greeting is said again: also by clients that have little time.
    for _ in range(3):
        with client(pod, 4.0) as control:
            assert control.status().phase == "Running"


def test_a_client_that_does_not_read_harms_nobody(pod: PodHost) -> None:
    path = pod.host.pod_run_dir("ports") / "control.7"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.fspath(path))
        channel = Channel(connection, "deaf")
        channel.greet(Deadline(PATIENCE))
        channel.send(Frame(tag.FRAME_EXEC, 1, field(tag.EXEC_ARGV, b"yes")))
        assert channel.receive(Deadline(PATIENCE)) is not None
        assert pod.shell("ports", "stays", "echo works") == "works"
    wait_for(lambda: "\nyes" not in processes(pod), "the command to end")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.fspath(path))
        Channel(connection, "next").greet(Deadline(PATIENCE))


def test_the_log_has_every_line(pod: PodHost) -> None:
    path = pod.host.pod_dir("ports") / "log"

    def written() -> list[_log.Line]:
        return list(_log.read(path, container="talks"))

    wait_for(lambda: len(written()) >= 20000 + 13, "all output to arrive", timeout=PATIENCE)
    lines = written()
    assert [line.message for line in lines[:20000]] == [b"line %d" % number for number in range(20000)]
    assert b"".join(line.message for line in lines[20000:]) == b"x" * 200_000
    assert [line.partial for line in lines[20000:]] == [True] * 12 + [False]
    assert next(_log.read(path, container="talks", tail=2)).message == b"line 19999"
