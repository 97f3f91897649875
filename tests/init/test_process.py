# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's program finds: its user, arguments, environment, files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._launch import DEFAULT_CAPABILITIES, Mount, Volume

from tests.support.init import SUCCEEDED, Init, Pod

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def pod(init: Init) -> Iterator[Pod]:
    """A pod that the tests of this file share."""
    with init.pod(init.sleeper("app"), hosts=b"127.0.0.1 localhost pod\n", resolv_conf=b"nameserver 10.0.2.3\n") as pod:
        pod.until_running()
        yield pod


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        # uid, gid, all groups, home
        ("", "0 0 0 /root"),
        ("0", "0 0 0 /root"),
        ("root", "0 0 0 /root"),
        ("app", "1000 1001 1001 /home/app"),
        ("1000", "1000 1001 1001 /home/app"),
        ("4242", "4242 0 0 /"),
        ("app:staff", "1000 50 50 /home/app"),
        ("1000:50", "1000 50 50 /home/app"),
        ("1000:staff", "1000 50 50 /home/app"),
        ("4242:4343", "4242 4343 4343 /"),
        ("0:50", "0 50 50 /root"),
        ("many", "1002 1002 4 50 1002 /home/many"),
        ("1002", "1002 1002 4 50 1002 /home/many"),
        ("many:adm", "1002 4 4 /home/many"),
    ],
)
def test_users_are_resolved_in_the_image(pod: Pod, user: str, wanted: str) -> None:
    script = "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort -n) $HOME"
    assert pod.shell("app", script, user=user) == wanted + "\n"


def test_a_container_is_what_its_plan_says(init: Init) -> None:
    script = 'echo $(id -u) $(id -g) $(id -G | tr " " "\\n" | sort -n); pwd; for word; do printf "<%s>" "$word"; done; echo; env | sort'
    container = init.container(
        "app",
        *("sh", "-c", script, "sh", "", "a b", "größe", "new\nline", "'\"\\$"),
        user="many",
        additional_groups=(7, 60, 50),
        workdir="/not/there/yet",
        env=(("EMPTY", ""), ("EQUALS", "a=b"), ("SPACE", "a b"), ("TWICE", "first"), ("TWICE", "second")),
    )
    with init.pod(container) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        said = pod.output("app").decode()
    ids, directory, words, environment = said.replace("new\nline", "new-line").split("\n", 3)
    assert ids == "1002 1002 4 7 50 60 1002"
    assert directory == "/not/there/yet"
    assert words == "<><a b><größe><new-line><'\"\\$>"
    wanted = ["EMPTY=", "EQUALS=a=b", "HOME=/home/many", "HOSTNAME=pod", f"PATH={DEFAULT_PATH}", "PWD=/not/there/yet", "SHLVL=1", "SPACE=a b", "TWICE=second"]
    assert environment.splitlines() == wanted


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ((("PATH", "/bin:/x"),), "/bin:/x /root pod"),
        ((("HOME", "/elsewhere"), ("HOSTNAME", "mine")), f"{DEFAULT_PATH} /elsewhere mine"),
    ],
)
def test_given_variables_win_over_those_that_are_added(init: Init, env: tuple[tuple[str, str], ...], wanted: str) -> None:
    with init.pod(init.sh("app", "echo $PATH $HOME $HOSTNAME", env=env)) as pod:
        assert pod.wait() == SUCCEEDED
        assert pod.output("app").decode() == wanted + "\n"


def mask(capabilities: tuple[int, ...]) -> int:
    return sum(1 << number for number in capabilities)


def caps(text: str) -> dict[str, int]:
    return {name[:-1]: int(value, 16) for name, value in (line.split() for line in text.splitlines() if line.startswith("Cap"))}


@pytest.mark.parametrize(
    ("more", "effective", "bounding"),
    [
        ({}, mask(DEFAULT_CAPABILITIES), mask(DEFAULT_CAPABILITIES)),
        ({"capabilities": ()}, 0, 0),
        ({"capabilities": (0, 10)}, mask((0, 10)), mask((0, 10))),
        ({"user": "app"}, 0, mask(DEFAULT_CAPABILITIES)),
        ({"user": "app", "no_new_privileges": True}, 0, mask(DEFAULT_CAPABILITIES)),
    ],
)
def test_capabilities(init: Init, more: dict[str, object], effective: int, bounding: int) -> None:
    with init.pod(init.container("app", "cat", "/proc/self/status", **more)) as pod:
        assert pod.wait() == SUCCEEDED
        said = pod.output("app").decode()
    assert caps(said) == {"CapInh": 0, "CapPrm": effective, "CapEff": effective, "CapBnd": bounding, "CapAmb": 0}
    assert f"NoNewPrivs:\t{int(bool(more.get('no_new_privileges')))}\n" in said
    assert "SigBlk:\t0000000000000000\n" in said
    assert "SigIgn:\t0000000000000000\n" in said


def test_privileged(init: Init) -> None:
    with init.pod(init.sh("app", "cat /proc/self/status; echo x > /proc/sys/kernel/domainname && echo written", privileged=True)) as pod:
        assert pod.wait() == SUCCEEDED
        said = pod.output("app").decode()
    assert caps(said)["CapEff"] == caps(Path("/proc/self/status").read_text())["CapEff"]
    assert "written" in said


def test_the_kernels_files_are_masked(pod: Pod) -> None:
    assert pod.exec("app", "sh", "-c", "echo x > /proc/sys/kernel/domainname").code != 0
    assert pod.exec("app", "sh", "-c", "mkdir /sys/x").code != 0
    assert pod.shell("app", "cat /proc/kcore | wc -c; ls /sys/firmware | wc -l") == "0\n0\n"


def test_names(pod: Pod) -> None:
    assert pod.shell("app", "hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf") == "pod\npod\n127.0.0.1 localhost pod\nnameserver 10.0.2.3\n"


def test_devices(pod: Pod) -> None:
    assert pod.shell("app", "head -c 3 /dev/zero | wc -c; echo x > /dev/null; head -c 4 /dev/urandom | wc -c") == "3\n4\n"
    assert pod.shell("app", "echo out > /dev/stdout; echo err > /dev/stderr", user="app") == "out\n"
    names = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert pod.shell("app", "echo $(ls /dev)") == names + "\n"
    assert pod.exec("app", "sh", "-c", "echo > /dev/full").code != 0


def test_the_image_is_not_written_to(pod: Pod, rootfs: Path) -> None:
    pod.shell("app", "echo x > /new; rm /etc/group; echo changed > /etc/motd; mkdir /tmp/dir")
    assert pod.shell("app", "cat /new; ls /etc/group 2>&1 || true").startswith("x\nls:")
    assert not (rootfs / "new").exists()
    assert (rootfs / "etc/group").exists()
    assert not (rootfs / "etc/motd").exists()


def test_a_read_only_root(init: Init) -> None:
    script = "touch /x 2>/dev/null; echo $?; touch /etc/hostname 2>/dev/null; echo $?; touch /data/x; echo $?; touch /dev/shm/x; echo $?"
    container = init.sh("app", script, readonly_rootfs=True, mounts=(Mount("data", "/data"),))
    with init.pod(container, volumes=(Volume("data", "scratch"),)) as pod:
        assert pod.wait() == SUCCEEDED
        assert pod.output("app").decode().split() == ["1", "1", "0", "0"]


def test_volumes(init: Init) -> None:
    one = init.sh(
        "one",
        "echo hello > /vol/file; echo sub > /vol/sub/file; head -c 2000000 /dev/zero > /mem/big; echo $?; sleep 1000",
        mounts=(Mount("shared", "/vol"), Mount("shared", "/vol/sub", "deep/er"), Mount("memory", "/mem")),
    )
    two = init.sleeper("two", mounts=(Mount("shared", "/other", readonly=True), Mount("memory", "/mem")))
    with init.pod(one, two, volumes=(Volume("shared", "scratch"), Volume("memory", "tmpfs", 1 << 20))) as pod:
        pod.until_said("one", b"\n")
        pod.until(lambda status: all(container.state == "running" for container in status.containers))
        assert pod.output("one") == b"1\n"
        assert pod.shell("two", "cat /other/file /other/deep/er/file") == "hello\nsub\n"
        assert pod.exec("two", "touch", "/other/x").code == 1
        assert pod.shell("one", "df -k /mem | awk 'END { print $2 }'") == "1024\n"
        assert pod.shell("two", "stat -c %s /mem/big") == f"{1 << 20}\n"


def test_an_empty_volume_is_filled_with_what_the_image_has(init: Init) -> None:
    mounts = (Mount("home", "/home", copy_up=True), Mount("none", "/nosuch", copy_up=True))
    script = "touch /home/app/.mark; cat /home/app/profile; stat -c %u:%g:%a /home /home/app; ls /nosuch; exit 1"
    app = init.sh("app", script, mounts=mounts, restart_policy="OnFailure")
    home = init.rootfs / "home/app"
    (home / "profile").write_text("of the image\n")
    os.chown(home, 1000, 1001)
    home.chmod(0o750)
    with init.pod(app, volumes=(Volume("home", "scratch"), Volume("none", "tmpfs"))) as pod:
        pod.until(lambda status: status.containers[0].reason == "CrashLoopBackOff")
        assert pod.output("app") == b"of the image\n0:0:755\n1000:1001:750\n" * 2
    assert not (home / ".mark").exists()


@pytest.mark.parametrize("stdin", [False, True])
def test_standard_input(init: Init, stdin: bool) -> None:
    with init.pod(init.sh("app", "cat; echo ended", stdin=stdin), init.sleeper("other")) as pod:
        if stdin:
            pod.until_running()
            assert pod.shell("other", "until pid=$(pidof cat); do sleep 0.01; done; readlink /proc/$pid/fd/0").startswith("pipe:")
        else:
            pod.until_said("app", b"ended\n")


def test_a_terminal(init: Init) -> None:
    with init.pod(init.sh("app", "tty; test -t 0 && test -t 1 && test -t 2 && echo all; echo $TERM; echo err >&2; echo x > /dev/tty", tty=True)) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        assert pod.output("app").replace(b"\r", b"").split() == [b"/dev/pts/0", b"all", b"xterm", b"err", b"x"]
        assert pod.output("app", "stderr") == b""
