# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading podfiles: names in any case, what is empty left out, and definitions that others refer to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.plugin_utils._parts import Tree

_FIELDS = """
    additionalGroups bridge cache command config containerPort containers content detail dns dnsOptions dnsSearch driver encoding entrypoint env envs
    externalNetworks filename files format fstype gateway group hard hostPort hostname id ifname image interfaces internalNetworks ip labels log logPath
    mac memory name option path perm portmappingWhiteLists portmappings ports protocol readOnly resource restartPolicy servicePort services soft source
    StopSignal sysctl tap tty type ulimits uri user value vcpu volume volumes workdir
"""
_NAMES = {name.lower(): name for name in _FIELDS.split()}


class PodfileNode(Tree):
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


def closed(node: PodfileNode, name: str, *fields: str) -> list[PodfileNode]:
    """The mappings of a list that have no other fields than these."""
    nodes = list(node.nodes(name))
    for each in nodes:
        for field in fields:
            each.value(field)
        each.done()
    return nodes


def definitions(root: PodfileNode, name: str) -> dict[str, PodfileNode]:
    """The files or volumes of a podfile, by name."""
    result: dict[str, PodfileNode] = {}
    for node in root.nodes(name):
        key = node.required_string("name")
        if key in result:
            raise node.fail("name", f"{key!r} occurs twice")
        result[key] = node
    return result


def referred(node: PodfileNode, field: str, defined: Mapping[str, PodfileNode], what: str) -> PodfileNode:
    """What a container refers to: defined in place as ``detail``, or by name for the whole pod."""
    detail, name = node.node("detail"), node.string(field)
    if detail is not None:
        return detail
    if name is None:
        raise node.fail(field, "is required")
    if name not in defined:
        raise node.fail(field, f"there is no {what} {name!r}", f"{what.capitalize()}s of this podfile: {', '.join(defined) or 'none'}")
    return defined[name]
