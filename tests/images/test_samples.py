# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample images in the store, and their programs in a root filesystem each, sharing what a pod shares."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from hyperstart.samples import make_samples
from tests.support.tree import opened


@pytest.fixture
def roots(store: ImageStore, tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, archive in make_samples(directory=tmp_path / "samples").items():
        image, _ = store.ensure(name, source=f"oci-archive:{archive}")
        assert image.config.entrypoint == ("/entrypoint",)
        (tmp_path / name).mkdir()
        with opened(image.disk, tmp_path / "mnt") as content:
            subprocess.run(["cp", "-a", f"{content}/.", str(tmp_path / name)], check=True)
        found[name] = tmp_path / name
    return found


def test_they_work_together_and_end_at_once(roots: dict[str, Path], tmp_path: Path) -> None:
    # A network of their own, as in a pod, whose ports 80 and 8000 are nobody else's.
    pod = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 60"], stdout=subprocess.PIPE, text=True)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        assert pod.stdout is not None
        assert pod.stdout.readline() == "up\n"

        def inside(name: str, *argv: str) -> list[str]:
            mount = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" env -i PATH=/bin INTERVAL=1 "$@"'
            return ["nsenter", f"--net=/proc/{pod.pid}/ns/net", "unshare", "--mount", "sh", "-c", mount, str(roots[name]), *argv]

        logs = {}
        for name in roots:
            logs[name] = tmp_path / f"{name}.log"
            with logs[name].open("wb") as log:
                processes.append(subprocess.Popen(inside(name, "/entrypoint"), stdout=log, stderr=log))

        def said(name: str, word: str) -> bool:
            deadline = time.monotonic() + 20
            while word not in (text := logs[name].read_text()):
                assert time.monotonic() < deadline, f"{name}: {text}"
                time.sleep(0.02)
            return True

        assert said("web", "listening on port 80")
        assert said("app", "listening on port 8000")
        assert said("log", "processes in the pod")
        assert said("cron", "cron: app is up for")
        page = subprocess.run(inside("web", "wget", "-q", "-O", "-", "http://127.0.0.1/"), capture_output=True, text=True, check=True).stdout
        assert "Hello from pod" in page
        assert "app says: up for" in page
        started = time.monotonic()
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(5) for process in processes] == [0, 0, 0, 0]
        assert time.monotonic() - started < 1
    finally:
        for process in processes:
            process.kill()
            process.wait()
        pod.kill()
        pod.wait()
