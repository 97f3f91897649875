# SPDX-License-Identifier: GPL-3.0-or-later
"""mountPropagation: what a privileged container mounts in a volume appears where it is to, and nowhere else."""

from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._launch import Mount, Volume

from tests.support.init import SUCCEEDED, Init


@pytest.mark.parametrize("kind", ["scratch", "tmpfs"])
def test_mounts_within_a_volume(sanitized: Init, kind: str) -> None:
    volumes = (Volume("v", kind), Volume("other", kind))  # type: ignore[arg-type]
    giver = sanitized.sleeper("giver", privileged=True, mounts=(Mount("v", "/v", propagation="Bidirectional"), Mount("other", "/other")))
    second = sanitized.sleeper("second", privileged=True, mounts=(Mount("v", "/v", propagation="Bidirectional"),))
    taker = sanitized.sleeper(
        "taker", privileged=True, mounts=(Mount("v", "/v", propagation="HostToContainer"), Mount("v", "/part", "sub", propagation="HostToContainer"))
    )
    apart = sanitized.sleeper("apart", mounts=(Mount("v", "/v"), Mount("other", "/other")))
    with sanitized.pod(giver, second, taker, apart, volumes=volumes) as pod:
        pod.until_running()

        def seen(container: str, path: str) -> bool:
            return pod.exec(container, "test", "-e", path).code == 0

        pod.shell("giver", "mkdir -p /v/a /v/sub/b; for d in /v/a /v/sub/b /other; do mount -t tmpfs tmpfs $d; touch $d/file; done")
        assert [seen(name, "/v/a/file") for name in ("giver", "second", "taker", "apart")] == [True, True, True, False]
        assert [seen(name, path) for name, path in (("taker", "/part/b/file"), ("taker", "/v/sub/b/file"), ("apart", "/other/file"))] == [True, True, False]
        # What a container that only follows mounts stays its own.
        pod.shell("taker", "mkdir /v/c; mount -t tmpfs tmpfs /v/c; touch /v/c/file")
        assert [seen(name, "/v/c/file") for name in ("taker", "giver", "apart")] == [True, False, False]

        # Those that come later find what is mounted; those that go take nothing along.
        follower = sanitized.sleeper("follower", mounts=(Mount("v", "/v", propagation="HostToContainer"),))
        alone = sanitized.sleeper("alone", mounts=(Mount("v", "/v", readonly=True),))
        pod.update(giver, taker, apart, follower, alone, volumes=volumes)
        pod.until(lambda status: sorted(item.name for item in status.containers if item.ready) == ["alone", "apart", "follower", "giver", "taker"])
        assert [seen(name, "/v/a/file") for name in ("giver", "taker", "follower", "alone")] == [True] * 4
        assert pod.exec("alone", "touch", "/v/a/new").code != 0
        pod.shell("giver", "umount /v/a")
        assert [seen(name, "/v/a/file") for name in ("giver", "taker", "follower", "alone")] == [False, False, False, True]
        assert pod.stop() == SUCCEEDED


def test_a_volume_with_propagation_goes_live(init: Init) -> None:
    volumes = (Volume("v", "scratch"),)
    giver = init.sleeper("giver", privileged=True, mounts=(Mount("v", "/v", propagation="Bidirectional"),))
    with init.pod(init.sleeper("app"), giver, volumes=volumes) as pod:
        pod.until_running()
        pod.shell("giver", "mkdir /v/a; mount -t tmpfs tmpfs /v/a; touch /v/file")
        for names in (["app"], ["app", "giver"]):
            pod.update(init.sleeper("app"), *([giver] if "giver" in names else []), volumes=volumes if "giver" in names else ())
            pod.until(lambda status, names=names: [(item.name, item.ready) for item in status.containers] == [(name, True) for name in names])  # type: ignore[misc]
        assert pod.shell("giver", "ls -A /v") in ("", "a\nfile\n")
        assert pod.stop() == SUCCEEDED
