# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that writes more into its layer than it may: its pod is evicted, as the kubelet does it."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.hyper.pods.plugins.module_utils._launch import Mount, Volume

from tests.support.init import FAILED, Init

MIB = 1 << 20


def excess(container: str, limit: str) -> str:
    return f'Container {container} exceeded its local ephemeral storage limit "{limit}". '


def test_the_pod_of_who_holds_too_much_is_evicted(sanitized: Init) -> None:
    script = "trap 'sleep 0.3; echo told; exit 0' TERM; head -c 3000000 /dev/zero > /data/file; while :; do sleep 0.02; done"
    app = sanitized.sh("app", script, restart_policy="Always", grace_period=600, storage_limit=2 * MIB)
    with sanitized.pod(sanitized.sleeper("other"), app) as pod:
        status = pod.until(lambda status: status.phase == "Stopping")
        assert (status.reason, status.message) == ("Evicted", excess("app", "2Mi"))
        assert pod.wait() == FAILED
        life = pod.life()
        assert (life.phase, life.cause, [item.exit_code for item in life.containers]) == ("Failed", "evicted", [0, 0])
        assert (life.status().reason, life.status().message) == (status.reason, status.message)
        assert pod.output("app") == b"told\n"


def test_what_counts_and_a_limit_that_is_lowered_while_it_runs(sanitized: Init) -> None:
    """Volumes, holes, what links lead to, further names of a file, and who has ended do not count; each container has a layer of its own."""
    volume = (Volume("scratch", "scratch", None),)
    frugal = replace(sanitized.sleeper("frugal"), storage_limit=4 * MIB, mounts=(Mount("scratch", "/scratch"),))
    holder = replace(sanitized.sleeper("holder"), storage_limit=(4 << 30) + 1)
    over = sanitized.sh("over", "head -c 3000000 /dev/zero > /data/file")
    with sanitized.pod(over, frugal, holder, volumes=volume) as pod:
        pod.until(lambda status: status.containers[0].state == "terminated")
        pod.until_running()
        pod.shell("frugal", "head -c 5000000 /dev/zero > /scratch/file; truncate -s 1G /data/hole; ln -s /scratch /data/link")
        pod.shell("frugal", "head -c 2500000 /dev/zero > /data/one; ln /data/one /data/two; mkdir -p /data/a/b; ln /data/one /data/a/b/three")
        pod.shell("holder", "mkdir -p /data/a/b; head -c 5000000 /dev/zero > /data/a/b/file")
        wanted = (replace(over, storage_limit=MIB), frugal, replace(holder, storage_limit=4_000_001))
        pod.update(*wanted, retune=["over", "holder"], volumes=volume)
        status = pod.until(lambda status: status.reason != "")
        assert (status.reason, status.message) == ("Evicted", excess("holder", "4000001"))
        assert pod.wait() == FAILED
