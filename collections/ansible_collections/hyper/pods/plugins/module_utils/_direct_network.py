# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks on a host without systemd: made by the first guest that starts on one, unmade when the last is stopped."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._files import locked
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pid_file import Writer, writer
from ansible_collections.hyper.pods.plugins.module_utils._steps import NetworkPlan, Step
from ansible_collections.hyper.pods.plugins.module_utils._unit import Unit

_PID_FILE = "dnsmasq.pid"
_TIME = 60.0


def document(unit: Unit) -> dict[str, Any]:
    """What leave() has to know of a unit; empty for one without networks."""
    if not unit.after:
        return {}
    networks = [{"name": plan.name, "bridge": plan.bridge, "hosts": str(plan.hosts), "down": _texts(plan.down)} for plan in unit.networks]
    return {"after": _texts(unit.after), "networks": networks}


def enter(host: Host, unit: Unit) -> None:
    """Make the networks of a unit, where they are not there, and do what comes before its QEMU. Raises CommandFailed."""
    if not unit.before:
        return
    with _alone(host):
        for plan in unit.networks:
            _raise(plan)
        _run(unit.before)


def leave(host: Host, kept: Mapping[str, Any]) -> None:
    """Do what comes after a QEMU that has ended, and unmake the networks on which nobody is any more. kept: what document() said."""
    if not kept.get("after"):
        return
    with _alone(host):
        _run(_steps(kept["after"]))
        for network in kept["networks"]:
            if not _taps(network["bridge"]):
                _end_dns(Path(network["hosts"]).parent / _PID_FILE)
                _run(_steps(network["down"]))


def _raise(plan: NetworkPlan) -> None:
    pid_file = plan.hosts.parent / _PID_FILE
    if not (plan.hosts.is_dir() and _taps(plan.bridge) is not None):
        _end_dns(pid_file)
        _run(plan.up)
    with _dns(pid_file) as running:
        if running is None:
            # It becomes a daemon when it serves, and an account of its own.
            _command.run([*plan.dns, f"--pid-file={pid_file}", "--user=nobody"], timeout=_TIME)


def _taps(bridge: str) -> list[str] | None:
    """The interfaces on a bridge; None where there is no such bridge."""
    try:
        shown = _command.run(["ip", "-json", "link", "show", "master", bridge], timeout=_TIME).stdout
    except _command.CommandFailed:
        return None
    return [str(link["ifname"]) for link in json.loads(shown or "[]")]


def _dns(pid_file: Path) -> contextlib.AbstractContextManager[Writer | None]:
    """The name server that wrote the file, or None."""
    return writer(pid_file, f"--pid-file={pid_file}")


def _end_dns(pid_file: Path) -> None:
    with _dns(pid_file) as running:
        if running is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(running.pidfd, signal.SIGTERM)


def _alone(host: Host) -> contextlib.AbstractContextManager[None]:
    return locked(host.lock_path("network", "direct"), what="the host's networks")


def _run(steps: Iterable[Step]) -> None:
    for step in steps:
        try:
            _command.run(step.argv, timeout=_TIME)
        except _command.CommandFailed:
            if not step.may_fail:
                raise


def _texts(steps: Iterable[Step]) -> list[list[Any]]:
    return [[list(step.argv), step.may_fail] for step in steps]


def _steps(texts: Iterable[Any]) -> list[Step]:
    return [Step(tuple(argv), may_fail) for argv, may_fail in texts]
