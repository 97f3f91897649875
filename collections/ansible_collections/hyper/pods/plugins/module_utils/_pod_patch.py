# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a part of a pod's definition: labels, published ports, containers that are taken away. Pure: definition in, definition out."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _manifest_annotations, _port_words
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Objects

_LISTS = ("initContainers", "containers")


class LastContainer(HyperError):
    """A pod without containers is none."""


@dataclass(frozen=True)
class Patch:
    """What is to be otherwise. labels: set; remove_labels: their keys. publish: ``[IP:]HOST:CONTAINER[/udp]``; unpublish: ``[IP:]HOST[:CONTAINER][/udp]``;
    remove_containers: their names. What already is so is no change.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    remove_labels: Sequence[str] = ()
    publish: Sequence[str] = ()
    unpublish: Sequence[str] = ()
    remove_containers: Sequence[str] = ()


def patched(definition: object, objects: Objects, patch: Patch, *, keep_size: bool) -> object:
    """The definition with the patch in it; the one that was given is left alone.

    objects: what the definition takes values from. keep_size: a container that is removed takes nothing of the guest's CPUs and memory with it, so that the
    guest can go on. Raises BadPort, LastContainer, InvalidManifest.
    """
    if not isinstance(definition, Mapping):
        return definition
    made: dict[str, Any] = copy.deepcopy(dict(definition))
    _label(made["metadata"], patch)
    for text in patch.unpublish:
        _take_back(made["spec"], _port_words.place(text))
    for text in patch.publish:
        _publish(made["spec"], _port_words.published(text))
    if patch.remove_containers:
        _remove(made, set(patch.remove_containers))
        if keep_size:
            _keep_size(made, definition, objects)
    return made


def _label(metadata: dict[str, Any], patch: Patch) -> None:
    labels = {**(metadata.get("labels") or {}), **patch.labels}
    for key in patch.remove_labels:
        labels.pop(key, None)
    if labels or "labels" in metadata:
        metadata["labels"] = labels


def _publish(spec: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Put a port where its container port is declared and not published yet, else with the first container. Another use of the host's port ends."""
    place = _port_words.Place(wanted["hostPort"], wanted["protocol"])
    for _, port in _published(spec, place):
        if port["containerPort"] == wanted["containerPort"]:
            # Its name stays, which probes may mean.
            port["hostIP"] = wanted["hostIP"]
            return
    _take_back(spec, place)
    for container in _containers(spec):
        for port in container.get("ports") or ():
            if port.get("hostPort") is None and (port.get("containerPort"), port.get("protocol") or "TCP") == (wanted["containerPort"], wanted["protocol"]):
                port.update(hostPort=wanted["hostPort"], hostIP=wanted["hostIP"])
                return
    first = spec["containers"][0]
    first["ports"] = [*(first.get("ports") or ()), wanted]


def _take_back(spec: dict[str, Any], place: _port_words.Place) -> None:
    """A port that has a name is still declared."""
    for container, port in list(_published(spec, place)):
        if port.get("name"):
            port.pop("hostPort")
            port.pop("hostIP", None)
        else:
            container["ports"].remove(port)


def _published(spec: Mapping[str, Any], place: _port_words.Place) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The ports that are published there, each with its container."""
    for container in _containers(spec):
        for port in container.get("ports") or ():
            ip = _port_words.address(port.get("hostIP") or "127.0.0.1")
            if (
                (port.get("hostPort"), port.get("protocol") or "TCP") == (place.host_port, place.protocol)
                and (place.ip is None or _port_words.address(place.ip) == ip)
                and place.container_port in (None, port.get("containerPort"))
            ):
                yield container, port


def _remove(definition: dict[str, Any], names: set[str]) -> None:
    """Take containers away, with the annotations that are about them."""
    spec, metadata = definition["spec"], definition["metadata"]
    if all(container.get("name") in names for container in spec["containers"]):
        pod = metadata.get("name")
        raise LastContainer("no container would be left", where=f"pod {pod}", remedy=f"Remove the pod: hyper rm {pod}")
    for key in _LISTS:
        if spec.get(key):
            spec[key] = [container for container in spec[key] if container.get("name") not in names]
    own = {_manifest_annotations.key(word, name) for word in _manifest_annotations.WORDS for name in names}
    if metadata.get("annotations"):
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key not in own}


def _keep_size(made: dict[str, Any], former: object, objects: Objects) -> None:
    """Without resources of its own a pod is as large as its containers together."""
    before, after = _manifest.parse(former, objects), _manifest.parse(made, objects)
    if (before.cpus, before.memory_mib) != (after.cpus, after.memory_mib) and not made["spec"].get("overhead"):
        made["spec"]["resources"] = {"limits": {"cpu": str(before.cpus), "memory": f"{before.memory_mib}Mi"}}


def _containers(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in reversed(_LISTS):
        yield from spec.get(key) or ()
