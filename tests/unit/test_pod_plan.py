# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pod's definition to what hyperstart is told of its life."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._pod_guest import launch_plan

CONFIG = ImageConfig(cmd=("sleep", "infinity"))


def planned(containers: list[dict[str, Any]], init: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Container]:
    """The launch plan's containers, by name and in its order."""

    def named(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"image": "tools", **item} for item in items]

    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {**spec, "initContainers": named(init or []), "containers": named(containers)},
    }
    pod = parse(manifest)
    images = {container.name: "sha256:" + "a" * 64 for container in pod.all_containers}
    return {container.name: container for container in launch_plan(pod, images, {"sha256:" + "a" * 64: CONFIG}).containers}


@pytest.mark.parametrize(
    ("pod", "own", "container", "init_container"),
    [
        ("Always", None, "Always", "OnFailure"),
        ("OnFailure", None, "OnFailure", "OnFailure"),
        ("Never", None, "Never", "Never"),
        ("Never", "Always", "Always", "Always"),
        ("Always", "Never", "Never", "Never"),
    ],
)
def test_restart_policies(pod: str, own: str | None, container: str, init_container: str) -> None:
    more = {} if own is None else {"restartPolicy": own}
    plan = planned([{"name": "app", **more}], [{"name": "before", **more}], restartPolicy=pod)
    assert [(name, item.init, item.restart_policy) for name, item in plan.items()] == [("before", True, init_container), ("app", False, container)]
