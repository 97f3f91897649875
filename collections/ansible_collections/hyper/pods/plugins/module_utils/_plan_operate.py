# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to a pod that is defined, when an operator pauses it, sends it signals or restarts one of its containers. Pure."""

from __future__ import annotations

import signal as signals
from collections.abc import Sequence

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import signal_number
from ansible_collections.hyper.pods.plugins.module_utils._plan import LIVE, STOPS_GUEST, Action, Observed, resume

PAUSES_GUEST = "pauses the guest"
# What nothing can withstand, and so ends a pod whatever it does now.
KILL = "SIGKILL"


class BadSignal(HyperError):
    """A text that names no signal."""


def signal_name(text: str) -> str:
    """HUP, SIGHUP or 1 → SIGHUP; a signal without a name of its own is its number. Raises BadSignal."""
    try:
        number = signal_number(text)
    except ValueError as error:
        raise BadSignal(str(error), where="signal", remedy="Name one such as HUP, or a number from 1 to 64") from None
    try:
        return signals.Signals(number).name
    except ValueError:
        return str(number)


def pause(name: str, observed: Observed) -> tuple[Action, ...]:
    """Hold a pod that runs; it goes on where it was."""
    return () if observed.paused else (Action(name, "pause", PAUSES_GUEST, "the pod is running"),)


def kill(name: str, observed: Observed, containers: Sequence[str], signal: str) -> tuple[Action, ...]:
    """Send a signal to the main process of each of ``containers``, or of all. A whole pod that is killed is stopped, and stays so."""
    if containers:
        return tuple(Action(name, "kill", f"signals container {container}", f"{signal} was asked for", container, signal) for container in containers)
    if signal != KILL:
        return (Action(name, "kill", "signals all containers", f"{signal} was asked for", "", signal),)
    if observed.running:
        return (Action(name, "kill", STOPS_GUEST, "the pod is running"),)
    return (Action(name, "stop", LIVE, "the pod would be started again"),) if observed.due else ()


def restart_containers(name: str, observed: Observed, containers: Sequence[str]) -> tuple[Action, ...]:
    """Run some containers of a pod anew; the others go on."""
    restarts = (Action(name, "restart", f"restarts container {container}", "a restart was asked for", container) for container in containers)
    return (*((resume(name),) if observed.paused else ()), *restarts)
