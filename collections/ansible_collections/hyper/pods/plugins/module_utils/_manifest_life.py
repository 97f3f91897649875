# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container is looked after while it runs: its probes and hooks.

Source: Kubernetes API reference, Probe and Lifecycle v1 core, with the API server's rules of validation.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import signal_number
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported

# What hyperstart takes: a year.
MAX_SECONDS = 365 * 24 * 3600
_HEADER_NAME = re.compile(r"[-A-Za-z0-9!#$%&'*+.^_`|~]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


@dataclass(frozen=True)
class Exec:
    """A command in the container; 0 is success."""

    command: tuple[str, ...]


@dataclass(frozen=True)
class HttpGet:
    """A request to a port; an answer of 200 to 399 is success. host: an IP address, or None for the pod's own."""

    port: int
    host: str | None = None
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TcpSocket:
    """A connection to a port. host: an IP address, or None for the pod's own."""

    port: int
    host: str | None = None


@dataclass(frozen=True)
class Sleep:
    """A pause in seconds."""

    seconds: int


Handler = Union[Exec, HttpGet, TcpSocket, Sleep]


@dataclass(frozen=True)
class Lifecycle:
    """Hooks, and the signal that a stop sends (a number; None: the image's)."""

    post_start: Handler | None = None
    pre_stop: Handler | None = None
    stop_signal: int | None = None


@dataclass(frozen=True)
class Probe:
    """Times in seconds. grace_period: of the end that a failure brings, None where the pod's own applies."""

    handler: Handler
    initial_delay: int = 0
    period: int = 10
    timeout: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace_period: int | None = None


def probe(container: Node, name: str, ports: Sequence[tuple[str, int]]) -> Probe | None:
    """A probe of a container. ports: the container's, by name. Raises InvalidManifest, NotSupported."""
    node = container.node(name)
    if node is None:
        return None
    # As the API server has it, 0 is the default.
    times = {field: node.integer(field, 0, MAX_SECONDS) or default for field, default in _DEFAULTS.items()}
    grace_period = node.integer("terminationGracePeriodSeconds", 1, MAX_SECONDS)
    if grace_period is not None and name == "readinessProbe":
        raise node.fail("terminationGracePeriodSeconds", "has no meaning for a readiness probe, which ends nothing", "Remove the field")
    if times["successThreshold"] != 1 and name != "readinessProbe":
        raise node.fail("successThreshold", f"must be 1, not {times['successThreshold']}: only readiness has to be earned again")
    handlers = [handler for handler in (_execution(node), _http(node, ports), _tcp(node, ports)) if handler is not None]
    node.done(_kubernetes.PROBE)
    return Probe(
        _one(node, handlers, "exec, httpGet, tcpSocket"),
        times["initialDelaySeconds"],
        times["periodSeconds"],
        times["timeoutSeconds"],
        times["successThreshold"],
        times["failureThreshold"],
        grace_period,
    )


_DEFAULTS = {"initialDelaySeconds": 0, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}


def lifecycle(container: Node, ports: Sequence[tuple[str, int]]) -> Lifecycle:
    """The hooks of a container. ports: the container's, by name. Raises InvalidManifest, NotSupported."""
    node = container.node("lifecycle")
    if node is None:
        return Lifecycle()
    post_start, pre_stop = _hook(node, "postStart", ports), _hook(node, "preStop", ports)
    stop_signal = node.string("stopSignal")
    node.done(_kubernetes.LIFECYCLE)
    if stop_signal is None:
        return Lifecycle(post_start, pre_stop)
    try:
        return Lifecycle(post_start, pre_stop, signal_number(stop_signal))
    except ValueError as error:
        raise node.fail("stopSignal", str(error)) from None


def _hook(parent: Node, name: str, ports: Sequence[tuple[str, int]]) -> Handler | None:
    node = parent.node(name)
    if node is None:
        return None
    handlers = [handler for handler in (_execution(node), _http(node, ports), _sleep(node)) if handler is not None]
    node.done(_kubernetes.LIFECYCLE_HANDLER)
    return _one(node, handlers, "exec, httpGet, sleep")


def _sleep(parent: Node) -> Sleep | None:
    node = parent.node("sleep")
    if node is None:
        return None
    seconds = node.integer("seconds", 0, MAX_SECONDS)
    if seconds is None:
        raise node.fail("seconds", "is required")
    node.done(_kubernetes.SLEEP)
    return Sleep(seconds)


def _one(node: Node, handlers: Sequence[Handler], names: str) -> Handler:
    """Refuse none and several."""
    if len(handlers) != 1:
        raise InvalidManifest(f"needs {'one' if not handlers else 'only one'} of {names}", where=node.path)
    return handlers[0]


def _execution(parent: Node) -> Exec | None:
    """The handler exec."""
    node = parent.node("exec")
    if node is None:
        return None
    command = node.strings("command")
    node.done(_kubernetes.EXEC_ACTION)
    if not command or not command[0]:
        raise node.fail("command", "is required")
    for index, word in enumerate(command):
        if "\x00" in word:
            raise InvalidManifest("holds a NUL character", where=f"{node.at('command')}[{index}]")
    return Exec(command)


def _http(parent: Node, ports: Sequence[tuple[str, int]]) -> HttpGet | None:
    node = parent.node("httpGet")
    if node is None:
        return None
    if node.choice("scheme", ("HTTP", "HTTPS"), "HTTP") == "HTTPS":
        raise NotSupported(node.at("scheme"), "hyperstart speaks no TLS", "Use exec with a client of the container, or tcpSocket")
    headers = tuple(_header(item) for item in node.nodes("httpHeaders"))
    handler = HttpGet(_port(node, ports), _host(node), node.string("path") or "/", headers)
    node.done(_kubernetes.HTTP_GET)
    return handler


def _header(node: Node) -> tuple[str, str]:
    name, value = node.required_string("name"), node.string("value")
    if not _HEADER_NAME.fullmatch(name):
        raise node.fail("name", f"{name!r} is not a name of an HTTP header")
    if value is None:
        raise node.fail("value", "is required")
    if not _HEADER_VALUE.fullmatch(value):
        raise node.fail("value", "holds a control character")
    node.done(_kubernetes.HTTP_HEADER)
    return name, value


def _tcp(parent: Node, ports: Sequence[tuple[str, int]]) -> TcpSocket | None:
    node = parent.node("tcpSocket")
    if node is None:
        return None
    handler = TcpSocket(_port(node, ports), _host(node))
    node.done(_kubernetes.TCP_SOCKET)
    return handler


def _port(node: Node, ports: Sequence[tuple[str, int]]) -> int:
    """A number, or the name of one of the container's ports."""
    value = node.number_or_name("port")
    if value is None:
        raise node.fail("port", "is required")
    if isinstance(value, int):
        if not 1 <= value <= 65535:
            raise node.fail("port", f"must be between 1 and 65535, not {value}")
        return value
    for name, number in ports:
        if name == value:
            return number
    raise node.fail("port", f"no port of the container is named {value!r}", f"Its ports: {', '.join(name for name, _ in ports) or 'none has a name'}")


def _host(node: Node) -> str | None:
    host = node.string("host")
    if not host:
        return None
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        raise NotSupported(node.at("host"), "hyperstart looks up no names", "Give an IP address, or leave it out for the pod's own") from None
