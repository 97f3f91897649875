# SPDX-License-Identifier: GPL-3.0-or-later
"""Files between this host and a container of a pod that runs: what differs is copied."""

from __future__ import annotations

from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _file_copy, _pod_exec
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

# Paths of a result, and complaints of an error: a tree may have any number of them.
_MOST_TOLD = 1000
_MOST_SAID = 5


class NoPath(HyperError):
    """A path that is none."""


class NotCopied(HyperError):
    """A container did not take, or give, all of a tree."""


def copy(host: Host, target: _pod_exec.Target, source: str, destination: str, *, inwards: bool, check: bool) -> dict[str, Any]:
    """Copy what differs between this host and a container of a pod that runs; the form of a module's result.

    Raises NoPath, NotCopied, PodPaused, BadTree and what Control raises.
    """
    for where, path in (("src", source), ("dest", destination)):
        if not path.startswith("/"):
            raise NoPath(f"{path} is not an absolute path", where=where, remedy="Write it from / on")

    def connect() -> Control:
        return _pod_exec.connect(host, target.pod)

    left_out: list[str] = []
    files = (_file_copy.changes_into if inwards else _file_copy.changes_out)(connect, target.container, source, destination)
    if files and not check:
        with connect() as control:
            whole = (_file_copy.into if inwards else _file_copy.out)(control, target.container, source, destination, left_out.append)
        if not whole:
            raise NotCopied("; ".join(left_out[:_MOST_SAID]), where=f"pod {target.pod}")
    shown = [path.encode(errors="surrogateescape").decode(errors="replace") or "." for path in files[:_MOST_TOLD]]
    return {"changed": bool(files), "files": shown, "left_out": left_out, "warnings": left_out}
