# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a container, and how its variables are named in other fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _quantity, _seal
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Sources, is_text
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import amount
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported

# What is not known before the pod has its place on a host and on a network stands so in values; no text of a user's holds it.
POD_IP, POD_IPS, HOST_IP, NODE_NAME, POD_UID = PLACES = tuple(
    f"\x00{field}\x00" for field in ("status.podIP", "status.podIPs", "status.hostIP", "spec.nodeName", "metadata.uid")
)
_ENV_NAME = re.compile(r"[^=\x00]+")
_MEMBER = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True)
class Variable:
    """One variable. verbatim: the value is taken as it is, without $(NAME). secret: it comes from a Secret and is never shown."""

    name: str
    value: str = field(repr=False)
    verbatim: bool = False
    secret: bool = False

    @property
    def shown(self) -> str:
        return _seal.shown(self.value) if self.secret else filled(self.value, {place: place.strip("\x00") for place in PLACES})


def filled(text: str, places: Mapping[str, str]) -> str:
    """The text with what stands for the PLACES."""
    for place, value in places.items():
        text = text.replace(place, value)
    return text


def environment(container: Node, sources: Sources) -> tuple[Variable, ...]:
    """envFrom, then env, of a container. A later variable takes the place of an earlier one of its name."""
    made: list[Variable] = []
    for item in container.nodes("envFrom"):
        made += _all_of(item, sources)
    own = container.string("name") or ""
    for item in container.nodes("env"):
        made += _variable(item, sources, own)
    return tuple(made)


def _variable(node: Node, sources: Sources, own: str) -> Iterator[Variable]:
    name = node.required_string("name")
    if not _ENV_NAME.fullmatch(name):
        raise node.fail("name", f"{name!r} is not a name of an environment variable")
    value = node.string("value")
    source = node.node("valueFrom")
    node.done(_kubernetes.ENV_VAR)
    if source is None:
        if not is_text((value or "").encode("utf-8", "surrogateescape")):
            raise InvalidManifest("holds a NUL character", where=node.at("value"))
        yield Variable(name, value or "")
    elif value:
        raise node.fail("valueFrom", "cannot stand beside a value")
    else:
        yield from _from(name, source, sources, own)


def _from(name: str, node: Node, sources: Sources, own: str) -> Iterator[Variable]:
    config_map, secret, field_ref, resource_ref = (node.node(kind) for kind in ("configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"))
    node.done(_kubernetes.ENV_SOURCE)
    if sum(source is not None for source in (config_map, secret, field_ref, resource_ref)) != 1:
        raise InvalidManifest("needs exactly one source", where=node.path)
    for kind, reference in (("ConfigMap", config_map), ("Secret", secret)):
        if reference is not None:
            value = _key(kind, reference, sources)
            if value is not None:
                yield Variable(name, value, verbatim=True, secret=kind == "Secret")
    if field_ref is not None:
        yield Variable(name, field_value(field_ref, sources), verbatim=True)
    if resource_ref is not None:
        yield Variable(name, resource_value(resource_ref, sources, own), verbatim=True)


def _key(kind: str, node: Node, sources: Sources) -> str | None:
    name, key, optional = node.required_string("name"), node.required_string("key"), bool(node.boolean("optional"))
    node.done(_kubernetes.KEY_SELECTOR)
    found = sources.find(kind, node, name, optional)
    if found is None or (optional and key not in found.data):
        return None
    if key not in found.data:
        raise node.fail("key", f"{kind} {name} has no key {key!r}", f"Its keys: {', '.join(sorted(found.data)) or 'none'}")
    return found.text(key, node.path)


def _all_of(node: Node, sources: Sources) -> Iterator[Variable]:
    prefix = node.string("prefix") or ""
    references = [(kind, reference) for kind, field_name in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")) if (reference := node.node(field_name))]
    node.done(_kubernetes.ENV_FROM)
    if len(references) != 1:
        raise InvalidManifest("needs exactly one source", where=node.path)
    [(kind, reference)] = references
    name, optional = reference.required_string("name"), bool(reference.boolean("optional"))
    reference.done(_kubernetes.ENV_FROM_REFERENCE)
    found = sources.find(kind, reference, name, optional)
    if found is None:
        return
    for key in sorted(found.data):
        yield Variable(prefix + key, found.text(key, reference.path), verbatim=True, secret=kind == "Secret")


def field_value(node: Node, sources: Sources, more: Mapping[str, str] = {}) -> str:
    """What a fieldRef means. more: what it may name beside the fields that always can. Raises NotSupported for what only a cluster knows."""
    if (node.string("apiVersion") or "v1") != "v1":
        raise node.fail("apiVersion", "must be v1")
    path = node.required_string("fieldPath")
    node.done(_kubernetes.FIELD_SELECTOR)
    known = {
        "metadata.name": sources.name,
        "metadata.namespace": "default",
        "metadata.uid": POD_UID,
        "spec.nodeName": NODE_NAME,
        "spec.serviceAccountName": "default",
        "status.podIP": sources.address or POD_IP,
        "status.podIPs": sources.address or POD_IPS,
        **({"status.hostIP": HOST_IP, "status.hostIPs": HOST_IP} if sources.sees_host else {}),
        **more,
    }
    member = _MEMBER.fullmatch(path)
    if member:
        return (sources.labels if member[1] == "labels" else sources.annotations).get(member[2], "")
    if path not in known:
        raise NotSupported(
            node.at("fieldPath"), f"{path} is not known here", f"Take one of {', '.join(known)}, metadata.labels['KEY'], metadata.annotations['KEY']"
        )
    return known[path]


def resource_value(node: Node, sources: Sources, own: str) -> str:
    """What a resourceFieldRef means: in units of its divisor, rounded up. own: the container that it stands in, "" in a volume.

    As Kubernetes has it, a limit that nobody set is what the guest has for containers, and a request that nobody made is 0.
    """
    name = node.string("containerName") or own
    if not name:
        raise node.fail("containerName", "is required")
    if name not in sources.resources:
        raise node.fail("containerName", f"there is no container {name!r}", f"Containers of this pod: {', '.join(sources.resources)}")
    resource = node.choice("resource", tuple(f"{side}.{kind}" for side in ("limits", "requests") for kind in ("cpu", "memory")), "")
    if not resource:
        raise node.fail("resource", "is required")
    text = node.scalar("divisor")
    divisor = Fraction(1) if text is None else amount(node, "divisor", text) or Fraction(1)
    node.done(_kubernetes.RESOURCE_SELECTOR)
    asked = sources.resources[name]
    values: dict[str, Fraction | int | None] = {
        "limits.cpu": asked.cpu_limit,
        "limits.memory": asked.memory_limit,
        "requests.cpu": asked.cpu_request or 0,
        "requests.memory": asked.memory_request or 0,
    }
    value = values[resource]
    return str(_quantity.ceiling(Fraction(sources.room[resource.partition(".")[2]] if value is None else value) / divisor))


def expanded(variables: Iterable[Variable]) -> dict[str, str]:
    """The variables with their values, which may name variables that were defined before them."""
    own: dict[str, str] = {}
    for variable in variables:
        own[variable.name] = variable.value if variable.verbatim else expand(variable.value, own)
    return own


def expand(word: str, env: Mapping[str, str]) -> str:
    """Replace $(NAME) by the variable's value where it is known; $$ stands for one $ (Kubernetes, "Dependent environment variables")."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^()$]*)\)", value, word)
