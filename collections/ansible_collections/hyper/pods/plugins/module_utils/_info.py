# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can tell: its pods, their logs, its images and itself. Reads only."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Sequence
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _command, _kvm, _log, _pod_status, _preflight, _record
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host, NotPrepared
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import installed
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import ContainerNotFound
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor


def chosen(host: Host, names: Sequence[str] | None) -> list[str]:
    """The names asked for, or all. Raises PodNotFound."""
    if names is None:
        return _record.names(host)
    for name in names:
        _record.require(host, name)
    return list(dict.fromkeys(names))


def pods(host: Host, names: list[str], *, details: bool = False) -> list[dict[str, Any]]:
    """Each pod as pod_info reports it. details: with its definition and what there is to know of its guest."""
    looks = _pod_status.look_all(host, supervisor(host), names)
    return [_pod_status.details(host, look) if details else _pod_status.info(look) for look in looks]


def logs(host: Host, name: str, *, container: str | None = None, tail: int | None = None) -> dict[str, Any]:
    """The output of a pod's containers. Raises ContainerNotFound."""
    known = [item.name for item in _record.require(host, name).pod.all_containers]
    if container is not None and container not in known:
        raise ContainerNotFound(name, container, known)
    lines = _log.joined(_log.read(host.pod_dir(name) / "log", container=container, tail=tail))
    return {
        "pod": name,
        "lines": [{"time": line.time, "stream": line.stream, "container": line.container, "message": line.message.decode(errors="replace")} for line in lines],
    }


def images(host: Host) -> list[dict[str, Any]]:
    """The images of the store."""
    return [
        {"reference": image.reference, "id": image.id, "digest": image.digest, "size": image.size, "source": image.source} for image in ImageStore(host).list()
    ]


def host_facts(host: Host) -> dict[str, Any]:
    """Kernel, QEMU, hyperstart, acceleration, memory and disk; a part that is missing says so instead of failing."""
    usage = shutil.disk_usage(host.state_dir if host.state_dir.exists() else "/")
    facts: dict[str, Any] = {
        "hostname": platform.node(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "memoryMiB": _preflight.host_memory_mib(),
        "qemu": _qemu_version(),
        "stateDir": str(host.state_dir),
        "diskTotalMiB": usage.total >> 20,
        "diskFreeMiB": usage.free >> 20,
        "pods": len(_record.names(host)),
    }
    try:
        init = installed(host)
    except NotPrepared as missing:
        return {**facts, "hyperstart": None, "guestKernel": None, "accelerator": None, "acceleratorReason": str(missing)}
    verdict = _kvm.accelerator(host, init)
    return {**facts, "hyperstart": init.version, "guestKernel": init.kernel_version, "accelerator": verdict.accelerator, "acceleratorReason": verdict.reason}


def _qemu_version() -> str | None:
    try:
        text = _command.run(["qemu-system-x86_64", "--version"]).stdout
    except HyperError:
        return None
    match = re.search(r"version (\S+)", text)
    return match[1] if match else text.strip()
