# SPDX-License-Identifier: GPL-3.0-or-later
"""Real registries on loopback: one that speaks plain HTTP, one with TLS from a CA of its own and passwords."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")
USER, PASSWORD = "tester", "correct horse battery staple"


@dataclass(frozen=True)
class Registry:
    """A registry that runs. address: HOST:PORT; log: what it says; authfile: credentials that it takes; ca: the certificate of its CA."""

    address: str
    log: Path
    authfile: Path | None = None
    ca: Path | None = None

    def push(self, layout: Path, tag: str, name: str) -> str:
        """Copy an image of an OCI layout to the registry; returns its reference."""
        reference = f"{self.address}/{name}"
        access = ["--dest-authfile", str(self.authfile)] if self.authfile else []
        argv = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", *access, f"oci:{layout}:{tag}", f"docker://{reference}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return reference

    def fetches(self, digest: str) -> int:
        """How often a blob was asked for until now."""
        return sum(1 for line in self.log.read_text().splitlines() if "http.request.method=GET" in line and f"/blobs/{digest}" in line and "completed" in line)

    def trust(self, home: Path) -> None:
        """Make programs that run with this HOME trust the registry's CA."""
        assert self.ca is not None
        directory = home / ".config/containers/certs.d" / self.address
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "ca.crt").write_bytes(self.ca.read_bytes())


@contextlib.contextmanager
def running(directory: Path, *, secure: bool = False) -> Iterator[Registry]:
    """A docker-registry that keeps its images in ``directory``, on a port that the kernel chose; ended with the block."""
    directory.mkdir(parents=True, exist_ok=True)
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", **({"tls": _certificate(directory)} if secure else {})},
    }
    if secure:
        entry = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], capture_output=True, text=True, check=True).stdout
        (directory / "htpasswd").write_text(entry)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "htpasswd")}}
    (directory / "config.yml").write_text(json.dumps(config))
    log = directory / "log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            ["docker-registry", "serve", str(directory / "config.yml")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
        ) as process,
    ):
        try:
            address = _address(process, log)
            authfile = directory / "auth.json"
            if secure:
                token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                authfile.write_text(json.dumps({"auths": {address: {"auth": token}}}))
                authfile.chmod(0o600)
            yield Registry(address, log, authfile if secure else None, directory / "ca.crt" if secure else None)
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path, limit: float = 20) -> str:
    """What the registry's log says once it listens."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := _LISTENING.search(log.read_text()):
            return found[1]
        assert process.poll() is None, f"docker-registry ended: {log.read_text()}"
        time.sleep(0.01)
    raise AssertionError(f"docker-registry does not listen after {limit} s: {log.read_text()}")


def _certificate(directory: Path) -> dict[str, str]:
    """A CA, and a certificate of it for 127.0.0.1."""
    ca, ca_key, certificate, key, request = (directory / name for name in ("ca.crt", "ca.key", "server.crt", "server.key", "server.csr"))
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    commands: tuple[list[str | Path], ...] = (
        ["req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=CA of the tests"],
        ["req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate],
    )
    for argv in commands:
        subprocess.run(["openssl", *argv], capture_output=True, check=True)
    return {"certificate": str(certificate), "key": str(key)}


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that speaks HTTP and asks for no password."""
    with running(tmp_path_factory.mktemp("registry")) as started:
        yield started


@pytest.fixture(scope="session")
def secure_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with TLS and passwords."""
    with running(tmp_path_factory.mktemp("secure-registry"), secure=True) as started:
        yield started
