# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume in memory holds its files before a container sees it."""

from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._launch import File, Mount, Volume

from tests.support.init import SUCCEEDED, Init


def test_files_are_there_from_the_start(sanitized: Init) -> None:
    files = (File("a/b/c", b"one\x00\xff", 0o400), File("a/d", b"x" * 200000, 0o640), File("empty", b"", 0))
    script = "cd /data; stat -Lc '%n %a %s %g' a/b/c a/d empty; od -An -tx1 a/b/c"
    container = sanitized.sh("app", script, mounts=(Mount("data", "/data", readonly=True),))
    with sanitized.pod(container, volumes=(Volume("data", "tmpfs", group=70, files=files),)) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        said = pod.output("app").decode().splitlines()
    assert said[:3] == ["a/b/c 400 5 70", "a/d 640 200000 70", "empty 0 0 70"]
    assert said[3].split() == ["6f", "6e", "65", "00", "ff"]


@pytest.mark.parametrize("file", [File("../x"), File("/x"), File("a/../../x"), File("..x"), File("", b"x"), File("x", b"", 0o4755)])
def test_a_file_outside_of_the_volume_is_refused(init: Init, file: File) -> None:
    with init.pod(init.sh("app", "true"), volumes=(Volume("data", "tmpfs", files=(file,)),)) as pod:
        assert pod.wait() == 2


@pytest.mark.parametrize(("group", "wanted"), [(None, ["777", "0", "777"]), (70, ["2777", "70", "2777"])])
def test_what_is_missing_of_a_subpath_is_made_like_the_volume(init: Init, group: int | None, wanted: list[str]) -> None:
    script = "stat -c '%a %g' /data; touch /data/new; stat -c %a /whole/a"
    container = init.sh("app", script, user="1000:1001", mounts=(Mount("data", "/data", "a/b"), Mount("data", "/whole")))
    with init.pod(container, volumes=(Volume("data", "scratch", group=group),)) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        assert pod.output("app").decode().split() == wanted
