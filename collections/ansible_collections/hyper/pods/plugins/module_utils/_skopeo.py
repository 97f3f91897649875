# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask skopeo for manifests and copies of images; its messages become our errors here and nowhere else."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._image_config import host_architecture
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import (
    AuthenticationFailed,
    BadImage,
    CredentialsMissing,
    ImageError,
    ImageNotFound,
    NoSpace,
    PolicyMissing,
    PullFailed,
    RegistryUnavailable,
    SignatureRefused,
    TlsFailed,
    UnsupportedPlatform,
)

# A manifest is small; a registry that has not sent it by then is stuck. Layers may take as long as they need.
MANIFEST_TIMEOUT = 60

_MESSAGE = re.compile(r'level=fatal msg="((?:[^"\\]|\\.)*)"')
_COPYING = re.compile(r"^Copying blob (sha256:[0-9a-f]+)")

# What skopeo 1.9 says (in part the registry's own words, and Go's) → what it means. The first that fits counts.
_MEANINGS: tuple[tuple[str, type[ImageError], str], ...] = (
    (r"Source image rejected|policy\.json|trust policy", SignatureRefused, "the signature policy does not let it in"),
    (r"no space left on device|disk quota exceeded", NoSpace, "there is no room for its layers"),
    (r"server gave HTTP response to HTTPS client", TlsFailed, "the registry speaks HTTP and not HTTPS"),
    (r"TLS handshake timeout", RegistryUnavailable, "the registry does not answer in time"),
    (r"x509|certificate|tls: |TLS handshake", TlsFailed, "the registry's certificate is not trusted"),
    (r"unauthorized|authentication required|access denied|denied:|username/password|\b40[13]\b", AuthenticationFailed, "the registry refuses access"),
    (r"manifest unknown|name unknown|(NAME|MANIFEST)_UNKNOWN|repository name not known|blob unknown", ImageNotFound, "the registry has no such image"),
    (r"no descriptor found for reference|Tag .* not found|image .* not found in", ImageNotFound, "it holds no image of this name"),
    (r"more than one image|expected 1 item", ImageNotFound, "it holds several images, and none is named"),
    (r"no image found in (manifest list|image index)", UnsupportedPlatform, ""),
    (
        r"connection refused|no such host|server misbehaving|timeout|unreachable|connection reset|deadline|pinging container registry .*EOF",
        RegistryUnavailable,
        "the registry does not answer",
    ),
    (r"HTTP status: 5\d\d|too ?many ?requests|\b429\b", RegistryUnavailable, "the registry fails"),
    (r"no such file or directory|not a directory", ImageNotFound, "there is no such file or directory"),
    (r"digest|does not match|mismatch|verif", BadImage, "its content is not what its digest says"),
    (r"EOF|gzip|flate|invalid|json|archive/tar|unmarshal|unrecognized|malformed|parsing", BadImage, "it is malformed"),
)


@dataclass(frozen=True)
class Access:
    """How to talk to a registry. authfile: path of a credentials file on this host; tls_verify: False allows HTTP and unknown certificates.

    signature_policy: which images may be pulled (containers-policy.json(5)); None for skopeo's own. signature_places: a directory that says where their
    signatures are (containers-registries.d(5)); None for skopeo's own.
    """

    authfile: Path | None = None
    tls_verify: bool = True
    signature_policy: Path | None = None
    signature_places: Path | None = None

    def options(self, prefix: str = "") -> list[str]:
        """skopeo's options; credentials by the file's path only. Raises CredentialsMissing."""
        options = [] if self.tls_verify else [f"--{prefix}tls-verify=false"]
        if self.authfile is not None:
            _check_readable(self.authfile, CredentialsMissing)
            options += [f"--{prefix}authfile", str(self.authfile)]
        return options

    def policy_options(self) -> list[str]:
        """skopeo's global options for copies. Raises PolicyMissing."""
        options = [] if self.signature_places is None else ["--registries.d", str(self.signature_places)]
        if self.signature_policy is None:
            return options
        _check_readable(self.signature_policy, PolicyMissing)
        return [*options, "--policy", str(self.signature_policy)]


def _check_readable(path: Path, kind: Callable[[str, str], HyperError]) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise kind(str(path), error.strerror or "") from None


def raw_manifest(image: str, source: str, access: Access) -> bytes:
    """The manifest, or index, that ``source`` (skopeo's notation) points at, byte for byte. Raises an ImageError."""
    # Archives may have to be read as a whole first.
    limit = [f"--command-timeout={MANIFEST_TIMEOUT}s"] if source.startswith("docker:") else []
    argv = ["skopeo", *limit, "inspect", "--raw", *access.options(), source]
    done = subprocess.run([_command.find(argv[0]), *argv[1:]], env=_command.environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise meaning(image, done.stderr.decode(errors="replace"))
    return done.stdout


def copy(image: str, source: str, layout: Path, blobs: Path, access: Access, *, on_blob: Callable[[str], None], pass_fds: Sequence[int]) -> None:
    """Copy an image to the OCI layout ``layout`` under the name ``image``; its blobs go to ``blobs`` where other copies find them.

    on_blob: called with the digest of each layer that begins. pass_fds: locks that skopeo holds too, so that they outlive a caller that is killed.
    Raises an ImageError.
    """
    argv = [
        "skopeo", *access.policy_options(), "copy", "--remove-signatures", "--dest-oci-accept-uncompressed-layers", "--dest-shared-blob-dir", str(blobs),
        *access.options("src-"), source, f"oci:{layout}:image",
    ]  # fmt: skip
    _copy(image, argv, on_blob=on_blob, pass_fds=pass_fds)


def upload(image: str, layout: Path, target: str, access: Access, *, on_blob: Callable[[str], None]) -> None:
    """Copy the one image in an OCI layout to ``target`` (skopeo's notation), byte for byte. Raises an ImageError."""
    # What is here was let in when it came.
    argv = ["skopeo", "--insecure-policy", "copy", "--preserve-digests", *access.options("dest-"), f"oci:{layout}", target]
    _copy(image, argv, on_blob=on_blob, pass_fds=())


def log_in(registry: str, username: str, password: str, access: Access) -> None:
    """Ask a registry whether it takes the credentials, and if so write them to the access's file. The password is handed over on standard input.

    Raises an ImageError.
    """
    verify = [] if access.tls_verify else ["--tls-verify=false"]
    argv = ["skopeo", "login", "--authfile", str(access.authfile), *verify, "--username", username, "--password-stdin", registry]
    try:
        _command.run(argv, stdin=password, timeout=MANIFEST_TIMEOUT)
    except _command.CommandFailed as error:
        if error.code is None:
            raise RegistryUnavailable(registry, "the registry does not answer") from None
        raise meaning(registry, error.stderr) from None


def _copy(image: str, argv: Sequence[str], *, on_blob: Callable[[str], None], pass_fds: Sequence[int]) -> None:
    with subprocess.Popen(
        [_command.find(argv[0]), *argv[1:]],
        env=_command.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=pass_fds,
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe
            lines = []
            for line in process.stdout:
                lines.append(line)
                if found := _COPYING.match(line):
                    on_blob(found[1])
            if process.wait() != 0:
                raise meaning(image, "".join(lines[-20:]))
        finally:
            if process.poll() is None:
                process.kill()


def meaning(image: str, output: str) -> ImageError:
    """The error that skopeo's output tells of."""
    found = _MESSAGE.search(output)
    message = re.sub(r"\\(.)", r"\1", found[1]) if found else output.strip()
    for pattern, kind, words in _MEANINGS:
        if re.search(pattern, message, re.IGNORECASE):
            if kind is UnsupportedPlatform:
                return UnsupportedPlatform(image, f"linux/{host_architecture()}", [])
            return kind(image, f"{words} ({_short(message)})")
    return PullFailed(image, _short(message))


def _short(message: str) -> str:
    # The reference is in front of the message already, and skopeo's own prefix repeats it.
    return re.sub(r'^Error parsing image name "[^"]*": |^initializing source [^ ]*: ', "", message)[-600:]
