# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper podfiles, JSON or YAML, become Kubernetes v1 Pod manifests.

Source: hyperhq/hyperd, types/types.proto (UserPod) and types/validate.go; docs.hypercontainer.io, "Reference". As there, the case of a field's name
does not matter, and an empty value is one that was not given. A value that a manifest cannot say is refused by its path in the podfile.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported
from ansible_collections.hyper.pods.plugins.plugin_utils import _parts
from ansible_collections.hyper.pods.plugins.plugin_utils._parts import Tree
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import Manifest, container_names, literal

# Fetches what a file's uri names, at the edge. Raises HyperError.
Fetch = Callable[[str], bytes]

DEFAULT_PERMISSION = "0755"
FILES_VOLUME = "inserted-files"
_RESTART_POLICIES = {"always": "Always", "onfailure": "OnFailure", "never": "Never"}
_FIELDS = """
    additionalGroups cache command config containerPort containers content detail dns dnsOptions dnsSearch driver encoding entrypoint env envs
    externalNetworks filename files format fstype group hostPort hostname id image interfaces internalNetworks labels log logPath memory name option path
    perm portmappingWhiteLists portmappings ports protocol readOnly resource restartPolicy servicePort services source StopSignal sysctl tty type ulimits
    uri user value vcpu volume volumes workdir
"""
_NAMES = {name.lower(): name for name in _FIELDS.split()}
_POD = _parts.refused(
    interfaces="a pod's network is the host's to give",
    portmappingWhiteLists="ports are open to whoever reaches the address that they are published on",
    services="a pod holds no load balancer",
)
_CONTAINER = _parts.refused(
    labels="labels belong to the pod",
    logPath="output goes to the pod's log",
    ulimits="a manifest has no limits of this kind",
)
_VOLUME = _parts.refused(cache="the cache of a disk is not chosen", fstype="the file system of a volume is not chosen", option="it belongs to a driver")


class _Node(Tree):
    """A mapping of a podfile: names in any case, empty values left out."""

    def __init__(self, value: object, path: str) -> None:
        super().__init__(value, path)
        self._spelling: dict[str, str] = {}
        given: dict[str, Any] = {}
        for key, item in self._value.items():
            name = _NAMES.get(key.lower(), key)
            if name in self._spelling:
                raise InvalidManifest(f"stands twice, as {self._spelling[name]} and {key}", where=f"{path}.{key}".lstrip("."))
            self._spelling[name] = key
            # What no podfile knows is kept, however empty, to be refused.
            if name.lower() not in _NAMES or item not in (None, "", 0, [], {}):
                given[name] = item
        self._value = given

    def at(self, name: str) -> str:
        """The path of a field, as the podfile spells it."""
        return super().at(self._spelling.get(name, name))

    def number(self, name: str) -> int | None:
        """A whole number, which may stand in quotes."""
        value = self.value(name)
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(0 if value is None else value)):
            raise self.fail(name, f"must be a whole number, not {value!r}")
        return None if value is None else int(value)


def convert(document: object, *, fetch: Fetch | None = None) -> list[Manifest]:
    """A podfile (dicts, lists and scalars) → its Pod manifest, and before it the ConfigMap of its inserted files where there are any.

    fetch: gives the contents of a file's ``uri``; without it such files are refused. Raises InvalidManifest or NotSupported with the field's path.
    """
    root = _Node(document, "")
    name = root.label("id")
    if name is None:
        raise root.fail("id", "is required", "Name the pod")
    if root.choice("type", ("pod", "service-discovery", "kubernetes"), "pod") != "pod":
        raise NotSupported(root.at("type"), "a podfile is of the type pod here", "Remove the field")
    files = _Files(root, name, fetch)
    volumes = _Volumes(root)
    default_policy = _restart_policy(root, "Never")
    tty = bool(root.boolean("tty"))
    nodes = list(root.nodes("containers"))
    names = _container_names(nodes)
    containers = [_container(node, label, tty=tty, files=files, volumes=volumes) for node, label in zip(nodes, names, strict=True)]
    if not containers:
        raise root.fail("containers", "needs at least one container")
    published = [port for node in root.nodes("portmappings") for port in _port_mapping(node)]
    if published:
        containers[0]["ports"] = [*containers[0].get("ports", []), *published]
    metadata: dict[str, Any] = {"name": name}
    labels = root.string_map("labels")
    if labels:
        metadata["labels"] = labels
    spec: dict[str, Any] = {"containers": containers}
    policies = {label: _restart_policy(node, default_policy) for node, label in zip(nodes, names, strict=True)}
    _parts.restart_policies(spec, policies, default_policy)
    _log(root)
    parts = {
        "hostname": root.label("hostname"),
        **_dns(root),
        "securityContext": _pod_security(nodes),
        "resources": _resources(root),
        "volumes": [*volumes.used, *files.volume],
    }
    spec.update({key: value for key, value in parts.items() if value})
    for node in nodes:
        node.done(_CONTAINER)
    root.done(_POD)
    return [*files.config_map, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}]


def _container_names(nodes: list[_Node]) -> list[str]:
    """Each container's name, or where it has none its image's."""
    made = container_names([node.required_string("image") for node in nodes])
    names = [node.label("name") or node.label("id") or label for node, label in zip(nodes, made, strict=True)]
    for node, name in zip(nodes, names, strict=True):
        if node.value("id") not in (None, name):
            raise NotSupported(node.at("id"), "a container is known by its name", "Remove the field")
        if names.count(name) > 1:
            raise node.fail("name", f"{name!r} occurs twice")
    return names


def _container(node: _Node, name: str, *, tty: bool, files: _Files, volumes: _Volumes) -> dict[str, Any]:
    user = node.node("user")
    security = {} if user is None else _user(user)
    if node.boolean("readOnly"):
        security["readOnlyRootFilesystem"] = True
    signal = node.string("StopSignal")
    terminal = bool(node.boolean("tty")) or tty
    parts = {
        "command": [literal(word) for word in node.strings("entrypoint") or ()],
        "args": [literal(word) for word in node.strings("command") or ()],
        "workingDir": node.string("workdir"),
        "env": _parts.environment({each.required_string("env"): each.string("value") or "" for each in _closed(node, "envs", "env", "value")}),
        "ports": [_container_port(each) for each in node.nodes("ports")],
        "volumeMounts": [*(volumes.mount(each) for each in node.nodes("volumes")), *(files.mount(each) for each in node.nodes("files"))],
        "securityContext": security,
        "lifecycle": _parts.stop_signal(node.at("StopSignal"), signal) if signal else None,
        # A terminal of a podfile is one that can be attached to, so a shell in it waits for input.
        "stdin": terminal,
        "tty": terminal,
    }
    return {"name": name, "image": node.required_string("image"), **{key: value for key, value in parts.items() if value}}


def _closed(node: _Node, name: str, *fields: str) -> list[_Node]:
    """The mappings of a list that have no other fields than these."""
    nodes = list(node.nodes(name))
    for each in nodes:
        for field in fields:
            each.value(field)
        each.done()
    return nodes


def _restart_policy(node: _Node, default: str) -> str:
    value = node.string("restartPolicy")
    if value is not None and value.lower() not in _RESTART_POLICIES:
        raise node.fail("restartPolicy", f"must be one of always, onFailure, never, not {value!r}")
    return default if value is None else _RESTART_POLICIES[value.lower()]


def _user(node: _Node) -> dict[str, Any]:
    """The security context of a container; the additional groups are the pod's (``_pod_security``)."""
    security = {}
    for name, field in (("name", "runAsUser"), ("group", "runAsGroup")):
        value = node.string(name)
        if value is not None:
            security[field] = _id(node.at(name), value)
    node.value("additionalGroups")
    node.done()
    return security


def _id(where: str, text: str) -> int:
    if text == "root":
        return 0
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > 2**31 - 1:
        raise NotSupported(where, f"a manifest has numbers for users and groups, not {text!r}", "Write its number")
    return int(text)


def _pod_security(nodes: list[_Node]) -> dict[str, Any]:
    """What a podfile says of a container and a manifest of the whole pod: additional groups and kernel parameters."""
    security: dict[str, Any] = {}
    users = [(node, node.node("user")) for node in nodes]
    groups = [
        [] if user is None else [_id(f"{user.at('additionalGroups')}[{i}]", g) for i, g in enumerate(user.strings("additionalGroups") or ())]
        for _, user in users
    ]
    for (node, _user_node), own in zip(users, groups, strict=True):
        if sorted(own) != sorted(groups[0]):
            raise NotSupported(
                f"{node.at('user')}.additionalGroups", "the containers of a pod have the same additional groups", "Write them in every container"
            )
    if groups[0]:
        security["supplementalGroups"] = groups[0]
    parameters: dict[str, str] = {}
    for node in nodes:
        for key, value in node.string_map("sysctl").items():
            if parameters.setdefault(key, value) != value:
                raise InvalidManifest(
                    f"another container sets {parameters[key]!r}; the containers of a pod share one kernel", where=f"{node.at('sysctl')}[{key}]"
                )
    if parameters:
        security["sysctls"] = [{"name": key, "value": value} for key, value in parameters.items()]
    return security


def _container_port(node: _Node) -> dict[str, Any]:
    inner, outer = node.number("containerPort"), node.number("hostPort")
    protocol = node.string("protocol") or "tcp"
    if inner is None:
        raise node.fail("containerPort", "is required")
    node.done(_parts.refused(servicePort="a pod holds no load balancer"))
    if outer is None:
        return {"containerPort": inner, "protocol": _parts.transport(node.at("protocol"), protocol)}
    return _parts.ports(node.path, str(outer), str(inner), protocol=protocol)[0]


def _port_mapping(node: _Node) -> list[dict[str, Any]]:
    host, container = node.scalar("hostPort"), node.scalar("containerPort")
    protocol = node.string("protocol") or "tcp"
    if container is None:
        raise node.fail("containerPort", "is required")
    if host is None:
        raise NotSupported(node.at("hostPort"), "no port of the host is chosen for a pod", "Name one")
    node.done()
    return _parts.ports(node.path, str(host), str(container), protocol=protocol)


def _resources(root: _Node) -> dict[str, Any]:
    node = root.node("resource")
    if node is None:
        return {}
    cpus, memory = node.number("vcpu"), node.number("memory")
    node.done()
    limits = {**({"cpu": str(cpus)} if cpus else {}), **({"memory": f"{memory}Mi"} if memory else {})}
    return {"limits": limits} if limits else {}


def _log(root: _Node) -> None:
    """Output always goes to the pod's log, which is what the driver json-file does without options."""
    node = root.node("log")
    if node is None:
        return
    driver = node.string("type")
    if driver not in (None, "json-file"):
        raise NotSupported(node.at("type"), "output goes to the pod's log", "Remove log, and read it with hyper logs")
    node.done(_parts.refused(config="the pod's log has no options"))


def _dns(root: _Node) -> dict[str, Any]:
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


def _definitions(root: _Node, name: str) -> dict[str, _Node]:
    """The files or volumes of a podfile, by name."""
    result: dict[str, _Node] = {}
    for node in root.nodes(name):
        key = node.required_string("name")
        if key in result:
            raise node.fail("name", f"{key!r} occurs twice")
        result[key] = node
    return result


def _referred(node: _Node, field: str, defined: Mapping[str, _Node], what: str) -> _Node:
    """What a container refers to: defined in place as ``detail``, or by name for the whole pod."""
    detail, name = node.node("detail"), node.string(field)
    if detail is not None:
        return detail
    if name is None:
        raise node.fail(field, "is required")
    if name not in defined:
        raise node.fail(field, f"there is no {what} {name!r}", f"{what.capitalize()}s of this podfile: {', '.join(defined) or 'none'}")
    return defined[name]


class _Volumes:
    """The pod's volumes. used: those of the manifest, in the order in which containers name them first."""

    def __init__(self, root: _Node) -> None:
        self._defined = _definitions(root, "volumes")
        self._labels = _parts.Labels()
        self._labels.new(FILES_VOLUME)
        self._known: dict[str, dict[str, Any]] = {}
        self.used: list[dict[str, Any]] = []
        for node in self._defined.values():
            self._add(node)

    def mount(self, node: _Node) -> dict[str, Any]:
        """A container's mount of a volume."""
        volume = _referred(node, "volume", self._defined, "volume")
        mount: dict[str, Any] = {"name": self._add(volume)["name"], "mountPath": _parts.mount_path(node, "path", node.required_string("path"))}
        if node.boolean("readOnly"):
            mount["readOnly"] = True
        node.done()
        return mount

    def _add(self, node: _Node) -> dict[str, Any]:
        """The manifest's volume for a definition. A name stands for one volume in the whole pod."""
        name, source = node.required_string("name"), _source(node)
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = {"name": self._labels.new(name), **source}
            self.used.append(known)
        elif known != {"name": known["name"], **source}:
            raise node.fail("name", f"{name!r} is another volume already")
        return known


def _source(node: _Node) -> dict[str, Any]:
    # "driver" in podfiles of Hyper's first versions.
    field = "format" if node.value("driver") is None else "driver"
    form = node.choice(field, ("vfs", "nas", "raw", "qcow2", "vdi", "rbd"), "")
    source, kind = node.string("source"), node.string("fstype")
    if form == "nas":
        server, colon, path = (source or "").rpartition(":")
        if kind not in (None, "nfs") or not colon:
            raise node.fail("source", f"{source!r} is not of the form SERVER:/PATH, of a server of NFS")
        result: dict[str, Any] = {"nfs": {"server": server, "path": path}}
    elif form in ("vdi", "rbd") or (form in ("raw", "qcow2") and source):
        raise NotSupported(node.at(field), f"a volume is no {form} image", "Copy its files into a directory of the host and write vfs")
    elif kind is not None:
        raise NotSupported(node.at("fstype"), "the file system of a volume is not chosen", "Remove the field")
    elif source is None:
        # hyperd makes an empty volume, whatever the format.
        result = {"emptyDir": {}}
    elif form == "vfs":
        result = {"hostPath": {"path": source}}
    else:
        raise node.fail(field, "is required beside a source", "Write vfs for a directory or a file of the host")
    node.done(_VOLUME)
    return result


class _Files:
    """The files that are inserted into containers: one ConfigMap, and one volume with a path for each pair of file and permission."""

    def __init__(self, root: _Node, pod: str, fetch: Fetch | None) -> None:
        self._defined = _definitions(root, "files")
        self._name = f"{pod}-files"
        self._fetch = fetch
        self._labels = _parts.Labels()
        self._keys: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._items: dict[str, dict[str, Any]] = {}
        for node in self._defined.values():
            self._add(node)

    @property
    def volume(self) -> list[dict[str, Any]]:
        """The volume of the pod, if any container has a file."""
        return [{"name": FILES_VOLUME, "configMap": {"name": self._name, "items": list(self._items.values())}}] if self._items else []

    @property
    def config_map(self) -> list[Manifest]:
        """The ConfigMap, if any container has a file."""
        if not self._items:
            return []
        used = {item["key"] for item in self._items.values()}
        texts, binaries = {}, {}
        for key, content in self._contents.items():
            if key not in used:
                continue
            try:
                texts[key] = content.decode("utf-8")
            except UnicodeDecodeError:
                binaries[key] = base64.b64encode(content).decode("ascii")
        data = {**({"data": texts} if texts else {}), **({"binaryData": binaries} if binaries else {})}
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self._name}, **data}]

    def mount(self, node: _Node) -> dict[str, Any]:
        """A container's mount of one file."""
        file = _referred(node, "filename", self._defined, "file")
        key = self._keys.get(file.path) or self._add(file)
        path = node.required_string("path")
        if path.endswith("/"):
            path += node.string("filename") or file.required_string("name")
        permission = node.string("perm") or DEFAULT_PERMISSION
        if not re.fullmatch(r"0([0-7]{3})?", permission):
            raise node.fail("perm", f"{permission!r} is not of the form 0644")
        for owner in ("user", "group"):
            if node.string(owner) not in (None, "0", "root"):
                raise NotSupported(node.at(owner), "inserted files belong to root", "Remove the field, and let others read it by perm")
        target = _parts.mount_path(node, "path", path)
        node.done()
        mode = int(permission, 8)
        item = f"{mode:04o}/{key}"
        self._items[item] = {"key": key, "path": item, "mode": mode}
        return {"name": FILES_VOLUME, "mountPath": target, "subPath": item}

    def _add(self, node: _Node) -> str:
        key = self._labels.new(node.required_string("name"))
        self._keys[node.path] = key
        self._contents[key] = self._content(node)
        return key

    def _content(self, node: _Node) -> bytes:
        encoding, uri, content = node.choice("encoding", ("raw", "base64"), "raw"), node.string("uri"), node.string("content")
        node.done()
        data = (content or "").encode()
        if uri is not None:
            if content is not None:
                raise node.fail("content", "stands beside a uri", "Keep one of the two")
            data = self._fetched(node, uri)
        if encoding == "raw":
            return data
        packed = b"".join(data.split())
        try:
            # Python takes padding that is too long.
            if len(packed) % 4 == 0:
                return base64.b64decode(packed, validate=True)
        except binascii.Error:
            pass
        raise node.fail("content" if uri is None else "uri", "is not base64")

    def _fetched(self, node: _Node, uri: str) -> bytes:
        if self._fetch is None:
            raise NotSupported(node.at("uri"), "files are fetched by the command hyper only", "Convert the podfile with hyper convert first")
        try:
            return self._fetch(uri)
        except HyperError as error:
            raise node.fail("uri", error.message) from error
