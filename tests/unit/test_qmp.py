# SPDX-License-Identifier: GPL-3.0-or-later
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp, QmpRefused, QmpUnreachable

GREETING = b'{"QMP": {"version": {}}}\r\n'
DONE = b'{"return": {}}\r\n'


@pytest.fixture
def serve(run_dir: Path) -> Iterator[Callable[[list[bytes]], Path]]:
    """Serve one client of a socket: send the first answer, then one more after each line that it sends; then close."""
    server = socket.socket(socket.AF_UNIX)
    heard: list[threading.Thread] = []

    def start(answers: list[bytes]) -> Path:
        path = run_dir / "qmp.sock"
        server.bind(str(path))
        server.listen()

        def talk() -> None:
            client, _ = server.accept()
            # The client may be gone by then.
            with contextlib.suppress(BrokenPipeError), client, client.makefile("rb") as lines:
                for index, answer in enumerate(answers):
                    if index:
                        assert "execute" in json.loads(lines.readline() or b'{"execute": ""}')
                    client.sendall(answer)

        heard.append(threading.Thread(target=talk, daemon=True))
        heard[0].start()
        return path

    yield start
    server.close()


def test_an_event_before_the_answer_is_kept(serve: Callable[[list[bytes]], Path]) -> None:
    path = serve([GREETING, DONE, b'{"event": "RESUME"}\n{"return": {"status": "running"}}\n{"event": "SHUT', b""])
    with Qmp.connect(path) as qmp:
        assert qmp.execute("query-status") == {"status": "running"}
        # The half event is not one: the server closes.
        assert [event["event"] for event in qmp.events(0.2)] == ["RESUME"]


def test_a_refusal_carries_its_words(serve: Callable[[list[bytes]], Path]) -> None:
    path = serve([GREETING, DONE, b'{"error": {"class": "GenericError", "desc": "no such device"}}\n'])
    with Qmp.connect(path) as qmp, pytest.raises(QmpRefused, match="device_del: no such device"):
        qmp.execute("device_del", id="x")


@pytest.mark.parametrize("answers", [[], [GREETING], [GREETING, DONE]])
def test_a_server_that_goes_away(serve: Callable[[list[bytes]], Path], answers: list[bytes]) -> None:
    path = serve(answers)
    with pytest.raises(QmpUnreachable), Qmp.connect(path, timeout=5) as qmp:
        qmp.execute("query-status")


def test_a_server_that_says_nothing(run_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(run_dir / "qmp.sock"))
        server.listen()
        with pytest.raises(QmpUnreachable, match="timed out"), Qmp.connect(run_dir / "qmp.sock", timeout=0.1):
            pass


def test_nobody_serves(run_dir: Path) -> None:
    with pytest.raises(QmpUnreachable, match="No such file"), Qmp.connect(run_dir / "qmp.sock"):
        pass
