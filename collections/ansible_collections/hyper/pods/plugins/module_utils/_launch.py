# SPDX-License-Identifier: GPL-3.0-or-later
"""The launch plan: what hyperstart needs to run a pod, and no more, as the small disk that it reads (docs/wire.md). Pure."""

from __future__ import annotations

import signal
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._fields import BYTES, FLAG, NUMBER, PAIR, TEXT, Malformed, Part, Record
from ansible_collections.hyper.pods.plugins.module_utils._launch_life import ACTION, PROBE, Action, Probe
from ansible_collections.hyper.pods.plugins.module_utils._launch_secrets import JOINED, Joined
from ansible_collections.hyper.pods.plugins.module_utils._ulimit import Ulimit

_HEAD = struct.Struct("<8sIIII")
_SECTOR = 512

# What the other engines leave a container: chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw
# sys_chroot mknod audit_write setfcap, by their numbers in linux/capability.h.
DEFAULT_CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)


class PlanTooLarge(HyperError):
    """The launch plan is larger than what hyperstart accepts."""


@dataclass(frozen=True)
class Interface:
    """A network interface, known by its MAC. addresses: CIDR, both families; gateways: a default route by each.

    dhcp: the network gives it an address of IPv4; advertised: what routers of IPv6 advertise is taken. routed: the families (4, 6) whose default route is
    taken from that; resolver: the name servers too; names: what /etc/hosts calls the address.
    """

    mac: str
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    mtu: int | None = None
    dhcp: bool = False
    advertised: bool = False
    routed: tuple[int, ...] = ()
    resolver: bool = False
    names: str = ""


@dataclass(frozen=True)
class File:
    """A file that a volume in memory holds from the start. path: relative to it; mode: permission bits; secret: the name of the one that is its data."""

    path: str
    data: bytes = b""
    mode: int = 0o644
    secret: str = ""


@dataclass(frozen=True)
class Volume:
    """What containers share. scratch: a directory on the scratch disk; tmpfs: in memory, size in bytes (None: half of it); disk: the
    filesystem of a disk of its own, known by its serial; block: such a disk without one; image: the files of the image with that serial; host: of the
    volume's name in what the host shares; nfs: what a server (an address) exports at path.

    group: its owner, which new files inherit. regroup: so do all files of a disk, at each start.
    """

    name: str
    kind: Literal["scratch", "tmpfs", "disk", "block", "image", "host", "nfs"]
    size: int | None = None
    group: int | None = None
    files: tuple[File, ...] = ()
    serial: str = ""
    regroup: bool = False
    server: str = ""
    path: str = ""


@dataclass(frozen=True)
class Device:
    """A block volume in a container. path: absolute."""

    volume: str
    path: str


@dataclass(frozen=True)
class Mount:
    """A volume in a container. target: absolute path; copy_up: an empty volume is first filled with what the image has at target.

    propagation: as Kubernetes has it, HostToContainer or Bidirectional; "" for none.
    """

    volume: str
    target: str
    subpath: str = ""
    readonly: bool = False
    copy_up: bool = False
    propagation: str = ""


@dataclass(frozen=True)
class Container:
    """One container, its image's configuration and the pod definition already merged.

    rootfs: a disk's serial, or ``dir:/path`` in the guest. workdir: "" is "/". user: "", "uid", "name", "uid:gid" or "name:group",
    resolved by hyperstart in the image. grace_period: seconds. capabilities: numbers that are kept. init: runs to its end before those that follow it, or,
    with restart_policy Always, beside them from then on (a sidecar); init containers come first.
    merge_groups: the groups that the image gives the user are added to a group of the plan. non_root: uid 0 is not started.
    cpu_quota: microseconds of each 100000. cpu_weight: 1 to 10000. memory_limit: bytes. storage_limit: bytes in its writable layer.
    group_names: additional groups, by their names in the image.
    last_word_path: of a file in which it may say why it ends; last_word_log: when it failed and said nothing there, the end of its output is taken.
    filtered: system calls that belong to the machine's owner are refused. secret_argv, secret_env: what takes places of argv and env (NAME=value).
    """

    name: str
    rootfs: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    user: str = ""
    additional_groups: tuple[int, ...] = ()
    stop_signal: int = int(signal.SIGTERM)
    grace_period: int = 30
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    mounts: tuple[Mount, ...] = ()
    capabilities: tuple[int, ...] = DEFAULT_CAPABILITIES
    readonly_rootfs: bool = False
    no_new_privileges: bool = False
    privileged: bool = False
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    init: bool = False
    startup_probe: Probe | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    post_start: Action | None = None
    pre_stop: Action | None = None
    merge_groups: bool = False
    non_root: bool = False
    unmasked_proc: bool = False
    cpu_quota: int | None = None
    cpu_weight: int | None = None
    memory_limit: int | None = None
    storage_limit: int | None = None
    devices: tuple[Device, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    group_names: tuple[str, ...] = ()
    last_word_path: str = ""
    last_word_log: bool = False
    filtered: bool = False
    secret_argv: tuple[Joined, ...] = ()
    secret_env: tuple[Joined, ...] = ()


@dataclass(frozen=True)
class Image:
    """An image on the plan's own disk, which came while the guest ran. serial: as that of a disk; offset, size: bytes, multiples of a sector."""

    serial: str
    offset: int
    size: int


@dataclass(frozen=True)
class LaunchPlan:
    """A whole pod. hosts and resolv_conf: the files' contents; scratch: the guest has a disk for the writable layers.

    sysctls: (path below /proc/sys, value). active_deadline: seconds that it may take in all. images: those without a disk of their own.
    secrets: True where values are missing, which come by a disk of their own.
    """

    hostname: str
    hosts: bytes = b""
    resolv_conf: bytes = b""
    interfaces: tuple[Interface, ...] = ()
    volumes: tuple[Volume, ...] = ()
    containers: tuple[Container, ...] = ()
    scratch: bool = True
    active_deadline: int | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    images: tuple[Image, ...] = ()
    secrets: bool | None = None


_INTERFACE = Record(
    Interface,
    Part(tag.INTERFACE_MAC, "mac", TEXT),
    Part(tag.INTERFACE_ADDRESS, "addresses", TEXT, many=True),
    Part(tag.INTERFACE_GATEWAY, "gateways", TEXT, many=True),
    Part(tag.INTERFACE_MTU, "mtu", NUMBER),
    Part(tag.INTERFACE_DHCP, "dhcp", FLAG),
    Part(tag.INTERFACE_ADVERTISED, "advertised", FLAG),
    Part(tag.INTERFACE_ROUTED, "routed", NUMBER, many=True),
    Part(tag.INTERFACE_RESOLVER, "resolver", FLAG),
    Part(tag.INTERFACE_NAMES, "names", TEXT),
)
_FILE = Record(
    File,
    Part(tag.FILE_PATH, "path", TEXT),
    Part(tag.FILE_DATA, "data", BYTES),
    Part(tag.FILE_MODE, "mode", NUMBER),
    Part(tag.FILE_SECRET, "secret", TEXT),
)
_VOLUME = Record(
    Volume,
    Part(tag.VOLUME_NAME, "name", TEXT),
    Part(tag.VOLUME_KIND, "kind", TEXT),
    Part(tag.VOLUME_SIZE, "size", NUMBER),
    Part(tag.VOLUME_GROUP, "group", NUMBER),
    Part(tag.VOLUME_FILE, "files", _FILE.kind, many=True),
    Part(tag.VOLUME_SERIAL, "serial", TEXT),
    Part(tag.VOLUME_REGROUP, "regroup", FLAG),
    Part(tag.VOLUME_SERVER, "server", TEXT),
    Part(tag.VOLUME_PATH, "path", TEXT),
)
_DEVICE = Record(
    Device,
    Part(tag.DEVICE_VOLUME, "volume", TEXT),
    Part(tag.DEVICE_PATH, "path", TEXT),
)
_MOUNT = Record(
    Mount,
    Part(tag.MOUNT_VOLUME, "volume", TEXT),
    Part(tag.MOUNT_TARGET, "target", TEXT),
    Part(tag.MOUNT_SUBPATH, "subpath", TEXT),
    Part(tag.MOUNT_READONLY, "readonly", FLAG),
    Part(tag.MOUNT_COPY_UP, "copy_up", FLAG),
    Part(tag.MOUNT_PROPAGATION, "propagation", TEXT),
)
_ULIMIT = Record(
    Ulimit,
    Part(tag.ULIMIT_RESOURCE, "resource", NUMBER),
    Part(tag.ULIMIT_SOFT, "soft", NUMBER),
    Part(tag.ULIMIT_HARD, "hard", NUMBER),
)
_CONTAINER = Record(
    Container,
    Part(tag.CONTAINER_NAME, "name", TEXT),
    Part(tag.CONTAINER_ROOTFS, "rootfs", TEXT),
    Part(tag.CONTAINER_ARGV, "argv", TEXT, many=True),
    Part(tag.CONTAINER_ENV, "env", PAIR, many=True),
    Part(tag.CONTAINER_WORKDIR, "workdir", TEXT),
    Part(tag.CONTAINER_USER, "user", TEXT),
    Part(tag.CONTAINER_ADDITIONAL_GROUP, "additional_groups", NUMBER, many=True),
    Part(tag.CONTAINER_STOP_SIGNAL, "stop_signal", NUMBER),
    Part(tag.CONTAINER_GRACE_PERIOD, "grace_period", NUMBER),
    Part(tag.CONTAINER_RESTART_POLICY, "restart_policy", TEXT),
    Part(tag.CONTAINER_MOUNT, "mounts", _MOUNT.kind, many=True),
    Part(tag.CONTAINER_CAPABILITY, "capabilities", NUMBER, many=True),
    Part(tag.CONTAINER_READONLY_ROOTFS, "readonly_rootfs", FLAG),
    Part(tag.CONTAINER_NO_NEW_PRIVILEGES, "no_new_privileges", FLAG),
    Part(tag.CONTAINER_PRIVILEGED, "privileged", FLAG),
    Part(tag.CONTAINER_TTY, "tty", FLAG),
    Part(tag.CONTAINER_STDIN, "stdin", FLAG),
    Part(tag.CONTAINER_STDIN_ONCE, "stdin_once", FLAG),
    Part(tag.CONTAINER_INIT, "init", FLAG),
    Part(tag.CONTAINER_STARTUP_PROBE, "startup_probe", PROBE.kind),
    Part(tag.CONTAINER_LIVENESS_PROBE, "liveness_probe", PROBE.kind),
    Part(tag.CONTAINER_READINESS_PROBE, "readiness_probe", PROBE.kind),
    Part(tag.CONTAINER_POST_START, "post_start", ACTION.kind),
    Part(tag.CONTAINER_PRE_STOP, "pre_stop", ACTION.kind),
    Part(tag.CONTAINER_MERGE_GROUPS, "merge_groups", FLAG),
    Part(tag.CONTAINER_NON_ROOT, "non_root", FLAG),
    Part(tag.CONTAINER_UNMASKED_PROC, "unmasked_proc", FLAG),
    Part(tag.CONTAINER_CPU_QUOTA, "cpu_quota", NUMBER),
    Part(tag.CONTAINER_CPU_WEIGHT, "cpu_weight", NUMBER),
    Part(tag.CONTAINER_MEMORY_LIMIT, "memory_limit", NUMBER),
    Part(tag.CONTAINER_STORAGE_LIMIT, "storage_limit", NUMBER),
    Part(tag.CONTAINER_DEVICE, "devices", _DEVICE.kind, many=True),
    Part(tag.CONTAINER_ULIMIT, "ulimits", _ULIMIT.kind, many=True),
    Part(tag.CONTAINER_GROUP_NAME, "group_names", TEXT, many=True),
    Part(tag.CONTAINER_LAST_WORD_PATH, "last_word_path", TEXT),
    Part(tag.CONTAINER_LAST_WORD_LOG, "last_word_log", FLAG),
    Part(tag.CONTAINER_FILTERED, "filtered", FLAG),
    Part(tag.CONTAINER_SECRET_ARGV, "secret_argv", JOINED.kind, many=True),
    Part(tag.CONTAINER_SECRET_ENV, "secret_env", JOINED.kind, many=True),
)
_IMAGE = Record(
    Image,
    Part(tag.IMAGE_SERIAL, "serial", TEXT),
    Part(tag.IMAGE_OFFSET, "offset", NUMBER),
    Part(tag.IMAGE_SIZE, "size", NUMBER),
)
_PLAN = Record(
    LaunchPlan,
    Part(tag.PLAN_HOSTNAME, "hostname", TEXT),
    Part(tag.PLAN_HOSTS, "hosts", BYTES),
    Part(tag.PLAN_RESOLV_CONF, "resolv_conf", BYTES),
    Part(tag.PLAN_INTERFACE, "interfaces", _INTERFACE.kind, many=True),
    Part(tag.PLAN_VOLUME, "volumes", _VOLUME.kind, many=True),
    Part(tag.PLAN_CONTAINER, "containers", _CONTAINER.kind, many=True),
    Part(tag.PLAN_SCRATCH, "scratch", FLAG),
    Part(tag.PLAN_ACTIVE_DEADLINE, "active_deadline", NUMBER),
    Part(tag.PLAN_SYSCTL, "sysctls", PAIR, many=True),
    Part(tag.PLAN_IMAGE, "images", _IMAGE.kind, many=True),
    Part(tag.PLAN_SECRETS, "secrets", FLAG),
)


def encode(plan: LaunchPlan, revision: int = 0) -> bytes:
    """The plan as it lies in one of its disk's two places, whole sectors. The same plan gives the same bytes.

    revision: of the two places' plans the higher one counts. Raises Malformed, PlanTooLarge.
    """
    body = _PLAN.encode(plan)
    size = _HEAD.size + len(body)
    if size > tag.PLAN_MAX_SIZE:
        raise PlanTooLarge(
            f"the launch plan has {size} bytes, at most {tag.PLAN_MAX_SIZE} are possible",
            remedy="Shorten the containers' arguments and environment",
        )
    head = _HEAD.pack(tag.PLAN_MAGIC.encode(), tag.PLAN_VERSION, len(body), zlib.crc32(body, revision), revision)
    return head + body + bytes(-size % _SECTOR)


def decode(disk: bytes) -> LaunchPlan:
    """The plan that a disk holds. Raises Malformed."""
    if len(disk) < _HEAD.size:
        raise Malformed(f"a launch plan has at least {_HEAD.size} bytes, this has {len(disk)}")
    magic, version, length, checksum, revision = _HEAD.unpack_from(disk)
    if magic != tag.PLAN_MAGIC.encode():
        raise Malformed("this is not a launch plan")
    if version != tag.PLAN_VERSION:
        raise Malformed(f"the launch plan has version {version}, known is {tag.PLAN_VERSION}")
    body = disk[_HEAD.size : _HEAD.size + length]
    if len(body) != length or zlib.crc32(body, revision) != checksum:
        raise Malformed("the launch plan is damaged")
    return _PLAN.decode(body)
