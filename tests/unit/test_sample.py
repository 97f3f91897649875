# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's texts mean, whatever a guest makes of them."""

from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._sample import SAMPLE, File, Process, RawProcess, Sample, Usage, cpu_percent, processes, usage

STAT = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 3 0 1000 4096 25 18446744073709551615"
DISKS = "   7 0 loop0 9 9 9 9 9 9 9 9\n 254 0 vda 10 0 100 1 20 0 200 2 0 0 0\n 254 16 vdb 1 0 2 0 0 0 0 0 0 0 0\n"
NET = """Inter-|   Receive                     |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:  999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0
  eth0: 1234 5 0 0 0 0 0 0 4321 6 0 0 0 0 0 0
"""
FILES = (
    File("uptime", "30.50 29.00\n"),
    File("meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   400 kB\n"),
    File("diskstats", DISKS),
    File("net/dev", NET),
    File("cpu.stat", "usage_usec 2500000\nuser_usec 1\n", "web"),
    File("memory.current", "4096\n", "db"),
)
WEB = RawProcess(42, "web", 1000, STAT, b"nginx\0-g\0daemon off;\0")


def test_a_process() -> None:
    assert processes(Sample(FILES, (WEB,))) == (Process("web", 42, 7, 1000, "S", 3, 2.0, 25 * 4096, 20.5, "nginx -g daemon off;"),)
    assert processes(Sample((), (RawProcess(42, "web", 0, STAT),)))[0].command == "[a (b) c]"


def test_what_a_pod_uses() -> None:
    used = usage(Sample(FILES, (WEB,)), ("web", "db"))
    assert (used.up, used.memory, used.memory_total) == (30.5, 600 * 1024, 1000 * 1024)
    assert (used.read, used.written, used.received, used.sent) == (102 * 512, 200 * 512, 1234, 4321)
    # Where the kernel does not count a container's memory, that of its processes is.
    assert used.containers == (Usage("web", 2.5, 25 * 4096, 3), Usage("db", 0.0, 4096, 0))


@pytest.mark.parametrize("text", ["", "rubbish", "eth0: x y z", "a " * 30, "(", ") R", "1 (x) S " + "-5 " * 30, "9" * 500, "\n\n"])
def test_a_guest_may_say_anything(text: str) -> None:
    names = ("uptime", "meminfo", "diskstats", "net/dev")
    sample = Sample((*(File(name, text) for name in names), File("cpu.stat", text, "web")), (RawProcess(1, "web", 0, text),))
    assert usage(SAMPLE.decode(SAMPLE.encode(sample)), ("web",)).containers[0].container == "web"


@pytest.mark.parametrize(("former", "latter", "seconds", "percent"), [(1.0, 1.5, 1.0, 50.0), (0, 4, 2, 200.0), (2, 1, 1, 0.0), (1, 2, 0, 0.0)])
def test_cpu_percent(former: float, latter: float, seconds: float, percent: float) -> None:
    assert cpu_percent(former, latter, seconds) == percent
