# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod's log: lines, tails, and what is known of a guest that is off."""

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log
from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._log import Event, Line, event, last_life, parse, read
from ansible_collections.hyper.pods.plugins.module_utils._status import ContainerStatus
from hypothesis import given
from hypothesis import strategies as st

T = "2026-11-22T17:05:0{}.500000000Z"
AT = 1795367100.5  # T with second 0


def line(second: int, stream: str, container: str, message: bytes | str, tag: str = "F") -> bytes:
    data = message.encode() if isinstance(message, str) else message
    return f"{T.format(second)} {stream} {tag} {container} ".encode() + data + b"\n"


def events(*lines: tuple[int, str, str]) -> bytes:
    return b"".join(line(second, "event", container, message) for second, container, message in lines)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"2026-11-22T17:05:09.669794202Z stdout F web GET / 200", Line("2026-11-22T17:05:09.669794202Z", "stdout", False, "web", b"GET / 200")),
        (b"2026-11-22T17:05:09.669794202Z stderr P web \n", Line("2026-11-22T17:05:09.669794202Z", "stderr", True, "web", b"")),
        (b"2026-11-22T17:05:09.669794202Z stdout F web a\rb\0\xff\n", Line("2026-11-22T17:05:09.669794202Z", "stdout", False, "web", b"a\rb\0\xff")),
        (b"2026-11-22T17:05:09.669794202Z event F - running", Line("2026-11-22T17:05:09.669794202Z", "event", False, "-", b"running")),
    ],
)
def test_lines(text: bytes, wanted: Line) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"2026-11-22T17:05:09Z stdout F web no nanoseconds",
        b"2026-11-22T17:05:09.669794202Z stdin F web x",
        b"2026-11-22T17:05:09.669794202Z stdout X web x",
        b"2026-11-22T17:05:09.669794202Z stdout F web",
    ],
)
def test_what_is_no_line(text: bytes) -> None:
    with pytest.raises(Malformed, match="not a line"):
        parse(text)


def test_a_line_knows_its_time_in_seconds() -> None:
    assert parse(line(0, "stdout", "web", "x")).timestamp == AT
    assert parse(b"2026-02-30T17:05:09.669794202Z stdout F web x").timestamp == 0.0


@pytest.mark.parametrize(
    ("message", "word", "values"),
    [
        ("running", "running", {}),
        ("started pid=7 restarts=0", "started", {"pid": "7", "restarts": "0"}),
        (
            'exited code=1 message="no such \\"file\\"\\nor \\\\ dir" reason=Error',
            "exited",
            {"code": "1", "message": 'no such "file"\nor \\ dir', "reason": "Error"},
        ),
        ('failed message=""', "failed", {"message": ""}),
        ("failed message=", "failed", {"message": ""}),
        ('failed message="too long to be end', "failed", {"message": "too long to be end"}),
        ('failed message="too long to be end\\', "failed", {"message": "too long to be end"}),
        ("", "", {}),
        ("odd = == =x", "odd", {}),
    ],
)
def test_events(message: str, word: str, values: dict[str, str]) -> None:
    assert event(parse(line(0, "event", "web", message))) == Event(word, "web", values, AT)


LOG = (
    line(0, "event", "-", "boot version=1")
    + line(1, "stdout", "web", "one")
    + b"rubbish\n\n"
    + line(2, "stderr", "app", "two")
    + line(3, "stdout", "web", "thr", tag="P")
    + line(3, "stdout", "web", "ee")
    + line(4, "event", "web", "exited code=0")
    + line(5, "stdout", "app", "\r")
    + line(6, "stdout", "web", "unfinished")[:-1]
)


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ({}, [b"one", b"two", b"thr", b"ee", b"\r"]),
        ({"container": "web"}, [b"one", b"thr", b"ee"]),
        ({"container": "nosuch"}, []),
        ({"tail": 0}, []),
        ({"tail": 1}, [b"\r"]),
        ({"tail": 2}, [b"thr", b"ee", b"\r"]),
        ({"tail": 3}, [b"two", b"thr", b"ee", b"\r"]),
        ({"tail": 100}, [b"one", b"two", b"thr", b"ee", b"\r"]),
        ({"tail": 1, "container": "web"}, [b"thr", b"ee"]),
        ({"tail": 2, "container": "web"}, [b"one", b"thr", b"ee"]),
        ({"tail": 2, "container": "web", "events": True}, [b"thr", b"ee", b"exited code=0"]),
        ({"container": "-", "events": True}, [b"boot version=1"]),
    ],
)
def test_read(tmp_path: Path, arguments: dict[str, object], messages: list[bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(LOG)
    assert [found.message for found in read(path, **arguments)] == messages


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert last_life(tmp_path / "log") is None
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "log"))


@given(lines=st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")), max_size=40), chunk=st.integers(1, 100), tail=st.integers(0, 50))
def test_a_tail_is_the_end_of_all_for_any_size_of_chunk(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], chunk: int, tail: int) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(b"".join(line(0, "stdout", "web", message) for message in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_log, "_CHUNK", chunk)
        assert [found.message for found in read(path, tail=tail)] == (lines[-tail:] if tail else [])


FIRST = events((0, "-", "boot version=0"), (0, "old", "started pid=9 restarts=0"), (0, "-", "poweroff phase=Failed"))
STARTED = events(
    (1, "-", "boot version=1"),
    (1, "web", "created"),
    (1, "web", "started pid=2 restarts=0"),
    (2, "app", "started pid=3 restarts=0"),
)
RUNNING = STARTED + events((2, "-", "running"))
WEB = ContainerStatus("web", "running", pid=2, started_at=AT + 1, ready=True, started=True, turned_at=AT + 1)
APP = ContainerStatus("app", "running", pid=3, started_at=AT + 2, ready=True, started=True, turned_at=AT + 2)


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        (b"", None),
        (line(0, "stdout", "web", "no boot"), None),
        (line(0, "event", "-", "boot version=1"), _log.Life("1", AT, "Pending")),
        (line(0, "event", "-", "boot version=1")[:-1], None),
        (b"half a line" + b"\n" + line(0, "event", "-", "boot version=1"), _log.Life("1", AT, "Pending")),
        (STARTED, _log.Life("1", AT + 1, "Pending", containers=(WEB, APP))),
        (RUNNING, _log.Life("1", AT + 1, "Running", containers=(WEB, APP))),
        (FIRST + RUNNING, _log.Life("1", AT + 1, "Running", containers=(WEB, APP))),
        (
            FIRST + RUNNING + line(3, "stdout", "web", b"x" * 30 + b" 2026-11-22T17:05:09.669794202Z event F - boot version=9"),
            _log.Life("1", AT + 1, "Running", containers=(WEB, APP)),
        ),
        (
            RUNNING + events((3, "app", "exited code=137 signal=9 reason=Error"), (4, "app", "started pid=4 restarts=1")),
            _log.Life(
                "1",
                AT + 1,
                "Running",
                containers=(
                    WEB,
                    replace(
                        APP,
                        pid=4,
                        exit_code=137,
                        signal=9,
                        restart_count=1,
                        started_at=AT + 4,
                        finished_at=AT + 3,
                        last_reason="Error",
                        last_started_at=AT + 2,
                        turned_at=AT + 4,
                    ),
                ),
            ),
        ),
        (
            RUNNING + events((3, "app", 'unready started=0 message=""'), (3, "web", 'unready started=1 message="probe failed"'), (4, "web", "ready started=1")),
            _log.Life("1", AT + 1, "Running", containers=(replace(WEB, turned_at=AT + 4), replace(APP, ready=False, started=False, turned_at=None))),
        ),
        (
            RUNNING + events((1, "web", "unready"), (2, "web", "ready started=1"), (3, "web", 'unready started=1 message="probe failed"')),
            _log.Life("1", AT + 1, "Running", containers=(replace(WEB, ready=False, message="probe failed", turned_at=AT + 3), APP)),
        ),
        (
            events((1, "-", "boot version=1"), (1, "-", 'failed message="no disk \\"hyper-plan\\""'), (1, "-", "poweroff phase=Failed")),
            _log.Life("1", AT + 1, "Failed", ended=True, failure='no disk "hyper-plan"'),
        ),
        (
            RUNNING + events((3, "-", 'stopping cause=evicted message="Container web holds \\"too much\\". "')),
            _log.Life("1", AT + 1, "Stopping", cause="evicted", containers=(WEB, APP), message='Container web holds "too much". '),
        ),
        (RUNNING + events((3, "-", "stopping cause=power-button")), _log.Life("1", AT + 1, "Stopping", cause="power-button", containers=(WEB, APP))),
        (
            RUNNING
            + events(
                (3, "app", "exited code=3 signal=0 reason=Error message=oops"),
                (4, "-", "stopping cause=control"),
                (5, "web", "exited code=143 signal=15 reason=Error"),
                (6, "web", "end code=143 signal=15 restarts=0 reason=Error"),
                (6, "app", "end code=3 signal=0 restarts=0 reason=Error"),
                (6, "-", "poweroff phase=Failed"),
            ),
            _log.Life(
                "1",
                AT + 1,
                "Failed",
                ended=True,
                cause="control",
                containers=(
                    ContainerStatus(
                        "web",
                        "terminated",
                        "Error",
                        exit_code=143,
                        signal=15,
                        started_at=AT + 1,
                        finished_at=AT + 5,
                        last_reason="Error",
                        last_started_at=AT + 1,
                        turned_at=AT + 5,
                    ),
                    ContainerStatus(
                        "app",
                        "terminated",
                        "Error",
                        "oops",
                        exit_code=3,
                        started_at=AT + 2,
                        finished_at=AT + 3,
                        last_reason="Error",
                        last_message="oops",
                        last_started_at=AT + 2,
                        turned_at=AT + 3,
                    ),
                ),
            ),
        ),
    ],
)
def test_last_life(tmp_path: Path, log: bytes, wanted: _log.Life | None) -> None:
    path = tmp_path / "log"
    for chunk in (7, 64, 1 << 18):
        path.write_bytes(log)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_log, "_CHUNK", chunk)
            assert last_life(path) == wanted


@given(st.binary(max_size=500))
def test_no_bytes_make_reading_fail(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(RUNNING + data)
    list(read(path))
    list(read(path, tail=3, events=True))
    assert last_life(path) is not None


def test_numbers_that_a_guest_made_up_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(RUNNING + events((3, "app", "exited code=² signal=-1 reason=Error")))
    life = last_life(path)
    assert life is not None
    ended = ContainerStatus("app", "terminated", "Error", started_at=AT + 2, finished_at=AT + 3, last_reason="Error", last_started_at=AT + 2, turned_at=AT + 3)
    assert life.containers[1] == ended


def test_a_line_without_end_costs_no_memory_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_log, "_CHUNK", 1 << 12)
    monkeypatch.setattr(_log, "_MAX_LINE", 1 << 14)
    path = tmp_path / "log"
    path.write_bytes(line(0, "stdout", "web", "before") + b"x" * (1 << 16) + b"\n" + line(1, "stdout", "web", "after"))
    assert [found.message for found in read(path, tail=5)] == [b"before", b"after"]
    path.write_bytes(RUNNING + b"x" * (1 << 16) + b"\n")
    life = last_life(path)
    assert life is not None
    assert life.phase == "Running"
