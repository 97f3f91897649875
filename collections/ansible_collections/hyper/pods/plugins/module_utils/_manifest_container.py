# SPDX-License-Identifier: GPL-3.0-or-later
"""One container of a pod definition."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _manifest_security
from ansible_collections.hyper.pods.plugins.module_utils._manifest_env import variable
from ansible_collections.hyper.pods.plugins.module_utils._manifest_security import PodSecurity, Security
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import absolute, unique
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import VolumeMount, mount
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node


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
    security: Security = field(default_factory=Security)
    stdin: bool = False
    tty: bool = False


def container(node: Node, volumes: set[str], security: PodSecurity) -> Container:
    """One entry of containers; volumes: the names of the pod's volumes; security: the pod's."""
    made = Container(
        name=node.required_label("name"),
        image=node.required_string("image"),
        image_pull_policy=node.choice("imagePullPolicy", ("Always", "IfNotPresent", "Never"), "") or None,
        command=node.strings("command"),
        args=node.strings("args"),
        working_dir=absolute(node, "workingDir"),
        env=tuple(variable(item) for item in node.nodes("env")),
        ports=tuple(_port(item) for item in node.nodes("ports")),
        mounts=tuple(mount(item, volumes) for item in node.nodes("volumeMounts")),
        security=_manifest_security.security(node, security),
        stdin=bool(node.boolean("stdin")),
        tty=bool(node.boolean("tty")),
    )
    node.done(_kubernetes.CONTAINER)
    unique(node, "volumeMounts", [mount.mount_path for mount in made.mounts])
    for name in ("command", "args"):
        for index, word in enumerate(getattr(made, name) or ()):
            if "\x00" in word:
                raise InvalidManifest("holds a NUL character", where=f"{node.at(name)}[{index}]")
    return made


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
    node.done(_kubernetes.CONTAINER_PORT)
    return port
