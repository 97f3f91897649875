# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the services of a Compose file run as, what they may do, their limits and labels; what a manifest has no field for becomes annotations."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_annotations
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.plugin_utils._parts import Tree

_NUMBERS = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?")


def security(node: Tree) -> dict[str, Any]:
    """The security context of a service; a user by name is an annotation (``annotated``)."""
    result: dict[str, Any] = {}
    numbers = _NUMBERS.fullmatch(_user(node))
    if numbers:
        result["runAsUser"] = int(numbers[1])
        if numbers[2]:
            result["runAsGroup"] = int(numbers[2])
    groups = {"add": node.strings("cap_add"), "drop": node.strings("cap_drop")}
    capabilities = {verb: [name.upper().removeprefix("CAP_") for name in names] for verb, names in groups.items() if names}
    if capabilities:
        result["capabilities"] = capabilities
    for name, field in (("privileged", "privileged"), ("read_only", "readOnlyRootFilesystem")):
        if node.boolean(name):
            result[field] = True
    return result


def annotated(node: Tree) -> dict[str, str]:
    """What a manifest says of a service only by annotations."""
    words = {
        _manifest_annotations.USER: "user",
        _manifest_annotations.GROUPS: "group_add",
        _manifest_annotations.ULIMITS: "ulimits",
        _manifest_annotations.LABELS: "labels",
    }
    user = _user(node)
    groups = [str(group) for _, group in node.items("group_add")]
    said = {
        _manifest_annotations.USER: "" if _NUMBERS.fullmatch(user) else user,
        _manifest_annotations.GROUPS: ",".join(groups),
        _manifest_annotations.ULIMITS: ",".join(_ulimits(node)),
        _manifest_annotations.LABELS: _manifest_annotations.labels(labels) if (labels := _labels(node)) else "",
    }
    for word, value in said.items():
        if value:
            _manifest_annotations.check(word, value, node.at(words[word]))
    return {word: value for word, value in said.items() if value}


def _labels(node: Tree) -> dict[str, str]:
    """``{tier: front}`` or ``[tier=front]``; a name alone has an empty value."""
    value = node.value("labels")
    if isinstance(value, list):
        return {name: text for name, _, text in (word.partition("=") for word in node.strings("labels") or ())}
    labels = {}
    for name, text in node.pairs("labels").items():
        if isinstance(text, bool) or not isinstance(text, (str, int, float, type(None))):
            raise InvalidManifest("must be text", where=f"{node.at('labels')}[{name}]", remedy="Put it in quotes")
        labels[str(name)] = "" if text is None else str(text)
    return labels


def _user(node: Tree) -> str:
    value = node.value("user")
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
        raise node.fail("user", f"must be text, not {value!r}")
    return "" if value is None else str(value)


def _ulimits(node: Tree) -> list[str]:
    """``nofile: 1024`` or ``nofile: {soft: 1024, hard: 4096}``; -1 is no limit."""
    result = []
    for name, value in node.pairs("ulimits").items():
        where = f"{node.at('ulimits')}.{name}"
        if isinstance(value, dict):
            each = Tree(value, where)
            soft, hard = each.value("soft"), each.value("hard")
            each.done()
        else:
            soft = hard = value
        for limit in (soft, hard):
            if isinstance(limit, bool) or not re.fullmatch(r"-1|[0-9]{1,19}", str(limit)):
                raise InvalidManifest("must be a whole number, or soft and hard", where=where)
        result.append(f"{name}={soft}:{hard}")
    return result


def sysctls(services: Mapping[str, Tree]) -> list[dict[str, str]]:
    """Kernel parameters, which are the pod's."""
    said: dict[str, str] = {}
    for node in services.values():
        for where, name, value in _settings(node, "sysctls"):
            if said.setdefault(name, value) != value:
                raise InvalidManifest(f"another service sets {said[name]!r}; the services of a pod share one kernel", where=where)
    return [{"name": name, "value": value} for name, value in said.items()]


def extra_hosts(services: Mapping[str, Tree]) -> list[dict[str, Any]]:
    """Names beside those of the services, in the one /etc/hosts of a pod: ``name=address``, ``name:address`` or a mapping."""
    said: dict[str, str] = {}
    for node in services.values():
        for where, name, value in _settings(node, "extra_hosts"):
            address = value.strip("[]")
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise InvalidManifest(f"{value!r} is not an address", where=where) from None
            if said.setdefault(name, address) != address:
                raise InvalidManifest(f"another service has {said[name]} for {name}; the services of a pod share one /etc/hosts", where=where)
    return [{"ip": address, "hostnames": [name]} for name, address in said.items()]


def _settings(node: Tree, field: str) -> list[tuple[str, str, str]]:
    """Path, name and value of each item of a mapping, or of a list of ``name=value`` (hosts also ``name:value``)."""
    value = node.value(field)
    if isinstance(value, list):
        result = []
        for where, word in node.items(field):
            match = re.fullmatch(r"([^=:]+)[=:](.+)" if field == "extra_hosts" else r"([^=]+)=(.*)", str(word))
            if match is None:
                raise InvalidManifest(f"{word!r} is not of the form NAME=VALUE", where=where)
            result.append((where, match[1], match[2]))
        return result
    return [(f"{node.at(field)}[{name}]", str(name), str(item)) for name, item in node.pairs(field).items()]
