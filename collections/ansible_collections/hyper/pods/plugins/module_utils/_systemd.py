# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU as a service of systemd: started at boot, started again after a failure, ended in order when the host shuts down."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command, _host_share, _log_program, _network_units
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._guest import SECRETS
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._systemd_text import HEAD, PROTECTED, line, plain, quoted, step_line, unit_file
from ansible_collections.hyper.pods.plugins.module_utils._unit import LOG, Supervisor, Unit, await_sockets, incoming_file, note_incoming

_UNITS = Path("/etc/systemd/system")
_AT_BOOT = "multi-user.target.wants"
_RUN = Path("/run")
_CREDENTIAL = "hyper-secrets"
_CREDS = "systemd-creds"
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
# Runs when the unit is to stop, and also when QEMU has ended by itself (systemd.service(5), ExecStop=), then without MAINPID.
# To stop is to press the guest's power button until it is off: one that is still booting does not hear the first.
# A guest that powered off by itself has done its work, and is not started at the next boot.
_STOP = (
    'if [ -n "$MAINPID" ]; then while kill -0 "$MAINPID" 2>/dev/null; do '
    'echo system_powerdown >"$1"; timeout 1 tail --pid="$MAINPID" -s 0.1 -f /dev/null; done; '
    'elif [ "$SERVICE_RESULT" = success ]; then exec rm -f "$2"; fi'
)

# A guest that was killed may have left half a line, which the first of its next life must not become the end of.
_END_LINE = 'test -z "$(tail -c 1 "$1")" || echo >>"$1"'


class WrongRunDir(HyperError):
    """The directory for sockets is none that systemd can make anew at each boot."""


class NoCredentials(HyperError):
    """The host's systemd cannot keep secrets encrypted."""


class Systemd(Supervisor):
    """Keeps each unit as a file of its own. units: where they lie."""

    def __init__(self, host: Host, units: Path = _UNITS) -> None:
        super().__init__(host)
        self._units = units

    def define(self, unit: Unit) -> bool:
        texts = {self._file(unit.name): unit_text(unit, self._link(unit.name), _groups(self.host))}
        for plan in unit.networks:
            texts.update((self._units / file, text) for file, text in _network_units.texts(plan).items())
        if unit.share is not None:
            share = _host_share.unit_texts(unit.share, f"{unit.name}.service", unit.user, _homes(part.root for part in unit.share.parts))
            texts.update((self._units / file, text) for file, text in share.items())
        if unit.rotates:
            _log_program.provide(self.host)
            texts.update((self._units / file, text) for file, text in _log_program.units(self.host).items())
        changed = {file: text for file, text in texts.items() if not file.is_file() or file.read_text() != text}
        for file, text in changed.items():
            write_atomic(file, text.encode())
        if changed:
            _systemctl("daemon-reload")
        return bool(changed)

    def defined(self, name: str) -> bool:
        return self._file(name).exists()

    def start(self, unit: Unit, *, incoming: bool = False) -> None:
        service = f"{unit.name}.service"
        # A guest that has just powered off takes its link away as its last act; this waits for that.
        _systemctl("stop", service)
        note_incoming(self.host, unit, incoming=incoming)
        # What "systemctl enable" would do, without its reload of all units.
        link = self._link(unit.name)
        make_dir(link.parent)
        if not link.is_symlink():
            link.symlink_to(self._file(unit.name))
        # A unit that failed too often refuses to start.
        _forget_failures(service, *(_host_share.unit_files(unit.share.pod) if unit.share is not None else ()))
        try:
            _systemctl("start", service)
            await_sockets(unit, ended=lambda: _ended(service))
        except HyperError:
            # It would be started again and again.
            self.stop(unit.name)
            raise

    def due(self, name: str) -> bool:
        return self._link(name).is_symlink()

    def stop(self, name: str, timeout: float = 0.0) -> None:
        self._link(name).unlink(missing_ok=True)
        super().stop(name, timeout)
        if self.defined(name):
            # Its QEMU has ended; this takes back a restart that may be due.
            _systemctl("stop", f"{name}.service")
            _forget_failures(f"{name}.service")

    def undefine(self, name: str) -> None:
        self._link(name).unlink(missing_ok=True)
        if self.defined(name):
            # A guest that failed may be about to be started again.
            _systemctl("stop", f"{name}.service")
            self._file(name).unlink()
            share = [self._units / file for file in _host_share.unit_files(name.partition("@")[2])] if name.startswith("hyper-pod@") else []
            if any(file.exists() for file in share):
                _systemctl("stop", *(file.name for file in share))
            for file in share:
                file.unlink(missing_ok=True)
            if not any(self._units.glob("hyper-pod@*.service")):
                for shared in (_log_program.TIMER, _log_program.SERVICE):
                    (self._units / shared).unlink(missing_ok=True)
            _systemctl("daemon-reload")
            _forget_failures(f"{name}.service", *(file.name for file in share))

    def require_secrets(self) -> None:
        try:
            _command.find(_CREDS)
        except _command.CommandMissing:
            raise NoCredentials("this host's systemd cannot keep secrets encrypted", remedy="Secrets need systemd 250 or later") from None

    def encrypt(self, data: bytes) -> bytes:
        handle = os.memfd_create(_CREDENTIAL, os.MFD_CLOEXEC)
        try:
            os.write(handle, data)
            command = [_CREDS, "encrypt", f"--name={_CREDENTIAL}", f"/proc/self/fd/{handle}", "-"]
            return _command.run(command, timeout=60, pass_fds=(handle,)).stdout.encode()
        finally:
            os.close(handle)

    def decrypt(self, data: bytes) -> bytes:
        handle = os.memfd_create(_CREDENTIAL, os.MFD_CLOEXEC)
        try:
            os.write(handle, data)
            command = [_CREDS, "decrypt", f"--name={_CREDENTIAL}", "--transcode=base64", f"/proc/self/fd/{handle}", "-"]
            return base64.b64decode(_command.run(command, timeout=60, pass_fds=(handle,)).stdout)
        finally:
            os.close(handle)

    def undefine_network(self, name: str) -> None:
        files = [self._units / file for file in _network_units.files(name)]
        if any(file.exists() for file in files):
            # It goes by itself with its last pod, a moment later.
            _systemctl("stop", *(file.name for file in files))
            for file in files:
                file.unlink(missing_ok=True)
            _systemctl("daemon-reload")

    def _file(self, name: str) -> Path:
        return self._units / f"{name}.service"

    def _link(self, name: str) -> Path:
        return self._units / _AT_BOOT / f"{name}.service"


def unit_text(unit: Unit, link: Path, groups: tuple[str, ...]) -> str:
    """The unit file (systemd.service(5), systemd.exec(5)) of ``unit``. link: what makes it start at boot; groups: QEMU's supplementary ones. Pure."""
    if _RUN not in unit.run_dir.parents:
        raise WrongRunDir(f"under systemd run_dir must lie in {_RUN}", where=str(unit.run_dir))
    monitor = unit.run_dir / "monitor"
    # Beside QMP, since that serves one client at a time: a monitor that a shell can write to.
    argv = (_command.find(unit.argv[0]), *unit.argv[1:], "-chardev", f"pipe,id=monitor,path={monitor}", "-mon", "chardev=monitor,mode=readline")
    ends = [f"{monitor}.in", f"{monitor}.out"]
    places = [unit.state_dir, unit.run_dir, *unit.paths]
    capabilities = "CAP_NET_BIND_SERVICE" if unit.binds_low_ports else ""
    lines = [
        *HEAD,
        f"Description={plain(unit.description)}",
        # A port may be published on an address that the host has only when its network is online.
        "Wants=network-online.target",
        "After=network.target network-online.target",
        *(f"{key}={_network_units.service(plan.name)}" for plan in unit.networks for key in ("Requires", "After")),
        *(f"{key}={_host_share.socket_unit(unit.share.pod)}" for key in ("Requires", "After") if unit.share is not None),
        *([f"Wants={_log_program.TIMER}"] if unit.rotates else []),
        f"RequiresMountsFor={quoted(str(unit.state_dir))}",
        "StartLimitIntervalSec=300",
        "StartLimitBurst=5",
        "",
        "[Service]",
        "Type=exec",
        f"User={unit.user}",
        *(f"SupplementaryGroups={group}" for group in groups),
        f"RuntimeDirectory={unit.run_dir.relative_to(_RUN)}",
        "RuntimeDirectoryMode=0750",
        *(f"ExecStartPre={step_line(step, '+')}" for step in unit.before),
        f"ExecStartPre={line('mkfifo', '-m', '600', *ends)}",
        # Encrypted on disk; decrypted by systemd at each start, in memory that only this unit sees.
        *([f"LoadCredentialEncrypted={_CREDENTIAL}:{plain(str(unit.secrets))}"] if unit.secrets else []),
        *([f"ExecStartPre={line('sh', '-c', _END_LINE, 'sh', str(unit.state_dir / 'log'))}"] if unit.rotates else []),
        # Words for this one start. Where there are none, as at each boot of the host, the variable is none either.
        f"EnvironmentFile=-{plain(str(incoming_file(unit.run_dir)))}",
        f"ExecStart={line(*argv).replace(str(SECRETS), f'%d/{_CREDENTIAL}')} $HYPER_INCOMING",
        f"ExecStop=+{line('sh', '-c', _STOP, 'sh', ends[0], str(link))}",
        *(f"ExecStopPost={step_line(step, '+')}" for step in unit.after),
        f"TimeoutStopSec={unit.grace_period + 15}",
        "KillMode=mixed",
        "Restart=on-failure",
        "RestartSec=1",
        f"StandardError=truncate:{plain(str(unit.state_dir / LOG))}",
        "UMask=0077",
        "LimitCORE=0",
        "NoNewPrivileges=yes",
        f"CapabilityBoundingSet={capabilities}",
        f"AmbientCapabilities={capabilities}",
        "ProtectSystem=strict",
        f"ProtectHome={_homes(places)}",
        *(f"ReadWritePaths={quoted(str(place))}" for place in (unit.state_dir, *unit.paths)),
        "PrivateTmp=yes",
        "PrivateMounts=yes",
        "DevicePolicy=closed",
        "DeviceAllow=/dev/kvm rw",
        *(["DeviceAllow=/dev/net/tun rw"] if unit.has_taps else []),
        *PROTECTED,
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
        # seccomp: with it QEMU narrows this further for itself (-sandbox).
        "SystemCallFilter=@system-service seccomp",
        # QEMU can do without many a call, and can say which it cannot do without.
        "SystemCallErrorNumber=EPERM",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return unit_file(*lines)


def _homes(places: Iterable[Path]) -> str:
    """How a service sees home directories (systemd.exec(5), ProtectHome=) that uses these places."""
    return "read-only" if any(home == place or home in place.parents for home in _HOMES for place in places) else "yes"


def _ended(service: str) -> str:
    """How the service's last life ended, "" while it lives."""
    show = _systemctl("show", "--property=SubState,Result,ExecMainStatus", service)
    facts = dict(line.split("=", 1) for line in show.splitlines())
    return "" if facts["SubState"] in ("running", "start", "start-pre") else f"it ended with {facts['Result']} {facts['ExecMainStatus']}"


def _groups(host: Host) -> tuple[str, ...]:
    kvm = host.kvm_gid()
    return () if kvm is None else (str(kvm),)


def _forget_failures(*units: str) -> None:
    for unit in units:
        # systemd does not know of one that is neither loaded nor failed.
        with contextlib.suppress(_command.CommandFailed):
            _systemctl("reset-failed", unit)


def _systemctl(*arguments: str) -> str:
    return _command.run(["systemctl", *arguments], timeout=120).stdout.strip()
