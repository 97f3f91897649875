# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with hosts, beside preparing them; in the form of hyperstart.api."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from hyperstart._ansible import Options, Play
from hyperstart._operation import base, perform
from hyperstart.results import HostsResult


def host_usage(**options: Unpack[Options]) -> HostsResult:
    """What takes the hosts' disk (see the module hyper.pods.host_info, ``usage``)."""
    return perform("host_usage.yml", {}, options, _of("host_info", "usage"))


def check_hosts(**options: Unpack[Options]) -> HostsResult:
    """What is missing or wrong on hosts (see the module hyper.pods.host_info, ``findings``). Errors found are no failure of the operation."""
    return perform("check_host.yml", {}, options, _of("host_info", "findings"))


def prune_hosts(**options: Unpack[Options]) -> HostsResult:
    """Remove from hosts what nothing needs; the result has ``actions`` of each."""
    return perform("prune_host.yml", {}, options, _of("host_prune", "actions"))


def _of(module: str, key: str) -> Callable[[Play], HostsResult]:
    return lambda play: HostsResult(*base(play), {result.host: {key: result.values.get(key)} for result in play.of(module)})
