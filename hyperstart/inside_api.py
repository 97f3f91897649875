# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations inside a pod that runs, as functions; see ``api``."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Unpack

from hyperstart._ansible import HostValues, Options, Play
from hyperstart._operation import base, perform
from hyperstart.errors import BadDefinition
from hyperstart.results import AttachResult, ExecResult


def exec_pod(
    *,
    pod: str,
    command: Sequence[str],
    container: str | None = None,
    env: Mapping[str, str] | None = None,
    workdir: str | None = None,
    user: str | None = None,
    stdin: bytes | None = None,
    guest: bool = False,
    timeout: int | None = None,
    **options: Unpack[Options],
) -> ExecResult:
    """Run a command in a container of a running pod (the first container, unless named). Its exit code is no error; see ``ExecResult``.

    user: ``uid``, ``name``, ``uid:gid`` or ``name:group``. guest: in the guest's own namespaces, as root, with the container's files. timeout: seconds.
    Raises OperationFailed when it could not be run.
    """
    if not command:
        raise BadDefinition("no command is given", where="command", remedy=f"Name one, for example: hyper exec {pod} -- ps")
    variables = {
        "pod_name": pod,
        "pod_command": list(command),
        "pod_container": container,
        "pod_env": dict(env) if env else None,
        "pod_workdir": workdir,
        "pod_user": user,
        "pod_stdin_base64": _encoded(stdin),
        "pod_guest": guest or None,
        "pod_timeout": timeout,
    }
    return perform("exec_pod.yml", variables, options, _exec_result)


def attach_pod(*, pod: str, container: str | None = None, stdin: bytes | None = None, timeout: int | None = None, **options: Unpack[Options]) -> AttachResult:
    """Share the streams of a container itself (the first, unless named): give it ``stdin`` to read, and see what it writes until it ends.

    timeout: seconds, after which it goes on alone. Raises OperationFailed, also for ``stdin`` where the container reads none.
    """
    variables = {"pod_name": pod, "pod_container": container, "pod_stdin_base64": _encoded(stdin), "pod_timeout": timeout}
    return perform("attach_pod.yml", variables, options, _attach_result)


def _encoded(stdin: bytes | None) -> str | None:
    return base64.b64encode(stdin).decode() if stdin is not None else None


def _exec_result(play: Play) -> ExecResult:
    done = _only(play, "pod_exec", "The command ran on all of them")
    return ExecResult(*base(play), host=done.host, exit_code=int(done.values.get("rc", 0)), stdout=_output(done, "stdout"), stderr=_output(done, "stderr"))


def _attach_result(play: Play) -> AttachResult:
    done = _only(play, "pod_attach", "All of them were given the input")
    return AttachResult(*base(play), host=done.host, exit_code=done.values.get("exit_code"), stdout=_output(done, "stdout"), stderr=_output(done, "stderr"))


def _only(play: Play, module: str, what: str) -> HostValues:
    done = play.of(module)
    if len(done) > 1:
        hosts = ", ".join(result.host for result in done)
        raise BadDefinition(f"several hosts have such a pod: {hosts}", where="pod", remedy=f"{what}; choose one with --limit")
    return done[0]


def _output(done: HostValues, stream: str) -> bytes:
    return base64.b64decode(done.values.get(f"{stream}_base64", ""))
