# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU that is looked after, and what all that look after one share: they find and end it by its run directory."""

from __future__ import annotations

import abc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._host_share import Share
from ansible_collections.hyper.pods.plugins.module_utils._qemu_process import running
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp, QmpUnreachable
from ansible_collections.hyper.pods.plugins.module_utils._steps import NetworkPlan, Step

LOG = "qemu.log"
# What has QEMU wait for a state that it is told to load, instead of starting the guest.
INCOMING = ("-incoming", "defer")
_START_TIME = 60.0
_FORWARDED = re.compile(r"\bhostfwd=\w+:[^:,]*:(\d+)-")
_FIRST_UNPRIVILEGED_PORT = 1024


class QemuFailed(HyperError):
    """QEMU ended while it was being started; the message carries what it said."""


@dataclass(frozen=True)
class Unit:
    """A QEMU to be supervised. name: hyper-pod@NAME or hyper-guest@NAME.

    argv: runs in the foreground, serves QMP and writes its pid in run_dir. state_dir: gets what QEMU says (LOG). run_dir: QEMU's own directory.
    paths: what QEMU writes beside these two. grace_period: seconds that the guest has to power off when the host shuts down.
    share: what it has of the host's files, served beside it.
    before, after: what root does before each start of QEMU and after its end. networks: are there as long as it runs.
    secrets: the file, encrypted by the supervisor, whose content QEMU finds in the place of _guest.SECRETS.
    rotates: it is a pod's, whose log is rotated as long as it runs.
    """

    name: str
    description: str
    argv: tuple[str, ...]
    state_dir: Path
    run_dir: Path
    user: str
    paths: tuple[Path, ...] = ()
    grace_period: int = 60
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    networks: tuple[NetworkPlan, ...] = ()
    share: Share | None = None
    secrets: Path | None = None
    rotates: bool = False

    @property
    def has_taps(self) -> bool:
        """Whether QEMU opens tap devices."""
        return any(word.startswith("tap,") for word in self.argv)

    @property
    def binds_low_ports(self) -> bool:
        """Whether QEMU forwards a port of the host below 1024, which an unprivileged process may not bind by itself."""
        ports = [int(port) for word in self.argv for port in _FORWARDED.findall(word)]
        return any(port < _FIRST_UNPRIVILEGED_PORT for port in ports)


class Supervisor(abc.ABC):
    """Starts and ends QEMU processes, one a unit."""

    def __init__(self, host: Host) -> None:
        self.host = host

    @abc.abstractmethod
    def define(self, unit: Unit) -> bool:
        """Keep ``unit`` on the host's disk; returns whether that changed anything. A QEMU that runs stays as it is."""

    @abc.abstractmethod
    def defined(self, name: str) -> bool:
        """Whether a unit of this name is kept on the host's disk."""

    @abc.abstractmethod
    def start(self, unit: Unit, *, incoming: bool = False) -> None:
        """Start QEMU, and at each boot of the host from now on where there is an init to do so; returns when QEMU serves its sockets.

        incoming: this time, and only this time, QEMU waits for a state to load. The unit must be defined and its run_dir made. Raises QemuFailed.
        """

    @abc.abstractmethod
    def undefine(self, name: str) -> None:
        """Forget a unit that does not run."""

    def require_secrets(self) -> None:  # noqa: B027  most can
        """Raises HyperError where the host cannot keep secrets."""

    @abc.abstractmethod
    def encrypt(self, data: bytes) -> bytes:
        """The form in which a unit's secrets lie on disk."""

    @abc.abstractmethod
    def decrypt(self, data: bytes) -> bytes:
        """The other way round."""

    @abc.abstractmethod
    def undefine_network(self, name: str) -> None:
        """Forget a network that no unit names any more."""

    @abc.abstractmethod
    def due(self, name: str) -> bool:
        """Whether a unit that does not run is started again without being asked for: in a moment, or at the next boot of the host."""

    def stop(self, name: str, timeout: float = 0.0) -> None:
        """End QEMU and keep it ended. timeout: seconds that a guest which was told to power off is waited for before QEMU is told to quit."""
        with running(run_dir_of(self.host, name)) as process:
            if process is not None:
                process.end(timeout)

    def pid(self, name: str) -> int | None:
        """The pid of the unit's QEMU, or None when it does not run. Cheap: it may be asked again and again."""
        with running(run_dir_of(self.host, name)) as process:
            return None if process is None else process.pid

    def accelerator(self, name: str) -> str:
        """What the unit's QEMU runs the guest with, kvm or tcg; "" when it does not run."""
        with running(run_dir_of(self.host, name)) as process:
            return "" if process is None else process.accelerator

    def wait(self, name: str, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for the end of the unit's QEMU; returns whether it has ended."""
        with running(run_dir_of(self.host, name)) as process:
            return process is None or process.wait(timeout)


def run_dir_of(host: Host, name: str) -> Path:
    """Where the unit's QEMU has its sockets and its pid file."""
    kind, _, instance = name.partition("@")
    return {"hyper-pod": host.pod_run_dir, "hyper-guest": host.guest_run_dir}[kind](instance)


def state_dir_of(host: Host, name: str) -> Path:
    """Where the unit's files lie that survive a reboot of the host."""
    kind, _, instance = name.partition("@")
    return {"hyper-pod": host.pod_dir, "hyper-guest": host.guest_dir}[kind](instance)


def incoming_file(run_dir: Path) -> Path:
    """Is there while a QEMU waits for a state, or its guest for the word to go on: what a run has not brought to its end. To systemd it is the
    service's environment, which goes with the run directory, so that a service which is started again boots."""
    return run_dir / "incoming"


def note_incoming(host: Host, unit: Unit, *, incoming: bool) -> None:
    """Say how the unit's QEMU is to start."""
    if incoming:
        make_dir(unit.run_dir, mode=0o750, owner=host.qemu_ids())
        write_atomic(incoming_file(unit.run_dir), f"HYPER_INCOMING={' '.join(INCOMING)}\n".encode())
    else:
        incoming_file(unit.run_dir).unlink(missing_ok=True)


def await_sockets(unit: Unit, ended: Callable[[], str]) -> None:
    """Return when QEMU has made its devices and serves its sockets. ended: how it ended, "" while it runs; asked often. Raises QemuFailed."""
    deadline = time.monotonic() + _START_TIME
    pause = 0.002
    while True:
        try:
            # The socket is there early; its greeting comes from the main loop, when all else is made.
            with Qmp.connect(unit.run_dir / QMP_SOCKET, _START_TIME):
                return
        except QmpUnreachable as unreachable:
            end = ended()
            if end or time.monotonic() > deadline:
                raise failure(unit, end or unreachable.message) from None
        # No event tells that a socket came to be served.
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def failure(unit: Unit, otherwise: str) -> QemuFailed:
    """What QEMU said before it ended, or ``otherwise`` when it said nothing."""
    try:
        said = (unit.state_dir / LOG).read_text(errors="replace").strip()[-2000:]
    except FileNotFoundError:
        said = ""
    return QemuFailed(f"QEMU did not start: {said or otherwise}", where=unit.name)
