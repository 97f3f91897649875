# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own key for the digests of secrets, for root alone. It opens nothing: with another key all Secrets look changed, and that is all."""

from __future__ import annotations

import secrets

from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

_SIZE = 32
# For who may write nothing, where there is none yet: what is compared is sealed by the same process.
_FOR_NOW = secrets.token_bytes(_SIZE)


def read(host: Host) -> bytes:
    """The key, or one for this process alone where there is none yet."""
    try:
        return host.digest_key.read_bytes()
    except FileNotFoundError:
        return _FOR_NOW


def ensure(host: Host) -> bytes:
    """The key, made where there is none."""
    if not host.digest_key.exists():
        make_dir(host.state_dir)
        with locked(host.lock_path("digest", "key"), what="the key of digests"):
            if not host.digest_key.exists():
                write_atomic(host.digest_key, secrets.token_bytes(_SIZE), mode=0o600)
    return read(host)
