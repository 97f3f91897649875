# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files that a container sends: what is honest arrives, what is hostile does not."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._file_copy import name_of
from ansible_collections.hyper.pods.plugins.module_utils._file_tree import ENTRY, Attribute, BadTree, Entry
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_compare import Describer, Description, differing
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_receive import Receiver
from ansible_collections.hyper.pods.plugins.module_utils._file_tree_send import Stream, pieces

from hyperstart._cli_copy import Place, place
from tests.support.trees import describe, make_tree

DIRECTORY, FILE, LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


def entry(mode: int, path: str = "", content: bytes = b"", **more: object) -> bytes:
    data = ENTRY.encode(Entry(mode, 0, 0, 10**18, path, len(content), **more))  # type: ignore[arg-type]
    return struct.pack("<I", len(data)) + data + content


ROOT, END = entry(DIRECTORY), bytes(4)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a tree is to come to, and beside it what must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("mine")
    return tmp_path / "target"


def receive(target: Path, *stream: bytes, step: int = 1 << 20) -> list[str]:
    complaints: list[str] = []
    with Receiver(str(target), complaints.append) as receiver:
        data = b"".join(stream)
        for start in range(0, len(data), step):
            receiver.feed(data[start : start + step])
        assert receiver.ended
    return complaints


@pytest.mark.parametrize(
    "stream",
    [
        [ROOT, entry(FILE, "../outside/file", b"x")],
        [ROOT, entry(FILE, "/tmp/hostile", b"x")],
        [ROOT, entry(FILE, "..", b"x")],
        [ROOT, entry(DIRECTORY, "a/..")],
        [ROOT, entry(DIRECTORY, ".")],
        [ROOT, entry(DIRECTORY, "a"), entry(FILE, "a/../../outside/file", b"x")],
        [ROOT, entry(DIRECTORY, "a"), entry(FILE, "a//x", b"x")],
        [ROOT, entry(LINK, "way", target="../outside"), entry(FILE, "way/file", b"x")],
        [ROOT, entry(LINK, "way", target="../outside"), entry(DIRECTORY, "way"), entry(FILE, "way/file", b"x")],
        [ROOT, entry(DIRECTORY, "way"), entry(LINK, "way", target="../outside"), entry(FILE, "way/file", b"x")],
        [ROOT, entry(LINK, "way", target="../outside/file"), entry(FILE, "copy", same="way")],
        [ROOT, entry(FILE, "copy", same="../outside/file")],
        [ROOT, entry(LINK, "way", target="../outside"), entry(DIRECTORY, "way", leave=True)],
        [ROOT, entry(DIRECTORY, "../outside", leave=True)],
        [entry(LINK, target="outside"), entry(FILE, "file", b"x")],
        [entry(LINK, target="outside/file"), entry(FILE, "", b"x")],
        [entry(FILE, "file", b"x")],
        [struct.pack("<I", 1 << 30)],
        [struct.pack("<I", 6) + b"\xff" * 6],
        [ROOT, entry(FILE, "nulX").replace(b"X", b"\0")],
        [ROOT, entry(LINK, "nul", target="X").replace(b"X", b"\0")],
    ],
)
def test_nothing_leads_out(target: Path, stream: list[bytes]) -> None:
    before = describe(target.parent / "outside")
    with pytest.raises(HyperError):
        receive(target, *stream, END)
    assert describe(target.parent / "outside") == before
    assert not Path("/tmp/hostile").exists()


def test_a_file_that_is_in_the_way_is_replaced_and_not_written_through(target: Path) -> None:
    target.mkdir()
    (target / "file").symlink_to("../outside/file")
    os.link(target.parent / "outside/file", target / "same")
    assert receive(target, ROOT, entry(FILE, "file", b"new"), entry(FILE, "same", b"newer"), entry(DIRECTORY, leave=True), END) == []
    assert ((target / "file").read_text(), (target / "same").read_text()) == ("new", "newer")
    assert (target.parent / "outside/file").read_text() == "mine"


@pytest.mark.parametrize("there", ["link", "file", "directory"])
def test_a_directory_is_only_merged_with_a_directory(target: Path, there: str) -> None:
    target.mkdir()
    if there == "link":
        (target / "x").symlink_to("../outside")
    elif there == "file":
        (target / "x").write_text("")
    else:
        (target / "x").mkdir()
    wanted = entry(FILE, "x") if there == "directory" else entry(DIRECTORY, "x")
    with pytest.raises(BadTree, match="is a directory"):
        receive(target, ROOT, wanted, END)


def test_nothing_that_gives_rights_is_made(target: Path) -> None:
    complaints = receive(
        target,
        ROOT,
        entry(
            stat.S_IFREG | 0o6755, "suid", b"x", attributes=(Attribute("security.capability", b"\1"), Attribute("trusted.x", b"1"), Attribute("user.x", b"1"))
        ),
        entry(stat.S_IFBLK | 0o666, "disk", device=8 << 32),
        entry(stat.S_IFIFO | 0o666, "pipe"),
        entry(stat.S_IFDIR | 0o7777, leave=True),
        END,
    )
    assert complaints == ["'disk': devices and pipes stay in the container", "'pipe': devices and pipes stay in the container"]
    assert [path.name for path in target.iterdir()] == ["suid"]
    assert oct((target / "suid").stat().st_mode) == "0o100755"
    assert set(os.listxattr(target / "suid")) <= {"user.x"}
    assert oct(target.stat().st_mode) == "0o41777"


@pytest.mark.parametrize("step", [1, 7, 65536])
def test_what_is_sent_arrives_in_whatever_pieces(tmp_path: Path, step: int) -> None:
    make_tree(tmp_path / "tree", 60 if step < 100 else 600, attributes=False)
    (tmp_path / "tree/big").write_bytes(b"x" * 3000)
    complaints: list[str] = []
    assert receive(tmp_path / "copy", *pieces(str(tmp_path / "tree"), complaints.append), step=step) == complaints == []
    assert describe(tmp_path / "copy") == describe(tmp_path / "tree")


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 200_000)
    complaints: list[str] = []
    stream = pieces(str(tmp_path / "file"), complaints.append)
    first = next(stream)
    (tmp_path / "file").write_bytes(b"")
    assert receive(tmp_path / "copy", first, *stream) == []
    assert complaints == [f"{tmp_path / 'file'}: has become shorter while it was read"]
    assert (tmp_path / "copy").stat().st_size == 200_000


def test_a_stream_is_read_as_a_file() -> None:
    stream = Stream(iter([b"abc", b"", b"de"]))
    assert [stream.read(2), stream.read(2), stream.read(9), stream.read(1)] == [b"ab", b"c", b"de", b""]


@pytest.mark.parametrize(
    ("text", "wanted", "name"),
    [
        ("web:/etc/hosts", Place("/etc/hosts", "web"), "hosts"),
        ("web/nginx:etc/", Place("/etc/", "web", "nginx"), "etc"),
        ("web:/srv/.", Place("/srv/.", "web"), ""),
        ("web:/", Place("/", "web"), ""),
        ("web:/a:b", Place("/a:b", "web"), "a:b"),
        ("./a:b", Place("./a:b"), "a:b"),
        ("/a:b", Place("/a:b"), "a:b"),
        ("..", Place(".."), ""),
        ("file", Place("file"), "file"),
    ],
)
def test_places(text: str, wanted: Place, name: str) -> None:
    assert (place(text), name_of(place(text).path)) == (wanted, name)


def described(stream: bytes, **how: bool) -> Description:
    describer = Describer(**how)
    for start in range(0, len(stream), 1000):
        describer.feed(stream[start : start + 1000])
    assert describer.ended
    return describer.files


def test_a_copy_of_a_tree_is_the_same_and_what_differs_is_told(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", 100, attributes=False)
    stream = b"".join(pieces(str(tmp_path / "tree"), pytest.fail))
    receive(tmp_path / "copy", stream)
    wanted = described(stream, received=True)

    def present() -> Description:
        return described(b"".join(pieces(str(tmp_path / "copy"), pytest.fail)))

    assert differing(wanted, present()) == []
    (tmp_path / "copy/more").write_text("of its own")
    # Only the time of the directory.
    assert differing(wanted, present()) == [""]
    (tmp_path / "copy/link").unlink()
    (tmp_path / "copy/broken").unlink()
    (tmp_path / "copy/broken").symlink_to("somewhere")
    with (tmp_path / "copy/name plain").open("r+") as file:
        file.write("P")
    assert differing(wanted, present()) == ["", "broken", "link", "name plain"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (entry(FILE | 0o4000, "", b"x"), entry(FILE, "", b"x"), True),
        (entry(FILE, "", b"x"), entry(FILE, "", b"y"), False),
        (entry(FILE, "", b"x"), entry(FILE, "", b"x", attributes=(Attribute("security.capability", b"x"),)), True),
        (entry(FILE, "", b"x"), entry(FILE, "", b"x", attributes=(Attribute("user.colour", b"x"),)), False),
        (ROOT + entry(stat.S_IFIFO | 0o600, "pipe"), ROOT, True),
        (entry(LINK, "", target="a"), entry(LINK, "", target="b"), False),
    ],
)
def test_what_a_receiver_leaves_behind_makes_no_difference(one: bytes, other: bytes, same: bool) -> None:
    assert (described(one + END, received=True) == described(other + END, received=True)) is same


def test_the_names_of_one_file_come_in_any_order() -> None:
    one, two = entry(FILE, "one", b"x"), entry(FILE, "two", same="one")
    assert described(ROOT + one + two + END) == described(ROOT + entry(FILE, "two", b"x") + entry(FILE, "one", same="two") + END)
    assert described(ROOT + one + two + END) != described(ROOT + one + entry(FILE, "two", b"x") + END)
