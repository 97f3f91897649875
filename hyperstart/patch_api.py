# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that change a part of a pod's definition, as functions; see ``api``. A pod that runs goes on; with ``restart`` its guest is restarted where
a change needs that, and otherwise such a change is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from ansible_collections.hyper.pods.plugins.module_utils import _port_words

from hyperstart._ansible import Options
from hyperstart._operation import by_name, perform, pods_result
from hyperstart.errors import BadDefinition
from hyperstart.results import PodsResult


def label_pod(
    *, name: str, labels: Mapping[str, str] | None = None, remove: Sequence[str] = (), restart: bool = False, **options: Unpack[Options]
) -> PodsResult:
    """Set labels of a pod, and take those away whose keys ``remove`` has."""
    variables = {"pod_labels": dict(labels or {}) or None, "pod_remove_labels": list(remove) or None}
    return _patch("label_pod.yml", name, variables, options, restart=restart)


def list_ports(*, names: Sequence[str], **options: Unpack[Options]) -> PodsResult:
    """The published ports of pods: ``published_ports`` of each."""
    return by_name("list_ports.yml", names, {}, options)


def publish_ports(*, name: str, ports: Sequence[str], restart: bool = False, **options: Unpack[Options]) -> PodsResult:
    """Publish ports of a pod. ports: ``[IP:]HOST:CONTAINER[/udp]``. Raises BadDefinition for what is none."""
    try:
        for text in ports:
            _port_words.published(text)
    except _port_words.BadPort as error:
        raise BadDefinition(error.message, where=error.where, remedy=error.remedy) from None
    return _patch("publish_port.yml", name, {"pod_publish": list(ports)}, options, restart=restart)


def unpublish_ports(*, name: str, ports: Sequence[str], restart: bool = False, **options: Unpack[Options]) -> PodsResult:
    """Take published ports of a pod back. ports: ``[IP:]HOST[:CONTAINER][/udp]``. Raises BadDefinition for what is none."""
    try:
        for text in ports:
            _port_words.place(text)
    except _port_words.BadPort as error:
        raise BadDefinition(error.message, where=error.where, remedy=error.remedy) from None
    return _patch("unpublish_port.yml", name, {"pod_unpublish": list(ports)}, options, restart=restart)


def remove_containers(*, name: str, containers: Sequence[str], restart: bool = False, **options: Unpack[Options]) -> PodsResult:
    """Remove containers of a pod, and all that they wrote; the others go on. A name that no container has changes nothing."""
    if not containers:
        raise BadDefinition("no container is named", where="containers", remedy=f"Name at least one; see them all: hyper inspect {name}")
    return _patch("remove_container.yml", name, {"pod_containers": list(containers)}, options, restart=restart)


def _patch(playbook: str, name: str, variables: Mapping[str, object], options: Options, *, restart: bool) -> PodsResult:
    return perform(playbook, {"pod_name": name, **variables, "pod_restart": restart or None}, options, pods_result)
