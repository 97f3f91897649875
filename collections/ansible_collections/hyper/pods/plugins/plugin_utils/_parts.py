# SPDX-License-Identifier: GPL-3.0-or-later
"""What the converters of other forms have in common: reading their trees, and parts of a manifest that several of them make."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from typing import Any, Self

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_values
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes import Field
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import literal

# A signal that has no name of its own counts from the first real-time signal.
_FIRST_REAL_TIME = 34


class Tree(Node):
    """A mapping of another form than Kubernetes'."""

    def value(self, name: str) -> Any:
        """Whatever stands there, for a field of several types; the caller tells them apart."""
        return self._take(name, object)

    def pairs(self, name: str) -> dict[str, Any]:
        """The mapping that stands there, with whatever values."""
        return self._take(name, dict) or {}

    def node(self, name: str) -> Self | None:
        """The mapping that stands there."""
        value = self._take(name, dict)
        return None if value is None else type(self)(value, self.at(name))

    def nodes(self, name: str) -> Iterator[Self]:
        """The mappings of the list that stands there."""
        for index, value in enumerate(self._take(name, list) or []):
            yield type(self)(value, f"{self.at(name)}[{index}]")

    def mappings(self, name: str) -> Iterator[tuple[str, Self | None]]:
        """The mappings of the mapping that stands there, by name; None where nothing is said of a name."""
        for key, value in self.pairs(name).items():
            yield key, None if value is None else type(self)(value, f"{self.at(name)}.{key}")


def refused(**reasons: str) -> dict[str, Field]:
    """A table of fields that exist in a form and cannot be honoured, for ``Node.done``."""
    return {name: Field("refused", reason) for name, reason in reasons.items()}


class Labels:
    """DNS labels for names that need not be ones, no two the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, text: str) -> str:
        """``resolv.conf`` → ``resolv-conf``, or ``resolv-conf-2`` when that is taken."""
        base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "volume"
        label, number = base, 1
        while label in self._taken:
            number += 1
            label = f"{base[: 63 - len(str(number)) - 1]}-{number}"
        self._taken.add(label)
        return label


def environment(pairs: dict[str, str]) -> list[dict[str, str]]:
    """Variables as a manifest lists them; values are taken as they are."""
    return [{"name": name, "value": literal(value)} for name, value in pairs.items()]


def ports(where: str, host: str, container: str, *, protocol: str, ip: str = "") -> list[dict[str, Any]]:
    """A published port, or one for each of two ranges of the same length (``3000-3010``). Raises InvalidManifest about ``where``."""
    hosts, containers = _range(where, host), _range(where, container)
    if len(containers) == 1 < len(hosts):
        raise NotSupported(where, f"no port can be chosen from {host}", "Name one port of the host")
    if len(hosts) != len(containers):
        raise InvalidManifest(f"{host} and {container} are not ranges of the same length", where=where)
    address = {"hostIP": ip} if ip else {}
    return [
        {"containerPort": inner, "hostPort": outer, **address, "protocol": transport(where, protocol)} for outer, inner in zip(hosts, containers, strict=True)
    ]


def transport(where: str, protocol: str) -> str:
    """``tcp`` → ``TCP``."""
    if protocol.upper() not in {"TCP", "UDP"}:
        raise InvalidManifest(f"must be one of tcp, udp, not {protocol!r}", where=where)
    return protocol.upper()


def _range(where: str, text: str) -> range:
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    if match is None:
        raise InvalidManifest(f"{text!r} is neither a port nor a range of ports such as 3000-3010", where=where)
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        raise InvalidManifest(f"{text!r} must go upwards, between 1 and 65535", where=where)
    return range(first, last + 1)


def stop_signal(where: str, text: str) -> dict[str, str]:
    """A container's lifecycle with a stop signal, spelled as Kubernetes does: ``TERM``, ``15`` → SIGTERM."""
    try:
        number = _manifest_values.signal_number(text)
        name = signal.Signals(number).name if number <= _FIRST_REAL_TIME else f"SIGRTMIN+{number - _FIRST_REAL_TIME}"
    except ValueError:
        raise InvalidManifest(f"{text!r} is not a signal", where=where) from None
    return {"stopSignal": name}


def mount_path(node: Tree, name: str, path: str) -> str:
    """An absolute path in a container, without a slash at its end."""
    if not path.startswith("/") or ".." in path.split("/") or not path.strip("/"):
        raise node.fail(name, f"{path!r} must be an absolute path without '..'")
    return "/" + path.strip("/")


def restart_policies(spec: dict[str, Any], policies: dict[str, str], default: str) -> None:
    """Write each container's restart policy into a pod's spec: once where they agree, else beside ``default`` where one differs."""
    common = set(policies.values())
    spec["restartPolicy"] = pod_policy = common.pop() if len(common) == 1 else default
    for container in spec["containers"]:
        if policies[container["name"]] != pod_policy:
            container["restartPolicy"] = policies[container["name"]]
