# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container sees of layers, and what no layer may do. (Against umoci: test_fidelity.py.)"""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _layers
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage
from ansible_collections.hyper.pods.plugins.module_utils._rootfs import OutOfBudget

from tests.support.images import Layer, Member, directory, hard_link, symlink, tar
from tests.support.nasty import sparse_tar
from tests.support.tree import describe

GIB = 1 << 30


def flatten(tmp_path: Path, layers: Sequence[Layer], *, budget: int = GIB, limits: _layers.Limits | None = None) -> Path:
    target = tmp_path / "root"
    target.mkdir(mode=0o700)
    written = []
    for number, layer in enumerate(layers):
        path = tmp_path / f"layer{number}"
        path.write_bytes(layer.blob)
        written.append(_layers.Layer(path, layer.diff_id))
    _layers.flatten("test", written, target, budget, limits)
    return target


def members(*layers: Sequence[Member]) -> list[Layer]:
    return [Layer.of(list(layer)) for layer in layers]


def paths(root: Path) -> set[str]:
    return set(describe(root)) - {"."}


LOWER = [directory("d"), Member("d/a", b"lower"), Member("d/b", b"lower"), directory("d/sub"), Member("d/sub/x"), Member("f", b"lower")]


@pytest.mark.parametrize(
    ("upper", "left"),
    [
        pytest.param([], {"d", "d/a", "d/b", "d/sub", "d/sub/x", "f"}, id="nothing"),
        pytest.param([Member("d/.wh.a")], {"d", "d/b", "d/sub", "d/sub/x", "f"}, id="a file"),
        pytest.param([Member(".wh.d")], {"f"}, id="a directory"),
        pytest.param([Member(".wh.nothing"), Member("no/such/.wh.dir")], {"d", "d/a", "d/b", "d/sub", "d/sub/x", "f"}, id="what is not there"),
        pytest.param([Member("f/.wh.x"), Member("f/.wh..wh..opq")], {"d", "d/a", "d/b", "d/sub", "d/sub/x", "f"}, id="below a file"),
        pytest.param([Member("d/.wh..wh..opq")], {"d", "f"}, id="opaque"),
        pytest.param([Member(".wh..wh..opq")], set(), id="opaque root"),
        pytest.param([Member("d/new"), Member("d/.wh..wh..opq")], {"d", "d/new", "f"}, id="opaque after its own content"),
        pytest.param([Member("d/.wh..wh..opq"), Member("d/new")], {"d", "d/new", "f"}, id="opaque before its own content"),
        pytest.param([Member("d/a", b"upper"), Member("d/.wh.a")], {"d", "d/a", "d/b", "d/sub", "d/sub/x", "f"}, id="its own file, before"),
        pytest.param([Member(".wh.d"), Member("d/new")], {"d", "d/new", "f"}, id="directory made anew, after"),
        pytest.param([Member("d/new"), Member(".wh.d")], {"d", "d/new", "f"}, id="directory made anew, before"),
        pytest.param([directory("d/sub"), Member("d/.wh.sub")], {"d", "d/a", "d/b", "d/sub", "f"}, id="directory kept empty"),
        pytest.param([Member("d", b"now a file")], {"d", "f"}, id="file replaces directory"),
        pytest.param([directory("f")], {"d", "d/a", "d/b", "d/sub", "d/sub/x", "f"}, id="directory replaces file"),
        pytest.param([symlink("d", "f")], {"d", "f"}, id="symlink replaces directory"),
        pytest.param([Member(".wh..wh.plnk"), Member(".wh..wh.aufs")], {"d", "d/a", "d/b", "d/sub", "d/sub/x", "f"}, id="notes of aufs"),
    ],
)
def test_whiteouts(upper: list[Member], left: set[str], tmp_path: Path) -> None:
    assert paths(flatten(tmp_path, members(LOWER, upper))) == left


def test_a_directory_keeps_its_content_and_takes_the_new_metadata(tmp_path: Path) -> None:
    root = flatten(tmp_path, members([directory("d", mode=0o700, uid=1), Member("d/f")], [directory("d", mode=0o1777, gid=2, mtime=77)]))
    facts = (root / "d").stat()
    assert (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid, facts.st_mtime) == (0o1777, 0, 2, 77)
    assert (root / "d/f").exists()


def test_a_later_duplicate_wins_and_the_earlier_leaves_no_trace(tmp_path: Path) -> None:
    twice = [Member("f", b"first", mode=0o4777, xattrs={"user.x": b"1"}), hard_link("h", "f"), Member("f", b"second")]
    root = flatten(tmp_path, members(twice))
    assert ((root / "f").read_bytes(), (root / "h").read_bytes()) == (b"second", b"first")
    assert stat.S_IMODE((root / "f").stat().st_mode) == 0o644
    assert os.listxattr(root / "f") == []


@pytest.mark.parametrize("link", ["/usr/lib", "usr/lib", "./usr/../usr/lib"])
def test_symlinks_on_a_path_are_followed_within_the_root(link: str, tmp_path: Path) -> None:
    root = flatten(tmp_path, members([directory("usr"), directory("usr/lib"), symlink("lib", link)], [Member("lib/f", b"x"), hard_link("g", "lib/f")]))
    assert (root / "usr/lib/f").read_bytes() == b"x"
    assert (root / "g").stat().st_nlink == 2
    assert (root / "lib").is_symlink()


def test_an_absolute_symlink_never_leads_to_the_host(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = flatten(tmp_path, members([symlink("x", str(outside)), Member("x/f", b"x")]))
    assert list(outside.iterdir()) == []
    assert (root / str(outside).lstrip("/") / "f").read_bytes() == b"x"


def test_hard_links_reach_into_lower_layers(tmp_path: Path) -> None:
    root = flatten(tmp_path, members([Member("a", b"lower"), symlink("s", "a")], [hard_link("b", "a"), hard_link("t", "s"), Member(".wh.a")]))
    assert (root / "b").read_bytes() == b"lower"
    assert (root / "t").readlink() == Path("a")
    assert not (root / "a").exists()


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_compressions(compression: str, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    root = flatten(tmp_path, [Layer.of([Member("f", data), Member("g", bytes(5_000_000))], compression)])
    assert (root / "f").read_bytes() == data


@pytest.mark.parametrize("options", [("--format=gnu",), ("--format=posix", "--sparse-version=1.0")], ids=["gnu", "posix"])
def test_sparse_files_stay_sparse(options: tuple[str, ...], tmp_path: Path) -> None:
    root = flatten(tmp_path, [Layer.of(sparse_tar(tmp_path / "scratch", *options))])
    (ours,), (theirs,) = root.iterdir(), (tmp_path / "scratch").iterdir()
    assert ours.read_bytes() == theirs.read_bytes()
    assert ours.stat().st_blocks * 512 < 1_000_000


def test_gzip_of_several_members(tmp_path: Path) -> None:
    data = tar([Member("f", os.urandom(100_000))])
    layer = Layer.of(data)
    parts = b"".join(gzip.compress(data[start : start + 10_000]) for start in range(0, len(data), 10_000))
    assert paths(flatten(tmp_path, [Layer(parts + bytes(512), layer.diff_id, layer.media_type)])) == {"f"}


ESCAPE = "/tmp/escaped-from-image"

HOSTILE: dict[str, tuple[list[list[Member]], str]] = {
    "absolute path": ([[Member(ESCAPE)]], "absolute"),
    "dot dot": ([[Member("../x")]], r"'\.\.'"),
    "dot dot inside": ([[Member("a/../../x")]], r"'\.\.'"),
    "dot dot as a directory": ([[directory("..", mode=0o777)]], r"'\.\.'"),
    "dot dot in a whiteout": ([[Member("../.wh.x")]], r"'\.\.'"),
    "whiteout of dot dot": ([[Member(".wh...")]], "no name"),
    "whiteout of dot": ([[Member("d/.wh..")]], "no name"),
    "whiteout of nothing": ([[Member(".wh.")]], "no name"),
    "the root as a file": ([[Member("./", b"")]], "root itself"),
    "the root as a symlink": ([[symlink(".", "/etc")]], "root itself"),
    "symlink up and out": ([[symlink("x", "../../../../../../../tmp"), Member("x/escaped-from-image")]], "out of the root"),
    "symlink up and out, of a lower layer": ([[symlink("x", "../../tmp")], [Member("x/escaped-from-image")]], "out of the root"),
    "symlink by way of a symlink": ([[symlink("x", "y/.."), symlink("y", ".."), Member("x/escaped-from-image")]], "out of the root"),
    "symlink loop": ([[symlink("a", "b"), symlink("b", "a"), Member("a/x")]], "too many symlinks"),
    "whiteout through a symlink": ([[symlink("x", "../../tmp")], [Member("x/.wh.escaped-from-image")]], "out of the root"),
    "opaque through a symlink": ([[symlink("x", "../..")], [Member("x/.wh..wh..opq")]], "out of the root"),
    "hard link to an absolute path": ([[hard_link("x", "/etc/shadow")]], "absolute"),
    "hard link up and out": ([[hard_link("x", "../../../../../../etc/shadow")]], r"'\.\.'"),
    "hard link through a symlink": ([[symlink("e", "../../../../../../../etc"), hard_link("x", "e/shadow")]], "out of the root"),
    "hard link through an absolute symlink": ([[symlink("e", "/etc"), hard_link("x", "e/shadow")]], "does not exist"),
    "hard link to nothing": ([[hard_link("x", "y")]], "does not exist"),
    "hard link to itself": ([[Member("x"), hard_link("x", "x")]], "does not exist"),
    "hard link to a directory": ([[directory("d"), hard_link("x", "d")]], "directory"),
    "hard link to the root": ([[hard_link("x", ".")]], "does not exist"),
    "a file as a directory": ([[Member("f"), Member("f/x")]], "no directory"),
    "a device as a directory": ([[Member("z", kind="char", device=(1, 5)), Member("z/x")]], "no directory"),
    "name too long": ([[Member("n" * 255)]], "too long"),
    "path too long": ([[Member("/".join(["n" * 200] * 19))]], "too long"),
    "too deep": ([[Member("/".join(["n"] * 300))]], "256 directories"),
    "device out of range": ([[Member("z", kind="block", device=(5000, 1))]], "out of range"),
    "attribute on a symlink": ([[symlink("s", "t", xattrs={"user.x": b"1"})]], "not permitted"),
    "empty symlink": ([[symlink("s", "")]], "nowhere"),
}


@pytest.mark.parametrize(("layers", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_are_refused(layers: list[list[Member]], reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=reason):
        flatten(tmp_path, members(*layers))
    assert not os.path.lexists(ESCAPE)
    assert {path.name for path in tmp_path.iterdir()} <= {"root", "layer0", "layer1"}


@pytest.mark.parametrize("first", ["block", "fifo", "symlink"])
def test_nothing_is_written_through_what_stood_there_before(first: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    before = Member("x", kind=first, device=(7, 0), link=str(victim))
    root = flatten(tmp_path, members([before, Member("x", b"overwritten", mode=0o4777, uid=7)]))
    assert stat.S_ISREG((root / "x").lstat().st_mode)
    assert (victim.read_bytes(), victim.stat().st_uid) == (b"precious", 0)


def test_overlayfs_notes_of_an_image_are_left_out(tmp_path: Path) -> None:
    xattrs = {"trusted.overlay.redirect": b"/etc", "security.selinux": b"x", "com.apple.note": b"y", "trusted.mine": b"z"}
    root = flatten(tmp_path, members([directory("d", xattrs=xattrs)]))
    assert os.listxattr(root / "d") == ["trusted.mine"]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(tar([Member("zeros", bytes(50_000_000))]), id="one file"),
        pytest.param(tar([Member(f"zeros{number}", bytes(1_000_000)) for number in range(50)]), id="many files"),
        pytest.param(tar([Member("f")]) + bytes(50_000_000), id="behind the archive's end"),
    ],
)
def test_a_decompression_bomb_ends_at_the_limit(content: bytes, compression: str, tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="more than 10000000 bytes"):
        flatten(tmp_path, [Layer.of(content, compression)], limits=_layers.Limits(size=10_000_000))
    assert sum(path.stat().st_size for path in (tmp_path / "root").iterdir()) <= 10_000_000


def test_the_limit_counts_all_layers_and_what_is_sparse(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="more than 10000000 bytes"):
        flatten(tmp_path, members(*[[Member("f", bytes(3_000_000))]] * 4), limits=_layers.Limits(size=10_000_000))


def test_too_many_files(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="more than 100 files"):
        flatten(tmp_path, members([Member(f"f{number}") for number in range(101)]), limits=_layers.Limits(files=100))


def test_the_budget_of_a_workspace(tmp_path: Path) -> None:
    with pytest.raises(OutOfBudget):
        flatten(tmp_path, members([Member("f", bytes(100_000))]), budget=100_000)


GOOD = Layer.of([Member("f", b"x" * 10_000)])


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        pytest.param(Layer(GOOD.blob, "sha256:" + "0" * 64, ""), "has the digest", id="another digest"),
        pytest.param(Layer(GOOD.blob[:-20], GOOD.diff_id, ""), "ends early", id="gzip cut off"),
        pytest.param(Layer(GOOD.blob[:20] + b"garbage" + GOOD.blob[27:], GOOD.diff_id, ""), "gzip|digest|checksum", id="gzip damaged"),
        pytest.param(Layer(Layer.of([Member("f")], "zstd").blob[:-5], GOOD.diff_id, ""), "zstd", id="zstd cut off"),
        pytest.param(Layer(b"BZh91AY&SY", GOOD.diff_id, ""), "bzip2", id="bzip2"),
        pytest.param(Layer(gzip.compress(b"no tar" * 1000), GOOD.diff_id, ""), "checksum", id="no tar"),
    ],
)
def test_layers_that_are_not_what_they_should_be(layer: Layer, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=reason):
        flatten(tmp_path, [layer])
