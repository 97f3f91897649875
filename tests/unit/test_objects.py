# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod takes from ConfigMaps, Secrets and its own fields, and that secrets are not shown."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _manifest_env, _seal, _sealed_objects
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod, document, parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_files import FileVolume
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import split
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast", "level": "3"}, "binaryData": {"raw": "/w=="}}
KEYS = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "keys"},
    "type": "Opaque",
    "data": {"token": base64.b64encode(b"hush-token").decode(), "both": base64.b64encode(b"encoded").decode()},
    "stringData": {"password": "hush-$(MODE)", "both": "plain"},
}


def pod_of(container: dict[str, Any], *documents: object) -> Pod:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": "shop"}, "annotations": {"example.org/team": "blue"}},
        "spec": {"containers": [{"name": "c", "image": "x", **container}]},
    }
    [definition], objects = split([SETTINGS, manifest, KEYS, *documents])
    return parse(definition, objects)


def env_of(*entries: dict[str, Any], **container: Any) -> dict[str, str]:
    return _manifest_env.expanded(pod_of({"env": list(entries), **container}).containers[0].env)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ({"configMapKeyRef": {"name": "settings", "key": "mode"}}, "fast"),
        ({"secretKeyRef": {"name": "keys", "key": "token"}}, "hush-token"),
        ({"secretKeyRef": {"name": "keys", "key": "both"}}, "plain"),
        ({"configMapKeyRef": {"name": "settings", "key": "no", "optional": True}}, None),
        ({"secretKeyRef": {"name": "no", "key": "no", "optional": True}}, None),
        ({"fieldRef": {"fieldPath": "metadata.name"}}, "web"),
        ({"fieldRef": {"fieldPath": "metadata.namespace"}}, "default"),
        ({"fieldRef": {"fieldPath": "metadata.labels['app']"}}, "shop"),
        ({"fieldRef": {"fieldPath": "metadata.annotations['example.org/team']"}}, "blue"),
        ({"fieldRef": {"fieldPath": "metadata.labels['none']"}}, ""),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "10.0.2.15"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "2"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}, "1500"),
        ({"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}, "64"),
    ],
)
def test_values_from_elsewhere(source: dict[str, Any], value: str | None) -> None:
    resources = {"limits": {"cpu": "1500m", "memory": "64Mi"}}
    assert env_of({"name": "A", "valueFrom": source}, resources=resources).get("A") == value


def test_all_keys_with_a_prefix_before_the_rest() -> None:
    env = _manifest_env.expanded(
        pod_of(
            {
                "env": [{"name": "X_mode", "value": "own"}, {"name": "SAID", "value": "$(X_level)/$(password)"}],
                "envFrom": [
                    {"secretRef": {"name": "keys"}},
                    {"prefix": "X_", "configMapRef": {"name": "plain"}},
                    {"configMapRef": {"name": "no", "optional": True}},
                ],
            },
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"mode": "fast", "level": "3"}},
        )
        .containers[0]
        .env
    )
    assert env == {"both": "plain", "password": "hush-$(MODE)", "token": "hush-token", "X_level": "3", "X_mode": "own", "SAID": "3/hush-$(MODE)"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"configMapKeyRef": {"name": "no", "key": "a"}},
            "valueFrom.configMapKeyRef.name: there is no ConfigMap 'no'. Give its document beside the Pod's; there are: settings",
        ),
        ({"secretKeyRef": {"name": "keys", "key": "no"}}, "valueFrom.secretKeyRef.key: Secret keys has no key 'no'. Its keys: both, password, token"),
        ({"configMapKeyRef": {"name": "settings", "key": "raw"}}, "valueFrom.configMapKeyRef: is not text in UTF-8"),
        ({"fieldRef": {"fieldPath": "status.phase"}}, "valueFrom.fieldRef.fieldPath: not supported: status.phase is not known here. Take one of metadata.name"),
        ({"resourceFieldRef": {"resource": "limits.pids"}}, "valueFrom.resourceFieldRef.resource: must be one of limits.cpu, limits.memory, requests.cpu"),
        (
            {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "x"}},
            "valueFrom.resourceFieldRef.containerName: there is no container 'x'. Containers of this pod: ",
        ),
        ({}, "valueFrom: needs exactly one source"),
        ({"fileKeyRef": {}}, "valueFrom.fileKeyRef: not supported: use `configMapKeyRef`"),
    ],
)
def test_refusals(source: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        pod_of({"env": [{"name": "A", "valueFrom": source}]})
    assert message in str(caught.value)
    assert "hush" not in str(caught.value)


KEY = b"key"


def test_a_secret_is_shown_as_a_digest() -> None:
    token = {"secretKeyRef": {"name": "keys", "key": "token"}}
    container = {"name": "c", "image": "x", "envFrom": [{"secretRef": {"name": "keys"}}], "env": [{"name": "A", "valueFrom": token}]}
    volume = {"name": "v", "secret": {"secretName": "keys", "items": [{"key": "token", "path": "t"}]}}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"volumes": [volume], "containers": [container]}}
    [definition], objects = split([manifest, KEYS])
    sealed, values = _sealed_objects.seal(objects, KEY)
    pod = parse(definition, sealed)
    shown = str(document(pod)) + repr(pod) + str(_sealed_objects.shown([sealed["Secret", "keys"].document]))
    assert "hush" not in shown
    assert KEYS["data"]["token"] not in shown  # type: ignore[index]
    name = _seal.name_of(b"hush-token", KEY)
    assert shown.count(f"hmac-sha256:{name[:12]}") >= 4
    assert values[name] == b"hush-token"
    assert pod.uses == (("Secret", "keys"),)
    assert {values[each] for each in pod.secrets} == {b"hush-token", b"hush-$(MODE)", b"plain"}
    # Where it is not sealed, as on the control node, not even that is shown.
    assert document(parse(definition, objects))["containers"][0]["env"]["A"] == "hidden"


@pytest.mark.parametrize(
    ("value", "message"),
    [(b"\xff", "is not text in UTF-8"), (b"a\0b", "is not text in UTF-8"), ("größe".encode(), None), (b"", None)],
)
def test_what_a_sealed_variable_can_hold(value: bytes, message: str | None) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": base64.b64encode(value).decode()}}
    container = {"name": "c", "image": "x", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container]}}
    [definition], objects = split([manifest, secret])
    for known in (objects, _sealed_objects.seal(objects, KEY)[0]):
        if message is None:
            parse(definition, known)
        else:
            with pytest.raises(InvalidManifest, match=message):
                parse(definition, known)


def test_a_changed_value_is_another_pod() -> None:
    env = {"envFrom": [{"secretRef": {"name": "other"}}]}
    first, same, second = (
        pod_of(env, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}, "stringData": {"a": value}}) for value in ("1", "1", "2")
    )
    assert first == same != second


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([{**SETTINGS, "surprise": 1}], "surprise: unknown field"),
        ([{**SETTINGS, "data": {"a": 1}}], "data[a]: must be a string"),
        ([{**KEYS, "data": {"a": "hush!"}}], "data[a]: is not base64"),
        ([{**KEYS, "data": {"a/b": ""}}], "'a/b' is not a key"),
        ([{**KEYS, "data": {"..a": ""}}], "'..a' is not a key"),
        ([{**SETTINGS, "metadata": {}}], "metadata.name: is required"),
        ([SETTINGS, SETTINGS], "ConfigMap settings is defined twice"),
    ],
)
def test_objects_are_read_strictly(documents: list[Any], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        split(documents)
    assert message in str(caught.value)
    assert "hush" not in str(caught.value)


def files_of(volume: dict[str, Any]) -> dict[str, tuple[bytes, int]]:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": "shop", "tier": "a-b"}},
        "spec": {"volumes": [{"name": "v", **volume}], "containers": [{"name": "c", "image": "x"}]},
    }
    [definition], objects = split([SETTINGS, KEYS, manifest])
    [made] = parse(definition, objects).volumes
    assert isinstance(made, FileVolume)
    return {file.path: (file.data, file.mode) for file in made.files}


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        ({"configMap": {"name": "settings"}}, {"mode": (b"fast", 0o644), "level": (b"3", 0o644), "raw": (b"\xff", 0o644)}),
        ({"configMap": {"name": "settings", "defaultMode": 0o400, "items": [{"key": "mode", "path": "a/b"}]}}, {"a/b": (b"fast", 0o400)}),
        ({"configMap": {"name": "no", "optional": True}}, {}),
        ({"secret": {"secretName": "keys", "items": [{"key": "token", "path": "t", "mode": 0o440}]}}, {"t": (b"hush-token", 0o440)}),
        (
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"l": (b'app="shop"\ntier="a-b"', 0o644)},
        ),
        (
            {
                "downwardAPI": {
                    "items": [
                        {"path": kind, "resourceFieldRef": {"containerName": "c", "resource": f"limits.{kind}", "divisor": divisor}}
                        for kind, divisor in (("cpu", "1m"), ("memory", "1Mi"))
                    ]
                }
            },
            # Of a guest of 256 MiB.
            {"cpu": (b"1000", 0o644), "memory": (b"170", 0o644)},
        ),
        (
            {
                "projected": {
                    "sources": [{"secret": {"name": "keys", "items": [{"key": "both", "path": "x"}]}}, {"configMap": {"name": "no", "optional": True}}]
                }
            },
            {"x": (b"plain", 0o644)},
        ),
    ],
)
def test_volumes_of_files(volume: dict[str, Any], files: dict[str, tuple[bytes, int]]) -> None:
    assert files_of(volume) == files


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, "spec.volumes[0].configMap.name: there is no ConfigMap 'no'"),
        ({"secret": {"secretName": "keys", "items": [{"key": "no", "path": "x"}]}}, "spec.volumes[0].secret.items[0].key: Secret keys has no key 'no'"),
        ({"configMap": {"name": "settings", "items": [{"key": "mode", "path": "../x"}]}}, "items[0].path: '../x' must be a relative path"),
        ({"configMap": {"name": "settings", "items": [{"key": "mode", "path": "..x"}]}}, "items[0].path: '..x' must be a relative path"),
        ({"configMap": {"name": "settings", "defaultMode": 0o1000}}, "spec.volumes[0].configMap.defaultMode: must be between 0 and 511"),
        ({"projected": {"sources": [{"configMap": {"name": "settings"}}] * 2}}, "spec.volumes[0].projected: two files collide at level"),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "x"}}]}}, "sources[0].serviceAccountToken: not supported: a host has no service accounts"),
        ({"downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}}, "items[0].resourceFieldRef.containerName: is required"),
        (
            {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}, "resourceFieldRef": {}}]}},
            "items[0].resourceFieldRef: cannot stand beside a fieldRef",
        ),
        ({"configMap": {"name": "settings"}, "emptyDir": {}}, "spec.volumes[0].emptyDir: a volume has one source"),
    ],
)
def test_refusals_of_volumes(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        files_of(volume)
    assert message in str(caught.value)
