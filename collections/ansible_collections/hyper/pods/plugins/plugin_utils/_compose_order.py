# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a Compose file's services start, and which of them must be init containers of the pod so that others can wait for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

STARTED, HEALTHY, COMPLETED = CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
# Service → condition.
Dependencies = dict[str, str]


@dataclass(frozen=True)
class Order:
    """before: services that are init containers, in order. main: the others, in order. awaited: of each of ``before`` the strongest condition."""

    before: list[str]
    main: list[str]
    awaited: Mapping[str, str]


def arrange(services: Mapping[str, Dependencies]) -> Order:
    """Put services in order; the order of the file decides where dependencies do not. Raises InvalidManifest for a circle.

    Containers of a pod are started in their order, which is all that ``service_started`` asks for. A pod waits for its init containers alone, so
    whatever a service waits for is one, and so is whatever that depends on.
    """
    sorter = TopologicalSorter({name: list(dependencies) for name, dependencies in services.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise InvalidManifest(f"depend on each other in a circle: {' → '.join(reversed(error.args[1]))}", where="services") from None
    places = {name: number for number, name in enumerate(services)}
    ready: list[str] = []
    order: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=places.__getitem__)
        order.append(ready.pop(0))
        sorter.done(order[-1])

    awaited: dict[str, str] = {}
    # From those that start last: by then it is known of each service whether it must come before all main containers.
    for name in reversed(order):
        for dependency, condition in services[name].items():
            if condition != STARTED or name in awaited:
                awaited[dependency] = max(awaited.get(dependency, STARTED), condition, key=CONDITIONS.index)
    return Order([name for name in order if name in awaited], [name for name in order if name not in awaited], awaited)
