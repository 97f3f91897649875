# SPDX-License-Identifier: GPL-3.0-or-later
"""Real images of real services, from Debian packages: nginx, redis and two helpers, on one base that they share.

Built by mmdebstrap and buildah once (about two minutes), kept in ``.cache`` under the hash of the recipe.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.support.registry import Registry

CACHE = Path(__file__).resolve().parents[2] / ".cache/test-images"
SUITE = "bookworm"


@dataclass(frozen=True)
class Service:
    """An image: packages on top of the base, shell commands after them, and its config."""

    packages: tuple[str, ...]
    commands: tuple[str, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)


SERVICES = {
    "nginx": Service(
        ("nginx-light",),
        ("ln -sf /dev/stdout /var/log/nginx/access.log", "ln -sf /dev/stderr /var/log/nginx/error.log", "rm -rf /usr/share/doc /usr/share/man"),
        {"cmd": '["nginx", "-g", "daemon off;"]', "port": "80/tcp", "stop-signal": "SIGQUIT"},
    ),
    "redis": Service(
        ("redis-server",),
        ("rm -rf /usr/share/doc",),
        {"cmd": '["redis-server", "--bind", "127.0.0.1", "--dir", "/var/lib/redis"]', "port": "6379/tcp", "user": "redis", "workingdir": "/var/lib/redis"},
    ),
    "client": Service(("redis-tools", "curl"), (), {"cmd": '["sleep", "infinity"]', "env": "ROLE=client"}),
    "worker": Service(
        ("procps", "iputils-ping"),
        (),
        {"entrypoint": '["sh", "-c"]', "cmd": '["while :; do echo worker sees $(ps -e | wc -l) processes; sleep 1; done"]'},
    ),
}


def services_layout() -> Path:
    """An OCI layout with a tag for each of SERVICES."""
    recipe = json.dumps([SUITE, "gzip", {name: asdict(service) for name, service in SERVICES.items()}], sort_keys=True)
    layout = CACHE / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layout.exists():
            work = CACHE / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                _build(work, work / "layout")
                (work / "layout").rename(layout)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return layout


def push_services(registry: Registry) -> dict[str, str]:
    """Push all of SERVICES; returns name → reference."""
    layout = services_layout()
    return {name: registry.push(layout, name, f"services/{name}:1") for name in SERVICES}


def _build(work: Path, layout: Path) -> None:
    base = work / "base.tar"
    _run(["mmdebstrap", "--quiet", "--variant=minbase", SUITE, str(base)])
    storage = ["--root", str(work / "storage"), "--runroot", str(work / "run"), "--storage-driver", "overlay"]

    def buildah(command: str, *arguments: str) -> str:
        return _run(["buildah", *storage, command, *arguments])

    try:
        container = buildah("from", "scratch")
        buildah("add", container, str(base), "/")
        buildah("commit", "--quiet", container, "localhost/base")
        for name, service in SERVICES.items():
            container = buildah("from", "localhost/base")
            script = " && ".join(
                (
                    # A daemon's package must not start it here.
                    "printf 'exit 101' > /usr/sbin/policy-rc.d",
                    "chmod 755 /usr/sbin/policy-rc.d",
                    "export DEBIAN_FRONTEND=noninteractive",
                    "apt-get -qq update",
                    f"apt-get -qq install --no-install-recommends {' '.join(service.packages)}",
                    "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*.log",
                    *service.commands,
                )
            )
            # A daemon's package must not start it here.
            buildah(
                "run", "--isolation", "chroot", container, "sh", "-ec", f"printf 'exit 101' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; {script}"
            )
            buildah("config", *(f"--{key}={value}" for key, value in service.config.items()), container)
            # Compressed here, once, and not at each push.
            buildah("commit", "--quiet", "--disable-compression=false", container, f"oci:{layout}:{name}")
    finally:
        _run(["buildah", *storage, "rm", "--all"])


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr[-2000:]}"
    return done.stdout.strip()
