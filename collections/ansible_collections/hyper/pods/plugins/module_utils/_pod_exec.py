# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a container of a pod that runs, or share the streams of the container itself."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _pod_status, _record
from ansible_collections.hyper.pods.plugins.module_utils._channel import GuestTimeout
from ansible_collections.hyper.pods.plugins.module_utils._control import Control, ExecFailed, ExecResult
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import ContainerNotFound, PodNotRunning, PodPaused
from ansible_collections.hyper.pods.plugins.module_utils._qmp import is_paused
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor

# How long a guest that is booting, or one whose ports are all in use, is waited for.
_CONNECT_TIMEOUT = 30.0


@dataclass(frozen=True)
class Target:
    """A container of a pod that runs."""

    pod: str
    container: str


def find(host: Host, name: str, container: str | None) -> Target:
    """The container to run something in. Raises PodNotFound, ContainerNotFound, PodNotRunning."""
    pod = _record.require(host, name).pod
    names = [item.name for item in pod.all_containers]
    if container is not None and container not in names:
        raise ContainerNotFound(name, container, names)
    if supervisor(host).pid(_pod_status.unit_name(name)) is None:
        raise PodNotRunning(name)
    return Target(name, container or pod.containers[0].name)


def connect(host: Host, pod: str) -> Control:
    """A client of a pod that runs. Raises PodPaused, GuestTimeout, GuestUnreachable, AllPortsBusy."""
    if is_paused(host.pod_run_dir(pod) / QMP_SOCKET):
        raise PodPaused(pod)
    return Control.connect(host.pod_run_dir(pod), timeout=_CONNECT_TIMEOUT, alive=_pod_status.alive(supervisor(host), pod))


def run(
    host: Host,
    target: Target,
    argv: Sequence[str],
    *,
    env: tuple[tuple[str, str], ...] = (),
    workdir: str | None = None,
    user: str | None = None,
    stdin: bytes = b"",
    guest: bool = False,
    timeout: float | None = None,
) -> ExecResult:
    """Run ``argv`` to its end; 127 and 126 for what is not there or cannot be executed, as a shell has it, with the reason on stderr.

    guest: in hyperstart's own namespaces; see Control.exec. timeout: seconds. Raises PodPaused, ExecFailed, GuestTimeout, GuestUnreachable, AllPortsBusy.
    """
    with connect(host, target.pod) as control:
        try:
            return control.exec(target.container, argv, env=env, workdir=workdir, user=user, stdin=stdin or None, guest=guest, timeout=timeout)
        except ExecFailed as failed:
            if failed.code is None:
                raise
            return ExecResult(failed.code, b"", f"{failed.message}\n".encode())


@dataclass(frozen=True)
class Attached:
    """What a container wrote while somebody was attached. code: its own, None where it has not ended."""

    code: int | None
    stdout: bytes
    stderr: bytes


def attach(host: Host, target: Target, *, stdin: bytes | None = None, timeout: float | None = None) -> Attached:
    """Share the streams of the container itself, until it ends. stdin: what it is given to read, None: nothing. timeout: seconds, after which it goes on alone.

    Raises PodPaused, ExecFailed, GuestUnreachable, AllPortsBusy.
    """
    stdout: list[bytes] = []
    stderr: list[bytes] = []
    code = None
    with connect(host, target.pod) as control, suppress(GuestTimeout):
        code = control.exec(target.container, (), attach=True, stdin=stdin, on_stdout=stdout.append, on_stderr=stderr.append, timeout=timeout).code
    return Attached(code, b"".join(stdout), b"".join(stderr))


def decoded(text: str | None) -> bytes | None:
    """What a module's stdin_base64 says. Raises HyperError."""
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise HyperError(f"is not base64: {error}", where="stdin_base64") from None


def as_result(stdout: bytes, stderr: bytes) -> dict[str, Any]:
    """Two outputs as modules return them, as text and byte for byte."""
    return {
        "stdout": stdout.decode(errors="replace"),
        "stderr": stderr.decode(errors="replace"),
        "stdout_base64": base64.b64encode(stdout).decode(),
        "stderr_base64": base64.b64encode(stderr).decode(),
    }
