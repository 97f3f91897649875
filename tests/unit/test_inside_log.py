# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a pod's log a direct road gives, and how it reads."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._inside_log import Wanted
from ansible_collections.hyper.pods.plugins.module_utils._log import Line

from hyperstart import _cli_logs, _road

NAMES = ("first", "app", "side")


def line(second: int, rest: str) -> bytes:
    return f"2026-11-22T17:05:{second:02d}.500000000Z {rest}\n".encode()


LOG = b"".join(
    (
        line(0, "event F - boot version=1"),
        line(1, "event F app created pid=2 restarts=0"),
        line(2, "stdout F app one"),
        line(2, "event F side created pid=3 restarts=0"),
        line(3, "stderr F side ONE"),
        line(4, "event F app exited code=1"),
        line(5, "event F app created pid=4 restarts=1"),
        line(6, "stdout P app two a"),
        line(6, "stdout F side TWO"),
        line(7, "stdout F app nd b"),
        line(8, "event F app created pid=5 restarts=2"),
        line(9, "stdout F app three\r"),
    )
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path / "s", tmp_path / "r")
    host.pod_dir("web").mkdir(parents=True)
    host.pod_run_dir("web").mkdir(parents=True)
    spec = {"containers": [{"name": "app"}, {"name": "side"}], "initContainers": [{"name": "first"}]}
    (host.pod_dir("web") / "pod.json").write_text(json.dumps({"definition": {"spec": spec}}))
    (host.pod_dir("web") / "log").write_bytes(LOG + b"2026-11-22T17:05:10.5")
    return host


@pytest.fixture(params=["here", "there"])
def road(host: Host, request: pytest.FixtureRequest) -> _road.Road:
    if request.param == "here":
        return _road.Here("here", host)
    return _road.There("there", host, _road._python({"ansible_python_interpreter": sys.executable}, "root", None))


def read(road: _road.Road, **wanted: Any) -> list[bytes]:
    return [each.message for each in _cli_logs._lines(road.log("web", Wanted(**wanted)).blocks)]


@pytest.mark.parametrize(
    ("wanted", "messages"),
    [
        ({}, [b"one", b"ONE", b"TWO", b"two and b", b"three\r"]),
        ({"container": "app"}, [b"one", b"two and b", b"three\r"]),
        ({"container": "first"}, []),
        ({"tail": 0}, []),
        ({"tail": 3}, [b"TWO", b"two and b", b"three\r"]),
        ({"tail": 99}, [b"one", b"ONE", b"TWO", b"two and b", b"three\r"]),
        ({"tail": 2, "container": "side"}, [b"ONE", b"TWO"]),
        ({"tail": 1, "container": "side"}, [b"TWO"]),
        ({"since": "2026-11-22T17:05:06.5"}, [b"TWO", b"two and b", b"three\r"]),
        ({"since": "2026-11-22T17:05:07.000000000Z", "container": "app"}, [b"nd b", b"three\r"]),
        ({"since": "2027"}, []),
        ({"previous": True}, [b"two and b"]),
        ({"previous": True, "container": "app"}, [b"two and b"]),
        ({"previous": True, "tail": 0}, []),
    ],
)
def test_which_lines(road: _road.Road, wanted: dict[str, Any], messages: list[bytes]) -> None:
    assert read(road, **wanted) == messages


@pytest.mark.parametrize(
    ("pod", "wanted", "message"),
    [
        ("nosuch", {}, "there is no pod nosuch"),
        ("web", {"container": "nosuch"}, "Its containers: first, app, side"),
        ("web", {"previous": True, "container": "side"}, "pod web, container side: has no previous run"),
    ],
)
def test_what_is_not_there(road: _road.Road, pod: str, wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(HyperError, match=message):
        road.log(pod, Wanted(**wanted))


def test_a_pod_that_has_never_run_wrote_nothing(road: _road.Road, host: Host) -> None:
    (host.pod_dir("web") / "log").unlink()
    assert read(road) == read(road, follow=True) == []


@pytest.mark.parametrize("size", [1, 50_000, 300_000])
def test_a_tail_is_found_across_blocks(road: _road.Road, host: Host, size: int) -> None:
    lines = [f"{number} ".encode() + b"x" * (size % 7919) for number in range(max(20, 150_000 // (size % 7919)))]
    (host.pod_dir("web") / "log").write_bytes(b"".join(line(1, "stdout F app ")[:-1] + each + b"\n" for each in lines))
    assert read(road, tail=15) == lines[-15:]
    assert read(road) == lines


def test_following_ends_with_the_guest_and_loses_nothing(road: _road.Road, host: Host) -> None:
    log, pid_file = host.pod_dir("web") / "log", host.pod_run_dir("web") / "pid"
    with subprocess.Popen(["sh", "-c", "read line", str(pid_file)], stdin=subprocess.PIPE) as process, log.open("ab", buffering=0) as writer:
        pid_file.write_text(str(process.pid))
        lines = _cli_logs._lines(road.log("web", Wanted(tail=1, follow=True)).blocks)
        assert next(lines).message == b"three\r"
        writer.write(line(11, "stdout F app x")[21:] + line(12, "stdout F app four")[:40])
        writer.write(line(12, "stdout F app four")[40:])
        assert next(lines).message == b"x"
        assert next(lines).message == b"four"
        writer.write(line(13, "stdout F side last"))
        process.kill()
        process.wait()
        assert [each.message for each in lines] == [b"last"]


def test_a_follower_that_goes_away_leaves_nothing(host: Host) -> None:
    pid_file = host.pod_run_dir("web") / "pid"
    road = _road.There("there", host, ["sh", "-c", 'echo $$ > "$0"; exec "$@"', str(host.state_dir / "helper"), *_road._python({}, "root", None)])
    with subprocess.Popen(["sh", "-c", "read line", str(pid_file)], stdin=subprocess.PIPE) as process:
        pid_file.write_text(str(process.pid))
        log = road.log("web", Wanted(follow=True))
        assert next(log.blocks)
        helper = os.pidfd_open(int((host.state_dir / "helper").read_text()))
        log.close()

        assert select.select([helper], [], [], 30)[0]
        os.close(helper)


TEXT = (Line("T1", "stdout", False, "app", b"a\xff"), Line("T2", "stderr", False, "side", b"b"))


@pytest.mark.parametrize(
    ("names", "options", "text"),
    [
        ((), {}, b"a\xff\nb\n"),
        ((), {"timestamps": True}, b"T1 a\xff\nT2 b\n"),
        (NAMES, {}, b"app   | a\xff\nside  | b\n"),
        (NAMES, {"colours": True}, b"\x1b[33mapp   |\x1b[0m a\xff\n\x1b[32mside  |\x1b[0m b\n"),
    ],
)
def test_lines_as_a_person_reads_them(names: tuple[str, ...], options: dict[str, bool], text: bytes) -> None:
    assert b"".join(_cli_logs.as_text(TEXT, names, **{"timestamps": False, "colours": False, **options})) == text


def test_lines_as_json() -> None:
    objects = [
        {"host": "h", "pod": "web", "container": "app", "time": "T1", "stream": "stdout", "message": "a\ufffd"},
        {"host": "h", "pod": "web", "container": "side", "time": "T2", "stream": "stderr", "message": "b"},
    ]
    assert json.loads(b"".join(_cli_logs.as_json(TEXT, "h", "web", stream=False))) == objects
    assert [json.loads(each) for each in _cli_logs.as_json(TEXT, "h", "web", stream=True)] == objects


@pytest.mark.parametrize(
    ("text", "time"), [("2026-11-22T17:05:00Z", "2026-11-22T17:05:00.000000000Z"), ("2026-11-22T18:05:00.5+01:00", "2026-11-22T17:05:00.500000000Z")]
)
def test_times_are_the_logs(text: str, time: str) -> None:
    assert _cli_logs.since(text) == time


def test_a_span_is_before_now() -> None:
    times: Iterator[str] = map(_cli_logs.since, ("2d", "3h", "10m", "5s", "0s"))
    assert (found := list(times)) == sorted(found)
