# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's credentials for registries: a file as containers-auth.json(5) has it, readable by root alone."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._skopeo import Access, log_in

# HOST[:PORT], and a repository below it where credentials are for that alone.
_REGISTRY = re.compile(r"[A-Za-z0-9.\[\]:-]+(/[a-z0-9._/-]+)?")


class BadRegistry(HyperError):
    """The text names no registry."""


class BrokenCredentials(HyperError):
    """The credentials file cannot be read as what it is."""


def apply(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Carry out the module's parameters; returns its result, in which no password is. Raises HyperError."""
    registry, username, password = (module.params[key] for key in ("registry", "username", "password"))
    if not _REGISTRY.fullmatch(registry) or registry.startswith("-"):
        raise BadRegistry(f"{registry!r} is no registry", where="registry", remedy="Write HOST[:PORT], such as registry.example.com")
    path = Path(module.params["authfile"]) if module.params["authfile"] else host.authfile
    wanted = module.params["state"] == "present"
    if module.check_mode:
        return _result(registry, _user(_read(path), registry), username if wanted else None, same=_same(_read(path), registry, username, password, wanted))
    with locked(host.lock_path("registry", "credentials"), what="the credentials"):
        before = _read(path)
        same = _same(before, registry, username, password, wanted)
        if not same:
            make_dir(path.parent)
            if wanted:
                # Asked for by its mode before anything is in it.
                if not path.exists():
                    _write(path, {"auths": {}})
                path.chmod(0o600)
                log_in(registry, username, password, Access(path, module.params["tls_verify"]))
                path.chmod(0o600)
            else:
                _write(path, {**before, "auths": {key: value for key, value in before["auths"].items() if key != registry}})
    return _result(registry, _user(before, registry), username if wanted else None, same=same)


def _result(registry: str, before: str | None, after: str | None, *, same: bool) -> dict[str, Any]:
    diff = {"before": {registry: before}, "after": {registry: after}}
    word = f"log in to {registry} as {after}" if after is not None else f"log out of {registry}"
    return {"changed": not same, "diff": diff, "actions": [] if same else [word]}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
        auths = document.setdefault("auths", {})
        if not isinstance(auths, dict):
            raise TypeError
    except FileNotFoundError:
        return {"auths": {}}
    except (ValueError, AttributeError, TypeError):
        raise BrokenCredentials("is no credentials file", where=str(path), remedy="Remove the file, and log in again") from None
    return dict(document)


def _write(path: Path, document: dict[str, Any]) -> None:
    write_atomic(path, json.dumps(document, indent=1).encode(), mode=0o600)


def _same(document: dict[str, Any], registry: str, username: str | None, password: str | None, wanted: bool) -> bool:
    entry = document["auths"].get(registry)
    if not wanted:
        return entry is None
    return isinstance(entry, dict) and entry.get("auth") == base64.b64encode(f"{username}:{password}".encode()).decode()


def _user(document: dict[str, Any], registry: str) -> str | None:
    entry = document["auths"].get(registry)
    try:
        return None if entry is None else base64.b64decode(entry["auth"]).decode().partition(":")[0]
    except (ValueError, KeyError, TypeError):
        return ""
