# SPDX-License-Identifier: GPL-3.0-or-later
"""A damaged or senseless plan is refused in order: the init says why and ends. Under ASan and UBSan."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._fields import field
from ansible_collections.hyper.pods.plugins.module_utils._launch import Interface, LaunchPlan, Mount, Volume
from ansible_collections.hyper.pods.plugins.module_utils._ulimit import Ulimit
from hypothesis import HealthCheck, given, settings

from tests.support.init import FAILED, NOT_CARRIED_OUT, SUCCEEDED, Init
from tests.support.plans import BODIES, body_of, disk


def plan(init: Init) -> LaunchPlan:
    """A plan with something of everything, that ends at once."""
    mounts = (Mount("data", "/data", "sub", readonly=True), Mount("mem", "/mem", copy_up=True))
    container = init.container("app", "/bin/true", env=(("A", "b"),), user="app", workdir="/tmp", additional_groups=(4,), mounts=mounts, capabilities=(0,))
    return LaunchPlan("pod", b"hosts", b"resolv", (), (Volume("data", "scratch"), Volume("mem", "tmpfs", 4096)), (container,))


def ends_in_order(init: Init, data: bytes) -> int:
    """Run a plan; hyperstart has to end by itself, having said in its log how. Its code."""
    with init.pod(plan=data) as pod:
        code = pod.wait()
        assert code in (SUCCEEDED, FAILED, NOT_CARRIED_OUT), (code, pod.said(), pod.log.read_text())
        life = pod.life()
        assert life.ended, pod.log.read_text()
        assert (code == NOT_CARRIED_OUT) == bool(life.failure)
        return code


def all_end_in_order(init: Init, disks: list[bytes]) -> set[int]:
    """Many plans, side by side: starting namespaces waits more than it works."""
    with ThreadPoolExecutor(4) as pool:
        return set(pool.map(lambda data: ends_in_order(init, data), disks))


def test_the_plan_itself_is_good(sanitized: Init) -> None:
    assert ends_in_order(sanitized, disk(body_of(plan(sanitized)))) == SUCCEEDED


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda _: b"HYPER",
        lambda body: disk(body)[:23],
        lambda body: disk(body)[:24],
        lambda body: disk(body)[:100],
        lambda _: bytes(512),
        lambda _: b"\xff" * 512,
        lambda _: disk(b""),
        lambda body: disk(body, magic=b"HYPERPLM"),
        lambda body: disk(body, version=0),
        lambda body: disk(body, version=2),
        lambda body: disk(body, checksum=1),
        lambda body: disk(body, length=0),
        lambda body: disk(body, length=1 << 20),
        lambda body: disk(body, length=16777217),
        lambda body: disk(body, length=0xFFFFFFFF),
        lambda body: disk(body + b"\0"),
        lambda body: disk(body + field(0, b"")),
        lambda body: disk(body + field(99, b"unknown")),
        lambda body: disk(body + field(tag.PLAN_HOSTNAME, b"twice")),
        lambda body: disk(body + b"\6\0\xff\xff\xff\xff"),
        lambda body: disk(field(tag.PLAN_HOSTNAME, b"no\0t text") + body[9:]),
        lambda body: disk(body[:9]),
        lambda body: disk(body + field(tag.PLAN_CONTAINER, b"") * 1000),
    ],
)
def test_a_plan_that_is_none_is_refused(sanitized: Init, spoil: Callable[[bytes], bytes]) -> None:
    assert ends_in_order(sanitized, spoil(body_of(plan(sanitized)))) == NOT_CARRIED_OUT


def with_container(init: Init, **change: object) -> LaunchPlan:
    whole = plan(init)
    return replace(whole, containers=(replace(whole.containers[0], **change),))


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": ".."},
        {"name": "a/b"},
        {"name": "a b"},
        {"name": "x" * 64},
        {"rootfs": ""},
        {"rootfs": "../.."},
        {"rootfs": "dir:"},
        {"rootfs": "x" * 21},
        {"argv": ()},
        {"argv": ("",)},
        {"env": (("", "x"),)},
        {"stop_signal": 0},
        {"stop_signal": 65},
        {"stop_signal": 2**64 - 1},
        {"grace_period": 2**64 - 1},
        {"restart_policy": "Sometimes"},
        {"capabilities": (64,)},
        {"capabilities": (2**64 - 1,)},
        {"additional_groups": (2**32,)},
        {"mounts": (Mount("nosuch", "/x"),)},
        {"mounts": (Mount("data", "relative"),)},
        {"mounts": (Mount("data", "/"),)},
        {"mounts": (Mount("data", "/x", "../../etc"),)},
        {"mounts": (Mount("data", "/x", "/etc"),)},
        {"workdir": "relative"},
        {"ulimits": (Ulimit(16, 0, 0),)},
        {"ulimits": (Ulimit(7, 2, 1),)},
    ],
    ids=lambda change: " ".join(f"{name}={str(value)[:30]}" for name, value in change.items()),
)
def test_a_plan_that_asks_for_nonsense_is_refused(sanitized: Init, change: dict[str, object]) -> None:
    assert ends_in_order(sanitized, disk(body_of(with_container(sanitized, **change)))) == NOT_CARRIED_OUT


def test_a_network_that_makes_no_sense_is_refused(sanitized: Init) -> None:
    mac = "52:54:00:00:00:01"
    wrong = (
        Interface("not a mac"),
        Interface(mac, ("10.0.2.15",)),
        Interface(mac, ("10.0.2.15/33",)),
        Interface(mac, ("300.0.2.15/24",)),
        Interface(mac, ("fec0::15/129",)),
        Interface(mac, ("fec0:::15/64",)),
        Interface(mac, (), ("10.0.2.2/24",)),
        Interface(mac, (), ("x" * 300,)),
        Interface(mac, mtu=65536),
    )
    disks = [disk(body_of(replace(plan(sanitized), interfaces=(interface,)))) for interface in wrong]
    assert all_end_in_order(sanitized, disks) == {NOT_CARRIED_OUT}


def test_damaged_plans_end_in_order(sanitized: Init) -> None:
    """A sample, run wholly; the parser alone is given every damage there is in test_parsers."""
    body = body_of(plan(sanitized))
    chance = random.Random(1)
    cut = [body[:size] for size in sorted(chance.sample(range(len(body)), 15))]
    flipped = [bytearray(body) for _ in range(30)]
    for data in flipped:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    all_end_in_order(sanitized, [disk(bytes(data)) for data in (*cut, *flipped)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_any_fields_end_in_order(sanitized: Init, body: bytes) -> None:
    assert ends_in_order(sanitized, disk(body)) in (NOT_CARRIED_OUT, FAILED)
