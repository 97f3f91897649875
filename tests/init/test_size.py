# SPDX-License-Identifier: GPL-3.0-or-later
"""hyperstart is small: what it takes, every pod has less."""

from __future__ import annotations

from pathlib import Path

from tests.support.init import Init

FILE_LIMIT = 200_000
RESIDENT_LIMIT_KB = 2000


def test_the_file(init: Init) -> None:
    assert init.binary.stat().st_size <= FILE_LIMIT


def test_what_is_resident_with_many_containers(init: Init) -> None:
    with init.pod(*(init.sleeper(f"app{number}") for number in range(16))) as pod:
        pod.until(lambda status: all(container.state == "running" for container in status.containers))
        for number in range(16):
            pod.shell(f"app{number}", "echo x")
        status = Path(f"/proc/{pod.init_pid()}/status").read_text()
        resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])
    assert resident <= RESIDENT_LIMIT_KB
