# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on this machine that describe pods: manifests, Hyper podfiles, Compose files.

What reads their forms, and what fetches over HTTP, is imported where it is needed: the two take a twentieth of a second, which a command without a
file need not pay.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.plugin_utils import definitions

from hyperstart.errors import BadDefinition, HyperError

# A ConfigMap's, in Kubernetes.
LARGEST_FILE = 1 << 20
_TIMEOUT = 30.0


class FetchFailed(HyperError):
    """A file that a podfile names by its uri cannot be had."""


def read_manifests(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The Pod manifests of a file: YAML documents or JSON, of Kubernetes' form, a Hyper podfile or a Compose file.

    A Compose file may name variables of the environment. Raises BadDefinition, or InvalidManifest with the path of a field.
    """
    from ansible_collections.hyper.pods.plugins.plugin_utils import forms

    return parse_manifests(read_text(path), where=os.fspath(path), name=forms.project_name(Path(path)))


def parse_manifests(text: str, *, where: str, name: str = "") -> list[dict[str, Any]]:
    """The same of a text. where: its name in errors. name: of the pod of a Compose file that says none."""
    from ansible_collections.hyper.pods.plugins.plugin_utils import forms

    return forms.load_manifests(text, where=where, name=name, variables=os.environ, fetch=fetch)


def convert_file(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """A file of any form as Kubernetes' manifests; see ``convert``."""
    from ansible_collections.hyper.pods.plugins.plugin_utils import forms

    return convert(read_text(path), where=os.fspath(path), name=forms.project_name(Path(path)))


def convert(text: str, *, where: str, name: str = "") -> list[dict[str, Any]]:
    """A text of any form as Kubernetes' manifests: the pods, and before each what it needs, a ConfigMap or claims. See ``parse_manifests``."""
    from ansible_collections.hyper.pods.plugins.plugin_utils import forms

    manifests = forms.convert(forms.read(text, where=where), where=where, name=name, variables=os.environ, fetch=fetch)
    definitions.check_manifests(manifests, where=where)
    if not manifests:
        raise BadDefinition("there is no pod in it", where=where)
    return manifests


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file. Raises BadDefinition."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadDefinition("is not text in UTF-8", where=os.fspath(path)) from None
    except OSError as error:
        raise BadDefinition(f"cannot be read: {(error.strerror or str(error)).lower()}", where=os.fspath(path)) from None


def fetch(uri: str) -> bytes:
    """What an http, https or file uri names, of this machine's files as of others'. Raises FetchFailed."""
    import http.client
    import urllib.request

    if not uri.startswith(("http://", "https://", "file:///")):
        raise FetchFailed(f"{uri} is none of http, https and file:///")
    try:
        with urllib.request.urlopen(uri, timeout=_TIMEOUT) as answer:  # noqa: S310, checked above
            content: bytes = answer.read(LARGEST_FILE + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchFailed(f"{uri} cannot be fetched: {error}") from None
    if len(content) > LARGEST_FILE:
        raise FetchFailed(f"{uri} is larger than 1 MiB")
    return content
