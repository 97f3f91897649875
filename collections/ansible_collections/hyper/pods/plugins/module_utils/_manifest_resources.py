# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU, memory and disk: what a container may use, and how large the guest is that holds all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _quantity
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import amount
from ansible_collections.hyper.pods.plugins.module_utils._tree import Node

DEFAULT_MEMORY_MIB = 256
# Processors, and memory in MiB, of a guest whose definition says nothing of them.
DEFAULT_SIZE = (1, DEFAULT_MEMORY_MIB)
MINIMUM_MEMORY_MIB = 32
# What a guest has less for its containers than QEMU gives it (kernel, page structures, reserves, hyperstart), measured as memory less MemAvailable: 63 MiB
# of 128, 68 of 256, 160 of 1024, 308 of 3072.
OVERHEAD_MIB = 64
_OVERHEAD_SHARE = Fraction(1, 8)
_PERIOD_US = 100_000
_STORAGE = "ephemeral-storage"


@dataclass(frozen=True)
class Resources:
    """Of one container; None where nothing is said. CPUs as they are written (Fraction of one), memory and storage in bytes."""

    cpu_limit: Fraction | None = None
    cpu_request: Fraction | None = None
    memory_limit: int | None = None
    memory_request: int | None = None
    storage_limit: int | None = None

    @property
    def cpu_quota_us(self) -> int | None:
        """Microseconds of each tenth of a second (cgroup v2, cpu.max); the kernel takes 1000 at least."""
        return None if self.cpu_limit is None else max(1000, int(self.cpu_limit * _PERIOD_US))

    @property
    def cpu_weight(self) -> int | None:
        """The share when CPUs are short (cgroup v2, cpu.weight), as the kubelet makes it of a request."""
        if self.cpu_request is None:
            return None
        shares = min(max(int(self.cpu_request * 1024), 2), 262144)
        return 1 + (shares - 2) * 9999 // 262142

    @property
    def memory(self) -> int | None:
        """What the guest has to have for it."""
        return self.memory_request if self.memory_limit is None else self.memory_limit

    @property
    def cpu(self) -> Fraction | None:
        """Likewise."""
        return self.cpu_request if self.cpu_limit is None else self.cpu_limit


def resources(container: Node) -> Resources:
    """The resources of a container; a limit is also the request where there is none."""
    node = container.node("resources")
    if node is None:
        return Resources()
    limits, requests = _amounts(node, "limits", _kubernetes.CONTAINER_LIMITS), _amounts(node, "requests")
    node.done(_kubernetes.RESOURCES)
    for name, request in requests.items():
        if name in limits and request > limits[name]:
            raise node.fail(f"requests.{name}", "is more than the limit")
    requests = {**limits, **requests}
    memory_limit, memory_request, storage_limit = (
        None if name not in side else _quantity.ceiling(side[name]) for side, name in ((limits, "memory"), (requests, "memory"), (limits, _STORAGE))
    )
    # As the kubelet has it, a limit of 0 is none.
    return Resources(limits.get("cpu"), requests.get("cpu"), memory_limit, memory_request, storage_limit or None)


def room(cpus: int, memory_mib: int) -> dict[str, int]:
    """What a guest of this size has for its containers: CPUs, and bytes of memory without what it needs itself."""
    return {"cpu": cpus, "memory": int(max(memory_mib - OVERHEAD_MIB, memory_mib / 2) / (1 + _OVERHEAD_SHARE)) * _quantity.MIB}


def guest_size(spec: Node, side_by_side: Iterable[Sequence[Resources]]) -> tuple[int, int]:
    """Whole CPUs and MiB: as the pod's own resources say; what they leave open is the sum of the containers' and what the guest itself needs.

    side_by_side: the containers that run at the same time, at each time.
    """
    own = spec.node("resources")
    overhead = _amounts(spec, "overhead")
    sums = [_sum(containers) for containers in side_by_side]
    cpu, memory = max(cpu for cpu, _ in sums), max(memory for _, memory in sums)
    if own is not None:
        amounts = {**_amounts(own, "requests"), **_amounts(own, "limits")}
        own.done(_kubernetes.RESOURCES)
        cpu, memory = amounts.get("cpu", cpu), amounts.get("memory", memory)
    cpus = max(1, _quantity.ceiling(cpu + overhead.get("cpu", 0)))
    memory_mib = _quantity.ceiling((memory + overhead.get("memory", 0)) / _quantity.MIB)
    if memory_mib < MINIMUM_MEMORY_MIB:
        raise (own or spec).fail("limits.memory", f"{memory_mib} MiB is too little for a guest", f"Give it {MINIMUM_MEMORY_MIB}Mi or more")
    return cpus, memory_mib


def _sum(containers: Sequence[Resources]) -> tuple[Fraction, Fraction]:
    """Those that say nothing have a CPU and the default memory together."""
    memory = sum(container.memory or 0 for container in containers)
    silent = Fraction(DEFAULT_MEMORY_MIB * _quantity.MIB) if any(container.memory is None for container in containers) else Fraction(0)
    overhead = OVERHEAD_MIB * _quantity.MIB + memory * _OVERHEAD_SHARE if memory else 0
    return sum((container.cpu or Fraction(0) for container in containers), Fraction(0)), silent + memory + overhead


def _amounts(parent: Node, kind: str, known: Mapping[str, _kubernetes.Field] = _kubernetes.AMOUNTS) -> dict[str, Fraction]:
    node = parent.node(kind)
    if node is None:
        return {}
    values = {name: amount(node, name, value) for name in ("cpu", "memory", _STORAGE) if (value := node.scalar(name)) is not None}
    if _STORAGE in values and known[_STORAGE].fate == "noted":
        node.noted.append(node.at(_STORAGE))
    node.done(known)
    return values
