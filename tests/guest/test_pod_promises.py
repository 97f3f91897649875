# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod is: the promises of its containers' common life, each by name, in a real guest."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp

from tests.support.guests import wait_for
from tests.support.pods import PodHost, free_port, manifest, sh

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def shared(pods: PodHost) -> Iterator[PodHost]:
    """Three containers, one of them a server, that only stand side by side."""
    pods.pod(manifest("shared", {"name": "a"}, {"name": "b"}, {"name": "c", "image": "server"}))
    yield pods
    pods.pod("shared", state="absent")


def test_processes_see_each_other(shared: PodHost) -> None:
    server = next(container["pid"] for container in shared.info("shared")["containers"] if container["name"] == "c")
    assert shared.shell("shared", "a", f"tr '\\0' ' ' < /proc/{server}/cmdline") == "httpd -f -h /srv -p 80"
    assert shared.shell("shared", "b", f"ps -o pid,args | awk '$1 == {server} {{print $2}}'") == "httpd"


def test_a_container_can_signal_another(shared: PodHost) -> None:
    pid = shared.shell("shared", "a", "sleep 1000 >/dev/null 2>&1 & echo $!")
    assert shared.exec("shared", "b", "kill", "-0", pid).code == 0
    shared.shell("shared", "b", f"kill {pid}")
    wait_for(lambda: shared.exec("shared", "c", "kill", "-0", pid).code == 1, "the process to end")


@pytest.mark.parametrize("kind", ["pid", "net", "ipc", "uts", "user"])
def test_namespace_is_shared(shared: PodHost, kind: str) -> None:
    assert len({shared.shell("shared", name, f"readlink /proc/self/ns/{kind}") for name in "abc"}) == 1


def test_mount_namespaces_are_not_shared(shared: PodHost) -> None:
    assert len({shared.shell("shared", name, "readlink /proc/self/ns/mnt") for name in "abc"}) == 3


def test_root_filesystems_are_not_shared(shared: PodHost) -> None:
    shared.shell("shared", "a", "echo mine > /srv/of-a")
    assert shared.exec("shared", "b", "test", "-e", "/srv/of-a").code == 1
    assert shared.shell("shared", "a", "cat /srv/of-a") == "mine"


def test_mounts_are_not_shared(shared: PodHost) -> None:
    roots = {name: shared.shell("shared", name, "awk '$5 == \"/\" {print $1}' /proc/self/mountinfo") for name in "abc"}
    assert len(set(roots.values())) == 3


def test_sysv_shared_memory_crosses_containers(shared: PodHost) -> None:
    shared.shell("shared", "a", "ipc shm-write 4711 hello")
    assert shared.shell("shared", "b", "ipc shm-read 4711") == "hello"


def test_posix_message_queues_cross_containers(shared: PodHost) -> None:
    shared.shell("shared", "a", "ipc mq-write /letters hello")
    assert shared.shell("shared", "b", "ipc mq-read /letters") == "hello"
    assert shared.shell("shared", "c", "ls /dev/mqueue") == "letters"


def test_posix_shared_memory_crosses_containers(shared: PodHost) -> None:
    shared.shell("shared", "a", "echo hello > /dev/shm/letter")
    assert shared.shell("shared", "b", "cat /dev/shm/letter") == "hello"


def test_one_hostname(shared: PodHost) -> None:
    assert {shared.shell("shared", name, "hostname; cat /etc/hostname") for name in "abc"} == {"shared\nshared"}


def test_one_set_of_nics(shared: PodHost) -> None:
    addresses = {shared.shell("shared", name, "ip -o addr | awk '{print $2, $4}'") for name in "abc"}
    assert len(addresses) == 1
    assert {line.split()[0] for line in addresses.pop().splitlines()} == {"lo", "eth0"}


def test_one_port_range(shared: PodHost) -> None:
    taken = shared.exec("shared", "a", "httpd", "-f", "-p", "80")
    assert taken.code != 0
    assert b"Address already in use" in taken.stderr


def test_localhost_reaches_the_neighbour(shared: PodHost) -> None:
    shared.shell("shared", "c", "echo from c > /srv/page")
    assert shared.shell("shared", "a", "wget -q -O - http://127.0.0.1/page") == "from c"
    assert shared.shell("shared", "b", "wget -q -O - http://localhost/page") == "from c"


def test_all_disks_are_seen_by_all(shared: PodHost) -> None:
    disks = {shared.shell("shared", name, "ls /dev/vd*") for name in "abc"}
    assert len(disks) == 1
    # Plan, scratch, and the two images.
    assert len(disks.pop().split()) == 4


def test_no_container_sees_the_control_ports(shared: PodHost) -> None:
    assert shared.exec("shared", "a", "sh", "-c", "ls /dev/vport* /dev/hvc* 2>/dev/null").stdout == b""


def test_pid_1_is_hyperstart(shared: PodHost) -> None:
    assert shared.shell("shared", "a", "cat /proc/1/comm") == "hyperstart"
    assert all(container["pid"] > 1 for container in shared.info("shared")["containers"])


def test_pid_1_stays_small(shared: PodHost) -> None:
    resident = int(shared.shell("shared", "a", "awk '/VmRSS/ {print $2}' /proc/1/status"))
    assert resident <= 2048


def test_500_orphans_leave_no_zombie(shared: PodHost) -> None:
    # Some states of Z may be seen for a moment; none must last.
    shared.shell("shared", "b", "ipc orphans 500")
    zombies = "for i in $(seq 100); do n=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l); [ $n = 0 ] && break; sleep 0.1; done; echo $n"
    assert shared.shell("shared", "a", zombies) == "0"


def test_no_container_can_kill_pid_1(shared: PodHost) -> None:
    shared.exec("shared", "a", "kill", "-9", "1")
    shared.shell("shared", "a", "ipc signals 1")
    assert shared.shell("shared", "b", "cat /proc/1/comm") == "hyperstart"
    assert shared.info("shared")["phase"] == "Running"


@pytest.mark.parametrize(
    "attempt",
    [
        "echo b > /proc/sysrq-trigger",
        "reboot -f",
        "poweroff -f",
        "mount -t tmpfs none /tmp",
        "umount /proc",
        "hostname other",
        "cat /proc/1/environ",
        "ls /proc/1/root/",
        "echo 1 > /proc/sys/kernel/panic",
        "mknod /dev/mine c 1 1 && cat /dev/mine",
    ],
)
def test_what_a_container_may_not(shared: PodHost, attempt: str) -> None:
    assert shared.exec("shared", "a", "sh", "-c", attempt).code != 0
    assert shared.info("shared")["phase"] == "Running"


def test_a_device_node_of_an_image_opens_nothing(shared: PodHost) -> None:
    assert shared.shell("shared", "a", "stat -c %F /srv/disk") == "block special file"
    denied = shared.exec("shared", "a", "head", "-c", "1", "/srv/disk")
    assert denied.code != 0
    assert b"Permission denied" in denied.stderr
    # The pod's disks are for all of it, by /dev.
    assert len(shared.exec("shared", "a", "head", "-c", "1", "/dev/vda").stdout) == 1


def test_image_config_is_honoured(pods: PodHost) -> None:
    pods.pod(manifest("config", {"name": "user", "image": "user"}, {"name": "tools", "env": [{"name": "MINE", "value": "a b"}]}))
    try:
        assert pods.shell("config", "user", "id -u; id -g; id -G; pwd; echo $HOME") == "1000\n50\n50\n/home/app\n/home/app"
        assert pods.shell("config", "tools", "echo $FROM_IMAGE $MINE; pwd") == "yes a b\n/srv"
        # A volume that the image declares begins with what the image has there.
        assert pods.shell("config", "user", "cat /data/seed; awk '$5 == \"/data\"' /proc/self/mountinfo | wc -l") == "from the image\n1"
        assert pods.shell("config", "tools", "echo hi; id -u", user="app") == "hi\n1000"
    finally:
        pods.pod("config", state="absent")


def test_published_port_answers(pods: PodHost) -> None:
    port = free_port()
    container = {"name": "web", "image": "server", "ports": [{"containerPort": 80, "hostPort": port}]}
    pods.pod(manifest("published", container))
    try:
        pods.shell("published", "web", "echo hello > /srv/page")
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=20).read() == b"hello\n"
    finally:
        pods.pod("published", state="absent")


def test_several_execs_at_once(pods: PodHost, shared: PodHost) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: shared.exec("shared", "a", "sh", "-c", f"sleep 2; echo {number}; exit {number}"), range(8)))
    assert [result.code for result in results] == list(range(8))
    assert [result.stdout for result in results] == [f"{number}\n".encode() for number in range(8)]
    assert time.monotonic() - began < 12


def test_exec_carries_stdin_and_both_outputs(shared: PodHost) -> None:
    data = bytes(range(256)) * 4096
    result = shared.exec("shared", "a", "sh", "-c", "echo problem >&2; cat; exit 3", stdin=data)
    assert (result.code, result.stderr) == (3, b"problem\n")
    assert result.stdout == data


def test_deaf_application_is_killed_after_its_grace_period(pods: PodHost) -> None:
    pods.pod(manifest("deaf", {"name": "deaf", "command": ["ipc", "deaf"]}, {"name": "kind"}, terminationGracePeriodSeconds=2))
    try:
        began = time.monotonic()
        pods.pod("deaf", state="stopped")
        took = time.monotonic() - began
        assert 2 <= took < 10
        assert "event F deaf exited code=137 signal=9" in pods.log("deaf")
        assert "event F - poweroff" in pods.log("deaf")
    finally:
        pods.pod("deaf", state="absent")


def test_files_outlive_a_stop(pods: PodHost) -> None:
    pods.pod(manifest("keeper", {"name": "a"}, {"name": "b"}))
    try:
        pods.shell("keeper", "a", "echo kept > /srv/file; sync")
        pods.pod("keeper", state="stopped")
        assert pods.info("keeper")["phase"] == "Stopped"
        pods.pod("keeper", state="started")
        assert pods.shell("keeper", "a", "cat /srv/file") == "kept"
        assert pods.exec("keeper", "b", "test", "-e", "/srv/file").code == 1
    finally:
        pods.pod("keeper", state="absent")


def test_power_button_stops_in_order(pods: PodHost) -> None:
    pods.pod(manifest("button", {"name": "a", "command": sh("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done")}))
    try:
        wait_for(lambda: "a ready" in pods.log("button"), "the trap to be set")
        with Qmp.connect(pods.host.pod_run_dir("button") / "qmp.sock", 10) as qmp:
            qmp.execute("system_powerdown")
        wait_for(lambda: pods.pid("button") is None, "the guest to power off")
        log = pods.log("button")
        assert "stopping cause=power-button" in log
        assert "stdout F a bye" in log
        assert "poweroff phase=Succeeded" in log
    finally:
        pods.pod("button", state="absent")


@pytest.mark.parametrize(
    # $$ is one $ in a manifest's command, as in Kubernetes.
    ("name", "script", "phase", "code", "reason"),
    [
        ("good", "echo out; echo err >&2; sleep 1", "Succeeded", 0, "Completed"),
        ("bad", "exit 42", "Failed", 42, "Error"),
        ("hit", "kill -9 $$$$", "Failed", 137, "Error"),
    ],
)
def test_a_pod_that_completes(pods: PodHost, name: str, script: str, phase: str, code: int, reason: str) -> None:
    try:
        result = pods.pod(manifest(name, {"name": "job", "command": sh(script)}), wait="completed")
        [pod] = result["pods"]
        assert pod["phase"] == phase
        assert (pod["containers"][0]["exitCode"], pod["containers"][0]["reason"]) == (code, reason)
        assert pods.pid(name) is None
        # It is not run again by a second look, nor by the same definition.
        again = pods.pod(manifest(name, {"name": "job", "command": sh(script)}), wait="completed")
        assert (again["changed"], again["pods"][0]["phase"]) == (False, phase)
    finally:
        pods.pod(name, state="absent")


def test_restart_policy_counts(pods: PodHost) -> None:
    script = "test -e /srv/second && exec sleep 1000; touch /srv/second; exit 1"
    try:
        pods.pod(manifest("again", {"name": "a", "command": sh(script)}, restartPolicy="OnFailure"))
        wait_for(lambda: pods.info("again")["containers"][0]["restartCount"] == 1 and pods.info("again")["containers"][0]["state"] == "running", "a restart")
    finally:
        pods.pod("again", state="absent")
