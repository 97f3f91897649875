# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests can be copies of one template, and what of a template becomes old."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._guest import Disk, Forward, Guest, Nic, Port
from ansible_collections.hyper.pods.plugins.module_utils._template import is_stale, name_of, template_of

HERE = ["boot", 1, "0.1.0-6.1"]


def guest(name: str, **changes: Any) -> Guest:
    made = Guest(
        name=name,
        vcpus=1,
        memory_mib=256,
        accelerator="tcg",
        kernel=Path(f"/pods/{name}/vmlinux"),
        initrd=Path(f"/pods/{name}/initramfs"),
        cmdline="quiet",
        disks=(Disk(Path(f"/pods/{name}/plan.img"), "hyper-plan", readonly=True),),
        nics=(Nic("52:54:00:00:00:01"),),
        ports=(Port("hyper.control.0", Path(f"/run/{name}/control.0"), "socket"), Port("hyper.log", Path(f"/pods/{name}/log"), "file")),
        console=Path(f"/pods/{name}/console.log"),
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"disks": ()}, True),
        ({"disks": (Disk(Path("/a"), "a"), Disk(Path("/b"), "b", format="qcow2"))}, True),
        ({"nics": ()}, True),
        ({"nics": (Nic("52:54:00:00:00:02", (Forward("tcp", "", 80, 80),)), Nic("52:54:00:00:00:03", tap="hyper0"))}, True),
        ({"vcpus": 2}, False),
        ({"memory_mib": 512}, False),
        ({"accelerator": "kvm"}, False),
        ({"cmdline": "quiet debug"}, False),
        ({"ports": (Port("hyper.log", Path("/x"), "file"),)}, False),
        ({"hotplug_slots": 1}, False),
        ({"reboots": True}, False),
    ],
)
def test_pods_of_one_size_have_one_template(changes: dict[str, Any], same: bool) -> None:
    assert (name_of(guest("web", **changes), HERE) == name_of(guest("shop"), HERE)) == same


def test_a_template_has_nothing_of_a_pod() -> None:
    made = template_of(guest("web"), Path("/run/t"))
    assert (made.disks, made.nics) == ((), ())
    assert made.cmdline == "quiet template"
    assert "web" not in str(replace(made, kernel=None, initrd=None))


@pytest.mark.parametrize("now", [["another boot", 1, "0.1.0-6.1"], ["boot", 2, "0.1.0-6.1"], ["boot", 1, "0.1.0-6.2"]])
def test_a_template_of_other_circumstances_is_stale(now: list[object]) -> None:
    name = name_of(guest("web"), HERE)
    assert not is_stale(name, HERE)
    assert is_stale(name, now)
    assert name_of(guest("web"), now) != name
