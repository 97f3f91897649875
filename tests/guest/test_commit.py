# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container changed becomes an image: commit, push, pull, run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.pods import PodHost, manifest, sh
from tests.support.registry import Registry, registry

__all__ = ["registry"]

pytestmark = pytest.mark.guest

_CHANGES = """
rm /data/seed
rm -r /home && mkdir /home && echo moved > /home/here
rm /bin/ipc && mkdir /bin/ipc
echo text > /srv/text && chown 1000:50 /srv/text && chmod 4750 /srv/text && ln /srv/text /srv/again && ln -s text /srv/link
mkfifo /srv/pipe
mkdir /many && cd /many && i=0; while [ $i -lt 400 ]; do : > "a-name-that-is-long-enough-for-an-index-$i"; i=$((i + 1)); done
head -c 3000000 /dev/urandom > /srv/large && sha256sum < /srv/large > /srv/large.sum
dd if=/srv/large of=/srv/holes bs=1000 seek=4000 count=1 2>/dev/null
echo kept > /volume/file
touch /tmp/done
"""
_SEEN = """
test ! -e /data/seed
test "$(ls /home)" = here && test "$(cat /home/here)" = moved
test -d /bin/ipc && test -z "$(ls /bin/ipc)"
test "$(stat -c '%u:%g %a %h' /srv/text)" = "1000:50 4750 2" && test "$(readlink /srv/link)" = text && test -p /srv/pipe
test "$(ls /many | wc -l)" = 400
test "$(sha256sum < /srv/large)" = "$(cat /srv/large.sum)"
test "$(stat -c %s /srv/holes)" = 4001000 && test "$(head -c 4000000 /srv/holes | tr -d '\\0' | wc -c)" = 0
test ! -e /volume/file
test -x /bin/busybox
echo "$MARK"
"""


@pytest.fixture
def gone(pods: PodHost) -> Iterator[None]:
    yield
    pods.pod("commit", "committed", state="absent", grace_period=0)


def test_commit_push_pull_run(pods: PodHost, registry: Registry, gone: None) -> None:
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    main = {"name": "main", "volumeMounts": [{"name": "v", "mountPath": "/volume"}]}
    pods.pod(manifest("commit", main, {"name": "other"}, **volume))
    pods.shell("commit", "main", _CHANGES)
    args = {"pod": "commit", "container": "main", "name": "changed", "changes": ["ENV MARK=committed"]}
    assert pods.module("image_commit", fails=True, **args)["error"] == "PodRuns"
    pods.pod("commit", state="stopped")
    assert pods.module("image_commit", fails=True, pod="commit", name="x")["error"] == "ContainerUnclear"

    # First in check mode, then for real; each again.
    before = sorted(os.listdir(pods.host.images_dir / "blobs/sha256"))
    would = [pods.module("image_commit", check=True, **args) for _ in range(2)]
    assert [result["changed"] for result in would] == [True, True]
    assert sorted(os.listdir(pods.host.images_dir / "blobs/sha256")) == before
    done = pods.module("image_commit", **args)
    assert done["changed"]
    assert done["images"][0]["id"] == would[0]["images"][0]["id"]
    assert [pods.module("image_commit", check=check, **args)["changed"] for check in (True, False)] == [False, False]
    # What changes is seen.
    assert pods.module("image_commit", check=True, **{**args, "changes": ["ENV MARK=other"]})["changed"]

    (image,) = pods.module("image_info", name=["changed"])["images"]
    assert len(image["layers"]) == 2
    assert image["layers"][0] == pods.module("image_info", name=["tools"])["images"][0]["layers"][0], "one layer on top of those that there were"
    assert image["created"][:4] == time.strftime("%Y", time.gmtime())
    target = f"{registry.address}/commit/changed:1"
    assert pods.module("image", name="changed", state="pushed", destination=target, tls_verify=False)["changed"]
    pods.module("image", name="changed", state="absent")
    pods.module("image", name=target, tls_verify=False)
    assert ImageStore(pods.host).require(target).id == image["id"]
    pods.pod(manifest("committed", {"name": "main", "image": target, "imagePullPolicy": "IfNotPresent", "command": sh(f"set -e; {_SEEN}")}), wait="completed")
    log = pods.log("committed")
    assert pods.info("committed")["phase"] == "Succeeded", log
    assert " committed" in log
    pods.pod("committed", state="absent")
    pods.module("image", name=target, state="absent")


def test_a_container_that_never_ran(pods: PodHost, gone: None) -> None:
    pods.pod(manifest("commit", {"name": "main"}), state="present")
    result = pods.module("image_commit", pod="commit", name="x", fails=True)
    assert (result["error"], bool(result["remedy"])) == ("NothingWritten", True)
    assert pods.module("image_commit", pod="nosuch", name="x", fails=True)["error"] == "PodNotFound"
