# SPDX-License-Identifier: GPL-3.0-or-later
"""References to images: parsed and completed as docker/distribution does it, and as skopeo's transports are written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Union

from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadReference

DEFAULT_DOMAIN = "docker.io"
OFFICIAL = "library"
# The domain of images that came from a file under a short name: no registry offers them. (podman's word for the same thing)
LOCAL_DOMAIN = "localhost"

# An AppContainer image is the one that skopeo does not read.
ACI = "aci"
ARCHIVES = ("oci", "oci-archive", "docker-archive", ACI)
OTHER_TRANSPORTS = ("dir", "docker-daemon", "containers-storage", "ostree", "sif", "tarball", "atomic")

_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?")
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")
_NAME_LIMIT = 255


@dataclass(frozen=True)
class Registry:
    """An image of a registry: ``docker.io/library/nginx:1.25``. A tag, a digest, or both; the digest decides."""

    domain: str
    path: str
    tag: str | None
    digest: str | None
    # The user wrote no domain: the local store is asked under LOCAL_DOMAIN first.
    short: bool = False

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.domain}/{self.path}{tag}{digest}"

    @property
    def skopeo(self) -> str:
        """The source for skopeo, which does not take a tag and a digest at once."""
        pinned = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"docker://{self.domain}/{self.path}{pinned}"

    @property
    def local(self) -> Registry:
        """The same short name in the local store's own domain."""
        path = self.path[len(OFFICIAL) + 1 :] if self.domain == DEFAULT_DOMAIN and self.path.startswith(f"{OFFICIAL}/") else self.path
        return replace(self, domain=LOCAL_DOMAIN, path=path, short=False)

    def at(self, digest: str) -> Registry:
        """The same repository, at one manifest."""
        return replace(self, tag=None, digest=digest)


@dataclass(frozen=True)
class Archive:
    """An image in a directory or a file of the host: ``oci:/srv/images:web``."""

    transport: str
    path: str
    name: str | None

    def __str__(self) -> str:
        return f"{self.transport}:{self.path}" + (f":{self.name}" if self.name else "")

    @property
    def skopeo(self) -> str:
        """The source for skopeo."""
        return str(self)


Reference = Union[Registry, Archive]


def parse(text: str) -> Reference:
    """Parse what a user calls an image; a missing registry, ``library/`` and tag are filled in. Raises BadReference.

    >>> str(parse("nginx"))
    'docker.io/library/nginx:latest'
    """
    if not text or text != text.strip() or not text.isprintable():
        raise BadReference(text, "it is empty or has blanks or control characters")
    if text.startswith("docker://"):
        return _registry(text, text[len("docker://") :])
    transport, colon, rest = text.partition(":")
    if colon and transport in ARCHIVES:
        return _archive(text, transport, rest)
    if colon and transport in OTHER_TRANSPORTS:
        raise BadReference(text, f"the transport {transport} is not supported")
    return _registry(text, text)


def _archive(text: str, transport: str, rest: str) -> Archive:
    path, _, name = rest.partition(":")
    if not path.startswith("/"):
        raise BadReference(text, "the path is not absolute")
    if transport == ACI and name:
        raise BadReference(text, "a file of this kind holds one image, which has no name")
    return Archive(transport, path, name or None)


def _registry(text: str, rest: str) -> Registry:
    name, at, digest = rest.partition("@")
    if at:
        _check_digest(text, digest)
    tag: str | None = None
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
        if not _TAG.fullmatch(tag):
            raise BadReference(text, f"{tag!r} is no tag (at most 128 letters, digits, '_', '.', '-')")
    if not at and tag is None and len(name) == 64 and _HEX.fullmatch(name):
        raise BadReference(text, "64 hexadecimal digits are an image's ID and no name")
    domain, path = _split_domain(name)
    if path != path.lower():
        raise BadReference(text, "the repository's name must be in lower case")
    if not _PATH.fullmatch(path) or not _DOMAIN.fullmatch(domain):
        raise BadReference(text, "the format is not valid")
    if len(domain) + 1 + len(path) > _NAME_LIMIT:
        raise BadReference(text, f"the name is longer than {_NAME_LIMIT} characters")
    if tag is None and not at:
        tag = "latest"
    written = name.partition("/")[0] if "/" in name else ""
    return Registry(domain, path, tag, digest or None, short=written not in (domain, "index.docker.io"))


def _split_domain(name: str) -> tuple[str, str]:
    """The first part is a domain when it looks like one: it has a dot, a port or an upper-case letter, or is ``localhost``."""
    first, slash, rest = name.partition("/")
    looks = "." in first or ":" in first or first == LOCAL_DOMAIN or first != first.lower()
    domain, path = (first, rest) if slash and looks else (DEFAULT_DOMAIN, name)
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"{OFFICIAL}/{path}"
    return domain, path


def _check_digest(text: str, digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    if len(value) != _DIGEST_LENGTH.get(algorithm) or not _HEX.fullmatch(value):
        raise BadReference(text, f"{digest!r} is no digest (sha256: and 64 hexadecimal digits)")
