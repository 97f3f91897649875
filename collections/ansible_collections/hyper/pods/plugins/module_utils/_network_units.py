# SPDX-License-Identifier: GPL-3.0-or-later
"""A nat network as units of systemd: made when the first pod on it starts, unmade when no pod needs it any more, also at boot. Pure."""

from __future__ import annotations

from ansible_collections.hyper.pods.plugins.module_utils._steps import NetworkPlan
from ansible_collections.hyper.pods.plugins.module_utils._systemd_text import HEAD, NARROWED, PROTECTED, line, plain, step_line, unit_file


def service(name: str) -> str:
    """The unit that a pod's own requires."""
    return f"hyper-network@{name}.service"


def files(name: str) -> tuple[str, str]:
    """The unit of a network, and that of its name server."""
    return service(name), f"hyper-dns@{name}.service"


def texts(plan: NetworkPlan) -> dict[str, str]:
    """File name → content (systemd.unit(5), systemd.service(5))."""
    network, dns = files(plan.name)
    return {
        network: unit_file(
            *HEAD,
            f"Description=Network {plain(plan.name)} of pods",
            # The pods count: without one the network goes.
            "StopWhenUnneeded=yes",
            f"Wants={dns}",
            # These flush all rules when they start.
            "After=nftables.service firewalld.service ufw.service network-pre.target",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            *(f"ExecStart={step_line(step)}" for step in plan.up),
            *(f"ExecStopPost={step_line(step)}" for step in plan.down),
        ),
        dns: unit_file(
            *HEAD,
            f"Description=Names of the network {plain(plan.name)} of pods",
            # It ends with the network, which does not end with it; and it does not keep the network.
            f"PartOf={network}",
            f"After={network}",
            # Nor does it try again and again where the network could not be made.
            f"ConditionPathIsDirectory={plain(str(plan.hosts))}",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={line(*plan.dns, '--keep-in-foreground', '--log-facility=-', '--pid-file=')}",
            "Restart=always",
            "RestartSec=1",
            "DynamicUser=yes",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ProtectHome=yes",
            "PrivateDevices=yes",
            *PROTECTED,
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
            "RestrictNamespaces=yes",
            *NARROWED,
            "SystemCallFilter=@system-service",
            "SystemCallErrorNumber=EPERM",
        ),
    }
