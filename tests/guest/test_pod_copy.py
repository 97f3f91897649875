# SPDX-License-Identifier: GPL-3.0-or-later
"""Files between a container and the host or the control node: in check mode and for real, first and again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.guest.test_playbooks import Playbooks, recap
from tests.support.pods import PodHost, manifest
from tests.support.trees import describe, make_tree

pytestmark = pytest.mark.guest

POD = "copied"


@pytest.fixture(scope="module", autouse=True)
def pod(pods: PodHost) -> Iterator[None]:
    pods.pod(
        manifest(
            POD,
            {"name": "app"},
            {"name": "other", "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}]},
            volumes=[{"name": "v", "emptyDir": {}}],
        )
    )
    yield
    pods.pod(POD, state="absent", grace_period=0)


def steps(pods: PodHost, copy: dict[str, Any], files: list[str] | None, look: Any) -> None:
    """Checked twice, done, checked and done again. files: what is told, None where that is many. look: what a check leaves as it is."""
    former = look()
    checks = [pods.module("pod_copy", pod=POD, **copy, check=True) for _ in range(2)]
    assert checks[0] == checks[1]
    assert (checks[0]["changed"], files in (None, checks[0]["files"]), look()) == (True, True, former)
    done = pods.module("pod_copy", pod=POD, **copy)
    assert done == checks[0]
    for check in (True, False):
        again = pods.module("pod_copy", pod=POD, **copy, check=check)
        assert (again["changed"], again["files"]) == (False, [])


def test_twelve_steps(pods: PodHost, tmp_path: Path) -> None:
    """A tree goes in and comes out, one of its files changes and does so again."""
    inside, back = tmp_path / "tree", tmp_path / "back"
    make_tree(inside, 200, attributes=False)
    back.mkdir()

    def there() -> str:
        return pods.shell(POD, "app", "find /data | wc -l; cat /data/tree/one 2>/dev/null || true")

    go_in, come_out = {"src": str(inside), "dest": "/data"}, {"src": "/data/tree", "dest": str(back), "direction": "out"}
    steps(pods, go_in, None, there)
    steps(pods, come_out, None, lambda: list(back.iterdir()))
    copied, wanted = describe(back / "tree"), describe(inside)
    # A bit that nobody is given.
    assert {name for name in wanted if wanted[name] != copied[name]} <= {name for name in wanted if int(str(wanted[name][0]), 8) & 0o6000}  # type: ignore[index]
    (inside / "one").write_text("changed")
    steps(pods, go_in, [".", "one"], there)
    steps(pods, come_out, [".", "one"], lambda: describe(back))
    # A file under another name, over one that is there.
    steps(pods, {"src": str(inside / "one"), "dest": "/data/renamed", "container": "other"}, ["."], lambda: pods.shell(POD, "other", "ls /data"))
    os.utime(inside / "one")
    steps(pods, {"src": str(inside / "one"), "dest": "/data/renamed", "container": "other"}, ["."], lambda: pods.shell(POD, "other", "ls -l /data"))
    # What is in a directory leads to the same each time.
    steps(pods, {"src": f"{inside}/.", "dest": "/data/new", "container": "other"}, None, lambda: pods.shell(POD, "other", "ls /data"))


@pytest.mark.parametrize(
    ("copy", "error"),
    [
        ({"src": "/nosuch", "dest": "/data"}, "BadTree"),
        ({"src": "/nosuch", "dest": "/tmp", "direction": "out"}, "BadTree"),
        ({"src": "etc", "dest": "/data"}, "NoPath"),
        ({"src": "/etc/hostname", "dest": "/data", "container": "nosuch"}, "ContainerNotFound"),
        ({"src": "/etc/hostname", "dest": "/v", "container": "other"}, "NotCopied"),
    ],
)
def test_what_cannot_be_copied(pods: PodHost, copy: dict[str, Any], error: str) -> None:
    assert pods.module("pod_copy", pod=POD, **copy, fails=True)["error"] == error


def test_by_the_playbooks(pods: PodHost, tmp_path: Path) -> None:
    """From this machine and to it, where it is the host, and where it is not."""
    (tmp_path / "site/css").mkdir(parents=True)
    (tmp_path / "site/index.html").write_text("hello")
    (tmp_path / "site/css/a.css").symlink_to("b.css")
    variables = {**{f"hyper_{key}": value for key, value in pods.arguments.items()}, "pod_name": POD}
    # "Far" is what the playbooks do where the host is not this machine.
    for far, source, target in (({}, "site/.", "/srv/near"), ({"near": False}, "site", "/srv")):
        play = Playbooks({**variables, **far})
        words = ["playbooks/copy_into_pod.yml", "-e", f"copy_source={tmp_path}/{source}", "-e", f"copy_target={target}"]
        assert recap(play(*words))["changed"] == 1, far
    assert recap(play(*words))["changed"] == 0
    assert pods.shell(POD, "app", "cat /srv/near/index.html /srv/site/index.html; readlink /srv/site/css/a.css") == "hellohellob.css"
    words = ["playbooks/copy_out_of_pod.yml", "-e", "copy_source=/srv/near/.", "-e", f"copy_target={tmp_path}/back"]
    changes = [recap(play(*words))["changed"] for _ in range(2)]
    assert (changes[0] > 0, changes[1]) == (True, 0)
    assert describe(tmp_path / "back") == describe(tmp_path / "site")
