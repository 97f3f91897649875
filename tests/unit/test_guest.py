# SPDX-License-Identifier: GPL-3.0-or-later
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._guest import Disk, Forward, Guest, InvalidGuest, Limits, Nic, Port, limits_of, qemu_argv

RUN = Path("/run/hyper/guests/g1")
GUEST = Guest(
    name="g1",
    vcpus=2,
    memory_mib=256,
    accelerator="tcg",
    kernel=Path("/k/vmlinux"),
    initrd=Path("/k/initramfs"),
    cmdline="quiet x=1",
    disks=(),
    nics=(),
    ports=(),
    console=Path("/s/console.log"),
)


def values(guest: Guest, option: str) -> list[str]:
    argv = qemu_argv(guest, run_dir=RUN)
    return [after for word, after in itertools.pairwise(argv) if word == option]


def devices(guest: Guest, kind: str) -> list[dict[str, str]]:
    found = [value.split(",") for value in values(guest, "-device") if value.startswith(f"{kind},")]
    return [dict(item.split("=", 1) for item in parts[1:]) for parts in found]


def disk(number: int, **options: object) -> Disk:
    return replace(Disk(Path(f"/d/{number}"), f"d{number}"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "option", "expected"),
    [
        ({}, "-kernel", ["/k/vmlinux"]),
        ({}, "-initrd", ["/k/initramfs"]),
        ({}, "-append", ["quiet x=1"]),
        ({}, "-smp", ["2"]),
        ({}, "-m", ["256M"]),
        ({"limits": Limits(4, 4352, 8)}, "-smp", ["2,maxcpus=4"]),
        ({"limits": Limits(4, 4352, 8)}, "-m", ["256M,slots=8,maxmem=4352M"]),
        ({}, "-pidfile", ["/run/hyper/guests/g1/pid"]),
        ({}, "-cpu", ["max,la57=off,erms=off"]),
        ({"accelerator": "kvm"}, "-cpu", ["host"]),
        ({"cmdline": ""}, "-append", []),
        ({"kernel": None, "disks": (disk(0),), "bootable_disk": True}, "-kernel", []),
        ({"kernel": None, "disks": (disk(0),), "bootable_disk": True}, "-append", []),
        ({}, "-action", ["reboot=shutdown,shutdown=poweroff,panic=exit-failure"]),
        ({"reboots": True}, "-action", ["reboot=reset,shutdown=poweroff,panic=exit-failure"]),
        ({}, "-sandbox", ["on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]),
        ({"nics": (Nic("52:54:00:00:00:01"),)}, "-netdev", ["user,id=net0,ipv6=off,restrict=off"]),
        (
            {"nics": (Nic("52:54:00:00:00:01", (Forward("tcp", "127.0.0.1", 8080, 80), Forward("udp", "", 53, 53)), restrict=True),)},
            "-netdev",
            ["user,id=net0,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp::53-:53"],
        ),
    ],
)
def test_options(change: dict[str, object], option: str, expected: list[str]) -> None:
    assert values(replace(GUEST, **change), option) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [None, Limits(4, 4352, 8), Limits(2, 257, 1)])
def test_limits_are_found_again(limits: Limits | None) -> None:
    assert limits_of(qemu_argv(replace(GUEST, limits=limits), run_dir=RUN)) == limits


def test_a_name_with_a_comma_stays_one_value() -> None:
    guest = replace(GUEST, name="a,b", console=Path("/s,t/console"), ports=(Port("p", Path("/x,y"), "file"),))
    assert "guest=a,,b" in values(guest, "-name")
    assert "file,id=console,path=/s,,t/console" in values(guest, "-chardev")
    assert "file,id=port1,path=/x,,y,append=on" in values(guest, "-chardev")


def test_disks_are_told_apart_and_readonly_ones_cannot_be_written() -> None:
    guest = replace(GUEST, disks=(disk(0, readonly=True), disk(1, format="qcow2", path=Path('/d/"odd", name'))))
    blocks = [json.loads(value) for value in values(guest, "-blockdev")]
    assert [(block["driver"], block["read-only"], block["file"]["read-only"], block["file"]["filename"]) for block in blocks] == [
        ("raw", True, True, "/d/0"),
        ("qcow2", False, False, '/d/"odd", name'),
    ]
    assert [device["serial"] for device in devices(guest, "virtio-blk-pci")] == ["d0", "d1"]


@pytest.mark.parametrize("count", [1, 7, 31, 60, 200])
def test_every_device_has_a_place_of_its_own(count: int) -> None:
    guest = replace(GUEST, disks=tuple(disk(number) for number in range(count)), nics=(Nic("52:54:00:00:00:01"),), ports=(Port("p", Path("/p"), "socket"),))
    placed = [value for value in values(guest, "-device") if "addr=" in value]
    places = [(part.split("addr=")[1].split(",")[0]) for part in placed]
    assert len(places) == count + 3
    assert len(set(places)) == len(places)
    # The first function of a slot says that others follow.
    assert all((".0,multifunction" in place_of) == ("multifunction=on" in place_of) for place_of in placed)
    assert not {"0x0.0", "0x1f.0"} & set(places)


def test_slots_for_devices_to_come() -> None:
    ports = devices(replace(GUEST, hotplug_slots=2), "pcie-root-port")
    assert [(port["id"], port["chassis"], port["slot"]) for port in ports] == [("hotplug0", "1", "1"), ("hotplug1", "2", "2")]


def test_only_the_first_disk_is_booted() -> None:
    guest = replace(GUEST, kernel=None, bootable_disk=True, disks=(disk(0), disk(1)))
    assert ["bootindex" in device for device in devices(guest, "virtio-blk-pci")] == [True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": None}, "neither a kernel nor a bootable disk"),
        ({"kernel": None, "bootable_disk": True}, "no disk to boot from"),
        ({"disks": (disk(0, serial="x" * 21),)}, "longer than 20 bytes"),
        ({"disks": (disk(0), disk(1, serial="d0"))}, "same serial"),
        ({"disks": tuple(disk(number) for number in range(231))}, "at most 230 disks, NICs and slots"),
        ({"ports": (Port("p", Path("/" + "x" * 107), "socket"),)}, "longer than 107 bytes"),
        ({"ports": tuple(Port(f"p{number}", Path(f"/{number}"), "file") for number in range(31))}, "at most 30 ports"),
    ],
)
def test_what_no_qemu_can_have_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidGuest, match=message):
        qemu_argv(replace(GUEST, **change), run_dir=RUN)  # type: ignore[arg-type]
