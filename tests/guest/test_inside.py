# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person does inside a pod that runs, by the command ``hyper``, at a real terminal."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log_rotation

import hyperstart
from tests.support.modules import run_module
from tests.support.pods import ROOT, PodHost, manifest
from tests.support.trees import describe, make_tree

pytestmark = pytest.mark.guest
PATIENCE = 60.0
POD = "inside"


@pytest.fixture(scope="module")
def environment(pods: PodHost) -> dict[str, str]:
    arguments = pods.arguments
    return {
        **os.environ,
        "HYPER_STATE_DIR": arguments["state_dir"],
        "HYPER_RUN_DIR": arguments["run_dir"],
        "HYPER_QEMU_USER": arguments["qemu_user"],
        "TERM": "vt100",
    }


@pytest.fixture(scope="module", autouse=True)
def pod(pods: PodHost) -> Iterator[None]:
    shell = {"name": "shell", "stdin": True, "tty": True, "command": ["sh"], "env": [{"name": "PS1", "value": "ready> "}]}
    pods.pod(manifest(POD, {"name": "app"}, {"name": "user", "image": "user"}, shell))
    yield
    pods.pod(POD, state="absent", grace_period=0)


def hyper(environment: dict[str, str], *words: str, code: int = 0, stdin: bytes = b"") -> bytes:
    done = subprocess.run([sys.executable, "-m", "hyperstart", *words], env=environment, cwd=ROOT, input=stdin, capture_output=True, timeout=PATIENCE)
    assert done.returncode == code, (words, done)
    return done.stdout


class Terminal:
    """A pseudo-terminal with the command at its other end."""

    def __init__(self, environment: dict[str, str], *words: str, lines: int = 24, columns: int = 80) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(lines, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""

        def take() -> None:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-m", "hyperstart", *words], env=environment, cwd=ROOT, stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=take
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def expect(self, text: bytes) -> None:
        """Read until the text is seen, after what was expected before."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, (text, self.seen)
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 65536)
        self.seen = self.seen.partition(text)[2]

    def end(self) -> int:
        """The command's code; the terminal is as it was."""
        code = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self.slave) == self.before
        return code


def test_a_shell_at_a_terminal(environment: dict[str, str]) -> None:
    with Terminal(environment, "exec", "-it", "-e", "PS1=ready> ", "-w", "/tmp", POD, "--", "sh", lines=31, columns=99) as terminal:
        terminal.expect(b"ready> ")
        terminal.type(b"stty size; echo $TERM$((40 + 2)); pwd\r")
        terminal.expect(b"31 99\r\nvt10042\r\n/tmp\r\n")
        terminal.resize(50, 132)
        terminal.type(b"\r")
        terminal.expect(b"ready> ")
        terminal.type(b"stty size\r")
        terminal.expect(b"50 132\r\n")
        # Keys are the command's: ^C ends what runs in it, and nothing here.
        # That it runs is seen by what it makes of a line: a shell between two commands may lose the key.
        terminal.type(b"cat -n\r")
        terminal.type(b"a b\n")
        terminal.expect(b"1\ta b\r\n")
        terminal.type(b"\x03")
        terminal.expect(b"ready> ")
        terminal.type(b"exit 9\r")
        assert terminal.end() == 9


def test_a_terminal_is_as_it_was_when_the_client_is_told_to_end(environment: dict[str, str], pods: PodHost) -> None:
    with Terminal(environment, "exec", "-it", "-c", "user", POD, "--", "sh", "-c", "id -un; tty; exec sleep 7721") as terminal:
        terminal.expect(b"app\r\n/dev/pts/")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 143
    deadline = time.monotonic() + PATIENCE
    while "sleep 7721" in pods.shell(POD, "app", "ps -o args | grep -v grep"):
        assert time.monotonic() < deadline


def test_a_command_is_left_running(environment: dict[str, str], pods: PodHost) -> None:
    assert hyper(environment, "exec", "-d", POD, "--", "sh", "-c", "echo $$ > /tmp/left; exec sleep 7722") == b""
    deadline = time.monotonic() + PATIENCE
    while not (pid := pods.exec(POD, "app", "cat", "/tmp/left").stdout.strip()):
        assert time.monotonic() < deadline
    assert "sleep 7722" in pods.shell(POD, "app", "ps -o args")
    pods.shell(POD, "app", f"kill {int(pid)}")


def test_a_command_in_the_guests_own_namespaces(environment: dict[str, str], pods: PodHost) -> None:
    """It sees what no container sees, by either road, and ends with the container that lent its files."""
    seen = hyper(environment, "exec", "--guest", POD, "--", "sh", "-c", "dmesg | grep -c Linux; ls /proc/1/root/dev; cat /proc/1/mounts; id -u").decode()
    assert seen.splitlines()[0] != "0"
    assert ("\nvda\n" in seen, " / tmpfs " in seen, seen.endswith("\n0\n")) == (True, True, True), seen
    # Its container's processes may do none of it, whoever they are.
    assert hyper(environment, "exec", POD, "--", "ls", "/proc/1/root/dev", code=1) == b""
    assert "tmpfs" in pods.module("pod_exec", pod=POD, argv=["cat", "/proc/1/mounts"], guest=True)["stdout"]
    assert pods.module("pod_exec", pod=POD, argv=["true"], guest=True, user="app", fails=True)["where"] == "user"
    for words, wanted in ((["sh", "-c", "printf '\\377'; exit 3"], (3, "\ufffd", "/w==")), (["nosuch"], (127, "", ""))):
        said = json.loads(hyper(environment, "exec", "--json", POD, "--", *words, code=wanted[0]))
        assert (said["exitCode"], said["stdout"], said["stdoutBase64"]) == wanted
    hyper(environment, "exec", "--guest", POD, "-c", "user", "-d", "--", "sleep", "6543")
    assert "sleep 6543" in pods.shell(POD, "app", "ps -o args")
    pods.pod(POD, state="restarted", containers=["user"], grace_period=0)
    assert "sleep 6543" not in pods.shell(POD, "app", "ps -o args")


def test_a_container_is_given_something_to_read(environment: dict[str, str], pods: PodHost, tmp_path: Path) -> None:
    """By the command, the module, the playbook and the API, of which none waits for a person."""
    script = "while read line; do [ $line = quit ] && exit 5; echo out $line; echo err $line >&2; done"
    pods.pod(manifest("reader", {"name": "app", "stdin": True, "command": ["sh", "-c", script]}, {"name": "deaf"}, restartPolicy="Always"))
    try:
        said = json.loads(hyper(environment, "attach", "--json", "--timeout", "2", "reader", stdin=b"one\n"))
        assert (said["exitCode"], said["stdout"], said["stderr"]) == (None, "out one\n", "err one\n")
        line = {"pod": "reader", "stdin_base64": base64.b64encode(b"three\n").decode()}
        assert pods.module("pod_attach", check=True, **line)["changed"]
        result = run_module("pod_attach", {**pods.arguments, **line, "timeout": 2})
        assert (result["changed"], result["exit_code"], result["stdout"], result["stderr"]) == (True, None, "out three\n", "err three\n")
        assert not run_module("pod_attach", {**pods.arguments, "pod": "reader", "timeout": 1})["changed"]
        words = [sys.executable, "-m", "hyperstart", "attach", "--timeout", "1", "reader", "deaf"]
        ignored = subprocess.run(words, env=environment, cwd=ROOT, input=b"x", capture_output=True, check=True, timeout=PATIENCE)
        assert b"container deaf reads nothing" in ignored.stderr
        assert "container deaf has no stdin" in pods.module("pod_attach", container="deaf", **line, fails=True)["msg"]
        assert pods.module("pod_attach", pod="reader", container="nosuch", fails=True)["error"] == "ContainerNotFound"
        variables = {**{f"hyper_{name}": value for name, value in pods.arguments.items()}, "pod_name": "reader", "pod_timeout": 2}
        (tmp_path / "variables.yml").write_text(json.dumps({**variables, "pod_stdin_base64": line["stdin_base64"]}))
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/attach_pod.yml", "-e", f"@{tmp_path}/variables.yml"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, check=False, timeout=PATIENCE)
        assert (done.returncode, b"out three" in done.stdout) == (0, True), done
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HYPER_STATE_DIR", "HYPER_RUN_DIR", "HYPER_QEMU_USER"):
                patch.setenv(name, environment[name])
            by_api = hyperstart.attach_pod(pod="reader", stdin=b"four\n", timeout=2)
        assert (by_api.exit_code, by_api.stdout, by_api.stderr) == (None, b"out four\n", b"err four\n")
        assert hyper(environment, "attach", "reader", stdin=b"two\nquit\n", code=5) == b"out two\n"
    finally:
        pods.pod("reader", state="absent", grace_period=0)


def test_a_person_attaches_leaves_and_ends_a_container(environment: dict[str, str], pods: PodHost) -> None:
    with Terminal(environment, "attach", POD, "shell", lines=31, columns=99) as terminal:
        terminal.type(b"\r")
        terminal.expect(b"ready> ")
        terminal.type(b"stty size; echo $((6 * 7))\r")
        terminal.expect(b"31 99\r\n42\r\n")
        terminal.type(b"\x10\x11")
        assert terminal.end() == 0
    assert next(each["state"] for each in pods.info(POD)["containers"] if each["name"] == "shell") == "running"
    with Terminal(environment, "attach", POD, "shell") as terminal:
        terminal.type(b"echo $((7 * 7)); exit 6\r")
        terminal.expect(b"49\r\n")
        assert terminal.end() == 6


def test_it_is_quick(environment: dict[str, str]) -> None:
    """On a host that has nothing else to do all of it takes 0.2 s; what it needs of a processor is the same on one that is busy."""
    took = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        hyper(environment, "exec", POD, "--", "true")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 0.25, took


def test_ten_megabytes_and_back(environment: dict[str, str]) -> None:
    data = os.urandom(10_000_000)
    assert hyper(environment, "exec", POD, "--", "cat", stdin=data) == data


def test_a_million_lines_while_five_commands_run(environment: dict[str, str], pods: PodHost) -> None:
    """A follower sees every line once and in order, from the first one on, while the log is rotated, and neither it nor the commands keep the other waiting."""
    count, files = 1_000_000, 40
    loud = ["sh", "-c", f"until [ -e /tmp/go ]; do sleep 0.05; done; seq 1 {count}; echo done"]
    flood = manifest("flood", {"name": "quiet"}, {"name": "loud", "command": loud})
    flood["metadata"]["annotations"] = {"hyper.pods/log-max-size": "2Mi", "hyper.pods/log-max-files": str(files)}
    pods.pod(flood)
    log = pods.host.pod_dir("flood") / "log"
    try:
        follower = [sys.executable, "-m", "hyperstart", "logs", "--follow", "flood", "loud"]
        with subprocess.Popen(follower, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as following, ThreadPoolExecutor(5) as pool:
            assert following.stdout is not None
            hyper(environment, "exec", "flood", "-c", "loud", "--", "touch", "/tmp/go")
            data = os.urandom(200_000)
            echoes = [pool.submit(hyper, environment, "exec", "flood", "-c", "quiet", "--", "cat", stdin=data) for _ in range(5)]
            for number in range(1, count + 1):
                line = following.stdout.readline()
                assert line == b"%d\n" % number, (number, line)
                if number % 10_000 == 0:
                    _log_rotation.rotate(pods.host, "flood")
            assert following.stdout.readline() == b"done\n"
            assert [echo.result(PATIENCE) for echo in echoes] == [data] * 5
            pods.pod("flood", state="stopped", grace_period=0)
            assert following.stdout.read() == b""
            assert following.wait(PATIENCE) == 0
        assert hyper(environment, "logs", "flood", "--tail", "2") == b"loud  | 1000000\nloud  | done\n"
        assert hyper(environment, "logs", "flood").count(b"\n") == count + 1
        # All of that lies in files that are not much larger than they should be; what became of the pod is known from the oldest of them.
        sizes = [file.stat().st_size for file in log.parent.glob("log*")]
        assert 10 < len(sizes) <= files
        assert max(sizes) < 6 << 20, sizes
        assert [event["event"] for event in json.loads(hyper(environment, "events", "--json", "flood", "loud"))][:2] == ["created", "started"]
        assert [(each["name"], each["state"]) for each in pods.info("flood")["containers"]] == [("quiet", "terminated"), ("loud", "terminated")]
    finally:
        pods.pod("flood", state="absent", grace_period=0)


def test_a_tree_of_ten_thousand_files_goes_in_and_comes_out(environment: dict[str, str], pods: PodHost, tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", 10_000, attributes=_has_attributes(tmp_path))
    assert hyper(environment, "cp", str(tmp_path / "tree"), f"{POD}:/srv") == b""
    assert hyper(environment, "cp", f"{POD}/app:/srv/tree", str(tmp_path / "back")) == b""
    assert describe(tmp_path / "back") == describe(tmp_path / "tree")
    (tmp_path / "into").mkdir()
    assert hyper(environment, "cp", "--json", f"{POD}:/srv/tree/big", str(tmp_path / "into")) == b'{"left_out": []}\n'
    assert (tmp_path / "into/big").read_bytes() == (tmp_path / "tree/big").read_bytes()
    assert not hyper(environment, "cp", f"{POD}:/nosuch", str(tmp_path), code=1)
    # A container has its own files only.
    assert not hyper(environment, "cp", f"{POD}/user:/srv/tree", str(tmp_path), code=1)


def _has_attributes(directory: Path) -> bool:
    try:
        os.setxattr(directory, "user.x", b"1")
    except OSError:
        return False
    return True
