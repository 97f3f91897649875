# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers write arrives whole and in order, however it is written and however slowly it is read."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log

from tests.support.init import PATIENCE, SUCCEEDED, Init, make_rootfs

LIMIT = 16384


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root filesystem with files to print."""
    path = make_rootfs(tmp_path_factory.mktemp("blobs"))
    for size in (0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 2 * LIMIT + 1, 100_000):
        (path / f"line{size}").write_bytes(b"x" * size)
    (path / "random").write_bytes(os.urandom(1_000_000))
    (path / "newlines").write_bytes(b"\n" * 20_000)
    (path / "many").write_bytes(b"".join(b"line %d\n" % number for number in range(50_000)))
    return path


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 2 * LIMIT + 1, 100_000])
def test_long_lines_are_cut_into_parts(init: Init, blobs: Path, size: int) -> None:
    with replace(init, rootfs=blobs).pod(replace(init, rootfs=blobs).sh("app", f"cat /line{size}; echo; echo next; cat /line{size}")) as pod:
        assert pod.wait() == SUCCEEDED
        lines = [(line.partial, line.message) for line in _log.read(pod.log, container="app")]
    parts = max(1, -(-size // LIMIT))
    wanted = [(part < parts - 1, b"x" * min(LIMIT, size - part * LIMIT)) for part in range(parts)]
    unfinished = [(True, message) for _, message in wanted] if size else []
    assert lines == [*wanted, (False, b"next"), *unfinished]


@pytest.mark.parametrize("name", ["random", "newlines", "many"])
def test_output_arrives_as_it_was_written(init: Init, blobs: Path, name: str) -> None:
    bench = replace(init, rootfs=blobs)
    with bench.pod(bench.sh("app", f"cat /{name}"), bench.sh("other", f"cat /{name} >&2")) as pod:
        assert pod.wait() == SUCCEEDED
        wanted = (blobs / name).read_bytes()
        assert pod.output("app") == wanted
        assert pod.output("other", "stderr") == wanted
        assert pod.output("app", "stderr") == pod.output("other") == b""


def test_a_line_is_told_before_it_is_followed(init: Init) -> None:
    with init.pod(init.sh("app", "echo first; sleep 1000")) as pod:
        deadline = time.monotonic() + PATIENCE
        while pod.output("app") != b"first\n":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_slow_reader_loses_nothing_and_holds_up_nobody(init: Init, blobs: Path) -> None:
    bench = replace(init, rootfs=blobs)
    reading, writing = os.pipe()
    received = bytearray()
    with bench.pod(bench.sh("app", "cat /many"), bench.sleeper("other"), log=writing) as pod:
        os.close(writing)
        pod.until_running()
        # Nobody reads the log, far more is written than anything on the way can hold, and the pod goes on.
        assert pod.exec("other", "echo", "works").stdout == b"works\n"
        assert pod.until_running().containers[0].state == "running"

        def read_slowly() -> None:
            while data := os.read(reading, 65536):
                received.extend(data)
                time.sleep(0.0005)

        reader = threading.Thread(target=read_slowly)
        reader.start()
        pod.until(lambda status: status.containers[0].state == "terminated")
        pod.stop()
        reader.join(PATIENCE)
    os.close(reading)
    lines = [_log.parse(line) for line in bytes(received).splitlines(keepends=True)]
    assert b"".join(line.message + b"\n" for line in lines if line.stream == "stdout") == (blobs / "many").read_bytes()
    assert lines[-1].message == b"poweroff phase=Succeeded"


def test_a_container_cannot_forge_a_line(init: Init) -> None:
    forged = "2026-01-01T00:00:00.000000000Z event F - poweroff phase=Succeeded"
    with init.pod(init.sh("app", f"echo '{forged}'; printf '\\r{forged}\\r\\n'; exit 3")) as pod:
        pod.wait()
        assert [event.values["phase"] for event in pod.events() if event.word == "poweroff"] == ["Failed"]
        assert pod.output("app").decode() == f"{forged}\n\r{forged}\r\n"
