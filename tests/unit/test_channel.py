# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports taken and let go, sockets that are not there, and the greeting that finds its way through what others left behind."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._channel import PORTS, Channel, Deadline
from ansible_collections.hyper.pods.plugins.module_utils._control import (
    AllPortsBusy,
    Control,
    GuestTimeout,
    GuestUnreachable,
    Status,
)
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame, encode
from ansible_collections.hyper.pods.plugins.module_utils._status import STATUS

from tests.support.peer import PATIENCE, Peer, serving, until_closed


def test_clients_take_the_first_free_port_and_let_it_go(run_dir: Path) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        until_closed(peer)

    first, second = serving(run_dir, script, port=0), serving(run_dir, script, port=1)
    with first, Control.connect(run_dir, PATIENCE), second, Control.connect(run_dir, PATIENCE):
        assert sorted(path.name for path in run_dir.glob("*.lock")) == ["control.0.lock", "control.1.lock"]
    (run_dir / "control.0").unlink()
    with serving(run_dir, script, port=0), Control.connect(run_dir, PATIENCE):
        pass


def test_all_ports_busy(run_dir: Path) -> None:
    scripts = [serving(run_dir, lambda peer: (peer.greet(), until_closed(peer)), port=port) for port in range(PORTS)]
    clients = []
    for script in scripts:
        script.__enter__()
        clients.append(Control.connect(run_dir, PATIENCE))
    with pytest.raises(AllPortsBusy, match="all 8 control ports"):
        Control.connect(run_dir, 0.05)
    for client, script in zip(clients, scripts, strict=True):
        client.close()
        client.close()
        script.__exit__(None, None, None)


def test_a_pod_without_a_run_directory_is_unreachable(run_dir: Path) -> None:
    with pytest.raises(GuestUnreachable, match="not running"):
        Control.connect(run_dir / "nosuch", PATIENCE)


def test_a_guest_that_has_ended_is_not_waited_for(run_dir: Path) -> None:
    started = time.monotonic()
    with pytest.raises(GuestUnreachable, match="has ended"):
        Control.connect(run_dir, PATIENCE, alive=lambda: False)
    assert time.monotonic() - started < PATIENCE / 2


@pytest.mark.parametrize("bound", [False, True], ids=["absent", "refusing"])
def test_a_socket_that_nobody_serves(run_dir: Path, bound: bool) -> None:
    if bound:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(run_dir / "control.0"))
    with pytest.raises(GuestUnreachable, match="nobody serves"):
        Control.connect(run_dir, 0.05)


def test_a_socket_that_comes_late_is_waited_for(run_dir: Path) -> None:
    asked = threading.Event()

    def alive() -> bool:
        asked.set()
        return True

    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(Control.connect, run_dir, PATIENCE, alive=alive)
        assert asked.wait(PATIENCE)
        with serving(run_dir, Peer.greet):
            client.result(PATIENCE).close()


def test_a_guest_that_does_not_answer_and_the_port_afterwards(run_dir: Path) -> None:
    with serving(run_dir, lambda peer: (peer.expect(tag.FRAME_HELLO), until_closed(peer))), pytest.raises(GuestTimeout):
        Control.connect(run_dir, 0.05)
    (run_dir / "control.0").unlink()
    with serving(run_dir, Peer.greet):
        Control.connect(run_dir, PATIENCE).close()


def test_a_guest_that_ends_while_it_is_greeted(run_dir: Path) -> None:
    with serving(run_dir, lambda peer: peer.expect(tag.FRAME_HELLO)), pytest.raises(GuestUnreachable, match="has ended"):
        Control.connect(run_dir, PATIENCE)


@pytest.mark.parametrize(
    "left_over",
    [
        encode(Frame(tag.FRAME_STDOUT, 1, b"of a former client")),
        encode(Frame(tag.FRAME_STDOUT, 1, b"the end of a frame"))[10:],
        encode(Frame(tag.FRAME_STDOUT, 1, bytes(65536)))[:16],
        encode(Frame(tag.FRAME_HELLO, 0, bytes(16))),
    ],
    ids=["frame", "end", "header made up by a container", "another greeting"],
)
def test_what_a_former_client_left_is_dropped(run_dir: Path, left_over: bytes) -> None:
    def script(peer: Peer) -> None:
        hello = peer.expect(tag.FRAME_HELLO)
        data = left_over + encode(hello)
        for start in range(0, len(data), 7):
            peer.connection.sendall(data[start : start + 7])
        request = peer.expect(tag.FRAME_STATUS)
        peer.send(Frame(tag.FRAME_STATUS, request.id, STATUS.encode(Status("Running"))))

    with serving(run_dir, script), Control.connect(run_dir, PATIENCE) as client:
        assert client.status() == Status("Running")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    host, guest = socket.socketpair()
    with host, guest:
        yield host, guest


@pytest.mark.parametrize(("time", "resync_after"), [(PATIENCE, 0.02), (1.0, PATIENCE)], ids=["patient", "in a hurry"])
def test_a_greeting_lost_in_a_half_frame_is_repeated_behind_zeros(ends: tuple[socket.socket, socket.socket], time: float, resync_after: float) -> None:
    peer = Peer(ends[1])
    # A former client went away after the first bytes of the longest frame there is.
    assert list(peer.decoder.feed(encode(Frame(tag.FRAME_STDIN, 1, b"x" * 65536))[:20])) == []
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(peer.greet)
        Channel(ends[0], "test").greet(Deadline(time), resync_after=resync_after)
        served.result(PATIENCE)


def test_a_guest_that_does_not_read_yet_is_not_flooded(ends: tuple[socket.socket, socket.socket]) -> None:
    channel = Channel(ends[0], "test")
    with pytest.raises(GuestTimeout):
        channel.greet(Deadline(0.3), resync_after=0.001)
    # What waits beyond the socket's own buffer is at most one repetition.
    assert channel.backlog <= tag.FRAME_MAX_PAYLOAD + tag.FRAME_HEADER_SIZE + tag.HELLO_SIZE


def test_a_guest_that_comes_up_late_answers_every_greeting_and_then_requests(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(ends[1])

    def boot_late() -> list[int]:
        # Nothing is read until the greeting has been repeated.
        while len(ends[1].recv(1 << 20, socket.MSG_PEEK)) <= 65536:
            time.sleep(0.001)
        types = []
        while True:
            frame = peer.receive()
            types.append(frame.type)
            if frame.type == tag.FRAME_STOP:
                peer.send(Frame(tag.FRAME_OK, frame.id))
                return types
            peer.send(frame)

    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(boot_late)
        channel = Channel(ends[0], "test")
        channel.greet(Deadline(PATIENCE), resync_after=0.02)
        Control(channel, "test").stop()
        types = served.result(PATIENCE)
    assert types[-1] == tag.FRAME_STOP
    assert types[:-1] == [tag.FRAME_HELLO] * (len(types) - 1)
    assert len(types) >= 3
