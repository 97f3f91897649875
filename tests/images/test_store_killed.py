# SPDX-License-Identifier: GPL-3.0-or-later
"""The store, when pulls are killed at any moment, and when they run side by side."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.store import layout, names, residue

__all__ = ["layout"]

# Killed at any moment


CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.utime", "os.truncate", "shutil.rmtree", "subprocess.Popen"}


def killed_at(point: int | None, pull: Callable[[], object]) -> int:
    """Run ``pull`` in a child that is killed (SIGKILL) just before its change ``point`` of the file system; None: count the changes and return them."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if event in CHANGES or writes:
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            pull()
        finally:
            os.write(writing, seen.to_bytes(4, "little"))
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        counted = int.from_bytes(pipe.read(), "little")
    _, status = os.waitpid(child, 0)
    assert point is not None or not os.WIFSIGNALED(status)
    return counted


def test_a_pull_that_is_killed_leaves_nothing_that_a_later_one_trusts(store: ImageStore, host: Host, layout: Path, tmp_path: Path) -> None:
    source = f"oci:{layout}:web"
    for _ in range(2):
        # The second time, when the store's directories are there.
        changes = killed_at(None, lambda: store.ensure("web", source=source))
        store.remove("web")
    assert changes > 40
    # Some on the way, and all at the end, where things become visible.
    for point in [*range(1, changes - 12, changes // 8), *range(changes - 12, changes + 1)]:
        killed_at(point, lambda: store.ensure("web", source=source))
        found = store.resolve("web")
        if found is not None:
            assert names(store, found.disk, tmp_path) == {"bin", "bin/sh", "web"}
            # What it leaves behind a finished image, the next pull clears away.
            store.remove("web")
        image, _ = store.ensure("web", source=source)
        assert names(store, image.disk, tmp_path) == {"bin", "bin/sh", "web"}
        assert residue(host) == []
        assert image.disk.stat().st_nlink == 1
        assert len(list((host.images_dir / "disks").iterdir())) == 1
        store.remove("web")


def test_a_pull_that_is_killed_while_skopeo_copies(store: ImageStore, host: Host, layout: Path, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        store.ensure("web", source=f"oci:{layout}:web", progress=lambda line: os.kill(os.getpid(), signal.SIGKILL) if ": layer " in line else None)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    image, changed = store.ensure("web", source=f"oci:{layout}:web")
    assert changed
    assert names(store, image.disk, tmp_path) == {"bin", "bin/sh", "web"}
    # skopeo holds the locks of the run that started it; when it has ended, the next pull clears up.
    with (host.images_dir / "blobs.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    store.ensure("app", source=f"oci:{layout}:app")
    assert residue(host) == []


def test_an_error_in_the_middle_leaves_nothing(store: ImageStore, host: Host, layout: Path) -> None:
    def fail(line: str) -> None:
        if "making its disk" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.ensure("web", source=f"oci:{layout}:web", progress=fail)
    assert residue(host) == []
    assert store.list() == ()


# Side by side


def test_two_pulls_of_one_image_wait_for_each_other(host: Host, layout: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: ImageStore(host).ensure("web", source=f"oci:{layout}:web"), range(4)))
    assert sorted(changed for _, changed in results) == [False, False, False, True]
    assert len({image for image, _ in results}) == 1
    assert residue(host) == []


def test_pulls_of_different_images_do_not_wait(host: Host, layout: Path) -> None:
    other_is_done, in_the_middle = threading.Event(), threading.Event()

    def hold(line: str) -> None:
        if "unpacking" in line:
            in_the_middle.set()
            assert other_is_done.wait(30)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(lambda: ImageStore(host).ensure("web", source=f"oci:{layout}:web", progress=hold))
        assert in_the_middle.wait(30)
        ImageStore(host).ensure("app", source=f"oci:{layout}:app")
        other_is_done.set()
        assert held.result()[1]
    assert residue(host) == []
