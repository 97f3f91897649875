# SPDX-License-Identifier: GPL-3.0-or-later
"""How results read on a terminal: pure functions from results to text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from hyperstart.results import Action, ContainerState, LogLine, PodState
from hyperstart.store_results import ImageState

_DONE = {
    "create": "created",
    "update": "changed",
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
    "delete": "removed",
    "pause": "paused",
    "resume": "unpaused",
    "kill": "killed",
    "rename": "renamed",
}
_WOULD = {"resume": "unpause"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Columns of text, each as wide as its longest cell, two spaces between; the last column is not padded."""
    lines = [list(headers), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join((indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))).rstrip() for line in lines) + "\n"


def pods_table(pods: Sequence[PodState], *, now: datetime | None = None) -> str:
    """One line a pod, as ``hyper list`` shows it; the host only where there is more than one."""
    if not pods:
        return "No pods. Run one: hyper run IMAGE\n"
    several = len({pod.host for pod in pods}) > 1
    headers = ["NAME", *(["HOST"] if several else []), "PHASE", "READY", "RESTARTS", "IP", "PORTS", "AGE"]
    rows = [
        [
            pod.name,
            *([pod.host] if several else []),
            pod.phase,
            f"{sum(container.ready for container in pod.containers)}/{len(pod.containers)}",
            str(sum(container.restart_count for container in pod.containers)),
            pod.ip or "-",
            ", ".join(pod.ports) or "-",
            age(pod.created_at, now=now),
        ]
        for pod in pods
    ]
    return table(headers, rows)


def pod_report(pod: PodState, *, seconds: float | None = None) -> str:
    """A pod with its containers, address, acceleration and what took how long, as ``hyper run`` ends. seconds: of the whole command."""
    facts = [pod.phase]
    if pod.ip:
        facts.append(pod.ip)
    facts += pod.ports
    if pod.accelerator:
        facts.append("KVM" if pod.accelerator == "kvm" else "emulated, without KVM (why: hyper info)")
    text = f"Pod {pod.name}: {', '.join(facts)}\n"
    if pod.message:
        text += f"{pod.message}\n"
    rows = [[container.name, container.image, container_state(container), str(container.restart_count)] for container in pod.containers]
    text += table(["CONTAINER", "IMAGE", "STATE", "RESTARTS"], rows, indent="  ")
    stages = ", ".join(f"{stage} {took:.1f} s" for stage, took in (pod.timings or {}).items())
    if seconds is not None:
        stages = f"{seconds:.1f} s in all" + (f": {stages}" if stages else "")
    return text + (f"Took {stages}\n" if stages else "")


def container_state(container: ContainerState) -> str:
    """``running``, ``terminated (exit code 1, Error)``, ``waiting (…)``."""
    details = []
    if container.state == "terminated" and container.exit_code is not None:
        details.append(f"exit code {container.exit_code}")
    if container.reason:
        details.append(container.reason)
    return f"{container.state} ({', '.join(details)})" if details else container.state


def actions_text(names: Sequence[str], actions: Sequence[Action], *, check: bool) -> str:
    """What was done to each pod, or with ``check`` would be, a line each."""
    lines = []
    for action in actions:
        word = f"would {_WOULD.get(action.action, action.action)}" if check else _DONE.get(action.action, action.action)
        # What was asked for needs no reason.
        reason = action.reason if check or action.action in ("update", "rename") else ""
        # A change says itself what it is about.
        where = f"{action.pod}/{action.container}" if action.container and action.action != "update" else action.pod
        # What the pod feels of it; elsewhere the action says that itself.
        effect = f", {action.effect}" if action.action == "update" and action.effect else ""
        lines.append(f"{where}: {word}{f' by {action.signal}' if action.signal else ''}{effect}" + (f" ({reason})" if reason else ""))
    touched = {action.pod for action in actions}
    lines += [f"{name}: nothing to do" for name in names if name not in touched]
    return "".join(f"{line}\n" for line in lines)


def diffs_text(diffs: Iterable[Mapping[str, Any]]) -> str:
    """The definitions before and after, as a unified diff of YAML; empty where nothing differs."""
    text = ""
    for diff in diffs:
        before, after = (diff.get(side) or {} for side in ("before", "after"))
        for name in sorted({*before, *after}):
            old, new = (_yaml_lines(side.get(name)) for side in (before, after))
            text += "".join(difflib.unified_diff(old, new, f"{name} (before)", f"{name} (after)"))
    return text


def images_table(images: Sequence[ImageState]) -> str:
    """One line an image, as ``hyper images`` shows it."""
    if not images:
        return "No images. Pull one: hyper pull IMAGE\n"
    several = len({image.host for image in images}) > 1
    headers = ["IMAGE", *(["HOST"] if several else []), "ID", "SIZE"]
    return table(headers, [[image.reference, *([image.host] if several else []), image.id.removeprefix("sha256:")[:12], size(image.size)] for image in images])


def hosts_text(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """What each host has to offer, as ``hyper info`` shows it."""
    text = ""
    for host, facts in hosts.items():
        rows = [
            ("Host", f"{facts.get('hostname')}, {facts.get('architecture')}, {facts.get('cpus')} CPUs, {_mib(facts.get('memoryMiB'))} of memory"),
            ("Kernel", facts.get("kernel")),
            ("QEMU", facts.get("qemu") or "not installed (run: hyper prepare)"),
            ("hyperstart", facts.get("hyperstart") or "not installed (run: hyper prepare)"),
            ("Guest kernel", facts.get("guestKernel") or "-"),
            ("Acceleration", f"{facts.get('accelerator') or 'unknown'}: {facts.get('acceleratorReason')}"),
            ("Disk", f"{_mib(facts.get('diskFreeMiB'))} free of {_mib(facts.get('diskTotalMiB'))} at {facts.get('stateDir')}"),
            ("Pods", facts.get("pods")),
        ]
        text += f"{host}\n" + "".join(f"  {name + ':':<14}{value}\n" for name, value in rows)
    return text


def log_text(lines: Sequence[LogLine]) -> str:
    """Lines of a log; with the container's name in front where several wrote."""
    names = {line.container for line in lines}
    width = max((len(name) for name in names), default=0)
    return "".join((f"{line.container:<{width}} | {line.message}\n" if len(names) > 1 else f"{line.message}\n") for line in lines)


def age(created_at: str | None, *, now: datetime | None = None) -> str:
    """How long ago, as ``span`` has it."""
    if not created_at:
        return "-"
    return span(((now or datetime.now(UTC)) - datetime.fromisoformat(created_at)).total_seconds())


def span(seconds: float) -> str:
    """Seconds for people, in the largest unit that fits: ``40s``, ``5m``, ``3h``, ``12d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(int(seconds), 0)}s"


def size(count: int) -> str:
    """Bytes for people: ``512 B``, ``4.2 MiB``."""
    power = min(max(count.bit_length() - 1, 0) // 10, 4)
    amount = count / 1024**power
    return f"{amount:.0f} {_UNITS[power]}" if power == 0 or amount >= 100 else f"{amount:.1f} {_UNITS[power]}"


def manifests_text(manifests: Sequence[Mapping[str, Any]]) -> str:
    """Manifests, or other documents, as YAML, without anchors: what two of their fields share is written twice."""

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    text: str = yaml.dump_all(manifests, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _mib(count: Any) -> str:
    return "unknown" if count is None else size(int(count) << 20)


def _yaml_lines(value: Any) -> list[str]:
    return [] if value is None else yaml.safe_dump(value, sort_keys=False).splitlines(keepends=True)
