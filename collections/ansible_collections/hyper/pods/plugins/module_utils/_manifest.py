# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod definition, which is a Kubernetes v1 Pod manifest, read into frozen dataclasses.

Source: Kubernetes API reference, Pod v1 core. What is not honoured is refused by its path, never dropped. Two definitions are the same pod when
their dataclasses are equal, so a default that a later version adds never makes a pod look changed.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, cast, get_args

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _quantity
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported

RestartPolicy = Literal["Always", "OnFailure", "Never"]
DEFAULT_GRACE_PERIOD = 30
DEFAULT_MEMORY_MIB = 256
MINIMUM_MEMORY_MIB = 32
# A guest's disk that holds every writable layer and emptyDir; sparse, so it costs what is written.
DEFAULT_SCRATCH_MIB = 20 * 1024
MAX_CONTAINERS = 64

_ENV_NAME = re.compile(r"[^=\x00]+")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")


@dataclass(frozen=True)
class Port:
    """A port of a container; published on the host where ``host_port`` is set."""

    container_port: int
    protocol: str = "TCP"
    host_port: int | None = None
    host_ip: str = "127.0.0.1"
    name: str = ""

    @property
    def published(self) -> str:
        """The host's side as people write it: 127.0.0.1:8080->80/tcp."""
        return f"{self.host_ip}:{self.host_port}->{self.container_port}/{self.protocol.lower()}"


@dataclass(frozen=True)
class VolumeMount:
    """Where a volume of the pod appears in a container."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""


@dataclass(frozen=True)
class EmptyDir:
    """A volume that lives as long as the pod: on the scratch disk, or in memory with an upper bound in bytes."""

    name: str
    memory: bool = False
    size: int | None = None


@dataclass(frozen=True)
class Container:
    """One container of a pod. command and args are None where the image's own are to be used: unset is not the same as empty."""

    name: str
    image: str
    image_pull_policy: str | None = None
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    ports: tuple[Port, ...] = ()
    mounts: tuple[VolumeMount, ...] = ()


@dataclass(frozen=True)
class Pod:
    """A whole pod definition."""

    name: str
    containers: tuple[Container, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    restart_policy: RestartPolicy = "Always"
    grace_period: int = DEFAULT_GRACE_PERIOD
    hostname: str = ""
    cpus: int = 1
    memory_mib: int = DEFAULT_MEMORY_MIB
    volumes: tuple[EmptyDir, ...] = ()

    @property
    def published_ports(self) -> tuple[Port, ...]:
        """Every port of any container that is published on the host."""
        return tuple(port for container in self.containers for port in container.ports if port.host_port is not None)


def parse(definition: object) -> Pod:
    """Read a manifest (dicts, lists and scalars as YAML gives them). Raises InvalidManifest or NotSupported with the field's path."""
    root = Node(definition, "")
    for name, wanted in (("apiVersion", "v1"), ("kind", "Pod")):
        value = root.required_string(name)
        if value != wanted:
            raise root.fail(name, f"must be {wanted}, not {value}")
    metadata, spec = root.node("metadata"), root.node("spec")
    if metadata is None:
        raise root.fail("metadata", "is required")
    if spec is None:
        raise root.fail("spec", "is required")
    # A cluster's record of how the pod fares; it comes along in `kubectl get -o yaml` and asks for nothing.
    root.node("status")
    root.done()

    name = metadata.required_label("name")
    namespace = metadata.string("namespace")
    if namespace not in (None, "default"):
        raise NotSupported(metadata.at("namespace"), "a host has no namespaces", "Remove the field")
    labels = metadata.string_map("labels")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise InvalidManifest(
                f"{value!r} is not a label", where=f"{metadata.at('labels')}[{key}]", remedy="Use at most 63 letters, digits, '-', '_' and '.'"
            )
    annotations = metadata.string_map("annotations")
    metadata.done(_kubernetes.METADATA)

    if spec.boolean("shareProcessNamespace") is False:
        raise NotSupported(spec.at("shareProcessNamespace"), "the containers of a pod share one PID namespace", "Remove the field or set it to true")
    volumes = tuple(_volume(node) for node in spec.nodes("volumes"))
    _unique(spec, "volumes", [volume.name for volume in volumes])
    containers = tuple(_container(node, {volume.name for volume in volumes}) for node in spec.nodes("containers"))
    if not containers:
        raise spec.fail("containers", "needs at least one container")
    if len(containers) > MAX_CONTAINERS:
        raise spec.fail("containers", f"has {len(containers)} containers; a pod holds at most {MAX_CONTAINERS}")
    _unique(spec, "containers", [container.name for container in containers])
    cpus, memory_mib = _resources(spec)
    grace_period = spec.integer("terminationGracePeriodSeconds", 0, 2**31 - 1)
    pod = Pod(
        name=name,
        containers=containers,
        labels=labels,
        annotations=annotations,
        restart_policy=_restart_policy(spec),
        grace_period=DEFAULT_GRACE_PERIOD if grace_period is None else grace_period,
        hostname=spec.label("hostname") or name,
        cpus=cpus,
        memory_mib=memory_mib,
        volumes=volumes,
    )
    spec.done(_kubernetes.POD_SPEC)
    _distinct_ports(pod)
    return pod


def _restart_policy(node: Node) -> RestartPolicy:
    return cast(RestartPolicy, node.choice("restartPolicy", get_args(RestartPolicy), "Always"))


def name_of(definition: object) -> str:
    """The name of a pod from its manifest, of which nothing else is read."""
    metadata = Node(definition, "").node("metadata")
    if metadata is None:
        raise InvalidManifest("is required", where="metadata")
    return metadata.required_label("name")


def _container(node: Node, volumes: set[str]) -> Container:
    container = Container(
        name=node.required_label("name"),
        image=node.required_string("image"),
        image_pull_policy=node.choice("imagePullPolicy", ("Always", "IfNotPresent", "Never"), "") or None,
        command=node.strings("command"),
        args=node.strings("args"),
        working_dir=_absolute(node, "workingDir"),
        env=tuple(_env(item) for item in node.nodes("env")),
        ports=tuple(_port(item) for item in node.nodes("ports")),
        mounts=tuple(_mount(item, volumes) for item in node.nodes("volumeMounts")),
    )
    node.done(_kubernetes.CONTAINER)
    _unique(node, "volumeMounts", [mount.mount_path for mount in container.mounts])
    for name in ("command", "args"):
        for index, word in enumerate(getattr(container, name) or ()):
            if "\x00" in word:
                raise InvalidManifest("holds a NUL character", where=f"{node.at(name)}[{index}]")
    return container


def _env(node: Node) -> tuple[str, str]:
    name = node.required_string("name")
    if not _ENV_NAME.fullmatch(name):
        raise node.fail("name", f"{name!r} is not a name of an environment variable")
    value = node.string("value") or ""
    if "\x00" in value:
        raise node.fail("value", "holds a NUL character")
    node.done(["valueFrom"])
    return name, value


def _port(node: Node) -> Port:
    container_port = node.integer("containerPort", 1, 65535)
    if container_port is None:
        raise node.fail("containerPort", "is required")
    host_ip = node.string("hostIP") or "127.0.0.1"
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", host_ip) or any(int(part) > 255 for part in host_ip.split(".")):
        raise node.fail("hostIP", f"{host_ip!r} is not an IPv4 address")
    port = Port(
        container_port=container_port,
        protocol=node.choice("protocol", ("TCP", "UDP"), "TCP"),
        host_port=node.integer("hostPort", 1, 65535),
        host_ip=host_ip,
        name=node.label("name") or "",
    )
    node.done()
    return port


def _mount(node: Node, volumes: set[str]) -> VolumeMount:
    name = node.required_string("name")
    if name not in volumes:
        raise node.fail("name", f"there is no volume {name!r}", f"Volumes of this pod: {', '.join(sorted(volumes)) or 'none'}")
    mount_path = _absolute(node, "mountPath")
    if mount_path is None:
        raise node.fail("mountPath", "is required")
    if mount_path == "/":
        raise node.fail("mountPath", "cannot be the root directory")
    sub_path = node.string("subPath") or ""
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        raise node.fail("subPath", f"{sub_path!r} must be a relative path without '..'")
    mount = VolumeMount(name, mount_path, bool(node.boolean("readOnly")), sub_path)
    node.done(["mountPropagation", "recursiveReadOnly", "subPathExpr"])
    return mount


def _volume(node: Node) -> EmptyDir:
    name = node.required_label("name")
    source = node.node("emptyDir")
    if source is None:
        node.done(_kubernetes.VOLUME)
        raise InvalidManifest("has no source", where=node.path, remedy="Give it one, such as emptyDir: {}")
    medium = source.choice("medium", ("", "Memory"), "")
    limit = source.scalar("sizeLimit")
    volume = EmptyDir(name, medium == "Memory", None if limit is None else _quantity.ceiling(_amount(source, "sizeLimit", limit)))
    if volume.size is not None and not volume.memory:
        raise NotSupported(source.at("sizeLimit"), "a limit needs medium: Memory", "Remove sizeLimit or set medium: Memory")
    source.done()
    node.done(_kubernetes.VOLUME)
    return volume


def _resources(spec: Node) -> tuple[int, int]:
    """The guest's size from the pod-level resources: whole CPUs and MiB, the limits before the requests."""
    resources = spec.node("resources")
    if resources is None:
        return 1, DEFAULT_MEMORY_MIB
    amounts: dict[str, Fraction] = {}
    for kind in ("requests", "limits"):
        node = resources.node(kind)
        if node is None:
            continue
        for name in ("cpu", "memory"):
            value = node.scalar(name)
            if value is not None:
                amounts[name] = _amount(node, name, value)
        node.done(["ephemeral-storage", "hugepages-1Gi", "hugepages-2Mi"])
    resources.done(["claims"])
    cpus = max(1, _quantity.ceiling(amounts.get("cpu", Fraction(1))))
    memory_mib = _quantity.ceiling(amounts["memory"] / _quantity.MIB) if "memory" in amounts else DEFAULT_MEMORY_MIB
    if memory_mib < MINIMUM_MEMORY_MIB:
        raise resources.fail("limits.memory", f"{memory_mib} MiB is too little for a guest", f"Give it {MINIMUM_MEMORY_MIB}Mi or more")
    return cpus, memory_mib


def _amount(node: Node, name: str, value: str | int | float) -> Fraction:
    try:
        return _quantity.parse(value)
    except ValueError as error:
        raise node.fail(name, str(error)) from None


def _absolute(node: Node, name: str) -> str | None:
    value = node.string(name)
    if value is not None and (not value.startswith("/") or "\x00" in value or ".." in value.split("/")):
        raise node.fail(name, f"{value!r} must be an absolute path without '..'")
    return value


def _unique(node: Node, name: str, values: list[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise InvalidManifest(f"{value!r} occurs twice", where=f"{node.at(name)}[{index}]")


def _distinct_ports(pod: Pod) -> None:
    """All containers share one port range of the pod, and all pods one of the host."""
    seen: dict[tuple[str, int | None], str] = {}
    for index, container in enumerate(pod.containers):
        for number, port in enumerate(container.ports):
            if port.host_port is None:
                continue
            path = f"spec.containers[{index}].ports[{number}].hostPort"
            first = seen.setdefault((port.protocol, port.host_port), path)
            if first != path:
                raise InvalidManifest(f"{port.host_port}/{port.protocol.lower()} is already published by {first}", where=path)


def expand(word: str, env: Mapping[str, str]) -> str:
    """Replace $(NAME) by the variable's value where it is known; $$ stands for one $ (Kubernetes, "Dependent environment variables")."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^()$]*)\)", value, word)


def signal_number(name: str) -> int:
    """SIGTERM, TERM, 15, RTMIN+3 (the forms of an image's StopSignal) → the number on Linux. Raises ValueError."""
    text = name.upper()
    text = text.removeprefix("SIG")
    real_time = re.fullmatch(r"RT(MIN|MAX)([+-][0-9]+)?", text)
    if real_time:
        number = (34 if real_time[1] == "MIN" else 64) + int(real_time[2] or 0)
    elif text.isdigit():
        number = int(text)
    else:
        try:
            number = signal.Signals[f"SIG{text}"].value
        except KeyError:
            raise ValueError(f"{name!r} is not a signal") from None
    if not 1 <= number <= 64:
        raise ValueError(f"{name!r} is not a signal")
    return number


def document(pod: Pod) -> dict[str, Any]:
    """The pod in brief, as ``--diff`` shows it; unset values are left out."""
    containers = []
    for container in pod.containers:
        entry: dict[str, Any] = {"name": container.name, "image": container.image}
        for name, value in (("command", container.command), ("args", container.args), ("workingDir", container.working_dir)):
            if value is not None:
                entry[name] = list(value) if isinstance(value, tuple) else value
        if container.env:
            entry["env"] = dict(container.env)
        if container.ports:
            entry["ports"] = [port.published if port.host_port else f"{port.container_port}/{port.protocol.lower()}" for port in container.ports]
        if container.mounts:
            entry["volumeMounts"] = [
                f"{mount.name}:{mount.mount_path}{'/' + mount.sub_path if mount.sub_path else ''}{':ro' if mount.read_only else ''}"
                for mount in container.mounts
            ]
        containers.append(entry)
    return {
        "name": pod.name,
        "hostname": pod.hostname,
        "labels": dict(pod.labels),
        "annotations": dict(pod.annotations),
        "restartPolicy": pod.restart_policy,
        "terminationGracePeriodSeconds": pod.grace_period,
        "cpus": pod.cpus,
        "memoryMiB": pod.memory_mib,
        "volumes": [f"{volume.name}: {'memory' if volume.memory else 'disk'}" for volume in pod.volumes],
        "containers": containers,
    }
