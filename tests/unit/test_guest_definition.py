# SPDX-License-Identifier: GPL-3.0-or-later
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _guest_definition as definition
from ansible_collections.hyper.pods.plugins.module_utils._guest import InvalidGuest

A: dict[str, Any] = definition.merged(None, {"kernel": "/k"})
B: dict[str, Any] = definition.merged(A, {"memory": 512})


@pytest.mark.parametrize(
    ("current", "wanted", "running", "state", "actions"),
    [
        (None, A, False, "present", ["create"]),
        (None, A, False, "started", ["create", "start"]),
        (None, A, False, "stopped", ["create"]),
        (A, A, False, "present", []),
        (A, A, True, "present", []),
        (A, A, False, "started", ["start"]),
        (A, A, True, "started", []),
        (A, A, True, "stopped", ["stop"]),
        (A, A, False, "stopped", []),
        (A, B, False, "present", ["update"]),
        (A, B, True, "present", ["update", "restart"]),
        (A, B, True, "started", ["update", "restart"]),
        (A, B, False, "started", ["update", "start"]),
        (A, B, True, "stopped", ["update", "stop"]),
        (A, None, True, "absent", ["stop", "delete"]),
        (A, None, False, "absent", ["delete"]),
        (None, None, False, "absent", []),
        # A definition that is gone while its QEMU runs: what a removal that was cut off may leave.
        (None, None, True, "absent", ["stop"]),
    ],
)
def test_the_plan(current: dict[str, Any] | None, wanted: dict[str, Any] | None, running: bool, state: str, actions: list[str]) -> None:
    assert definition.plan(current, wanted, running=running, state=state) == actions


def test_a_residue_is_deleted() -> None:
    assert definition.plan(None, None, running=False, state="absent", residue=True) == ["delete"]


@pytest.mark.parametrize(
    ("current", "given", "key", "expected"),
    [
        (None, {"kernel": "/k"}, "memory", 256),
        (None, {"kernel": "/k", "memory": 64}, "memory", 64),
        (B, {}, "memory", 512),
        (B, {"memory": None}, "memory", 512),
        (B, {"cmdline": ""}, "cmdline", ""),
        ({**A, "nics": [{"mac": None, "restrict": False, "forwards": None}]}, {"nics": []}, "nics", []),
    ],
)
def test_what_is_not_given_stays(current: dict[str, Any] | None, given: dict[str, Any], key: str, expected: object) -> None:
    assert definition.merged(current, given)[key] == expected


@pytest.mark.parametrize("name", ["a", "web-1", "a.b", "0", "x" * 63])
def test_names(name: str) -> None:
    definition.check_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a@b", "x" * 64, "a\n", "a b"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidGuest):
        definition.check_name(name)
