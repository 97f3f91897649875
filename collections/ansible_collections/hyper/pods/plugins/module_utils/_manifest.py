# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod definition, which is a Kubernetes v1 Pod manifest, read into frozen dataclasses.

Source: Kubernetes API reference, Pod v1 core. What is not honoured is refused by its path, never dropped. Two definitions are the same pod when
their dataclasses are equal, so a default that a later version adds never makes a pod look changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _kubernetes,
    _manifest_annotations,
    _manifest_container,
    _manifest_network,
    _manifest_resources,
    _manifest_volumes,
    _quantity,
    _seal,
)
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container, Port, RestartPolicy, restart_policy
from ansible_collections.hyper.pods.plugins.module_utils._manifest_files import FileVolume
from ansible_collections.hyper.pods.plugins.module_utils._manifest_life import MAX_SECONDS
from ansible_collections.hyper.pods.plugins.module_utils._manifest_metadata import refuse_namespace
from ansible_collections.hyper.pods.plugins.module_utils._manifest_names import Names, names
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import Network
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Objects, Sources
from ansible_collections.hyper.pods.plugins.module_utils._manifest_resources import DEFAULT_MEMORY_MIB, Resources, guest_size
from ansible_collections.hyper.pods.plugins.module_utils._manifest_security import PodSecurity, pod_security
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import said, unique
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import ClaimVolume, EmptyDir, HostPath, ImageVolume, LimitedDir, NfsVolume, PodVolume
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported

DEFAULT_GRACE_PERIOD = 30
# A guest's disk that holds every writable layer and emptyDir; sparse, so it costs what is written.
DEFAULT_SCRATCH_MIB = 20 * 1024
MAX_CONTAINERS = 64

# The domain of a cluster that says nothing else, and the one namespace that a host has.
_DOMAIN = "default.svc.cluster.local"
# A kernel's limit.
_HOSTNAME_LIMIT = 64
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")


@dataclass(frozen=True)
class Pod:
    """A whole pod definition. pull_secrets: names of Secrets. noted: paths of fields that were accepted and have no effect here. uses: kind and name
    of the objects that values were taken from."""

    name: str
    containers: tuple[Container, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    restart_policy: RestartPolicy = "Always"
    grace_period: int = DEFAULT_GRACE_PERIOD
    hostname: str = ""
    cpus: int = 1
    memory_mib: int = DEFAULT_MEMORY_MIB
    volumes: tuple[PodVolume, ...] = ()
    security: PodSecurity = field(default_factory=PodSecurity)
    init_containers: tuple[Container, ...] = ()
    active_deadline: int | None = None
    names: Names = field(default_factory=Names)
    network: Network = field(default_factory=Network)
    subdomain: str = ""
    full_hostname: bool = False
    pull_secrets: tuple[str, ...] = field(default=(), compare=False)
    noted: tuple[str, ...] = field(default=(), compare=False)
    uses: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def full_name(self) -> str:
        """Its name in DNS, as a cluster would give it; the hostname where it has no subdomain."""
        return f"{self.hostname}.{self.subdomain}.{_DOMAIN}" if self.subdomain else self.hostname

    @property
    def all_containers(self) -> tuple[Container, ...]:
        """The init containers, then the others: the order in which they start."""
        return self.init_containers + self.containers

    @property
    def paths(self) -> tuple[str, ...]:
        """Where each of all_containers stands in the manifest."""
        lists = (("initContainers", self.init_containers), ("containers", self.containers))
        return tuple(f"spec.{name}[{index}]" for name, items in lists for index in range(len(items)))

    @property
    def image_uses(self) -> tuple[tuple[str, str, str | None], ...]:
        """Every image that it needs: a container's name, or an image volume's key, the reference, and the pull policy that is said."""
        containers = tuple((container.name, container.image, container.image_pull_policy) for container in self.all_containers)
        return containers + tuple((volume.key, volume.image, volume.pull_policy) for volume in self.volumes if isinstance(volume, ImageVolume))

    @property
    def claims(self) -> tuple[ClaimVolume, ...]:
        """The volumes of the host that it uses."""
        return tuple(volume for volume in self.volumes if isinstance(volume, ClaimVolume))

    @property
    def host_paths(self) -> tuple[HostPath, ...]:
        """The directories and files of the host that it uses."""
        return tuple(volume for volume in self.volumes if isinstance(volume, HostPath))

    @property
    def size(self) -> tuple[int, int]:
        """Of its guest: processors, and MiB of memory."""
        return self.cpus, self.memory_mib

    @property
    def exports(self) -> tuple[NfsVolume, ...]:
        """What it uses of servers of NFS."""
        return tuple(volume for volume in self.volumes if isinstance(volume, NfsVolume))

    @property
    def published_ports(self) -> tuple[Port, ...]:
        """Every port of any container that is published on the host."""
        return tuple(port for container in self.all_containers for port in container.ports if port.host_port is not None)

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the sealed values that it is made with."""
        env = (variable.value for container in self.all_containers for variable in container.env if variable.secret)
        files = (file.data.decode() for volume in self.volumes if isinstance(volume, FileVolume) for file in volume.files if file.secret)
        return frozenset(name for text in (*env, *files) for name in _seal.names(text))


def parse(definition: object, objects: Objects = {}) -> Pod:  # noqa: B006, read only
    """Read a manifest (dicts, lists and scalars as YAML gives them). objects: what it may take values from.

    Raises InvalidManifest or NotSupported with the field's path.
    """
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
    root.done(_kubernetes.POD)

    name = metadata.required_label("name")
    refuse_namespace(metadata)
    labels = metadata.string_map("labels")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise InvalidManifest(
                f"{value!r} is not a label", where=f"{metadata.at('labels')}[{key}]", remedy="Use at most 63 letters, digits, '-', '_' and '.'"
            )
    annotations = metadata.string_map("annotations")
    metadata.done(_kubernetes.OBJECT_META)

    for flag in ("hostIPC", "hostNetwork", "hostPID"):
        if spec.boolean(flag):
            raise NotSupported(spec.at(flag), "there is no host inside a guest", "Remove the field")
    system = spec.node("os")
    if system is not None:
        system.required_string("name")
        system.choice("name", ("linux",), "")
        system.done(_kubernetes.POD_OS)
    if spec.boolean("shareProcessNamespace") is False:
        raise NotSupported(spec.at("shareProcessNamespace"), "the containers of a pod share one PID namespace", "Remove the field or set it to true")
    network = _manifest_network.network(annotations, metadata.at("annotations"))
    _manifest_annotations.check_log(annotations, metadata.at("annotations"))
    asked, side_by_side = _resources_asked(spec)
    cpus, memory_mib = guest_size(spec, side_by_side)
    sources = Sources(
        name, labels, annotations, objects, _own_address(network), network.publisher is not None, asked, _manifest_resources.room(cpus, memory_mib)
    )
    volumes = tuple(_manifest_volumes.volume(node, sources) for node in spec.nodes("volumes"))
    unique(spec, "volumes", [volume.name for volume in volumes])
    security = pod_security(spec)
    volume_names = {volume.name for volume in volumes}
    init_containers = tuple(_manifest_container.container(node, volume_names, security, sources, init=True) for node in spec.nodes("initContainers"))
    containers = tuple(_manifest_container.container(node, volume_names, security, sources) for node in spec.nodes("containers"))
    count = len(init_containers) + len(containers)
    if count > MAX_CONTAINERS:
        raise spec.fail("containers", f"has {count} containers; a pod holds at most {MAX_CONTAINERS}")
    _distinct_names(spec, init_containers, containers)
    identified = {container.name: container.security.identified for container in init_containers + containers}
    own = _manifest_annotations.owned(annotations, identified, metadata.at("annotations"))
    init_containers = tuple(replace(container, annotations=own[container.name]) for container in init_containers)
    containers = tuple(replace(container, annotations=own[container.name]) for container in containers)
    grace_period = spec.integer("terminationGracePeriodSeconds", 0, MAX_SECONDS)
    pod = Pod(
        name=name,
        containers=containers,
        labels=labels,
        annotations=annotations,
        restart_policy=restart_policy(spec) or "Always",
        grace_period=DEFAULT_GRACE_PERIOD if grace_period is None else grace_period,
        hostname=spec.label("hostname") or name,
        cpus=cpus,
        memory_mib=memory_mib,
        volumes=volumes,
        security=security,
        init_containers=init_containers,
        active_deadline=spec.integer("activeDeadlineSeconds", 1, 2**31 - 1),
        names=names(spec),
        network=network,
        subdomain=spec.label("subdomain") or "",
        full_hostname=bool(spec.boolean("setHostnameAsFQDN")),
        pull_secrets=tuple(_pull_secret(node) for node in spec.nodes("imagePullSecrets")),
    )
    if pod.full_hostname and len(pod.full_name) > _HOSTNAME_LIMIT:
        raise spec.fail("setHostnameAsFQDN", f"{pod.full_name} has more than the {_HOSTNAME_LIMIT} characters of a hostname", "Shorten hostname or subdomain")
    spec.done(_kubernetes.POD_SPEC)
    _distinct_ports(pod)
    uses = [(path, container.mounts, container.devices) for path, container in zip(pod.paths, pod.all_containers)]
    pod = replace(pod, volumes=_manifest_volumes.with_modes(spec, pod.volumes, uses))
    return replace(pod, noted=tuple(root.noted), uses=tuple(sorted(sources.used)))


def _own_address(network: Network) -> str:
    """The pod's first address; "" where its place on the network decides, or the network itself."""
    first = network.nics[0]
    if first.dhcp:
        return ""
    if first.kind == "user":
        return _manifest_network.USER_ADDRESS
    return next((address.partition("/")[0] for address in first.addresses), "")


def _pull_secret(node: Node) -> str:
    name = node.required_string("name")
    node.done(_kubernetes.PULL_SECRET)
    return name


def _distinct_names(spec: Node, init_containers: tuple[Container, ...], containers: tuple[Container, ...]) -> None:
    names = [container.name for container in containers]
    unique(spec, "containers", names)
    unique(spec, "initContainers", [container.name for container in init_containers])
    for index, container in enumerate(init_containers):
        if container.name in names:
            raise InvalidManifest(f"{container.name!r} is a container too", where=f"{spec.at('initContainers')}[{index}].name")


def name_of(definition: object) -> str:
    """The name of a pod from its manifest, of which nothing else is read."""
    metadata = Node(definition, "").node("metadata")
    if metadata is None:
        raise InvalidManifest("is required", where="metadata")
    return metadata.required_label("name")


def _resources_asked(spec: Node) -> tuple[dict[str, Resources], list[list[Resources]]]:
    """What each container asks for, by its name, and which of them run at the same time: each init container with the sidecars before it, then all
    sidecars with the rest. They are read before all else, which may name them; what is wrong elsewhere is told later."""
    asked: dict[str, Resources] = {}
    sidecars: list[Resources] = []
    groups = []
    last: list[Resources] = []
    for kind in ("initContainers", "containers"):
        for node in spec.apart(kind):
            own = asked[node.string("name") or ""] = _manifest_resources.resources(node)
            if kind == "containers":
                last.append(own)
                continue
            groups.append([*sidecars, own])
            if node.string("restartPolicy") == "Always":
                sidecars.append(own)
    if not last:
        raise spec.fail("containers", "needs at least one container")
    return asked, [*groups, [*sidecars, *last]]


def _distinct_ports(pod: Pod) -> None:
    """All containers share one port range of the pod, and all pods one of the host."""
    seen: list[tuple[Port, str]] = []
    for where, container in zip(pod.paths, pod.all_containers):
        for number, port in enumerate(container.ports):
            if port.host_port is None:
                continue
            path = f"{where}.ports[{number}].hostPort"
            _manifest_network.check_published(pod.network, port.host_ip, f"{where}.ports[{number}].{'hostIP' if ':' in port.host_ip else 'hostPort'}")
            first = next((place for other, place in seen if port.collides(other)), None)
            if first is not None:
                raise InvalidManifest(f"{port.host_port}/{port.protocol.lower()} is already published by {first}", where=path)
            seen.append((port, path))


def document(pod: Pod) -> dict[str, Any]:
    """The pod in brief, as ``--diff`` shows it; unset values are left out."""
    return {
        "name": pod.name,
        "hostname": pod.hostname,
        "labels": dict(pod.labels),
        "annotations": dict(pod.annotations),
        "restartPolicy": pod.restart_policy,
        "terminationGracePeriodSeconds": pod.grace_period,
        **({"activeDeadlineSeconds": pod.active_deadline} if pod.active_deadline is not None else {}),
        "cpus": pod.cpus,
        "memoryMiB": pod.memory_mib,
        "securityContext": said(pod.security),
        **({"subdomain": pod.subdomain, "setHostnameAsFQDN": pod.full_hostname} if pod.subdomain else {}),
        **({"names": own} if (own := said(pod.names)) else {}),
        **({"network": _manifest_network.document(pod.network)} if pod.network != Network() else {}),
        "volumes": [_volume_document(volume) for volume in pod.volumes],
        **({"initContainers": [_container_document(container) for container in pod.init_containers]} if pod.init_containers else {}),
        "containers": [_container_document(container) for container in pod.containers],
    }


def _brief(part: Any) -> Any:
    """What a part of a definition says, in the forms of JSON, without what it leaves unsaid."""
    if isinstance(part, Mapping):
        return {name: _brief(value) for name, value in part.items() if value not in (None, (), "", 0, {}, b"")}
    return [_brief(item) for item in part] if isinstance(part, (tuple, list)) else part


def _volume_document(volume: PodVolume) -> str:
    if isinstance(volume, LimitedDir):
        return f"{volume.name}: disk, at most {_quantity.human(volume.size)}"
    if isinstance(volume, EmptyDir):
        limit = "" if volume.size is None else f", at most {_quantity.human(volume.size)}"
        return f"{volume.name}: {'memory' if volume.memory else 'disk'}{limit}"
    if isinstance(volume, ImageVolume):
        return f"{volume.name}: image {volume.image}"
    if isinstance(volume, HostPath):
        return f"{volume.name}: {volume.type or 'path'} {volume.path} of the host{', read-only' if volume.read_only else ''}"
    if isinstance(volume, NfsVolume):
        return f"{volume.name}: nfs {volume.server}:{volume.path}{', read-only' if volume.read_only else ''}"
    if isinstance(volume, ClaimVolume):
        return f"{volume.name}: volume {volume.claim}{', read-only' if volume.read_only else ''}"
    return f"{volume.name}: {', '.join(f'{file.path} {file.shown}' for file in volume.files) or 'empty'}"


def _container_document(container: Container) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": container.name, "image": container.image}
    for name, value in (
        ("command", container.command),
        ("args", container.args),
        ("workingDir", container.working_dir),
        ("restartPolicy", container.restart_policy),
    ):
        if value is not None:
            entry[name] = list(value) if isinstance(value, tuple) else value
    if container.env:
        entry["env"] = {variable.name: variable.shown for variable in container.env}
    if container.ports:
        entry["ports"] = [port.published if port.host_port else f"{port.container_port}/{port.protocol.lower()}" for port in container.ports]
    if container.mounts:
        entry["volumeMounts"] = [
            f"{mount.name}:{mount.mount_path}{'/' + mount.sub_path if mount.sub_path else ''}{':ro' if mount.read_only else ''}" for mount in container.mounts
        ]
    if container.devices:
        entry["volumeDevices"] = [f"{device.name}:{device.path}" for device in container.devices]
    entry.update({name: True for name in ("stdin", "tty") if getattr(container, name)})
    if container.stdin_once:
        entry["stdinOnce"] = True
    if security := said(container.security):
        entry["securityContext"] = security
    for name, part in (
        ("startupProbe", container.startup_probe),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("lifecycle", container.lifecycle),
    ):
        if part is not None and (own := _brief(asdict(part))):
            entry[name] = own
    if resources := said(container.resources):
        entry["resources"] = {name: float(value) for name, value in resources.items()}
    return entry
