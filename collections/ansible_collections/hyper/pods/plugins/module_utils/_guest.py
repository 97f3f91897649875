# SPDX-License-Identifier: GPL-3.0-or-later
"""A KVM guest, and the QEMU command that is it. Pure: nothing is read or written here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

PROGRAM = "qemu-system-x86_64"
QMP_SOCKET = "qmp.sock"
PID_FILE = "pid"
# By which a guest mounts what the host shares with it.
SHARE_TAG = "hyper-host"
# Stands for the file of a disk that lies in memory only, which whoever starts QEMU puts there.
SECRETS = Path("@secrets@")

_SOCKET_PATH_MAX = 107  # bytes: sun_path of unix(7), without the final NUL
_SERIAL_MAX = 20  # bytes: VIRTIO_BLK_ID_BYTES of the virtio specification, "Block Device"
_SERIAL_PORTS = 31  # what one virtio-serial device carries
# Slots of the root bus that are free: the host bridge has 0, the ICH9 bridge 31. The last has a device that every guest has, and its place does not
# depend on the others.
_SLOTS = range(1, 30)
_LAST_SLOT = "bus=pcie.0,addr=0x1e"
_FUNCTIONS = range(8)
_CPUS = re.compile(r"\d+,maxcpus=(\d+)")
_MEMORY = re.compile(r"\d+M,slots=(\d+),maxmem=(\d+)M")
# All that can be emulated (images of newer distributions need x86-64-v2 or v3), but for two features. erms: kernel and C library then copy by
# "rep movsb", which is emulated byte for byte; without it a boot takes 0.91 of the time. la57: a fifth level of page tables; without it 0.95.
_CPU = {"kvm": "host", "tcg": "max,la57=off,erms=off"}
# q35 without what no guest of ours uses, which leaves less to attack; the boot takes as long as with it. The machine pc takes as long too, and has no
# PCI Express. The firmware qboot instead of SeaBIOS saves nothing that can be measured, and cannot boot disks.
_MACHINE = "q35,accel={accelerator},smm=off,vmport=off,sata=off,smbus=off,i8042=off,hpet=off,dump-guest-core=off"


class InvalidGuest(HyperError):
    """No QEMU can be made that has what this guest asks for."""


@dataclass(frozen=True)
class Disk:
    """A virtio disk. serial: at most 20 bytes; the guest finds it as /sys/block/*/serial. removable: it can be taken away while the guest runs, if one of the
    guest's slots for such devices is free for it.
    """

    path: Path
    serial: str
    readonly: bool = False
    format: str = "raw"  # or qcow2
    removable: bool = False


@dataclass(frozen=True)
class Forward:
    """A port of the host that leads to a port of the guest. protocol: tcp or udp; host_ip: IPv4, "" for every address."""

    protocol: str
    host_ip: str
    host_port: int
    guest_port: int


@dataclass(frozen=True)
class Nic:
    """A NIC on a user-mode network of its own (10.0.2.0/24), or on a tap that is there and belongs to QEMU's user.

    restrict: the guest reaches nobody, and only forwards reach it. tap: its name; then the rest is no concern of QEMU's.
    """

    mac: str
    forwards: tuple[Forward, ...] = ()
    restrict: bool = False
    tap: str = ""


@dataclass(frozen=True)
class Port:
    """A virtio-serial port. kind socket: QEMU serves ``path`` to one client at a time; kind file: what the guest writes is appended."""

    name: str
    path: Path
    kind: str


@dataclass(frozen=True)
class Limits:
    """What a guest can have at most, if it is given more while it runs. slots: in how many pieces the memory can come."""

    cpus: int
    memory_mib: int
    slots: int


@dataclass(frozen=True)
class Guest:
    """All that a guest is made of.

    accelerator: kvm or tcg. console: the file that gets what the guest writes to its first serial port; each start begins it anew.
    bootable_disk: the firmware boots the first disk; without it ``kernel`` is booted. reboots: a reset starts the guest
    again; otherwise it ends QEMU, as suits a guest whose only reason to reboot is a panic. hotplug_slots: how many devices can be added while it runs.
    share: the socket of a virtiofsd, which then shares the guest's memory; the guest mounts it by the tag hyper-host.
    limits: how far it can grow while it runs. own_initramfs: it holds what those of other guests do not.
    """

    name: str
    vcpus: int
    memory_mib: int
    accelerator: str
    kernel: Path | None
    initrd: Path | None
    cmdline: str
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    ports: tuple[Port, ...]
    console: Path
    bootable_disk: bool = False
    reboots: bool = False
    hotplug_slots: int = 0
    share: Path | None = None
    limits: Limits | None = None
    own_initramfs: bool = False


def qemu_argv(guest: Guest, *, run_dir: Path) -> tuple[str, ...]:
    """The command that starts ``guest`` and runs until the guest ends, in the foreground: -daemonize would need a fork, which the sandbox denies.

    run_dir: the guest's own directory, that QEMU may write: QMP_SOCKET, PID_FILE. QEMU ends with code 0 when the guest
    powered off, or was told by SIGTERM to end. Raises InvalidGuest.
    """
    _check(guest, run_dir)
    slots = _addresses()
    return (
        PROGRAM,
        *("-name", f"guest={_escaped(guest.name)}"),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        *("-machine", _MACHINE.format(accelerator=guest.accelerator)),
        *("-cpu", _CPU[guest.accelerator]),
        *("-smp", f"{guest.vcpus},maxcpus={guest.limits.cpus}" if guest.limits else str(guest.vcpus)),
        *("-m", f"{guest.memory_mib}M,slots={guest.limits.slots},maxmem={guest.limits.memory_mib}M" if guest.limits else f"{guest.memory_mib}M"),
        *("-action", f"reboot={'reset' if guest.reboots else 'shutdown'},shutdown=poweroff,panic=exit-failure"),
        *_memory(guest),
        *_boot(guest),
        *("-chardev", f"file,id=console,path={_escaped(guest.console)}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=qmp,path={_escaped(run_dir / QMP_SOCKET)},server=on,wait=off", "-mon", "chardev=qmp,mode=control"),
        *_ports(guest.ports, slots),
        # Before what differs from pod to pod: the guests of one template have them in the same places.
        *_hotplug(guest.hotplug_slots, slots),
        *_nics(guest.nics, slots),
        *_disks(guest, slots),
        *_share(guest.share, slots),
        # The guest tells a panic of its kernel, so that QEMU ends with a code that is not 0 and the supervisor knows it from a power-off.
        *("-device", f"pvpanic-pci,{_LAST_SLOT}"),
        *("-pidfile", str(run_dir / PID_FILE)),
    )


def limits_of(words: Sequence[str]) -> Limits | None:
    """The limits in a command that qemu_argv made; None where it has none."""
    found = dict(zip(words, words[1:]))
    cpus, memory = _CPUS.fullmatch(found.get("-smp", "")), _MEMORY.fullmatch(found.get("-m", ""))
    return Limits(int(cpus[1]), int(memory[2]), int(memory[1])) if cpus and memory else None


def _check(guest: Guest, run_dir: Path) -> None:
    for path in (run_dir / QMP_SOCKET, *((guest.share,) if guest.share else ()), *(port.path for port in guest.ports if port.kind == "socket")):
        if len(str(path).encode()) > _SOCKET_PATH_MAX:
            raise InvalidGuest(
                f"the path of a socket is longer than {_SOCKET_PATH_MAX} bytes", where=str(path), remedy="Choose a shorter run_dir or a shorter name"
            )
    for disk in guest.disks:
        if len(disk.serial.encode()) > _SERIAL_MAX:
            raise InvalidGuest(f"the serial of a disk is longer than {_SERIAL_MAX} bytes", where=disk.serial)
    serials = [disk.serial for disk in guest.disks if disk.serial]
    for serial in serials:
        if serials.count(serial) > 1:
            raise InvalidGuest("two disks have the same serial", where=serial)
    if len(guest.ports) > _SERIAL_PORTS - 1:
        raise InvalidGuest(f"a guest has at most {_SERIAL_PORTS - 1} ports")
    room = len(_SLOTS) * len(_FUNCTIONS) - 2
    if len(guest.disks) + len(guest.nics) + guest.hotplug_slots > room:
        raise InvalidGuest(f"a guest has at most {room} disks, NICs and slots")
    if guest.bootable_disk and not guest.disks:
        raise InvalidGuest("there is no disk to boot from")
    if not guest.bootable_disk and guest.kernel is None:
        raise InvalidGuest("there is neither a kernel nor a bootable disk")


def _escaped(value: object) -> str:
    """A value inside one of QEMU's comma-separated lists."""
    return str(value).replace(",", ",,")


def _addresses() -> Iterator[str]:
    """Where each device sits on the root bus: eight functions to a slot, so that 240 devices find room without bridges."""
    for slot in _SLOTS:
        for function in _FUNCTIONS:
            yield f"bus=pcie.0,addr={slot:#x}.{function},multifunction={'off' if function else 'on'}"


def _boot(guest: Guest) -> Iterator[str]:
    if guest.bootable_disk or guest.kernel is None:
        return
    yield from ("-kernel", str(guest.kernel))
    if guest.initrd is not None:
        yield from ("-initrd", str(guest.initrd))
    if guest.cmdline:
        yield from ("-append", guest.cmdline)


def _memory(guest: Guest) -> Iterator[str]:
    if guest.share is not None:
        # virtiofsd reads and writes the guest's buffers itself.
        yield from ("-object", f"memory-backend-memfd,id=memory,size={guest.memory_mib}M,share=on", "-numa", "node,memdev=memory")


def _share(socket: Path | None, slots: Iterator[str]) -> Iterator[str]:
    if socket is not None:
        yield from ("-chardev", f"socket,id=share,path={_escaped(socket)}")
        yield from ("-device", f"vhost-user-fs-pci,chardev=share,tag={SHARE_TAG},{next(slots)}")


def _ports(ports: tuple[Port, ...], slots: Iterator[str]) -> Iterator[str]:
    if not ports:
        return
    # The guest sets up two queues for each port that there might be: 31 instead of 10 cost a twentieth of an emulated boot.
    yield from ("-device", f"virtio-serial-pci,id=serial,disable-legacy=on,max_ports={len(ports) + 1},{next(slots)}")
    for number, port in enumerate(ports, start=1):
        opening = {"socket": "server=on,wait=off", "file": "append=on"}[port.kind]
        yield from ("-chardev", f"{port.kind},id=port{number},path={_escaped(port.path)},{opening}")
        # Port 0 is the console's by the virtio specification.
        yield from ("-device", f"virtserialport,bus=serial.0,nr={number},chardev=port{number},name={_escaped(port.name)}")


def _nics(nics: tuple[Nic, ...], slots: Iterator[str]) -> Iterator[str]:
    for number, nic in enumerate(nics):
        if nic.tap:
            network = f"tap,id=net{number},ifname={nic.tap},script=no,downscript=no"
        else:
            # Without IPv6: QEMU's network would give the guest an address of which the host's user knows nothing.
            network = f"user,id=net{number},ipv6=off,restrict={'on' if nic.restrict else 'off'}"
            for forward in nic.forwards:
                network += f",hostfwd={forward.protocol}:{forward.host_ip}:{forward.host_port}-:{forward.guest_port}"
        yield from ("-netdev", network)
        # No option ROM: the firmware would look into it for a network boot.
        yield from ("-device", f"virtio-net-pci,netdev=net{number},mac={nic.mac},disable-legacy=on,romfile=,{next(slots)}")


def _disks(guest: Guest, slots: Iterator[str]) -> Iterator[str]:
    free = iter(range(guest.hotplug_slots))
    for number, disk in enumerate(guest.disks):
        slot = next(free, None) if disk.removable else None
        node = f"disk{number}" if slot is None else plugged_name(slot)
        device = f"virtio-blk-pci,drive={node},disable-legacy=on,"
        device += next(slots) if slot is None else f"id={node},bus={slot_name(slot)}"
        if disk.serial:
            device += f",serial={_escaped(disk.serial)}"
        if guest.bootable_disk and number == 0:
            device += ",bootindex=1"
        # JSON, since the comma form has no way to quote all file names.
        yield from ("-blockdev", json.dumps(block_node(disk, node)), "-device", device)


def block_node(disk: Disk, name: str) -> dict[str, object]:
    """What QEMU is told of the file of a disk, in its command or later by blockdev-add."""
    storage = {"driver": "file", "filename": str(disk.path), "read-only": disk.readonly}
    if not disk.readonly:
        storage["discard"] = "unmap"
    discard = "ignore" if disk.readonly else "unmap"
    return {"node-name": name, "driver": disk.format, "read-only": disk.readonly, "discard": discard, "file": storage}


def slot_name(number: int) -> str:
    """The bus of a slot for devices that come and go."""
    return f"hotplug{number}"


def plugged_name(number: int) -> str:
    """The disk in that slot, device and node."""
    return f"plugged{number}"


def _hotplug(count: int, slots: Iterator[str]) -> Iterator[str]:
    """Ports with a slot each, into which QMP's device_add can put a device. Four cost an emulated boot a sixtieth of its instructions."""
    for number in range(count):
        device = f"pcie-root-port,id={slot_name(number)},chassis={number + 1},slot={number + 1},{next(slots)}"
        # A template's state says of an empty slot that it is without power, which would hide the disk that a copy has in it from its start.
        yield from ("-device", f"{device},power_controller_present=off")
