# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials of registries that stand beside a Pod."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import CredentialsMissing
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Objects, split
from ansible_collections.hyper.pods.plugins.module_utils._pull_secrets import auth_file, credentials
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

JSON, CFG = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"


def secret(name: str, kind: str, **data: object) -> dict[str, Any]:
    texts = {f".{key}": value if isinstance(value, str) else json.dumps(value) for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": texts}


def found(names: list[str], *secrets: dict[str, Any]) -> dict[str, dict[str, str]]:
    spec = {"imagePullSecrets": [{"name": name} for name in names], "containers": [{"name": "a", "image": "b"}]}
    [pod], objects = split([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}, *secrets])
    used: Objects = objects
    parsed = parse(pod, used)
    assert parsed.uses == ()
    return credentials(parsed, used)


FIRST = secret("first", JSON, dockerconfigjson={"auths": {"r:5000": {"auth": "dTpw"}}})
SECOND = secret("second", CFG, dockercfg={"r:5000": {"auth": "other"}, "q": {"username": "u", "password": "p", "email": "e"}, "t": {"identitytoken": "x"}})


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([], {}),
        (["first"], {"r:5000": {"auth": "dTpw"}}),
        (["first", "second"], {"r:5000": {"auth": "dTpw"}, "q": {"auth": "dTpw"}, "t": {"identitytoken": "x"}}),
    ],
)
def test_what_secrets_say(names: list[str], wanted: dict[str, Any]) -> None:
    assert found(names, FIRST, SECOND) == wanted


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (secret("other", JSON), "there is no Secret 'keys'. Give its document beside the Pod's"),
        (secret("keys", "Opaque", dockerconfigjson={"auths": {"r": {"auth": "hush"}}}), "Secret keys has the type Opaque. Give one of type"),
        (secret("keys", JSON), "Secret keys does not hold what `docker login` writes. Check its key .dockerconfigjson"),
        (secret("keys", JSON, dockerconfigjson="hush"), "Secret keys does not hold"),
        (secret("keys", JSON, dockerconfigjson={"auths": {"r": {"password": "hush"}}}), "Secret keys does not hold"),
        (secret("keys", CFG, dockercfg={"r": "hush"}), "Secret keys does not hold"),
        (secret("keys", CFG, dockercfg=["hush"]), "Secret keys does not hold"),
    ],
)
def test_refusals(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        found(["keys"], document)
    assert str(caught.value).startswith(f"spec.imagePullSecrets[0].name: {message}")
    assert "hush" not in str(caught.value)


def test_the_file_is_of_this_process_alone_and_a_given_one_wins(tmp_path: Path) -> None:
    given = tmp_path / "auth.json"
    given.write_text('{"auths": {"b": {"auth": "given"}}}')
    with auth_file([{"a": {"auth": "1"}, "b": {"auth": "2"}}, {"a": {"auth": "3"}}], given) as path:
        assert path is not None
        assert json.loads(path.read_text())["auths"] == {"a": {"auth": "1"}, "b": {"auth": "given"}}
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    with auth_file([{}], given) as path:
        assert path == given
    given.write_text("nonsense")
    with pytest.raises(CredentialsMissing), auth_file([{"a": {"auth": "1"}}], given):
        pass
