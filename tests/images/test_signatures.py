# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed images: let in by a policy that asks for a key when that key has signed them, and by nothing else."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.registry import Registry
from tests.support.store import layout, module

__all__ = ["layout", "module"]

Run = Callable[..., dict[str, Any]]


class Keys:
    """GPG keys of the tests' own."""

    def __init__(self, home: Path) -> None:
        self.env = {**os.environ, "GNUPGHOME": str(home)}
        home.mkdir(mode=0o700)

    def run(self, *argv: str) -> bytes:
        return subprocess.run(argv, env=self.env, capture_output=True, check=True).stdout

    def make(self, name: str) -> Path:
        """A key without a passphrase; the file with its public half."""
        self.run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", f"{name}@example.com", "ed25519", "sign")
        file = Path(self.env["GNUPGHOME"]) / f"{name}.gpg"
        file.write_bytes(self.run("gpg", "--export", f"{name}@example.com"))
        return file


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    made = Keys(tmp_path / "keys")
    yield made
    made.run("gpgconf", "--kill", "all")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory and the address of a web server that shows it."""
    directory = tmp_path / "signatures"
    directory.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield directory, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def places(directory: Path, read: str, write: Path) -> Path:
    """A registries.d: where signatures are read, and where they are written."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "default.yaml").write_text(f"default-docker:\n  lookaside: {read}\n  lookaside-staging: file://{write}\n")
    return directory


def signed_by(host: Host, key: Path, **more: object) -> None:
    requirement = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": str(key), **more}
    host.signature_policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {"": [requirement]}}}))


@pytest.mark.parametrize("by_web", [False, True])
def test_signed_images(
    by_web: bool, module: Run, host: Host, store: ImageStore, registry: Registry, layout: Path, keys: Keys, served: tuple[Path, str], tmp_path: Path
) -> None:
    directory, address = served
    host.state_dir.mkdir(exist_ok=True)
    right, wrong = keys.make("right"), keys.make("wrong")
    staging = places(tmp_path / "staging", f"file://{directory}", directory)
    reference = f"{registry.address}/signed-{by_web}/web:1".lower()
    sign = ["--dest-tls-verify=false", "--sign-by", "right@example.com"]
    keys.run("skopeo", "--registries.d", str(staging), "copy", "--quiet", *sign, f"oci:{layout}:web", f"docker://{reference}")

    # Where signatures are is not known yet: there is none.
    signed_by(host, right)
    result = module("image", name=reference, tls_verify=False, fails=True)
    assert result["error"] == "SignatureRefused"
    assert "no signature exists" in result["msg"]
    places(host.signature_places, address if by_web else f"file://{directory}", directory)
    for key, more in ((wrong, {}), (right, {"signedIdentity": {"type": "exactReference", "dockerReference": f"{registry.address}/other:1"}})):
        signed_by(host, key, **more)
        result = module("image", name=reference, tls_verify=False, fails=True)
        assert (result["error"], bool(result["remedy"])) == ("SignatureRefused", True)
        assert "is not accepted" in result["msg"] or "Invalid GPG signature" in result["msg"], result["msg"]
    assert store.list() == ()
    signed_by(host, right)
    assert module("image", name=reference, tls_verify=False)["changed"]
    # Another image under the same name is not what was signed.
    registry.push(layout, "app", reference.partition("/")[2])
    result = module("image", name=reference, tls_verify=False, pull="always", fails=True)
    assert result["error"] == "SignatureRefused"
    assert "no signature exists" in result["msg"]
    # What the key has signed may not stand under another name.
    moved = registry.push(layout, "web", f"moved-{by_web}/web:1".lower())
    assert module("image", name=moved, tls_verify=False, fails=True)["error"] == "SignatureRefused"
