# SPDX-License-Identifier: GPL-3.0-or-later
"""A KVM host with a real systemd, reached over SSH: a Debian tree booted by systemd-nspawn, and a control node's network beside it.

Nothing outlives the test run, however that ends: namespaces, interfaces and the host live by processes that die with their parent.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.debian import USER, host_tree

ROOT = Path(__file__).resolve().parents[2]
NAME = "kvm1"
# Of the test's own two namespaces; nobody else sees them.
CONTROL_ADDRESS, ADDRESS = "10.77.0.1", "10.77.0.2"
# systemd-nspawn(1) ends with this code when the machine asked for a reboot and a unit is to start it again (--keep-unit).
_REBOOT = 133
# A guest of it that ends in order has a minute and a quarter for that before it may go down.
_PATIENCE = 300.0
_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
# systemd-nspawn that is killed leaves the machine running; as PID 1 of a namespace it does not.
_IN_PIDS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


class SystemdHost:
    """A host that boots, is rebooted and switched off. root: its file system, as this machine sees it; key: root's and USER's."""

    def __init__(self, root: Path, work: Path, networks: Networks, cgroups: tuple[Path, ...]) -> None:
        self.root = root
        self._work = work
        self._networks = networks
        self._cgroups = cgroups
        self._machine: subprocess.Popen[bytes] | None = None
        self._key = work / "key"
        self._known_hosts = work / "known_hosts"
        self._set_up()
        self.inventory = self._inventory()

    def boot(self) -> None:
        """Switch the host on; returns when systemd says that it is running and SSH answers."""
        with (self._work / "console").open("ab") as console:
            self._machine = subprocess.Popen(
                [*_WITH_PARENT, *_in_cgroups(self._cgroups), *self._networks.enter(self._networks.host), *_IN_PIDS, *self._nspawn()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            # 255: ssh itself, which does not come through yet.
            done = self._ssh(USER, "systemctl is-system-running --wait")
            if done.returncode != 255:
                break
            assert self._machine.poll() is None, f"the host ended: {self._said()}"
            assert time.monotonic() < deadline, f"no SSH: {done.stderr}\n{self._said()}"
            time.sleep(0.1)
        assert done.stdout.strip() == "running", done.stdout + self._ssh("root", "systemctl --failed").stdout

    def reboot(self) -> None:
        """Reboot it as its administrator would; returns when it is up again."""
        assert self._machine is not None
        self._ssh("root", "systemctl reboot")
        assert self._machine.wait(_PATIENCE) == _REBOOT, self._said()
        self.boot()

    def kill(self) -> None:
        """Cut the power."""
        if self._machine is not None:
            self._machine.kill()
            self._machine.wait()
        for cgroup in self._cgroups:
            _empty(cgroup)

    def shell(self, script: str, *, user: str = "root") -> str:
        """What a script printed on the host, which succeeded."""
        done = self._ssh(user, script)
        assert done.returncode == 0, f"{script}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def from_control(self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command in the control node's network."""
        return subprocess.run(
            [*_WITH_PARENT, *self._networks.enter(self._networks.control), *argv],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def on_its_network(self, *argv: str) -> None:
        """Run a command of this machine in the host's network, which outlives the host's reboots."""
        subprocess.run([*self._networks.enter(self._networks.host), *argv], check=True)

    def play(self, playbook: str, **variables: Any) -> bool:
        """Run a playbook on the host as USER over SSH, and return whether it changed anything. It must succeed."""
        extra = self._work / "variables.yml"
        extra.write_text(yaml.safe_dump({"pod_show": False, **variables}))
        program = Path(sys.executable).with_name("ansible-playbook")
        done = self.from_control(str(program), "-i", str(self.inventory), "-e", f"@{extra}", f"playbooks/{playbook}")
        recap = re.search(rf"^{NAME} .*\bchanged=(\d+) .*\bunreachable=0 .*\bfailed=0\b", done.stdout, re.MULTILINE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert recap, done.stdout + done.stderr
        return recap[1] != "0"

    def hyper(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command ``hyper`` on this host from the control node."""
        words = 2 if arguments[0] in ("volume", "image", "port") else 1
        options = ("--inventory", str(self.inventory))
        return self.from_control(sys.executable, "-m", "hyperstart", *arguments[:words], *options, *arguments[words:])

    def _ssh(self, user: str, script: str) -> subprocess.CompletedProcess[str]:
        options = [*_ssh_options(self._known_hosts), "-i", str(self._key)]
        return self.from_control("ssh", *options, f"{user}@{ADDRESS}", script)

    def _nspawn(self) -> tuple[str, ...]:
        # The unit and machined are a systemd's that may not be there. The network is the one that it is started in, since it must outlive a reboot.
        options = ("--keep-unit", "--register=no", "--network-namespace-path=/proc/self/ns/net", "--capability=CAP_NET_ADMIN", "--console=pipe")
        return ("systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine={NAME}-{os.getpid()}", f"--hostname={NAME}", *options, "--boot")

    def _set_up(self) -> None:
        """What an installer asks for: the host's name, keys of administrators."""
        (self.root / "etc/hostname").write_text(f"{NAME}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {NAME}\n")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)], check=True)
        public = self._key.with_suffix(".pub").read_text()
        for home in ("root", f"home/{USER}"):
            place = self.root / home
            directory = place / ".ssh"
            directory.mkdir(mode=0o700, exist_ok=True)
            (directory / "authorized_keys").write_text(public)
            for path in (directory, directory / "authorized_keys"):
                shutil.chown(path, place.stat().st_uid, place.stat().st_gid)
        host_key = (self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
        self._known_hosts.write_text(f"{ADDRESS} {host_key[0]} {host_key[1]}\n")

    def _inventory(self) -> Path:
        facts = {
            "ansible_host": ADDRESS,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self._key),
            # No connection is kept for the next task: it would outlive the test, and other tests have a host of this address too.
            "ansible_ssh_args": shlex.join(_ssh_options(self._known_hosts)),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        path = self._work / "hosts.yml"
        path.write_text(yaml.safe_dump({"kvm_hosts": {"hosts": {NAME: facts}}}))
        return path

    def _said(self) -> str:
        return (self._work / "console").read_text(errors="replace")[-2000:]


@dataclass(frozen=True)
class Networks:
    """Two network namespaces with a cable between them, each kept by a process: the control node's and the host's, which outlives the host's boots."""

    control: int
    host: int

    @staticmethod
    def enter(keeper: int) -> tuple[str, ...]:
        """The command before a command that runs in a namespace. Not "ip netns exec", which would hide the cgroups."""
        return ("nsenter", f"--net=/proc/{keeper}/ns/net", "--")


@contextlib.contextmanager
def systemd_host() -> Iterator[SystemdHost]:
    """A host that is up; gone when the block ends."""
    assert os.geteuid() == 0, "booting a host needs root"
    tree = host_tree()
    with _work_dir(tree.parent) as work, _networks() as networks:
        root, upper, scratch = (work / name for name in ("root", "upper", "scratch"))
        for directory in (root, upper, scratch):
            directory.mkdir()
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={tree},upperdir={upper},workdir={scratch}", str(root)], check=True)
        cgroups = _cgroups(work.name)
        for cgroup in cgroups:
            cgroup.mkdir()
        host = SystemdHost(root, work, networks, cgroups)
        try:
            host.boot()
            yield host
        finally:
            host.kill()


@contextlib.contextmanager
def _work_dir(place: Path) -> Iterator[Path]:
    """A directory for one run, which it keeps locked. What runs that were killed have left is taken away."""
    with contextlib.ExitStack() as stack:
        with (place / "lock").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            for left in place.glob("host-*"):
                with (left / "lock").open("w") as lock, contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _discard(left)
            # Beside the tree: an overlay's upper layer needs a file system that can hold one, and this has all that the tree needed.
            work = Path(tempfile.mkdtemp(prefix="host-", dir=place))
            stack.callback(_discard, work)
            fcntl.flock(stack.enter_context((work / "lock").open("w")), fcntl.LOCK_EX)
        yield work


def _discard(work: Path) -> None:
    """Remove what a host that is off has left."""
    for cgroup in _cgroups(work.name):
        if cgroup.is_dir():
            _empty(cgroup)
            cgroup.rmdir()
    if os.path.ismount(work / "root"):
        subprocess.run(["umount", str(work / "root")], check=True)
    shutil.rmtree(work)


@contextlib.contextmanager
def _networks() -> Iterator[Networks]:
    with contextlib.ExitStack() as stack:
        control, host = (stack.enter_context(_keeper()) for _ in range(2))
        subprocess.run(["ip", "link", "add", "control0", "netns", str(control), "type", "veth", "peer", "name", "host0", "netns", str(host)], check=True)
        for keeper, link, address in ((control, "control0", CONTROL_ADDRESS), (host, "host0", ADDRESS)):
            for words in ("link set lo up", f"address add {address}/24 dev {link}", f"link set {link} up"):
                subprocess.run([*Networks.enter(keeper), "ip", *words.split()], check=True)
        yield Networks(control, host)


@contextlib.contextmanager
def _keeper() -> Iterator[int]:
    """The pid of a process in a network namespace of its own."""
    with subprocess.Popen([*_WITH_PARENT, "unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n", "no network namespace could be made"
            yield process.pid
        finally:
            process.kill()


def _cgroups(name: str) -> tuple[Path, ...]:
    """A host's cgroups where systemd keeps them: of version 2, and of the named hierarchy beside it where there is one."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    tops = (Path(target) for _, target, kind, options, *_ in mounts if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")))
    return tuple(top / name for top in tops)


def _empty(cgroup: Path) -> None:
    """Remove all cgroups below one in which no process is left; those that were killed may still be on their way out."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        below = sorted((directory for directory, _, _ in os.walk(cgroup) if directory != str(cgroup)), reverse=True)
        if not below and not (cgroup / "cgroup.procs").read_text():
            return
        for directory in below:
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        assert time.monotonic() < deadline, f"{cgroup} does not become empty"
        time.sleep(0.005)


def _in_cgroups(cgroups: tuple[Path, ...]) -> tuple[str, ...]:
    """The command before a command that runs in the cgroups."""
    return ("sh", "-c", f'for group in {shlex.join(map(str, cgroups))}; do echo 0 > "$group/cgroup.procs" || exit; done; exec "$@"', "sh")


def _ssh_options(known_hosts: Path) -> list[str]:
    settings = {"UserKnownHostsFile": known_hosts, "GlobalKnownHostsFile": "/dev/null", "IdentitiesOnly": "yes", "ConnectTimeout": 5, "LogLevel": "ERROR"}
    return [word for key, value in settings.items() for word in ("-F", "/dev/null", "-o", f"{key}={value}")]
