# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files into containers and out of them, by hyperstart itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._control import ExecFailed, ExecResult
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_receive import Receiver
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_send import Stream, pieces

from tests.support.init import PATIENCE, Init, Pod
from tests.support.trees import describe, make_tree


@pytest.fixture(scope="module")
def pod(sanitized: Init) -> Iterator[Pod]:
    with sanitized.pod(sanitized.sleeper("root"), sanitized.sleeper("app", user="app", readonly_rootfs=True)) as pod:
        pod.until_running()
        yield pod


def put(pod: Pod, source: Path, *place: str, container: str = "root") -> ExecResult:
    complaints: list[str] = []
    with pod.control() as control:
        result = control.exec(container, place, tree=tag.TREE_RECEIVE, stdin=Stream(pieces(str(source), complaints.append)), timeout=PATIENCE)
    assert complaints == []
    return result


def get(pod: Pod, path: str, target: Path, *, container: str = "root") -> tuple[ExecResult, list[str]]:
    complaints: list[str] = []
    with pod.control() as control, Receiver(str(target), complaints.append) as receiver:
        result = control.exec(container, [path], tree=tag.TREE_SEND, on_stdout=receiver.feed, timeout=PATIENCE)
    assert receiver.ended == (result.code == 0)
    return result, complaints


@pytest.mark.slow
def test_a_tree_of_ten_thousand_files_comes_back_as_it_was(pod: Pod, tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", 10_000, attributes=False)
    assert put(pod, tmp_path / "tree", "/data", "tree") == ExecResult(0)
    assert int(pod.shell("root", "find /data/tree | wc -l").split()[0]) > 10_000
    assert get(pod, "/data/tree", tmp_path / "back") == (ExecResult(0), [])
    assert describe(tmp_path / "back") == describe(tmp_path / "tree")
    # And over what is there.
    assert put(pod, tmp_path / "back", "/data", "tree") == ExecResult(0)
    assert get(pod, "/data/tree/.", tmp_path / "back") == (ExecResult(0), [])
    assert describe(tmp_path / "back") == describe(tmp_path / "tree")
    pod.shell("root", "rm -rf /data/tree")


def test_where_a_file_comes_to(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    assert put(pod, tmp_path / "file", "/data", "name") == ExecResult(0)
    assert put(pod, tmp_path / "file", "/data/other", "name") == ExecResult(0)
    assert pod.shell("root", "cd /data && cat name other && ln -s /data/name link && ln -s /data /tmp/way") == "oneone"
    (tmp_path / "file").write_text("two")
    # A link that is in the way is replaced, not followed; one that was named leads on.
    assert put(pod, tmp_path / "file", "/data", "link") == ExecResult(0)
    assert put(pod, tmp_path / "file", "/tmp/way", "third") == ExecResult(0)
    assert pod.shell("root", "cd /data && cat name link third; test -L link || echo file") == "onetwotwofile\n"
    assert put(pod, tmp_path / "file", "/data/nosuch/file") == ExecResult(1, b"", b"/data/nosuch/file: No such file or directory\n")
    assert put(pod, tmp_path / "file", "/data", "../tmp").code == 1
    assert get(pod, "/data/third", tmp_path / "third") == (ExecResult(0), [])
    assert (tmp_path / "third").read_text() == "two"


def test_what_cannot_be_had(pod: Pod, tmp_path: Path) -> None:
    result, _ = get(pod, "/nosuch", tmp_path / "x")
    assert (result.code, result.stderr) == (1, b"/nosuch: No such file or directory\n")
    (tmp_path / "file").write_text("one")
    assert put(pod, tmp_path / "file", "/file", container="app") == ExecResult(1, b"", b"/file: Read-only file system\n")
    assert get(pod, "/etc/passwd", tmp_path / "passwd", container="app") == (ExecResult(0), [])


def test_devices_pipes_and_set_user_id_stay(pod: Pod, tmp_path: Path) -> None:
    pod.shell("root", "mkdir /tmp/odd; cd /tmp/odd; mkfifo pipe; cp /bin/busybox suid; chmod 6755 suid; mknod null c 1 3 || true")
    _, complaints = get(pod, "/tmp/odd", tmp_path / "odd")
    assert "'pipe': devices and pipes stay in the container" in complaints
    assert [path.name for path in (tmp_path / "odd").iterdir()] == ["suid"]
    assert oct((tmp_path / "odd/suid").stat().st_mode) == "0o100755"


def test_what_goes_in_keeps_set_user_id_and_pipes(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/suid").write_text("x")
    (tmp_path / "in/suid").chmod(0o6755)
    os.mkfifo(tmp_path / "in/pipe")
    assert put(pod, tmp_path / "in", "/tmp/in") == ExecResult(0)
    assert pod.shell("root", "stat -c '%a %F' /tmp/in/suid /tmp/in/pipe") == "6755 regular file\n644 fifo\n"


def test_a_stream_that_ends_in_the_middle_is_told(pod: Pod) -> None:
    with pod.control() as control:
        result = control.exec("root", ["/tmp/half"], tree=tag.TREE_RECEIVE, stdin=b"\x10\0", timeout=PATIENCE)
        assert (result.code, result.stderr) == (1, b"/tmp/half: what was sent ended in the middle\n")
        garbage = control.exec("root", ["/tmp/half"], tree=tag.TREE_RECEIVE, stdin=b"\x06\0\0\0" + b"\xff" * 600, timeout=PATIENCE)
        assert garbage.code == 1
        with pytest.raises(ExecFailed, match="a tree is sent or received"):
            control.exec("root", ["/tmp/half"], tree=7, timeout=PATIENCE)
