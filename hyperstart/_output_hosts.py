# SPDX-License-Identifier: GPL-3.0-or-later
"""How what was found on hosts, and done there, reads on a terminal: pure functions from results to text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hyperstart._output import size, table

_KINDS = {"Pods": "pods", "Volumes": "volumes", "hyperstart": "hyperstart", "Templates": "templates"}


def findings_text(findings: Mapping[str, Sequence[Mapping[str, str]]], *, every: bool) -> str:
    """What is wrong on each host, errors first; every: also what is well."""
    text = ""
    for host, found in findings.items():
        shown = [finding for level in ("error", "warning", "ok") for finding in found if finding["level"] == level and (every or level != "ok")]
        text += f"{host}: {'all is well' if all(finding['level'] == 'ok' for finding in found) else 'look at this'}\n"
        for finding in shown:
            text += f"  {finding['level'].upper():<8} {finding['subject']}: {finding['message']}\n"
            if finding["remedy"] and finding["level"] != "ok":
                text += f"  {'':<8} → {finding['remedy']}\n"
    return text


def usage_text(usages: Mapping[str, Mapping[str, Any]]) -> str:
    """What takes the disk of each host."""
    text = ""
    for host, usage in usages.items():
        images = usage["images"]
        rows = [
            ["Images", str(images["count"]), size(images["size"]), f"{size(images['unused'])} in no pod"],
            ["Layers", "", size(images["layers"]), "for pushing and building"],
            *(_row(name, usage.get(key, ())) for name, key in _KINDS.items()),
        ]
        text += f"{host}: {size(usage['free'])} free of {size(usage['total'])} at {usage['stateDir']}\n"
        text += table(["", "COUNT", "SIZE", ""], rows, indent="  ")
        pods = [[pod["name"], size(pod["own"]), size(pod["shared"])] for pod in usage["pods"]]
        if pods:
            text += table(["POD", "OWN", "SHARED"], pods, indent="  ")
    return text


def lines_text(actions: Iterable[tuple[str, str]], *, check: bool, nothing: str) -> str:
    """What was done on hosts, or with ``check`` would be, a line each; the host where it is not this machine alone."""
    listed = list(actions)
    hosts = {host for host, _ in listed}
    prefix = "would " if check else ""
    return "".join(f"{'' if hosts == {'localhost'} else f'{host}: '}{prefix}{line}\n" for host, line in listed) or f"{nothing}\n"


def _row(name: str, things: Sequence[Mapping[str, Any]]) -> list[str]:
    unused = sum(thing["own"] for thing in things if not thing.get("used", True))
    return [name, str(len(things)), size(sum(thing["own"] for thing in things)), f"{size(unused)} not used" if unused else ""]
