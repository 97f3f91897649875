# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials of registries that stand beside a Pod: Secrets of the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg.

They are used for the pulls of the call that brings them, and kept nowhere.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._image_errors import CredentialsMissing
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import Object, Objects
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

# Type of Secret → its key, and where in it the registries stand.
_TYPES = {"kubernetes.io/dockerconfigjson": (".dockerconfigjson", "auths"), "kubernetes.io/dockercfg": (".dockercfg", "")}

Credentials = Mapping[str, Mapping[str, str]]


def credentials(pod: Pod, objects: Objects) -> dict[str, dict[str, str]]:
    """What a pod's imagePullSecrets say: registry → as an auth file has it. Of several for one registry the first counts.

    Raises InvalidManifest with the field's path; a value is never part of the message.
    """
    found: dict[str, dict[str, str]] = {}
    for index, name in enumerate(pod.pull_secrets):
        where = f"spec.imagePullSecrets[{index}].name"
        secret = objects.get(("Secret", name))
        if secret is None:
            raise InvalidManifest(f"there is no Secret {name!r}", where=where, remedy="Give its document beside the Pod's")
        for registry, entry in _read(secret, where).items():
            found.setdefault(registry, entry)
    return found


def _read(secret: Object, where: str) -> dict[str, dict[str, str]]:
    if secret.type not in _TYPES:
        raise InvalidManifest(f"Secret {secret.name} has the type {secret.type or 'Opaque'}", where=where, remedy=f"Give one of type {' or '.join(_TYPES)}")
    key, member = _TYPES[secret.type]
    broken = InvalidManifest(f"Secret {secret.name} does not hold what `docker login` writes", where=where, remedy=f"Check its key {key}")
    try:
        data = json.loads(secret.data[key])
        registries = data[member] if member else data
        return {str(registry): _entry(entry) for registry, entry in registries.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        raise broken from None


def _entry(entry: Mapping[str, Any]) -> dict[str, str]:
    if "auth" not in entry and "identitytoken" not in entry:
        return {"auth": base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()}
    return {name: str(entry[name]) for name in ("auth", "identitytoken") if name in entry}


@contextlib.contextmanager
def auth_file(secrets: Iterable[Credentials], given: Path | None) -> Iterator[Path | None]:
    """A file for skopeo with all of these credentials; those of the file ``given`` win. It has no name in any file system and ends with this process.

    Without secrets the file is ``given`` itself. Raises CredentialsMissing.
    """
    auths: dict[str, Any] = {}
    for each in secrets:
        auths = {**each, **auths}
    if not auths:
        yield given
        return
    handle = os.memfd_create("hyper-auth", os.MFD_CLOEXEC)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, json.dumps({"auths": {**auths, **_given(given)}}).encode())
        yield Path(f"/proc/{os.getpid()}/fd/{handle}")
    finally:
        os.close(handle)


def _given(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_bytes()).get("auths", {}))
    except OSError as error:
        raise CredentialsMissing(str(path), error.strerror or "") from None
    except (ValueError, AttributeError, TypeError):
        raise CredentialsMissing(str(path), "it is not JSON as `docker login` writes it") from None
