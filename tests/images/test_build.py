# SPDX-License-Identifier: GPL-3.0-or-later
"""Images built by buildah."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_build import bases
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.registry import Registry
from tests.support.store import layout, module, names

__all__ = ["layout", "module"]

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    path = tmp_path / "context"
    path.mkdir()
    (path / "hello").write_text("hello\n")
    (path / "Containerfile").write_text('ARG WORD=none\nFROM scratch AS base\nCOPY hello /hello\nFROM base\nARG WORD\nENV WORD=$WORD\nCMD ["/hello"]\n')
    return path


def test_built(module: Run, host: Host, store: ImageStore, context: Path, tmp_path: Path) -> None:
    args = {"path": str(context), "name": "built:1", "build_args": {"WORD": "x y"}}
    for _ in range(2):
        assert module("image_build", check=True, **args)["changed"]
    assert store.list() == ()
    result = module("image_build", **args)
    assert result["changed"]
    assert result["images"][0]["reference"] == "localhost/built:1"
    assert any("STEP" in line for line in result["actions"])
    assert not module("image_build", **args)["changed"], "the same files give the same image"
    image = store.require("built:1")
    assert (image.config.cmd, dict(image.config.env)["WORD"], image.source) == (("/hello",), "x y", "")
    assert names(store, image.disk, tmp_path) == {"hello"}
    # On top of it, though no registry has it.
    (context / "more").write_text("")
    (context / "Dockerfile.more").write_text("FROM built:1\nCOPY more /more\n")
    module("image_build", path=str(context), name="more", containerfile="Dockerfile.more")
    image = store.require("more")
    assert names(store, image.disk, tmp_path) == {"hello", "more"}
    assert image.config.cmd == ("/hello",)
    assert [path.name for path in host.state_dir.iterdir() if path.name.startswith("build-")] == []


def test_from_a_registry(module: Run, store: ImageStore, context: Path, registry: Registry, layout: Path, tmp_path: Path) -> None:
    reference = registry.push(layout, "web", "build/web:1")
    (context / "Containerfile").write_text(f"FROM {reference}\nCOPY hello /hello\n")
    assert module("image_build", path=str(context), name="x", fails=True)["error"] == "BuildFailed"
    module("image_build", path=str(context), name="x", tls_verify=False)
    assert names(store, store.require("x").disk, tmp_path) == {"bin", "bin/sh", "web", "hello"}


@pytest.mark.parametrize(
    ("text", "args", "error"),
    [
        ("FROM scratch\nCOPY nosuch /x\n", {}, "BuildFailed"),
        ("NONSENSE\n", {}, "BuildFailed"),
        ("FROM scratch\n", {"containerfile": "nosuch"}, "NoContainerfile"),
        ("FROM scratch\n", {"containerfile": "../outside"}, "NoContainerfile"),
        ("FROM scratch\n", {"name": "Bad Name"}, "BadReference"),
    ],
)
def test_what_cannot_be_built(text: str, args: dict[str, Any], error: str, module: Run, store: ImageStore, context: Path) -> None:
    (context / "Containerfile").write_text(text)
    (context.parent / "outside").write_text("FROM scratch\n")
    result = module("image_build", **{"path": str(context), "name": "x", **args}, fails=True)
    assert (result["error"], bool(result["remedy"])) == (error, True)
    assert store.list() == ()


@pytest.mark.parametrize(
    ("text", "build_args", "found"),
    [
        ("FROM a AS x\nFROM x\nfrom --platform=linux/amd64 b\n", {}, ["a", "x", "b"]),
        (
            "ARG BASE=debian:12\nARG TAG\nFROM $BASE\nFROM r/${BASE}\nARG BASE=later\nFROM ${NONE:-other}:1\nFROM scratch\n",
            {},
            ["debian:12", "r/debian:12", "other:1"],
        ),
        ('ARG BASE="debian"\nFROM ${BASE}:${TAG:-12}\n', {"BASE": "own"}, ["own:12"]),
        ("ARG TAG\nFROM web:$TAG\n", {"TAG": "7", "OTHER": "x"}, ["web:7"]),
        ("RUN nothing\n", {}, []),
    ],
)
def test_what_an_image_starts_from(text: str, build_args: dict[str, str], found: list[str]) -> None:
    assert bases(text, build_args) == found


def test_under_a_policy(module: Run, host: Host, store: ImageStore, context: Path, registry: Registry, layout: Path) -> None:
    """It judges what a build starts from, and not what is made here."""
    store.ensure("base:1", source=f"oci:{layout}:web")
    host.signature_policy.write_text(json.dumps({"default": [{"type": "reject"}]}))
    (context / "Containerfile").write_text("ARG BASE=nothing\nFROM $BASE\nCOPY hello /hello\n")
    assert module("image_build", path=str(context), name="x", build_args={"BASE": "base:1"})["changed"]
    reference = registry.push(layout, "web", "policy/base:1")
    result = module("image_build", path=str(context), name="y", build_args={"BASE": reference}, tls_verify=False, fails=True)
    assert result["error"] == "BuildFailed"
    assert "policy" in result["msg"]
