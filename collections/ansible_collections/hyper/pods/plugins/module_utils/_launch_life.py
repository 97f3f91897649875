# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a launch plan that says how hyperstart looks after a container: what it does (actions), and when (probes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._fields import BYTES, NUMBER, TEXT, Part, Record


@dataclass(frozen=True)
class Action:
    """exec: argv in the container. tcp: a connection to address and port. http: request is sent there, an answer of 200 to 399 is success. sleep: seconds."""

    kind: Literal["exec", "tcp", "http", "sleep"]
    argv: tuple[str, ...] = ()
    address: str = ""
    port: int | None = None
    request: bytes | None = None
    seconds: int | None = None


@dataclass(frozen=True)
class Probe:
    """Times in seconds; initial_delay counts from the container's start. grace_period: of the end that a failure brings, None: the container's."""

    action: Action
    initial_delay: int = 0
    period: int = 10
    timeout: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace_period: int | None = None


ACTION = Record(
    Action,
    Part(tag.ACTION_KIND, "kind", TEXT),
    Part(tag.ACTION_ARGV, "argv", TEXT, many=True),
    Part(tag.ACTION_ADDRESS, "address", TEXT),
    Part(tag.ACTION_PORT, "port", NUMBER),
    Part(tag.ACTION_REQUEST, "request", BYTES),
    Part(tag.ACTION_SECONDS, "seconds", NUMBER),
)
PROBE = Record(
    Probe,
    Part(tag.PROBE_ACTION, "action", ACTION.kind),
    Part(tag.PROBE_INITIAL_DELAY, "initial_delay", NUMBER),
    Part(tag.PROBE_PERIOD, "period", NUMBER),
    Part(tag.PROBE_TIMEOUT, "timeout", NUMBER),
    Part(tag.PROBE_SUCCESS_THRESHOLD, "success_threshold", NUMBER),
    Part(tag.PROBE_FAILURE_THRESHOLD, "failure_threshold", NUMBER),
    Part(tag.PROBE_GRACE_PERIOD, "grace_period", NUMBER),
)
