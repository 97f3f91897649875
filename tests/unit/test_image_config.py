# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig, choose_platform, parse_config, parse_manifest
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, UnsupportedPlatform

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def config(**fields: Any) -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", "config": fields, "rootfs": {"type": "layers", "diff_ids": [A]}}).encode()


def test_every_field_is_read() -> None:
    data = config(
        Entrypoint=["/e"], Cmd=["a", "b"], Env=["A=1", "B=x=y", "C="], WorkingDir="/w", User="u:g", StopSignal="SIGQUIT",
        Volumes={"/v2": {}, "/v1": {}}, ExposedPorts={"80/tcp": {}}, Labels={"l": "m"},
    )  # fmt: skip
    assert parse_config("x", data) == ImageConfig(
        ("/e",), ("a", "b"), (("A", "1"), ("B", "x=y"), ("C", "")), "/w", "u:g", "SIGQUIT", ("/v1", "/v2"), ("80/tcp",), (("l", "m"),), "amd64", (A,)
    )


@pytest.mark.parametrize("fields", [{}, {"Entrypoint": None, "Cmd": None, "Env": None, "Volumes": None, "Labels": None, "User": None}])
def test_absent_and_null_are_empty(fields: dict[str, Any]) -> None:
    assert parse_config("x", config(**fields)) == ImageConfig(architecture="amd64", diff_ids=(A,))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"config": 1}',
        b'{"rootfs": {"diff_ids": ["sha256:zz"]}}',
        config(Env=["=x"]),
        config(Env="A=1"),
        config(Cmd=[1]),
        config(Cmd=["a\0b"]),
        config(User=1),
        config(Volumes=["/v"]),
        config(Labels={"a": 1}),
    ],
)
def test_malformed_configs_are_refused(data: bytes) -> None:
    with pytest.raises(BadImage):
        parse_config("x", data)


def test_another_system_is_refused() -> None:
    with pytest.raises(UnsupportedPlatform):
        parse_config("x", b'{"os": "windows"}')


INDEX = {
    "manifests": [
        {"digest": A, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": B, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"digest": A, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
}


@pytest.mark.parametrize(("architecture", "digest"), [("amd64", A), ("arm64", B)])
def test_an_index_offers_the_manifest_of_the_platform(architecture: str, digest: str) -> None:
    assert choose_platform("x", INDEX, architecture) == digest


def test_a_platform_that_an_index_lacks_is_refused_with_what_it_has() -> None:
    with pytest.raises(UnsupportedPlatform, match="is made for linux/amd64, linux/arm64, and this host is linux/s390x"):
        choose_platform("x", INDEX, "s390x")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"schemaVersion": 1, "fsLayers": []},
        {"config": {"digest": "x"}},
        {"config": {"digest": A}, "layers": {"a": 1}},
        {"config": {"digest": A, "size": -1}},
        {"config": {"digest": A}, "layers": [{"digest": "../../etc/passwd"}]},
        {"config": {"digest": A}, "layers": [{"digest": A}] * 2000},
        {"config": {"digest": A}, "layers": [1]},
    ],
)
def test_malformed_manifests_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BadImage):
        parse_manifest("x", document)
