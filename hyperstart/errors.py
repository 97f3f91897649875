# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong in an operation; every exception is a HyperError, with ``message``, ``where`` and ``remedy``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import BadDefinition

__all__ = ["AnsibleFailed", "BadDefinition", "Cancelled", "HostFailure", "HostUnreachable", "HyperError", "NoHosts", "OperationFailed", "ProjectMissing"]


class ProjectMissing(HyperError):
    """The package was installed without the playbooks and the collection it drives."""


class NoHosts(HyperError):
    """The inventory and the limit leave no host to work on."""


class Cancelled(HyperError):
    """The operation was cancelled before it ended; running it again converges."""


class AnsibleFailed(HyperError):
    """Ansible itself ended in error, before or outside any host's task."""


@dataclass(frozen=True)
class HostFailure:
    """Why an operation failed on one host. kind: the exception's class name on the host, or ``""``; values: all that the module returned."""

    host: str
    message: str
    kind: str = ""
    where: str | None = None
    remedy: str | None = None
    unreachable: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


class OperationFailed(HyperError):
    """The operation failed on one host or several; on the others it was carried out.

    failures: one for each such host. result: what the operation returns, from the hosts where it went well; None where there is no such host.
    """

    def __init__(self, failures: Sequence[HostFailure], result: object = None) -> None:
        # The module's message already holds its place and its remedy.
        super().__init__("\n".join(f"{failure.host}: {failure.message}" for failure in failures))
        self.failures = tuple(failures)
        self.result = result


class HostUnreachable(OperationFailed):
    """No host did the work, and at least one could not be reached."""
