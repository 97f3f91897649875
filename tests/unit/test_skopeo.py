# SPDX-License-Identifier: GPL-3.0-or-later
"""What skopeo 1.9 says, and what it means; the messages were taken from it as they stand, with names shortened."""

from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import (
    AuthenticationFailed,
    BadImage,
    ImageError,
    ImageNotFound,
    NoSpace,
    PullFailed,
    RegistryUnavailable,
    TlsFailed,
    UnsupportedPlatform,
)
from ansible_collections.hyper.pods.plugins.module_utils._skopeo import meaning

PING = 'Error parsing image name "docker://r:5/x": pinging container registry r:5: Get "https://r:5/v2/": '
READ = 'Error parsing image name "docker://r/x": reading manifest latest in r/x: '


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (PING + "dial tcp 127.0.0.1:5: connect: connection refused", RegistryUnavailable),
        (PING + "dial tcp: lookup r on 10.0.0.1:53: no such host", RegistryUnavailable),
        (PING + "dial tcp 10.0.0.1:5: i/o timeout", RegistryUnavailable),
        (PING + "dial tcp 10.0.0.1:5: connect: no route to host: network is unreachable", RegistryUnavailable),
        (PING + "net/http: TLS handshake timeout", RegistryUnavailable),
        ("pinging container registry r:5: received unexpected HTTP status: 503 Service Unavailable", RegistryUnavailable),
        (READ + "toomanyrequests: You have reached your pull rate limit.", RegistryUnavailable),
        (PING + "http: server gave HTTP response to HTTPS client", TlsFailed),
        (PING + "x509: certificate signed by unknown authority", TlsFailed),
        (PING + "x509: certificate is valid for a, not r", TlsFailed),
        (PING + "remote error: tls: handshake failure", TlsFailed),
        (READ + "unauthorized: authentication required", AuthenticationFailed),
        (READ + "errors:\\ndenied: requested access to the resource is denied\\nunauthorized: authentication required\\n", AuthenticationFailed),
        ("unable to retrieve auth token: invalid username/password: unauthorized: authentication required", AuthenticationFailed),
        (READ + "manifest unknown: manifest unknown", ImageNotFound),
        (READ + "name unknown: repository name not known to registry", ImageNotFound),
        ('Error parsing image name "oci:/d:x": open /d/index.json: no such file or directory', ImageNotFound),
        ('determining manifest MIME type for oci:/d:x: no descriptor found for reference "x"', ImageNotFound),
        ("more than one image in oci, choose an image", ImageNotFound),
        ("writing blob: write /s/oci-put-blob1: no space left on device", NoSpace),
        ("writing blob: happened during read: Digest did not match, expected sha256:c2, got sha256:08", BadImage),
        ("reading blob sha256:1: unexpected EOF", BadImage),
        ("choosing an image from manifest list docker://r/x: no image found in manifest list for architecture arm64", UnsupportedPlatform),
        ("something that nobody has seen", PullFailed),
    ],
)
def test_messages(message: str, kind: type[ImageError]) -> None:
    quoted = message.replace('"', '\\"')
    error = meaning("r/x:latest", f'time="2026-11-22T17:55:06Z" level=fatal msg="{quoted}"\n')
    assert type(error) is kind
    assert error.where == "image r/x:latest"
    assert error.remedy or kind is PullFailed


def test_a_message_in_no_known_form_is_kept() -> None:
    assert "panic: nil" in str(meaning("x", "panic: nil\n"))
