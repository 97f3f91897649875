# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's log in several files: read as one while it is rotated, and what is kept of what goes."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log, _log_files, _log_program, _log_rotation, _manifest_annotations
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._log_limits import LEAST, Limits, parse
from ansible_collections.hyper.pods.plugins.module_utils._log_watch import Watch
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

from hyperstart._follow import LogFollower
from tests.support.guests import wait_for

KIB = 1 << 10
SMALL = {"hyper.pods/log-max-size": "64Ki", "hyper.pods/log-max-files": "3"}


def line(second: float, rest: str) -> bytes:
    return f"2026-11-22T17:{int(second) // 60 % 60:02d}:{int(second) % 60:02d}.{int(second % 1 * 10**9):09d}Z {rest}\n".encode()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path / "s", tmp_path / "r")
    host.pod_dir("web").mkdir(parents=True)
    (host.pod_dir("web") / "pod.json").write_text(json.dumps({"definition": {"metadata": {"annotations": SMALL}}}))
    (host.pod_dir("web") / "log").touch()
    return host


def append(host: Host, data: bytes) -> None:
    with (host.pod_dir("web") / "log").open("ab") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [({}, Limits(10 << 20, 5)), (SMALL, Limits(64 * KIB, 3)), ({"hyper.pods/log-max-size": "1G"}, Limits(10**9, 5))],
)
def test_limits(annotations: dict[str, str], wanted: Limits) -> None:
    assert parse(annotations) == wanted


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({"hyper.pods/log-max-size": "1"}, "'1' is less than 64Ki"),
        ({"hyper.pods/log-max-size": "much"}, "'much' is not a quantity such as 2, 500m, 256Mi or 1Gi"),
        ({"hyper.pods/log-max-files": "1"}, "'1' is not a number from 2 to 100"),
        ({"hyper.pods/log-max-files": "-3"}, "'-3' is not a number from 2 to 100"),
        ({"hyper.pods/log-max-files": "9" * 5000}, f"'{'9' * 5000}' is not a number from 2 to 100"),
    ],
)
def test_limits_that_cannot_be(annotations: dict[str, str], wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wanted)):
        parse(annotations)
    with pytest.raises(InvalidManifest, match=re.escape(wanted)) as caught:
        _manifest_annotations.check_log({**SMALL, **annotations}, "metadata.annotations")
    assert caught.value.where == f"metadata.annotations[{next(iter(annotations))}]"


@pytest.mark.parametrize(
    ("sizes", "limits", "wanted"),
    [
        ([10], Limits(10, 5), 0),
        ([10, 10, 10], Limits(10, 5), 0),
        ([10, 10, 10, 10, 10], Limits(10, 5), 1),
        ([10, 10, 10, 10, 10, 10, 10], Limits(10, 5), 3),
        ([10, 10], Limits(10, 2), 1),
        # One that grew while nobody looked takes the room of others, and stays itself.
        ([30, 10, 10, 10], Limits(10, 5), 1),
        ([1000, 10, 10], Limits(10, 5), 2),
        ([1000], Limits(10, 2), 0),
    ],
)
def test_how_many_files_go(sizes: list[int], limits: Limits, wanted: int) -> None:
    assert _log_rotation.dropped(sizes, limits) == wanted


def test_the_log_is_one_while_it_is_rotated(host: Host) -> None:
    """Whoever reads, from wherever, reads the same as if it had stayed one file; the files have their number and size."""
    directory, path, written, chance = host.pod_dir("web"), host.pod_dir("web") / "log", b"", random.Random(1)
    seen: list[_log.Line] = []
    read = b""
    with LogFollower(path, seen.append), _log_files.opened(path) as early:
        for number in range(8_000):
            # Parts of lines, as a guest hands them over.
            text = line(number / 100, f"stdout F app {number} {'x' * chance.randrange(30)}")
            cut = chance.randrange(len(text))
            for part in (text[:cut], text[cut:]):
                append(host, part)
                if chance.random() < 0.001:
                    # Who lags behind by more than all files loses what was in them.
                    wait_for(lambda seen=seen, number=number: len(seen) >= number, "the follower")
                    read += early.read()
                    _log_rotation.rotate_ended(host, "web")
            written += text
        assert read + early.read() == written
    assert [int(each.message.split()[0]) for each in seen] == list(range(8_000))
    with _log_files.opened(path) as file:
        rest = file.read()
        body = rest.removeprefix(b"rest of ")
        assert written.endswith(body)
        assert len(body) < len(rest) or written[-len(body) - 1 : -len(body)] == b"\n"
        # What was only half kept is not told.
        kept = list(_log.read(path))
        assert [each.message for each in kept] == [each.message for each in seen[-len(kept) :]]
        assert [each.message for each in _log.read(path, tail=3000)] == [each.message for each in seen[-3000:]]
        for _ in range(100):
            offset, size = chance.randrange(len(rest)), chance.randrange(100_000)
            file.seek(offset)
            assert file.read(size) == rest[offset : offset + size]
    assert sorted(file.name for file in directory.iterdir() if file.name.startswith("log")) == ["log", "log.1", "log.2", "log.events"]
    assert sum(file.stat().st_size for file in directory.glob("log*")) < 4 * 64 * KIB + 20_000


@pytest.mark.parametrize("seed", range(20))
def test_what_became_of_containers_is_known_when_its_lines_went(host: Host, seed: int) -> None:
    chance = random.Random(seed)
    path = host.pod_dir("web") / "log"
    whole = host.pod_dir("web") / "whole"
    events = []
    for life in range(3):
        events += ["- start", f"- boot version={life}"]
        for restarts in range(chance.randrange(1, 30)):
            name = chance.choice(["app", "side"])
            events += [f"{name} created", f"{name} started pid={chance.randrange(9)} restarts={restarts}"]
            events += [f"{name} {word} started=1 message=m{chance.randrange(9)}" for word in chance.choices(["ready", "unready"], k=chance.randrange(4))]
            events += [f"{name} exited code={chance.randrange(3)} signal=0 reason=Error said=w{restarts}"] if chance.random() < 0.7 else []
        events += ["- running"] if chance.random() < 0.8 else []
    with whole.open("wb") as file:
        for number, event in enumerate(events):
            text = line(number / 10, f"event F {event}") + line(number / 10, "stdout F app " + "x" * 10_000)
            file.write(text)
            append(host, text)
            _log_rotation.rotate_ended(host, "web")
    assert not (len(events) > 200 and b"boot" in path.read_bytes())
    ours, theirs = _log.last_life(path), _log.last_life(whole)
    assert ours == theirs
    assert ours is not None
    assert ours.version == "2"


def test_a_container_cannot_forge_a_line_where_a_file_was_cut(host: Host) -> None:
    forged = line(1, "event F - poweroff phase=Succeeded")
    limits = Limits(64 * KIB, 3)
    append(host, line(0, "event F - boot version=1") + b"y" * limits.size + b"\n" + line(1, "stdout F app ")[:-1])
    _log_rotation.rotate_ended(host, "web")
    # The rest of the line, which is the container's own; then as much as makes the file before it go.
    for rest in (forged, b"", b""):
        append(host, rest + line(2, "stdout F app " + "x" * limits.size))
        _log_rotation.rotate_ended(host, "web")
    directory = host.pod_dir("web")
    assert sorted(file.name for file in directory.glob("log*")) == ["log", "log.1", "log.2", "log.events"]
    append(host, line(3, "event F app started pid=1"))
    life = _log.last_life(directory / "log")
    assert life is not None
    assert (life.version, life.ended, [container.name for container in life.containers]) == ("1", False, ["app"])


@pytest.mark.parametrize("missing", [".log", "log.1", "log.2"])
def test_a_rotation_that_was_cut_off_is_brought_to_its_end(host: Host, missing: str) -> None:
    directory, path = host.pod_dir("web"), host.pod_dir("web") / "log"
    lines = [line(number / 10, f"stdout F app {number:>100}") for number in range(1000)]
    (directory / "log.3").write_bytes(b"".join(lines[:300])) if missing == "log.2" else (directory / "log.2").write_bytes(b"".join(lines[:300]))
    path.write_bytes(b"".join(lines[300:]))
    if missing == ".log":
        # The newest has its next name already, and no successor yet.
        os.link(path, directory / "log.1")
    assert len(list(_log.read(path))) == 1000
    _log_rotation.rotate_ended(host, "web")
    append(host, line(100, "stdout F app last"))
    assert [each.message.split()[-1] for each in _log.read(path)] == [b"%d" % number for number in range(1000)] + [b"last"]
    assert path.stat().st_size < LEAST


def test_a_new_life_begins_at_a_line_of_its_own(host: Host) -> None:
    path = host.pod_dir("web") / "log"
    append(host, line(0, "event F - boot version=1") + b"x" * (64 * KIB) + b"\n" + line(1, "stdout F app half a")[:-5])
    _log_rotation.rotate_ended(host, "web")
    assert path.stat().st_size == 0
    _log.mark_start(path)
    append(host, line(60, "event F - boot version=2"))
    life = _log.last_life(path)
    assert life is not None
    assert life.version == "2"


def test_who_waits_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1")
    reading, writing = os.pipe()
    with Watch(path, (reading,)) as watch:
        # What was written before it looked has to be read first.
        assert watch.wait()
        for change in (lambda: path.write_bytes(b"2"), lambda: os.link(path, tmp_path / "log.1"), lambda: (tmp_path / "new").rename(path)):
            (tmp_path / "new").touch()
            timer = threading.Timer(0.05, change)
            timer.start()
            assert watch.wait()
            timer.join()
        os.close(writing)
        while watch.wait():
            pass
    os.close(reading)


def test_the_program_that_a_host_keeps(host: Host) -> None:
    """It runs by itself, with nothing but Python, and looks at all pods. What does not run is left to who starts it."""
    _log_program.provide(host)
    append(host, b"x" * LEAST)
    done = subprocess.run(_log_program.command(host), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert not (host.pod_dir("web") / "log.1").exists()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as sleeper:
        loop = subprocess.Popen(_log_program.loop(host, sleeper.pid))
        assert sleeper.stdin is not None
        sleeper.stdin.close()
    assert loop.wait(60) == 0
