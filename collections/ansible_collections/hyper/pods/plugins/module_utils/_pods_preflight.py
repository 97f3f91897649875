# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pods of a call that are about to start, or run already, need of their host: asked for before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _plan, _pod_life, _pod_status, _preflight, _record, _volume_plan, _volumes
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor


def check(host: Host, supervision: Supervisor, wanted: Sequence[_manifest.Pod], observed: Mapping[str, _plan.Observed]) -> None:
    """Ask the host for what the pods that are about to start need: QEMU, hyperstart, ports, memory."""
    _pod_life.require_prepared(host, (pod.network for pod in wanted))
    names = {pod.name for pod in wanted}
    others: dict[str, _manifest.Pod] = {}
    for name in _record.names(host):
        record = _record.read(host, name)
        if name not in names and record is not None and supervision.pid(_pod_status.unit_name(name)) is not None:
            others[name] = record.pod
    _volume_plan.check_holders(wanted, {volume: name for volume, name in _volumes.holders(host, supervision).items() if name not in names})
    holders = {port: name for name, pod in others.items() for port in pod.published_ports}
    _refuse_shared_ports(wanted)
    for pod in wanted:
        former = observed[pod.name]
        own = set(former.pod.published_ports) if former.running and former.pod is not None else set()
        held = {(port.protocol, port.host_ip, port.host_port) for port in own}
        _preflight.check_ports([port for port in pod.published_ports if (port.protocol, port.host_ip, port.host_port) not in held], pod.name, holders)
    growing = [pod for pod in wanted if _needs_memory(pod, observed[pod.name])]
    steady = [pod for pod in wanted if not _needs_memory(pod, observed[pod.name])]
    _preflight.check_memory(growing, [*others.values(), *(pod for pod in steady if observed[pod.name].running)], _preflight.host_memory_mib())


def _needs_memory(pod: _manifest.Pod, observed: _plan.Observed) -> bool:
    return not observed.running or observed.pod is None or observed.pod.memory_mib != pod.memory_mib


def _refuse_shared_ports(wanted: Sequence[_manifest.Pod]) -> None:
    for index, pod in enumerate(wanted):
        for port in pod.published_ports:
            holder = next((other.name for other in wanted[:index] if any(map(port.collides, other.published_ports))), None)
            if holder is not None:
                raise _preflight.PortTaken(
                    f"port {port.host_port}/{port.protocol.lower()} is published by pod {holder} too",
                    where=f"pod {pod.name}",
                    remedy="Publish another host port",
                )
