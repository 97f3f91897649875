# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's side of a control port, played in this process over real UNIX sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._control import (
    Control,
)
from ansible_collections.hyper.pods.plugins.module_utils._fields import NUMBER, field
from ansible_collections.hyper.pods.plugins.module_utils._frames import Decoder, Frame, encode

PATIENCE = 10.0


class Peer:
    """The guest's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self.connection = connection
        self.decoder = Decoder()
        self.frames: list[Frame] = []

    def receive(self) -> Frame:
        while not self.frames:
            data = self.connection.recv(1 << 16)
            if not data:
                raise EOFError
            self.frames.extend(self.decoder.feed(data))
        return self.frames.pop(0)

    def expect(self, type_: int) -> Frame:
        frame = self.receive()
        assert frame.type == type_
        return frame

    def send(self, *frames: Frame) -> None:
        self.connection.sendall(b"".join(map(encode, frames)))

    def greet(self) -> None:
        self.send(self.expect(tag.FRAME_HELLO))


Script = Callable[[Peer], object]


@contextmanager
def serving(run_dir: Path, script: Script, *, port: int = 0) -> Iterator[None]:
    """Serve one client of a port in a thread; what fails there fails here."""
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(PATIENCE)
        listener.bind(os.fspath(run_dir / f"control.{port}"))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                script(Peer(connection))

        served = pool.submit(serve)
        yield
        served.result(PATIENCE)


@contextmanager
def control(run_dir: Path, script: Script) -> Iterator[Control]:
    """A client whose peer has answered its greeting and goes on with ``script``."""

    def greet_and(peer: Peer) -> None:
        peer.greet()
        script(peer)

    with serving(run_dir, greet_and), Control.connect(run_dir, PATIENCE) as client:
        yield client


def until_closed(peer: Peer) -> None:
    """Wait for the client's end; what it still says is not heard."""
    while peer.connection.recv(1 << 16):
        pass


def end(request: Frame, code: int, *more: bytes) -> Frame:
    return Frame(tag.FRAME_EXIT, request.id, field(tag.EXIT_CODE, NUMBER.encode(code)) + b"".join(more))


def credit(request: Frame, size: int) -> Frame:
    return Frame(tag.FRAME_CREDIT, request.id, NUMBER.encode(size))
