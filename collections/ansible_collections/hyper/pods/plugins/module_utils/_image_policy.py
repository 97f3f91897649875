# SPDX-License-Identifier: GPL-3.0-or-later
"""What a signature policy (containers-policy.json(5)) says where skopeo, which keeps to it, is not asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._skopeo import Access

# Where skopeo looks when it is given none.
_OWN = (Path("~/.config/containers/policy.json"), Path("/etc/containers/policy.json"))
_ANYTHING = "insecureAcceptAnything"


def lets_all_in(access: Access) -> bool:
    """Whether no image needs to be judged by its name or its signatures; then one whose content is here already needs no second look."""
    return all(map(_is_open, _requirements(_document(access))))


def lets_others_in(access: Access) -> bool:
    """Whether images may come in by ways that the policy does not know, such as files of an AppContainer image."""
    return _is_open(_document(access).get("default"))


def _document(access: Access) -> dict[str, Any]:
    """Empty, which lets nothing in, where it cannot be read: skopeo will say why."""
    path = access.signature_policy or next((path for path in (own.expanduser() for own in _OWN) if path.exists()), None)
    try:
        document = json.loads(path.read_bytes()) if path else {}
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _requirements(document: dict[str, Any]) -> Iterator[object]:
    yield document.get("default")
    transports = document.get("transports")
    for scopes in transports.values() if isinstance(transports, dict) else ():
        yield from scopes.values() if isinstance(scopes, dict) else (None,)


def _is_open(requirements: object) -> bool:
    return isinstance(requirements, list) and bool(requirements) and all(isinstance(each, dict) and each.get("type") == _ANYTHING for each in requirements)
