# SPDX-License-Identifier: GPL-3.0-or-later
"""Images pinned to digests: what is found in files of every form, and what the files look like afterwards."""

from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.plugin_utils import pins
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import BadDefinition

MANIFESTS = """\
# shop
apiVersion: v1
kind: Pod
metadata: {name: shop, annotations: {image: no}}
spec:
  initContainers:
    - {name: init, image: "busybox:1"}   # first
  containers:
    - name: web
      image: nginx   # keep this comment
      env: [{name: image, value: nginx}]
    - {image: 'redis:7@sha256:0', name: db}
  volumes:
    - name: v
      image: {reference: data:1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  image: nginx
"""
COMPOSE = "services:\n  web: {image: nginx}\n  app:\n    image: app:${TAG}\n  db: &db\n    image: redis\n  other: *db\nx-image: nginx\n"
PODFILE = '{"Containers": [{"Image": "nginx"}, {"image": "a/b:c"}]}'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MANIFESTS, ["busybox:1", "nginx", "redis:7@sha256:0", "data:1"]),
        (COMPOSE, ["nginx", "app:${TAG}", "redis"]),
        (PODFILE, ["nginx", "a/b:c"]),
        ("kind: List\nitems:\n- spec: {containers: [{image: nginx}]}", ["nginx"]),
        ("a: 1", []),
        ("", []),
        ("spec: {containers: 3}", []),
        ("spec: {containers: [3, {image: [x]}]}", []),
    ],
)
def test_images_of_files(text: str, found: list[str]) -> None:
    assert [item.image for item in pins.images(text, where="f")] == found


def test_only_what_is_pinned_changes() -> None:
    named = pins.images(MANIFESTS, where="f")
    text = pins.pinned(MANIFESTS, named, {"nginx": "sha256:1", "busybox:1": "sha256:2", "data:1": "sha256:3"})
    assert text == MANIFESTS.replace('"busybox:1"', '"busybox:1@sha256:2"').replace("image: nginx   #", "image: nginx@sha256:1   #").replace(
        "data:1}", "data:1@sha256:3}"
    )
    assert [item.image for item in pins.images(text, where="f")] == ["busybox:1@sha256:2", "nginx@sha256:1", "redis:7@sha256:0", "data:1@sha256:3"]
    assert pins.pinned(PODFILE, pins.images(PODFILE, where="f"), {"nginx": "sha256:1"}) == PODFILE.replace('"nginx"', '"nginx@sha256:1"')


@pytest.mark.parametrize(("image", "is_open"), [("nginx", True), ("nginx@sha256:0", False), ("app:${TAG}", False), ("", False)])
def test_what_can_be_pinned(image: str, is_open: bool) -> None:
    assert pins.is_open(image) == is_open


def test_what_is_no_yaml() -> None:
    with pytest.raises(BadDefinition, match="cannot be read as YAML"):
        pins.images("{", where="f")
