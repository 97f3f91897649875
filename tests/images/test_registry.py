# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulls from real registries on loopback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _image_pull, _skopeo
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import (
    AuthenticationFailed,
    CredentialsMissing,
    ImageNotFound,
    RegistryUnavailable,
    TlsFailed,
    UnsupportedPlatform,
)
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._pull_secrets import auth_file

from tests.support.images import ARCHITECTURE, Layer, Member, digest, write_index, write_layout
from tests.support.registry import Registry, running
from tests.support.tree import opened

BASE = Layer.of([Member("base", bytes(1000))])


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    path = tmp_path / "layout"
    for name in ("web", "app"):
        write_layout(path, name, [BASE, Layer.of([Member(name, str(tmp_path).encode())])])
    return path


def test_a_pull_over_http_is_allowed_only_when_asked_for(registry: Registry, store: ImageStore, layout: Path) -> None:
    reference = registry.push(layout, "web", "http/web:1")
    with pytest.raises(TlsFailed, match="speaks HTTP"):
        store.ensure(reference)
    image, changed = store.ensure(reference, tls_verify=False)
    assert changed
    assert image.reference == reference
    assert store.ensure(reference) == (image, False), "what is in the store needs no registry"


def test_tls_and_credentials(secure_registry: Registry, store: ImageStore, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = secure_registry.push(layout, "web", "private/web:1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(TlsFailed, match="not trusted"):
        store.ensure(reference, authfile=secure_registry.authfile)
    secure_registry.trust(tmp_path / "home")
    with pytest.raises(AuthenticationFailed, match="authfile"):
        store.ensure(reference)
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"auths": {secure_registry.address: {"auth": "dGVzdGVyOndyb25n"}}}))
    with pytest.raises(AuthenticationFailed):
        store.ensure(reference, authfile=wrong)
    with pytest.raises(CredentialsMissing, match=r"/no/such\.json"):
        store.ensure(reference, authfile=Path("/no/such.json"))
    assert secure_registry.authfile
    secrets = json.loads(secure_registry.authfile.read_text())["auths"]
    with auth_file([secrets], None) as unnamed:
        assert store.compare(reference, policy="always", authfile=unnamed).offer
    assert store.ensure(reference, authfile=secure_registry.authfile)[1]


def test_without_verification_an_unknown_certificate_will_do(secure_registry: Registry, store: ImageStore, layout: Path) -> None:
    reference = secure_registry.push(layout, "web", "private/unverified:1")
    assert store.ensure(reference, authfile=secure_registry.authfile, tls_verify=False)[1]


@pytest.mark.parametrize("name", ["no/such/image:1", "found/web:nosuch", "found/web@sha256:" + "0" * 64])
def test_unknown_images(name: str, registry: Registry, store: ImageStore, layout: Path) -> None:
    registry.push(layout, "web", "found/web:1")
    with pytest.raises(ImageNotFound) as caught:
        store.ensure(f"{registry.address}/{name}", tls_verify=False)
    assert name in str(caught.value)


def test_a_registry_that_has_ended(store: ImageStore, layout: Path, tmp_path: Path) -> None:
    with running(tmp_path / "registry") as brief:
        reference = brief.push(layout, "web", "web:1")
    with pytest.raises(RegistryUnavailable):
        store.ensure(reference, tls_verify=False)


@pytest.mark.parametrize("hang_up", [True, False], ids=["hangs up", "never answers"])
def test_a_server_that_is_no_registry(hang_up: bool, store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_skopeo, "MANIFEST_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connections.append(connection)
                if hang_up:
                    connection.close()

        # A daemon: whatever fails here, nobody waits for it.
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            with pytest.raises(RegistryUnavailable):
                store.ensure(f"127.0.0.1:{server.getsockname()[1]}/x", tls_verify=False)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
    for connection in connections:
        connection.close()


def test_dockers_own_form_of_manifest(registry: Registry, store: ImageStore, layout: Path, tmp_path: Path) -> None:
    reference = f"{registry.address}/form:1"
    argv = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--format", "v2s2", f"oci:{layout}:web", f"docker://{reference}"]
    subprocess.run(argv, check=True, capture_output=True)
    image, _ = store.ensure(reference, tls_verify=False)
    with opened(image.disk, tmp_path / "mnt") as content:
        assert {path.name for path in content.iterdir()} == {"base", "web"}
    assert store.ensure(reference, policy="always", tls_verify=False) == (image, False)


def test_of_an_index_the_hosts_platform_is_taken(registry: Registry, store: ImageStore, layout: Path) -> None:
    write_layout(layout, "other", [BASE], {"Cmd": ["/other"]}, architecture="s390x")
    write_index(layout, "multi", [("s390x", "other"), (ARCHITECTURE, "web")])
    write_index(layout, "foreign", [("s390x", "other")])
    for tag in ("multi", "foreign"):
        argv = ["skopeo", "copy", "--quiet", "--all", "--dest-tls-verify=false", f"oci:{layout}:{tag}", f"docker://{registry.address}/index:{tag}"]
        subprocess.run(argv, check=True, capture_output=True)
    image, _ = store.ensure(f"{registry.address}/index:multi", tls_verify=False)
    assert image.config.architecture == ARCHITECTURE
    assert store.ensure(image.reference, policy="always", tls_verify=False) == (image, False)
    with pytest.raises(UnsupportedPlatform, match="made for linux/s390x, and this host is linux/"):
        store.ensure(f"{registry.address}/index:foreign", tls_verify=False)


def test_always_sees_that_a_tag_has_moved(registry: Registry, store: ImageStore, layout: Path) -> None:
    reference = registry.push(layout, "web", "moving:latest")
    first, _ = store.ensure(reference, tls_verify=False)
    assert store.ensure(reference, policy="always", tls_verify=False) == (first, False)
    registry.push(layout, "app", "moving:latest")
    assert store.ensure(reference, tls_verify=False) == (first, False)
    second, changed = store.ensure(reference, policy="always", tls_verify=False)
    assert changed
    assert second.id != first.id
    pinned, _ = store.ensure(f"{registry.address}/moving@{first.digest}", tls_verify=False)
    assert pinned.id == first.id


def test_layers_that_images_share_are_fetched_once(registry: Registry, host: Host, tmp_path: Path) -> None:
    shared = Layer.of([Member("shared", str(tmp_path).encode() * 100)])
    references = []
    for name in ("one", "two", "three"):
        write_layout(tmp_path / "layout", name, [shared, Layer.of([Member(name, str(tmp_path).encode())])])
        references.append(registry.push(tmp_path / "layout", name, f"shared/{name}"))

    def pull(reference: str) -> bool:
        return ImageStore(host).ensure(reference, tls_verify=False)[1]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(pull, references[:2])) == [True] * 2
    # And by an image that comes later: they are kept.
    assert pull(references[2])
    assert registry.fetches(digest(shared.blob)) == 1


def test_progress_tells_of_each_layer(registry: Registry, store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_image_pull, "_LOOK", 0.001)
    layers = [Layer.of([Member(f"f{number}", os.urandom(2_000_000))]) for number in range(3)]
    write_layout(tmp_path / "layout", "large", layers)
    lines: list[str] = []
    reference = registry.push(tmp_path / "layout", "large", "progress/large:1")
    store.ensure(reference, tls_verify=False, progress=lines.append)
    begun = [line for line in lines if ": layer " in line]
    assert len(begun) == 3
    assert all("2.0 MB" in line for line in begun)
    counted = [line for line in lines if line.endswith("are here")]
    assert counted, lines
    assert all(re.fullmatch(rf"{re.escape(reference)}: [123] of 3 layers \([246]\.0 MB of 6\.0 MB\) are here", line) for line in counted), counted
