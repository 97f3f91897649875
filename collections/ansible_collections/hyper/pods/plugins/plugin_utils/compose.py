# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files become one Kubernetes v1 Pod manifest: a container for each service.

Source: the Compose Specification (compose-spec/compose-spec, spec.md). A pod's containers share one network, so services find each other by name on
127.0.0.1, and two cannot listen on one port. What a pod cannot say is refused by its path in the Compose file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_annotations
from ansible_collections.hyper.pods.plugins.module_utils._tree import DNS_LABEL, InvalidManifest, NotSupported
from ansible_collections.hyper.pods.plugins.plugin_utils import _compose_users, _parts, definitions
from ansible_collections.hyper.pods.plugins.plugin_utils._compose_order import COMPLETED, CONDITIONS, HEALTHY, STARTED, Dependencies, arrange
from ansible_collections.hyper.pods.plugins.plugin_utils._compose_text import interpolated, seconds
from ansible_collections.hyper.pods.plugins.plugin_utils._compose_volumes import Volumes
from ansible_collections.hyper.pods.plugins.plugin_utils._parts import Tree

DEFAULT_GRACE_PERIOD = 10
_RESTART_POLICIES = {"no": "Never", "always": "Always", "unless-stopped": "Always", "on-failure": "OnFailure"}
_PULL_POLICIES = {"always": "Always", "never": "Never", "missing": "IfNotPresent", "if_not_present": "IfNotPresent"}
_ONE_NETWORK = "the services of a pod share one network"
_TOP = _parts.refused(
    configs="write it as a volume",
    include="write the services into one file",
    networks=_ONE_NETWORK,
    secrets="write it as a volume",
)
_SERVICE = _parts.refused(
    build="images are not built here",
    cgroup="a service runs in a guest of its own pod",
    configs="write it as a volume",
    container_name="a container has its service's name",
    deploy="write the pod's size in a manifest",
    devices="a guest has none of the host's devices",
    dns="write it in a manifest",
    dns_search="write it in a manifest",
    env_file="write environment",
    extends="write the service whole",
    external_links=_ONE_NETWORK,
    hostname="a pod has one hostname",
    ipc="the services of a pod share one IPC namespace",
    links=_ONE_NETWORK,
    logging="output goes to the pod's log",
    mac_address=_ONE_NETWORK,
    network_mode=_ONE_NETWORK,
    networks=_ONE_NETWORK,
    pid="the services of a pod share one PID namespace",
    platform="an image is of the host's architecture",
    profiles="every service of a pod runs",
    scale="every service of a pod runs once",
    secrets="write it as a volume",
    security_opt="write it in a manifest",
    shm_size="write a volume of type tmpfs for /dev/shm",
    volumes_from="name the volumes",
)


class _Node(Tree):
    """A mapping of a Compose file, without the extensions (``x-…``), which Compose ignores."""

    def __init__(self, value: object, path: str) -> None:
        super().__init__(value, path)
        self._value = {name: item for name, item in self._value.items() if not name.startswith("x-")}


def convert(document: object, *, name: str = "", variables: Mapping[str, str]) -> list[definitions.Manifest]:
    """A Compose file (dicts, lists and scalars) → its Pod manifest, and before it the claims of its volumes, but for those that others made.

    name: of the pod, when the file says none. variables: what the file may name as ``${NAME}``. Raises InvalidManifest or NotSupported with the
    field's path.
    """
    root = _Node(interpolated(document, variables), "")
    root.value("version")  # means nothing since Compose 1.27
    pod_name = root.label("name") or name
    if not pod_name:
        raise root.fail("name", "is required", "Name the pod")
    services: dict[str, Tree] = {}
    for key, service in root.mappings("services"):
        if not DNS_LABEL.fullmatch(key):
            raise root.fail("services", f"{key!r} must be at most 63 lower-case letters, digits and '-', since it names a container")
        if service is None:
            raise root.fail(f"services.{key}", "says nothing")
        services[key] = service
    if not services:
        raise root.fail("services", "needs at least one service")
    order = arrange({key: _dependencies(node, services) for key, node in services.items()})
    volumes = Volumes(root, pod_name)
    containers = {key: _container(services[key], key, variables, volumes) for key in [*order.before, *order.main]}
    _distinct_ports(services, containers)

    policies = {key: _restart_policy(node) for key, node in services.items()}
    spec: dict[str, Any] = {"containers": [containers[key] for key in order.main]}
    _parts.restart_policies(spec, {key: policies[key] for key in order.main}, policies[order.main[0]])
    for key in order.before:
        _prepare(services[key], containers[key], policies[key], order.awaited[key], spec["restartPolicy"])
    parts = {
        "initContainers": [containers[key] for key in order.before],
        "terminationGracePeriodSeconds": _grace_period(services),
        "securityContext": {"sysctls": sysctls} if (sysctls := _compose_users.sysctls(services)) else [],
        "hostAliases": [*([{"ip": "127.0.0.1", "hostnames": sorted(services)}] if len(services) > 1 else []), *_compose_users.extra_hosts(services)],
        "volumes": volumes.used,
    }
    spec.update({key: value for key, value in parts.items() if value != []})
    said = {_manifest_annotations.key(word, key): value for key, node in services.items() for word, value in _compose_users.annotated(node).items()}
    metadata = {"name": pod_name, **({"annotations": said} if said else {})}
    for node in services.values():
        node.done(_SERVICE)
    root.done(_TOP)
    return [*volumes.claims, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}]


def _container(node: Tree, name: str, variables: Mapping[str, str], volumes: Volumes) -> dict[str, Any]:
    command, arguments = _command(node)
    signal, pull = node.string("stop_signal"), node.choice("pull_policy", tuple(_PULL_POLICIES), "")
    parts = {
        "imagePullPolicy": _PULL_POLICIES.get(pull),
        "command": command,
        "args": arguments,
        "workingDir": node.string("working_dir"),
        "env": _parts.environment(_environment(node, variables)) or None,
        "ports": [*_ports(node), *_exposed(node)] or None,
        "volumeMounts": volumes.mounts(node) or None,
        "securityContext": _compose_users.security(node) or None,
        "readinessProbe": _probe(node),
        "lifecycle": _parts.stop_signal(node.at("stop_signal"), signal) if signal else None,
        "stdin": node.boolean("stdin_open") or None,
        "tty": node.boolean("tty") or None,
    }
    if not node.string("image"):
        if node.value("build") is not None:
            raise NotSupported(node.at("build"), "images are not built here", "Build the image, push it, and name it as image")
        raise node.fail("image", "is required")
    return {"name": name, "image": node.required_string("image"), **{key: value for key, value in parts.items() if value is not None}}


def _prepare(node: Tree, container: dict[str, Any], policy: str, condition: str, pod_policy: str) -> None:
    """Make a container that others wait for an init container: one that runs to its end, or a sidecar."""
    if condition == COMPLETED:
        if policy == "Always":
            raise node.fail("restart", "a service that others wait for to complete cannot be restarted always", "Write on-failure, or remove it")
        if "readinessProbe" in container:
            raise NotSupported(node.at("healthcheck"), "a service that others wait for to complete is never ready", "Remove it")
        if (policy == "Never") != (pod_policy == "Never"):
            container["restartPolicy"] = policy
        return
    if policy != "Always":
        raise NotSupported(node.at("restart"), "a service that others wait for is a sidecar, which is always restarted", "Write always")
    container["restartPolicy"] = "Always"
    if condition == HEALTHY:
        if "readinessProbe" not in container:
            raise node.fail("healthcheck", "is required, since a service waits for this one to be healthy")
        container["startupProbe"] = {**container["readinessProbe"], "failureThreshold": _start_attempts(node)}


def _dependencies(node: Tree, services: Mapping[str, Tree]) -> Dependencies:
    """Service → condition."""
    if isinstance(node.value("depends_on"), list):
        result = dict.fromkeys(node.strings("depends_on") or (), STARTED)
    else:
        result = {}
        for key, each in node.mappings("depends_on"):
            result[key] = STARTED if each is None else each.choice("condition", CONDITIONS, STARTED)
            if each is None:
                continue
            if each.boolean("required") is False:
                raise NotSupported(each.at("required"), "every service of a pod runs", "Remove it")
            if each.boolean("restart"):
                raise NotSupported(each.at("restart"), "containers are restarted one by one", "Remove it")
            each.done()
    for key in result:
        if key not in services:
            raise node.fail("depends_on", f"there is no service {key!r}", f"Services: {', '.join(services)}")
    return result


def _restart_policy(node: Tree) -> str:
    value = node.value("restart")
    # YAML 1.1 reads a bare no as false.
    text = "no" if value in (None, False) else value
    if isinstance(text, str) and re.fullmatch(r"on-failure:[0-9]+", text):
        raise NotSupported(node.at("restart"), "restarts are not counted", "Write on-failure")
    if text not in _RESTART_POLICIES:
        raise node.fail("restart", f"must be one of {', '.join(_RESTART_POLICIES)}, not {value!r}")
    return _RESTART_POLICIES[text]


def _grace_period(services: Mapping[str, Tree]) -> int:
    """Seconds between the stop signal and the kill, which a manifest has for the whole pod."""
    periods = [DEFAULT_GRACE_PERIOD if node.value("stop_grace_period") is None else seconds(node, "stop_grace_period") for node in services.values()]
    for node, period in zip(services.values(), periods, strict=True):
        if period != periods[0]:
            raise NotSupported(node.at("stop_grace_period"), f"a pod has one grace period; another service has {periods[0]} s", "Write it in every service")
    return periods[0]


def _words(node: Tree, name: str) -> list[str] | None:
    """A command: a list, or a text that is split as a shell splits it, without running one."""
    value = node.value(name)
    if value is None or not isinstance(value, str):
        strings = node.strings(name)
        return None if strings is None else [definitions.literal(word) for word in strings]
    try:
        return [definitions.literal(word) for word in shlex.split(value)]
    except ValueError as error:
        raise node.fail(name, f"cannot be split into words: {str(error).lower()}") from None


def _command(node: Tree) -> tuple[list[str] | None, list[str] | None]:
    """A manifest's command and args. An empty entrypoint takes the image's away, so the command stands alone."""
    entrypoint, command = _words(node, "entrypoint"), _words(node, "command")
    if entrypoint == []:
        if not command:
            raise node.fail("command", "is required beside an empty entrypoint")
        return command, None
    return entrypoint, command


def _environment(node: Tree, variables: Mapping[str, str]) -> dict[str, str]:
    value = node.value("environment")
    if isinstance(value, list):
        items: list[tuple[str, Any]] = []
        for word in node.strings("environment") or ():
            name, equals, text = word.partition("=")
            items.append((name, text if equals else None))
    else:
        items = list(node.pairs("environment").items())
    result = {}
    for name, content in items:
        where = f"{node.at('environment')}[{name}]"
        if content is None:
            if name not in variables:
                raise InvalidManifest("has no value, and there is no such variable to take it from", where=where)
            content = variables[name]
        if isinstance(content, bool) or not isinstance(content, (str, int, float)):
            raise InvalidManifest("must be text", where=where, remedy="Put it in quotes")
        result[str(name)] = str(content)
    return result


def _ports(node: Tree) -> list[dict[str, Any]]:
    result = []
    for where, value in node.items("ports"):
        result += _long_port(_Node(value, where)) if isinstance(value, dict) else _short_port(where, value)
    return result


def _short_port(where: str, value: object) -> list[dict[str, Any]]:
    """``[IP:]HOST:CONTAINER[/udp]``; with ranges a port for each."""
    numbers, slash, protocol = str(value).partition("/")
    match = re.fullmatch(r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(?P<host>[0-9-]+):(?P<container>[0-9-]+)", numbers)
    if match is None:
        if re.fullmatch(r"[0-9-]+", numbers):
            raise NotSupported(where, "no port of the host is chosen for a pod", f"Write HOST:{value}, or write it under expose")
        raise InvalidManifest(f"{value!r} is not a published port", where=where, remedy="Write [IP:]HOST:CONTAINER[/udp]")
    return _parts.ports(where, match["host"], match["container"], protocol=protocol if slash else "tcp", ip=(match["ip"] or "").strip("[]"))


def _long_port(node: Tree) -> list[dict[str, Any]]:
    target, published = node.integer("target", 1, 65535), node.scalar("published")
    protocol, ip = node.string("protocol") or "tcp", node.string("host_ip") or ""
    node.choice("mode", ("ingress", "host"), "host")
    # Words about a port for people.
    node.string("name"), node.string("app_protocol")
    if target is None:
        raise node.fail("target", "is required")
    node.done()
    if published is None:
        return [{"containerPort": target, "protocol": _parts.transport(node.at("protocol"), protocol)}]
    return _parts.ports(node.at("published"), str(published), str(target), protocol=protocol, ip=ip)


def _exposed(node: Tree) -> list[dict[str, Any]]:
    result = []
    for where, value in node.items("expose"):
        number, slash, protocol = str(value).partition("/")
        result += [
            {"containerPort": port["containerPort"], "protocol": port["protocol"]}
            for port in _parts.ports(where, number, number, protocol=protocol if slash else "tcp")
        ]
    return result


def _distinct_ports(services: Mapping[str, Tree], containers: Mapping[str, dict[str, Any]]) -> None:
    """Services of Compose each have a network address of their own, those of a pod do not."""
    taken: dict[tuple[int, str], str] = {}
    for key, container in containers.items():
        for port in container.get("ports", ()):
            other = taken.setdefault((port["containerPort"], port["protocol"]), key)
            if other != key:
                message = f"{port['containerPort']}/{port['protocol'].lower()} is the port of {other} too; {_ONE_NETWORK}"
                raise InvalidManifest(message, where=services[key].at("ports"), remedy="Let one of them listen on another port")


def _probe(node: Tree) -> dict[str, Any] | None:
    """A healthcheck says whether a service is ready; Compose restarts nothing for it."""
    check = node.node("healthcheck")
    if check is None:
        return None
    test = check.value("test")
    words = ["CMD-SHELL", test] if isinstance(test, str) else list(check.strings("test") or ())
    times = {name: seconds(check, name) for name in ("interval", "timeout", "start_period") if check.value(name) is not None}
    retries = check.integer("retries", 1, 2**31 - 1)
    disabled = check.boolean("disable")
    check.done(_parts.refused(start_interval="a probe has one interval"))
    if disabled or words == ["NONE"]:
        return None
    if words[:1] == ["CMD-SHELL"] and len(words) == 2:
        words = ["CMD", "/bin/sh", "-c", words[1]]
    if words[:1] != ["CMD"] or len(words) < 2:
        raise check.fail("test", "must be a text, or a list that begins with CMD or CMD-SHELL", "A check that the image defines is not run")
    return {
        "exec": {"command": words[1:]},
        "periodSeconds": max(1, times.get("interval", 30)),
        "timeoutSeconds": max(1, times.get("timeout", 30)),
        "failureThreshold": retries or 3,
    }


def _start_attempts(node: Tree) -> int:
    """How often a check may fail before a service has been healthy once: all through its start period, and then as often as later."""
    check = node.node("healthcheck")
    probe = _probe(node)
    if check is None or probe is None:
        raise node.fail("healthcheck", "is required")
    period = 0 if check.value("start_period") is None else seconds(check, "start_period")
    return int(probe["failureThreshold"] - (-period // probe["periodSeconds"]))
