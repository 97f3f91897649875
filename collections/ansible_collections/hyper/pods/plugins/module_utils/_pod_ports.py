# SPDX-License-Identifier: GPL-3.0-or-later
"""The published ports of a pod whose guest runs: rules of its nat network, or QEMU's own, by its monitor (its documentation: hostfwd_add, hostfwd_remove)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _network_host
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Port
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp


class PortNotPublished(HyperError):
    """QEMU could not take over a port of the host."""


def change(host: Host, before: Pod, after: Pod) -> None:
    """Publish what is new, take back what is not wanted any more; what stays is not touched. Raises PortNotPublished, QmpUnreachable."""
    kinds = [nic.kind for nic in after.network.nics]
    if after.network.publisher is not None and after.network.publisher.kind == "nat":
        _network_host.republish(host, before, after)
    elif "user" in kinds:
        _forward(host.pod_run_dir(after.name), f"net{kinds.index('user')}", before.published_ports, after.published_ports)


def _forward(run_dir: Path, network: str, before: Iterable[Port], after: Iterable[Port]) -> None:
    former, latter = ({_host_side(port): port.container_port for port in ports} for ports in (before, after))
    gone = [side for side, target in former.items() if latter.get(side) != target]
    new = {side: target for side, target in latter.items() if former.get(side) != target}
    if not gone and not new:
        return
    with Qmp.connect(run_dir / QMP_SOCKET) as qmp:
        for side in gone:
            _monitor(qmp, f"hostfwd_remove {network} {side}")
        for side, target in new.items():
            said = _monitor(qmp, f"hostfwd_add {network} {side}-:{target}")
            if said:
                raise PortNotPublished(said, where=side, remedy="Publish another host port")


def _host_side(port: Port) -> str:
    return f"{port.protocol.lower()}:{port.host_ip}:{port.host_port}"


def _monitor(qmp: Qmp, line: str) -> str:
    said: str = qmp.execute("human-monitor-command", command_line=line)
    return said.strip()
