# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import random
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._tar import Entry, Stream, TarError, entries

from tests.support.images import Member, directory, hard_link, symlink, tar


def read(data: bytes, chunk: int = 1000) -> list[tuple[Entry, bytes]]:
    stream = Stream(iter(data[start : start + chunk] for start in range(0, len(data), chunk)))
    found = []
    for entry in entries(stream):
        parts: list[bytes] = []
        stream.copy(entry.stored, lambda part, parts=parts: parts.append(bytes(part)))  # type: ignore[misc]
        found.append((entry, b"".join(parts)))
    return found


MEMBERS = [
    directory("d", mode=0o1777, uid=5, gid=6),
    Member("d/f", b"content" * 300, mode=0o4755, uid=3_000_000, gid=4_000_000, mtime=1_600_000_000.25, xattrs={"user.a": b"\0\xff="}),
    Member("n" * 90 + "/" + "m" * 200, b"x"),
    Member("ü/\udcff", b"y"),
    symlink("s", "t" * 200),
    hard_link("h", "d/f"),
    Member("p", kind="fifo"),
    Member("c", kind="char", device=(1, 3)),
    Member("b", kind="block", device=(8, 1000)),
    Member("old", b"", mtime=-5),
    Member("empty"),
]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("chunk", [1, 511, 512, 10_000_000])
def test_members_are_read_as_they_were_written(form: int, chunk: int) -> None:
    found = read(tar(MEMBERS, form=form), chunk)
    assert len(found) == len(MEMBERS)
    for member, (entry, data) in zip(MEMBERS, found, strict=True):
        info = member.tarinfo()
        assert entry.name.rstrip(b"/") == member.name.encode("utf-8", "surrogateescape")
        assert (entry.kind, data, entry.size) == (member.kind, member.data, len(member.data))
        assert (entry.mode, entry.uid, entry.gid, entry.device) == (info.mode, member.uid, member.gid, member.device)
        assert entry.link == member.link.encode()
        if form == tarfile.PAX_FORMAT:
            assert entry.mtime == round(member.mtime * 1000) * 10**6
            assert entry.xattrs == member.xattrs


@pytest.mark.parametrize("form", ["--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"])
def test_sparse_files_of_gnu_tar(form: str, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for number in range(30):
            file.seek(number * 100_000)
            file.write(b"data %d" % number)
        file.truncate(5_000_000)
    (tmp_path / "after").write_bytes(b"after")
    options = ["--format=posix", form] if "version" in form else [form]
    data = subprocess.run(["tar", "--sparse", *options, "-c", "sparse", "after"], cwd=tmp_path, capture_output=True, check=True).stdout
    (entry, stored), (after, rest) = read(data)
    assert entry.sparse is not None
    assert len(stored) < 1_000_000
    content = bytearray(entry.size)
    position = 0
    for offset, length in entry.sparse:
        content[offset : offset + length] = stored[position : position + length]
        position += length
    assert (entry.name, bytes(content)) == (b"sparse", path.read_bytes())
    assert (after.name, rest) == (b"after", b"after")


def header(**changes: bytes) -> bytes:
    """A header of a file of 5 bytes, with some fields replaced and its checksum made right again."""
    fields = {"name": (0, 100), "mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12), "mtime": (136, 12), "type": (156, 1), "link": (157, 100)}
    block = bytearray(tar([Member("f", b"12345")])[:512])
    for key, value in changes.items():
        start, length = fields[key]
        block[start : start + length] = value.ljust(length, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


BODY = b"12345".ljust(512, b"\0")
END = bytes(1024)


def pax(records: bytes) -> bytes:
    return header(type=b"x", size=b"%011o" % len(records)) + records.ljust(-(-len(records) // 512) * 512, b"\0") + header() + BODY + END


def test_the_hand_made_header_is_valid() -> None:
    assert read(header() + BODY + END)[0][1] == b"12345"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not a tar archive" * 100, "checksum"),
        (header()[:200], "middle of a header"),
        (header() + b"123", "middle of a file"),
        (header() + BODY + header(type=b"Z"), "unknown type"),
        (header(size=b"nonsense") + BODY, "size is no number"),
        (header(size=b"\xff" * 12) + BODY, "out of range"),
        (header(uid=b"\x80" + b"\xff" * 7) + BODY, "out of range"),
        (header(mtime=b"\x80" + b"\xff" * 11) + BODY, "out of range"),
        (header(type=b"x", size=b"77777777777"), "extension header has"),
        (header(type=b"L", size=b"77777777777"), "extension header has"),
        (header(type=b"x", size=b"%011o" % 100) + b"30 path=", "middle of an extension"),
        (pax(b"12 path=a"), "pax header is malformed"),
        (pax(b"x path=a\n"), "pax header is malformed"),
        (pax(b"99999999999999999999 path=a\n"), "pax header is malformed"),
        (pax(b"3 =\n"), "pax header is malformed"),
        (pax(b"11 size=-5\n"), "size is no number"),
        (pax(b"14 mtime=1e99\n"), "mtime is no time"),
        (pax(b"12 path=a\0b\n"), "NUL"),
        (pax(b"26 GNU.sparse.map=0,5,9,5\n22 GNU.sparse.size=10\n"), "leaves the file"),
        (pax(b"24 GNU.sparse.map=0,5,7\n22 GNU.sparse.size=10\n"), "map is malformed"),
        (pax(b"22 GNU.sparse.map=0,4\n22 GNU.sparse.size=10\n"), "does not fit"),
        (pax(b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"), "map is malformed"),
    ],
)
def test_malformed_archives_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(TarError, match=reason):
        read(data)


def test_global_headers_change_nothing() -> None:
    records = b"15 path=/global\n"
    data = header(type=b"g", size=b"%011o" % len(records)) + records.ljust(512, b"\0") + header() + BODY + END
    assert read(data)[0][0].name == b"f"


def test_damage_never_ends_otherwise_than_in_the_one_error() -> None:
    whole = tar(MEMBERS)
    dice = random.Random(20261122)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        if dice.random() < 0.3:
            del damaged[dice.randrange(len(damaged)) :]
        try:
            read(bytes(damaged), 4096)
        except TarError:
            refused += 1
    assert refused > 300


def test_python_reads_the_same(tmp_path: Path) -> None:
    data = subprocess.run(["tar", "-C", "/etc", "-c", "default", "profile.d"], capture_output=True, check=True).stdout
    ours = [(entry.name.rstrip(b"/").decode(), content) for entry, content in read(data)]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        theirs = [(info.name, file.read() if (file := archive.extractfile(info)) else b"") for info in archive]
    assert ours == theirs
