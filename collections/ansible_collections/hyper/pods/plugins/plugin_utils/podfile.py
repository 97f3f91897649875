# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper podfiles, JSON or YAML, become Kubernetes v1 Pod manifests.

Source: hyperhq/hyperd, types/types.proto (UserPod) and types/validate.go; docs.hypercontainer.io, "Reference". As there, the case of a field's name
does not matter, and an empty value is one that was not given. A value that a manifest cannot say is refused by its path in the podfile.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_annotations
from ansible_collections.hyper.pods.plugins.module_utils._tree import NotSupported
from ansible_collections.hyper.pods.plugins.plugin_utils import _parts, _podfile_network, _podfile_users
from ansible_collections.hyper.pods.plugins.plugin_utils._podfile_storage import Fetch, Files, Volumes
from ansible_collections.hyper.pods.plugins.plugin_utils._podfile_tree import PodfileNode, closed
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import Manifest, container_names, literal

_RESTART_POLICIES = {"always": "Always", "onfailure": "OnFailure", "never": "Never"}
_POD = _parts.refused(services="a pod holds no load balancer; run one as a container, such as haproxy with its configuration as an inserted file")
_CONTAINER = _parts.refused(logPath="the output of all containers goes to the pod's one log; read it with hyper logs POD CONTAINER")


def convert(document: object, *, fetch: Fetch | None = None) -> list[Manifest]:
    """A podfile (dicts, lists and scalars) → its Pod manifest, and before it what it needs: the ConfigMap of its inserted files, claims of its disks.

    fetch: gives the contents of a file's ``uri``; without it such files are refused. Raises InvalidManifest or NotSupported with the field's path.
    """
    root = PodfileNode(document, "")
    name = root.label("id")
    if name is None:
        raise root.fail("id", "is required", "Name the pod")
    if root.choice("type", ("pod", "service-discovery", "kubernetes"), "pod") != "pod":
        raise NotSupported(root.at("type"), "a podfile is of the type pod here", "Remove the field")
    files = Files(root, name, fetch)
    volumes = Volumes(root, name)
    default_policy = _restart_policy(root, "Never")
    tty = bool(root.boolean("tty"))
    nodes = list(root.nodes("containers"))
    names = _container_names(nodes)
    containers = [_container(node, label, tty=tty, files=files, volumes=volumes) for node, label in zip(nodes, names, strict=True)]
    if not containers:
        raise root.fail("containers", "needs at least one container")
    network = _podfile_network.annotated(root)
    published = _podfile_network.published(root)
    own = [(f"{node.at('ports')}[{index}]", port) for node, made in zip(nodes, containers, strict=True) for index, port in enumerate(made.get("ports", ()))]
    _podfile_network.check_published(root, network, [*own, *((root.at("portmappings"), port) for port in published)])
    if published:
        containers[0]["ports"] = [*containers[0].get("ports", []), *published]
    metadata: dict[str, Any] = {"name": name}
    labels = root.string_map("labels")
    if labels:
        metadata["labels"] = labels
    said = network | {
        _manifest_annotations.key(word, label): value
        for node, label in zip(nodes, names, strict=True)
        for word, value in _podfile_users.annotated(node, nodes).items()
    }
    if said:
        metadata["annotations"] = said
    spec: dict[str, Any] = {"containers": containers}
    policies = {label: _restart_policy(node, default_policy) for node, label in zip(nodes, names, strict=True)}
    _parts.restart_policies(spec, policies, default_policy)
    _log(root)
    parts = {
        "hostname": root.label("hostname"),
        **_dns(root),
        "securityContext": _podfile_users.pod_security(nodes),
        "resources": _resources(root),
        "volumes": [*volumes.used, *files.volume],
    }
    spec.update({key: value for key, value in parts.items() if value})
    for node in nodes:
        node.done(_CONTAINER)
    root.done(_POD)
    return [*files.config_map, *volumes.claims, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}]


def _container_names(nodes: list[PodfileNode]) -> list[str]:
    """Each container's name, or where it has none its image's."""
    made = container_names([node.required_string("image") for node in nodes])
    names = [node.label("name") or node.label("id") or label for node, label in zip(nodes, made, strict=True)]
    for node, name in zip(nodes, names, strict=True):
        if node.value("id") not in (None, name):
            raise NotSupported(node.at("id"), "a container is known by its name", "Remove the field")
        if names.count(name) > 1:
            raise node.fail("name", f"{name!r} occurs twice")
    return names


def _container(node: PodfileNode, name: str, *, tty: bool, files: Files, volumes: Volumes) -> dict[str, Any]:
    user = node.node("user")
    security = {} if user is None else _podfile_users.user(user)
    if node.boolean("readOnly"):
        security["readOnlyRootFilesystem"] = True
    signal = node.string("StopSignal")
    terminal = bool(node.boolean("tty")) or tty
    parts = {
        "command": [literal(word) for word in node.strings("entrypoint") or ()],
        "args": [literal(word) for word in node.strings("command") or ()],
        "workingDir": node.string("workdir"),
        "env": _parts.environment({each.required_string("env"): each.string("value") or "" for each in closed(node, "envs", "env", "value")}),
        "ports": [_container_port(each) for each in node.nodes("ports")],
        "volumeMounts": [*(volumes.mount(each) for each in node.nodes("volumes")), *(files.mount(each) for each in node.nodes("files"))],
        "securityContext": security,
        "lifecycle": _parts.stop_signal(node.at("StopSignal"), signal) if signal else None,
        # A terminal of a podfile is one that can be attached to, so a shell in it waits for input.
        "stdin": terminal,
        "tty": terminal,
    }
    return {"name": name, "image": node.required_string("image"), **{key: value for key, value in parts.items() if value}}


def _restart_policy(node: PodfileNode, default: str) -> str:
    value = node.string("restartPolicy")
    if value is not None and value.lower() not in _RESTART_POLICIES:
        raise node.fail("restartPolicy", f"must be one of always, onFailure, never, not {value!r}")
    return default if value is None else _RESTART_POLICIES[value.lower()]


def _container_port(node: PodfileNode) -> dict[str, Any]:
    inner, outer = node.number("containerPort"), node.number("hostPort")
    protocol = node.string("protocol") or "tcp"
    if inner is None:
        raise node.fail("containerPort", "is required")
    node.done(_parts.refused(servicePort="a pod holds no load balancer"))
    if outer is None:
        return {"containerPort": inner, "protocol": _parts.transport(node.at("protocol"), protocol)}
    return _parts.ports(node.path, str(outer), str(inner), protocol=protocol)[0]


def _resources(root: PodfileNode) -> dict[str, Any]:
    node = root.node("resource")
    if node is None:
        return {}
    cpus, memory = node.number("vcpu"), node.number("memory")
    node.done()
    limits = {**({"cpu": str(cpus)} if cpus else {}), **({"memory": f"{memory}Mi"} if memory else {})}
    return {"limits": limits} if limits else {}


def _log(root: PodfileNode) -> None:
    """Output always goes to the pod's log, which is what the driver json-file does without options."""
    node = root.node("log")
    if node is None:
        return
    driver = node.string("type")
    if driver not in (None, "json-file"):
        raise NotSupported(node.at("type"), "output goes to the pod's log", "Remove log, and read it with hyper logs")
    node.done(_parts.refused(config="the pod's log has no options"))


def _dns(root: PodfileNode) -> dict[str, Any]:
    servers, searches, options = (root.strings(name) or () for name in ("dns", "dnsSearch", "dnsOptions"))
    config: dict[str, Any] = {}
    if servers:
        config["nameservers"] = list(servers)
    if searches:
        config["searches"] = list(searches)
    if options:
        config["options"] = [{"name": name, **({"value": value} if colon else {})} for name, colon, value in (option.partition(":") for option in options)]
    # Name servers of a podfile take the place of the host's.
    return {**({"dnsPolicy": "None"} if servers else {}), **({"dnsConfig": config} if config else {})}
