# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a pod and where they are mounted."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Union

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _manifest_claims, _quantity, _seal
from ansible_collections.hyper.pods.plugins.module_utils._manifest_env import expand
from ansible_collections.hyper.pods.plugins.module_utils._manifest_files import FileVolume, file_volume
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Sources
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import absolute, amount
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node

# A name in DNS, or an address of either family.
_SERVER = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9_.])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")


@dataclass(frozen=True)
class EmptyDir:
    """A volume that lives as long as the pod: on the scratch disk, or in memory with an upper bound in bytes."""

    name: str
    memory: bool = False
    size: int | None = None


@dataclass(frozen=True)
class LimitedDir:
    """An emptyDir on a disk of its own, since it has a limit in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class ClaimVolume:
    """A volume of the host, called ``claim``. block: containers use its device, for it has no filesystem."""

    name: str
    claim: str
    read_only: bool = False
    block: bool = False


@dataclass(frozen=True)
class ImageVolume:
    """The files of an image, read-only. pull_policy: as a container's imagePullPolicy; alone it changes nothing of the pod."""

    name: str
    image: str
    pull_policy: str | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """What its image is known by beside those of the containers, whose names have no slash."""
        return f"volume/{self.name}"


@dataclass(frozen=True)
class HostPath:
    """A directory or a file of the host. path: normal; type: as Kubernetes has it, "" where nothing is said. read_only: no container writes."""

    name: str
    path: str
    type: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class NfsVolume:
    """What a server of NFS exports. server: a name that the host knows, or an address; path: absolute."""

    name: str
    server: str
    path: str
    read_only: bool = False


HOST_PATH_TYPES = ("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice")
PodVolume = Union[EmptyDir, LimitedDir, FileVolume, ClaimVolume, ImageVolume, HostPath, NfsVolume]


@dataclass(frozen=True)
class VolumeDevice:
    """Where the device of a block volume appears in a container."""

    name: str
    path: str


@dataclass(frozen=True)
class VolumeMount:
    """Where a volume of the pod appears in a container. propagation: HostToContainer or Bidirectional, "" for none."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""
    propagation: str = ""


def volume(node: Node, sources: Sources) -> PodVolume:
    """One entry of volumes."""
    name = node.required_label("name")
    files = file_volume(name, node, sources)
    readers: dict[str, Callable[[str, Node], PodVolume]] = {
        "emptyDir": _empty_dir,
        "persistentVolumeClaim": _claim,
        "image": _image,
        "hostPath": _host_path,
        "nfs": _nfs,
    }
    found = [(kind, inner) for kind in readers if (inner := node.node(kind)) is not None]
    node.done(_kubernetes.VOLUME)
    if len(found) + (files is not None) > 1:
        raise node.fail(found[-1][0], "a volume has one source")
    if files is not None:
        return files
    if not found:
        raise InvalidManifest("has no source", where=node.path, remedy="Give it one, such as emptyDir: {}")
    [(kind, source)] = found
    return readers[kind](name, source)


def _claim(name: str, source: Node) -> ClaimVolume:
    made = ClaimVolume(name, source.required_string("claimName"), bool(source.boolean("readOnly")))
    if not _manifest_claims.is_name(made.claim):
        raise source.fail("claimName", f"{made.claim!r} is not the name of a PersistentVolumeClaim")
    source.done(_kubernetes.CLAIM_SOURCE)
    return made


def _image(name: str, source: Node) -> ImageVolume:
    made = ImageVolume(name, source.required_string("reference"), source.choice("pullPolicy", ("Always", "IfNotPresent", "Never"), "") or None)
    source.done(_kubernetes.IMAGE_SOURCE)
    return made


def _host_path(name: str, source: Node) -> HostPath:
    path = absolute(source, "path")
    if path is None:
        raise source.fail("path", "is required")
    # Two slashes in front mean what one means.
    made = HostPath(name, "/" + posixpath.normpath(path).lstrip("/"), source.choice("type", HOST_PATH_TYPES, ""))
    source.done(_kubernetes.HOST_PATH)
    return made


def _nfs(name: str, source: Node) -> NfsVolume:
    path = absolute(source, "path")
    if not path:
        raise source.fail("path", "is required")
    made = NfsVolume(name, source.required_string("server"), path, bool(source.boolean("readOnly")))
    if not _SERVER.fullmatch(made.server):
        raise source.fail("server", f"{made.server!r} is neither a name nor an address")
    source.done(_kubernetes.NFS)
    return made


def _empty_dir(name: str, source: Node) -> EmptyDir | LimitedDir:
    medium = source.choice("medium", ("", "Memory"), "")
    limit = source.scalar("sizeLimit")
    size = None if limit is None else _quantity.ceiling(amount(source, "sizeLimit", limit))
    if size is not None and not 0 < size <= _manifest_claims.MAX_SIZE:
        raise source.fail("sizeLimit", f"{limit!r} is no size of a volume")
    source.done(_kubernetes.EMPTY_DIR)
    return EmptyDir(name, medium == "Memory", size) if size is None or medium == "Memory" else LimitedDir(name, size)


def _named(node: Node, volumes: set[str]) -> str:
    """The volume that an entry of a container is about."""
    name = node.required_string("name")
    if name not in volumes:
        raise node.fail("name", f"there is no volume {name!r}", f"Volumes of this pod: {', '.join(sorted(volumes)) or 'none'}")
    return name


def _target(node: Node, field: str) -> str:
    path = absolute(node, field)
    if path is None:
        raise node.fail(field, "is required")
    if not path.strip("/"):
        raise node.fail(field, "cannot be the root directory")
    return path


def volume_device(node: Node, volumes: set[str]) -> VolumeDevice:
    """One entry of volumeDevices; volumes: the names of the pod's volumes."""
    made = VolumeDevice(_named(node, volumes), _target(node, "devicePath"))
    node.done(_kubernetes.VOLUME_DEVICE)
    return made


def with_modes(spec: Node, volumes: tuple[PodVolume, ...], uses: Sequence[tuple[str, Sequence[VolumeMount], Sequence[VolumeDevice]]]) -> tuple[PodVolume, ...]:
    """The same volumes; a claim that containers use as a device is a block volume, a path of the host that none of them writes is read-only.

    uses: of each container its path, mounts and devices.
    """
    claims = {item.name: item for item in volumes if isinstance(item, ClaimVolume)}
    names: dict[str, str] = {}
    for index, item in enumerate(volumes):
        if isinstance(item, ClaimVolume) and names.setdefault(item.claim, item.name) != item.name:
            where = f"{spec.at('volumes')}[{index}].persistentVolumeClaim.claimName"
            raise InvalidManifest(f"{item.claim!r} is volume {names[item.claim]} already", where=where, remedy="Mount one volume in several places")
    devices = {}
    for path, _, wanted in uses:
        for index, device in enumerate(wanted):
            where = f"{path}.volumeDevices[{index}]"
            if device.name not in claims:
                raise InvalidManifest(f"volume {device.name!r} has no device", where=f"{where}.name", remedy="Only a persistentVolumeClaim has")
            devices[device.name] = where
    for path, mounts, _ in uses:
        for index, entry in enumerate(mounts):
            if entry.name in devices:
                raise InvalidManifest(f"volume {entry.name!r} is a device in {devices[entry.name]}", where=f"{path}.volumeMounts[{index}].name")
    written = {entry.name for _, mounts, _ in uses for entry in mounts if not entry.read_only}

    def moded(item: PodVolume) -> PodVolume:
        if isinstance(item, ClaimVolume) and item.name in devices:
            return replace(item, block=True)
        return replace(item, read_only=item.name not in written) if isinstance(item, HostPath) else item

    return tuple(moded(item) for item in volumes)


def mount(node: Node, volumes: set[str], env: Mapping[str, str], *, privileged: bool) -> VolumeMount:
    """One entry of volumeMounts; volumes: the names of the pod's volumes; env: the container's own environment; privileged: the container is."""
    name, mount_path = _named(node, volumes), _target(node, "mountPath")
    propagation = node.choice("mountPropagation", ("None", "HostToContainer", "Bidirectional"), "None").replace("None", "")
    if propagation == "Bidirectional" and not privileged:
        raise node.fail("mountPropagation", "Bidirectional is for privileged containers only", "Set securityContext.privileged: true")
    read_only = bool(node.boolean("readOnly"))
    # What is mounted in a volume when a container starts is read-only with it.
    recursive = node.choice("recursiveReadOnly", ("Disabled", "IfPossible", "Enabled"), "Disabled")
    if recursive == "Enabled" and not read_only:
        raise node.fail("recursiveReadOnly", "needs readOnly: true")
    if recursive != "Disabled" and propagation:
        raise node.fail("recursiveReadOnly", f"does not go with mountPropagation {propagation}")
    made = VolumeMount(name, mount_path, read_only, _sub_path(node, env), propagation)
    node.done(_kubernetes.VOLUME_MOUNT)
    return made


def _sub_path(node: Node, env: Mapping[str, str]) -> str:
    sub_path, expression, field = node.string("subPath") or "", node.string("subPathExpr") or "", "subPath"
    if expression:
        if sub_path:
            raise node.fail("subPathExpr", "does not go with subPath")
        missing = [name for name in re.findall(r"\$\(([^()$]*)\)", expression.replace("$$", "")) if name not in env]
        if missing:
            raise node.fail("subPathExpr", f"the container has no variable {missing[0]}", "Only variables of env and envFrom can be named")
        sub_path, field = expand(expression, env), "subPathExpr"
    if sub_path.startswith("/") or ".." in sub_path.split("/") or ("\x00" in sub_path and not _seal.names(sub_path)):
        raise node.fail(field, f"{sub_path!r} must be a relative path without '..'")
    return sub_path
