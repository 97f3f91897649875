# SPDX-License-Identifier: GPL-3.0-or-later
"""How long one container of four takes to be replaced: ``python -m benchmarks.replace [--rounds N]`` as root, on a machine that is quiet.

s  from the guest's spawn until four containers run
e  one container is given another environment, until it runs again
i  one container is given another image, which the guest does not have, until it runs again

Each round measures all of them, one after another; the medians of the rounds' ratios are told. Aim: e / s and i / s at most 0.25.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _pods, _pods_call
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress

from benchmarks.start import Bench, series

_POD = "bench"


@dataclass
class Round:
    """Seconds of one round."""

    s: float = 0.0
    e: float = 0.0
    i: float = 0.0


def _bring(bench: Bench, definition: Mapping[str, Any], *stages: str) -> float:
    """Bring the pod to the definition; the seconds that the stages took."""
    progress = Progress()
    _pods.bring(bench.host, [definition], "started", _pods_call.Options(progress=progress))
    return sum(progress.timings[_POD][stage] for stage in stages)


def _round(bench: Bench) -> Round:
    first: Any = bench.definition(_POD)
    first["spec"]["containers"][2]["image"] = "app"  # so that the image "log" is not among the guest's disks
    anew, other = copy.deepcopy(first), copy.deepcopy(first)
    anew["spec"]["containers"][1]["env"] = [{"name": "A", "value": "1"}]
    other["spec"]["containers"][1] = {**anew["spec"]["containers"][1], "image": "log"}
    try:
        return Round(_bring(bench, first, "spawn", "boot"), _bring(bench, anew, "update"), _bring(bench, other, "update"))
    finally:
        _pods.bring(bench.host, [_POD], "absent", _pods_call.Options(grace_period=0))


def main() -> None:
    """Measure and tell."""
    with series("Measure how long one container of four takes to be replaced, beside the start of all.", _round) as (_, found):
        for name, what in (("e", "another environment"), ("i", "another image")):
            seconds = statistics.median(getattr(item, name) for item in found)
            ratio = statistics.median(getattr(item, name) / item.s for item in found)
            print(f"{what:<20} {seconds:6.2f} s   {name} / s = {ratio:.2f}   (aim: at most 0.25)")


if __name__ == "__main__":
    main()
