# SPDX-License-Identifier: GPL-3.0-or-later
"""What the containers of a pod share, and PID 1 that none of them can harm."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.init import PATIENCE, Init, Pod


@pytest.fixture(scope="module")
def pod(init: Init) -> Iterator[Pod]:
    with init.pod(init.sleeper("one"), init.sleeper("two"), init.sleeper("strong", privileged=True)) as pod:
        pod.until_running()
        yield pod


@pytest.mark.parametrize("kind", ["pid", "net", "ipc", "uts", "user"])
def test_shared_namespaces(pod: Pod, kind: str) -> None:
    assert len({pod.shell(name, f"readlink /proc/self/ns/{kind}") for name in ("one", "two", "strong")}) == 1


def test_each_has_mounts_of_its_own(pod: Pod) -> None:
    assert len({pod.shell(name, "readlink /proc/self/ns/mnt") for name in ("one", "two", "strong")}) == 3
    pod.shell("strong", "mkdir -p /mnt && mount -t tmpfs tmpfs /mnt && touch /mnt/x")
    assert pod.exec("one", "ls", "/mnt/x").code != 0


def test_containers_see_and_signal_each_others_processes(pod: Pod) -> None:
    pod.shell("one", "sleep 6601 & echo started")
    pod.shell("two", "until ps -o args | grep '^sleep 660[1]$'; do sleep 0.01; done")
    pod.shell("two", "kill $(ps -o pid,args | awk '/ sleep 660[1]$/ { print $1 }')")
    assert pod.gone("two", "sleep 6601")


def test_shared_memory_and_queues(pod: Pod) -> None:
    pod.shell("one", "echo hello > /dev/shm/file")
    assert pod.shell("two", "cat /dev/shm/file") == "hello\n"
    pod.shell("one", "touch /dev/mqueue/queue")
    assert pod.shell("two", "ls /dev/mqueue") == "queue\n"


def test_one_loopback_interface_and_one_range_of_ports(pod: Pod) -> None:
    pod.shell("one", "nc -ll -p 8000 -e echo hello >/dev/null 2>&1 </dev/null & until netstat -ltn | grep -q :8000; do sleep 0.01; done")
    assert pod.shell("two", "nc 127.0.0.1 8000") == "hello\n"
    assert "in use" in pod.exec("two", "nc", "-l", "-p", "8000").stderr.decode()
    pod.shell("one", "killall nc")


def test_five_hundred_orphans_leave_no_zombie(pod: Pod) -> None:
    pod.shell("one", "i=0; while [ $i -lt 500 ]; do (sleep 0 &); i=$((i + 1)); done")
    zombies = "cat /proc/[0-9]*/status 2>/dev/null | grep -c '^State:.Z' || true"
    deadline = time.monotonic() + PATIENCE
    while (count := pod.shell("two", zombies)) != "0\n":
        assert time.monotonic() < deadline, count
        time.sleep(0.02)


@pytest.mark.parametrize("container", ["one", "strong"])
def test_no_signal_of_a_container_harms_pid_1(pod: Pod, container: str) -> None:
    before = pod.until_running()
    pod.shell(container, "for number in $(seq 1 31) $(seq 34 64); do kill -$number 1; done; kill -9 1; kill -9 1")
    assert not pod.ended(0.2)
    after = pod.until_running()
    assert after == before


def test_pid_1_is_hyperstart_and_holds_no_secrets_open(pod: Pod) -> None:
    assert "hyperstart" in pod.shell("one", "cat /proc/1/comm")


def test_the_processes_are_children_of_pid_1(pod: Pod) -> None:
    status = pod.until_running()
    for container in status.containers:
        assert "PPid:\t1\n" in pod.shell("one", f"cat /proc/{container.pid}/status")
