# SPDX-License-Identifier: GPL-3.0-or-later
"""The one program that hosts keep of ours: it rotates the logs of pods (_log_tick.py). A timer of systemd starts it while a pod runs; otherwise a shell that
lives as long as the pod's QEMU."""

from __future__ import annotations

import importlib.util
import io
import sys
import zipfile
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _log_tick
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._log_limits import LEAST
from ansible_collections.hyper.pods.plugins.module_utils._systemd_text import HEAD, NARROWED, PROTECTED, line, quoted, unit_file

SERVICE, TIMER = "hyper-logs.service", "hyper-logs.timer"
# What it is made of: each after those that it uses itself.
SOURCES = (
    *("_errors", "_host", "_guest", "_pid_file", "_qemu_process", "_qmp", "_tags", "_fields", "_status", "_log_files", "_log"),
    *("_quantity", "_log_limits", "_log_rotation", "_log_tick"),
)
_PACKAGE = "ansible_collections.hyper.pods.plugins.module_utils"
_MAIN = f"from {_log_tick.__name__} import main\nmain({LEAST})\n"
_INTERVAL = 10  # seconds, as the kubelet's containerLogMonitorInterval
# Ends with the process that it is told of, whose pid may be another's for no longer than one interval.
_LOOP = f'pid=$1; shift; while timeout {_INTERVAL} tail --pid="$pid" -s 1 -f /dev/null; [ $? = 124 ]; do "$@"; done'


class SourceMissing(HyperError):
    """The modules of this collection came without their source."""


def command(host: Host) -> tuple[str, ...]:
    """What rotates the logs of a host's pods once."""
    return (sys.executable, "-I", "-S", str(_path(host)), str(host.state_dir), str(host.run_dir))


def loop(host: Host, pid: int) -> tuple[str, ...]:
    """What does so until a process has ended."""
    return ("sh", "-c", _LOOP, "sh", str(pid), *command(host))


def provide(host: Host) -> None:
    """Put the program where the host runs it from, unless it is there."""
    made = program()
    path = _path(host)
    if not path.is_file() or path.read_bytes() != made:
        write_atomic(path, made, mode=0o600)


def program() -> bytes:
    """A zip file that Python runs; the same sources make the same file."""
    packages = _PACKAGE.split(".")
    files = {f"{'/'.join(packages[: depth + 1])}/__init__.py": "" for depth in range(len(packages))}
    files |= {f"{'/'.join(packages)}/{name}.py": _source(f"{_PACKAGE}.{name}") for name in SOURCES}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in {"__main__.py": _MAIN, **files}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return made.getvalue()


def units(host: Host) -> dict[str, str]:
    """The units that start it: file name → content (systemd.service(5), systemd.timer(5))."""
    head = (*HEAD, "Description=Rotation of pods' logs")
    service = [
        *head,
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={line(*command(host))}",
        # Not each start is worth a line of the journal.
        "LogLevelMax=notice",
        "NoNewPrivileges=yes",
        # QEMU's files and its process are another user's.
        "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SYS_PTRACE",
        "ProtectSystem=strict",
        f"ReadWritePaths={quoted(str(host.state_dir))}",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "PrivateNetwork=yes",
        *PROTECTED,
        "RestrictAddressFamilies=AF_UNIX",
        "RestrictNamespaces=yes",
        *NARROWED,
        "SystemCallFilter=@system-service",
    ]
    timer = [
        *head,
        # Pods want it while they run.
        "StopWhenUnneeded=yes",
        "",
        "[Timer]",
        f"OnActiveSec={_INTERVAL}",
        f"OnUnitInactiveSec={_INTERVAL}",
        "AccuracySec=1",
    ]
    return {SERVICE: unit_file(*service), TIMER: unit_file(*timer)}


def _path(host: Host) -> Path:
    return host.state_dir / "rotate-logs.pyz"


def _source(name: str) -> str:
    """A module's text, also where Ansible has brought it in a zip file."""
    spec = importlib.util.find_spec(name)
    get = getattr(spec.loader, "get_source", None) if spec is not None else None
    source = get(name) if get is not None else None
    if not isinstance(source, str):
        raise SourceMissing("has no source that could be kept", where=name)
    return source
