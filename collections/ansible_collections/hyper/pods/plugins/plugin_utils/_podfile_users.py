# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the containers of a podfile run as, their limits and labels: what a manifest has for numbers alone, or for the whole pod, becomes annotations."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_annotations, _manifest_security
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.plugin_utils._podfile_tree import PodfileNode, closed


def user(node: PodfileNode) -> dict[str, Any]:
    """The security context of a container, which has numbers; names are annotations, and additional groups may be the pod's."""
    numbers = {field: _id(node.string(name)) for name, field in (("name", "runAsUser"), ("group", "runAsGroup")) if node.string(name) is not None}
    node.value("additionalGroups")
    node.done()
    return {} if None in numbers.values() else numbers


def annotated(node: PodfileNode, nodes: list[PodfileNode]) -> dict[str, str]:
    """What a podfile says of a container and a manifest only by annotations."""
    said = {}
    user = node.node("user")
    if user is not None:
        name, group = user.string("name"), user.string("group")
        if _id(name or "0") is None or _id(group or "0") is None:
            if name is None:
                raise user.fail("name", "is required beside the name of a group")
            said[_manifest_annotations.USER] = f"{name}:{group}" if group else name
    groups = _additional_groups(node)
    if groups and _common_groups(nodes) is None:
        said[_manifest_annotations.GROUPS] = ",".join(groups)
    limits = [f"{limit.required_string('name')}={_limit(limit, 'soft')}:{_limit(limit, 'hard')}" for limit in closed(node, "ulimits", "name", "soft", "hard")]
    if limits:
        said[_manifest_annotations.ULIMITS] = ",".join(limits)
    labels = node.string_map("labels")
    if labels:
        said[_manifest_annotations.LABELS] = _manifest_annotations.labels(labels)
    for word, field in (
        (_manifest_annotations.USER, "user"),
        (_manifest_annotations.GROUPS, "user.additionalGroups"),
        (_manifest_annotations.ULIMITS, "ulimits"),
    ):
        if word in said:
            _manifest_annotations.check(word, said[word], node.at(field))
    return said


def pod_security(nodes: list[PodfileNode]) -> dict[str, Any]:
    """What a podfile says of a container and a manifest of the whole pod: additional groups and kernel parameters."""
    security: dict[str, Any] = {}
    groups = _common_groups(nodes)
    if groups:
        security["supplementalGroups"] = groups
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


def _limit(node: PodfileNode, name: str) -> str:
    value = node.value(name)
    if isinstance(value, bool) or not re.fullmatch(r"-1|[0-9]{1,19}", str(0 if value is None else value)):
        raise node.fail(name, f"must be a whole number, or -1 for no limit, not {value!r}")
    return "unlimited" if str(value) == "-1" else str(value or 0)


def _id(text: str | None) -> int | None:
    """A user's or group's number; None for what is a name."""
    if text == "root":
        return 0
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= _manifest_security.MAX_ID else None


def _additional_groups(node: PodfileNode) -> tuple[str, ...]:
    user = node.node("user")
    return () if user is None else user.strings("additionalGroups") or ()


def _common_groups(nodes: list[PodfileNode]) -> list[int] | None:
    """The additional groups that all containers have, as numbers: those a manifest has for the whole pod. None where they differ or have names."""
    groups = [[_id(group) for group in _additional_groups(node)] for node in nodes]
    first = [group for group in groups[0] if group is not None]
    return first if all(None not in own and sorted(map(str, own)) == sorted(map(str, first)) for own in groups) else None
