# SPDX-License-Identifier: GPL-3.0-or-later
"""One container of a pod definition."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from ansible_collections.hyper.pods.plugins.module_utils import _image_reference, _kubernetes, _manifest_life, _manifest_resources, _manifest_security
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadReference
from ansible_collections.hyper.pods.plugins.module_utils._manifest_annotations import Own
from ansible_collections.hyper.pods.plugins.module_utils._manifest_env import Variable, environment, expanded
from ansible_collections.hyper.pods.plugins.module_utils._manifest_life import Lifecycle, Probe
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Sources
from ansible_collections.hyper.pods.plugins.module_utils._manifest_resources import Resources
from ansible_collections.hyper.pods.plugins.module_utils._manifest_security import PodSecurity, Security
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import absolute, unique
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import VolumeDevice, VolumeMount, mount, volume_device
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node

RestartPolicy = Literal["Always", "OnFailure", "Never"]
TERMINATION_MESSAGE_PATH = "/dev/termination-log"
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


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
        host = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        return f"{host}:{self.host_port}->{self.container_port}/{self.protocol.lower()}"

    def collides(self, other: Port) -> bool:
        """Whether the two cannot both be published. All addresses of one family are none of the other."""
        hosts = (ipaddress.ip_address(self.host_ip), ipaddress.ip_address(other.host_ip))
        same = hosts[0] == hosts[1] or (hosts[0].version == hosts[1].version and any(host.is_unspecified for host in hosts))
        return same and (self.protocol, self.host_port) == (other.protocol, other.host_port)


@dataclass(frozen=True)
class Container:
    """One container of a pod. command and args are None where the image's own are to be used: unset is not the same as empty.

    init: it runs to its end before those that follow it. restart_policy: None where the pod's own applies. annotations: what the pod's say of it.
    termination_message_log: when it failed and left no message, the end of its output is one.
    """

    name: str
    image: str
    image_pull_policy: str | None = None
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str | None = None
    env: tuple[Variable, ...] = ()
    ports: tuple[Port, ...] = ()
    mounts: tuple[VolumeMount, ...] = ()
    devices: tuple[VolumeDevice, ...] = ()
    security: Security = field(default_factory=Security)
    resources: Resources = field(default_factory=Resources)
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    init: bool = False
    restart_policy: RestartPolicy | None = None
    startup_probe: Probe | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    annotations: Own = field(default_factory=Own)
    termination_message_path: str = TERMINATION_MESSAGE_PATH
    termination_message_log: bool = False

    @property
    def sidecar(self) -> bool:
        """Whether it goes on beside the containers that follow it."""
        return self.init and self.restart_policy == "Always"


def container(node: Node, volumes: set[str], security: PodSecurity, sources: Sources, *, init: bool = False) -> Container:
    """One entry of containers or, where ``init``, of initContainers.

    volumes: the names of the pod's volumes; security: the pod's; sources: what values are taken from.
    """
    held = _manifest_resources.resources(node)
    ports = tuple(_port(item) for item in node.nodes("ports"))
    own_restart_policy = restart_policy(node)
    if init and own_restart_policy != "Always":
        _refuse_care(node)
    named = [(port.name, port.container_port) for port in ports if port.name]
    env = environment(node, sources)
    own_security = _manifest_security.security(node, security)
    probes = [_manifest_life.probe(node, name, named) for name in _PROBES]
    made = Container(
        name=node.required_label("name"),
        image=_image(node),
        image_pull_policy=node.choice("imagePullPolicy", ("Always", "IfNotPresent", "Never"), "") or None,
        command=node.strings("command"),
        args=node.strings("args"),
        working_dir=absolute(node, "workingDir"),
        env=env,
        ports=ports,
        mounts=tuple(mount(item, volumes, expanded(env), privileged=own_security.privileged) for item in node.nodes("volumeMounts")),
        devices=tuple(volume_device(item, volumes) for item in node.nodes("volumeDevices")),
        security=own_security,
        resources=held,
        stdin=bool(node.boolean("stdin")),
        stdin_once=bool(node.boolean("stdinOnce")),
        tty=bool(node.boolean("tty")),
        init=init,
        restart_policy=own_restart_policy,
        startup_probe=probes[0],
        liveness_probe=probes[1],
        readiness_probe=probes[2],
        lifecycle=_manifest_life.lifecycle(node, named),
        termination_message_path=_message_path(node),
        termination_message_log=node.choice("terminationMessagePolicy", ("File", "FallbackToLogsOnError"), "File") == "FallbackToLogsOnError",
    )
    node.done(_kubernetes.CONTAINER)
    unique(node, "volumeMounts", [mount.mount_path for mount in made.mounts])
    unique(node, "volumeDevices", [entry.path for entry in made.devices])
    for name in ("command", "args"):
        for index, word in enumerate(getattr(made, name) or ()):
            if "\x00" in word:
                raise InvalidManifest("holds a NUL character", where=f"{node.at(name)}[{index}]")
    return made


def _image(node: Node) -> str:
    """A reference that can be read; whether there is such an image is for the host to say."""
    text = node.required_string("image")
    try:
        _image_reference.parse(text)
    except BadReference as error:
        raise node.fail("image", error.message, error.remedy or "") from None
    return text


def _message_path(node: Node) -> str:
    path = absolute(node, "terminationMessagePath") or TERMINATION_MESSAGE_PATH
    if not path.strip("/"):
        raise node.fail("terminationMessagePath", "must be the path of a file")
    return path


def _refuse_care(node: Node) -> None:
    """An init container that is no sidecar ends by itself, so nobody looks after it."""
    for name in (*_PROBES, "lifecycle"):
        if node.node(name) is not None:
            raise node.fail(
                name, "belongs to a container that stays; an init container runs to its end", "Remove it, or make it a sidecar: restartPolicy: Always"
            )


def restart_policy(node: Node) -> RestartPolicy | None:
    """Of a pod or a container; None where it says nothing."""
    return cast("RestartPolicy | None", node.choice("restartPolicy", get_args(RestartPolicy), "") or None)


def _port(node: Node) -> Port:
    container_port = node.integer("containerPort", 1, 65535)
    if container_port is None:
        raise node.fail("containerPort", "is required")
    host_ip = node.string("hostIP") or "127.0.0.1"
    try:
        if "%" in host_ip:
            raise ValueError
        host_ip = str(ipaddress.ip_address(host_ip))
    except ValueError:
        raise node.fail("hostIP", f"{host_ip!r} is not an IP address") from None
    port = Port(
        container_port=container_port,
        protocol=node.choice("protocol", ("TCP", "UDP"), "TCP"),
        host_port=node.integer("hostPort", 1, 65535),
        host_ip=host_ip,
        name=node.label("name") or "",
    )
    node.done(_kubernetes.CONTAINER_PORT)
    return port
