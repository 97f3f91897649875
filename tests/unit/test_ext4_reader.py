# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of ext4 images, on images that mkfs.ext4 fills, and on damaged ones; and the layer that is made of an overlay's upper directory."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._container_changes import Changes
from ansible_collections.hyper.pods.plugins.module_utils._ext4_reader import Ext4, Ext4Error, NotClean

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="devices and owners are made by root only")

LIMITS = {"size": 1 << 30, "files": 10_000}


def image_of(tree: Path, path: Path, size: str = "24M") -> Path:
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=4", "-d", str(tree), str(path), size], check=True, capture_output=True)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As an overlay's upper directory: what was changed, hidden and removed."""
    top = tmp_path / "tree"
    upper = top / "containers/a/0123/upper"
    for directory in ("etc", "opaque/deep", "many", "\udcff-bytes"):
        (upper / directory).mkdir(parents=True)
    (upper / "etc/new").write_bytes(b"new\n")
    os.chown(upper / "etc/new", 70000, 80000)
    (upper / "etc/new").chmod(0o4755)
    os.utime(upper / "etc/new", ns=(0, 1_700_000_000_123_456_789))
    os.setxattr(upper / "etc/new", "user.mark", b"\0\xffvalue")
    os.setxattr(upper / "etc/new", "trusted.overlay.origin", b"x")
    os.mknod(upper / "etc/gone", 0o600 | 0o020000, os.makedev(0, 0))
    os.mknod(upper / "etc/device", 0o600 | 0o020000, os.makedev(300, 70000))
    os.mkfifo(upper / "etc/pipe")
    os.setxattr(upper / "opaque", "trusted.overlay.opaque", b"y")
    (upper / "opaque/deep/link").symlink_to("x" * 200)
    (upper / "short").symlink_to("etc/new")
    (upper / "hard").hardlink_to(upper / "etc/new")
    for number in range(300):
        (upper / f"many/{number:03}-{'n' * 60}").write_bytes(b"")
    with (upper / "holes").open("wb") as file:
        file.seek(3_000_000)
        file.write(b"end")
    (upper / "large").write_bytes(random.Random(7).randbytes(2_000_001))
    return top


def layer_of(image: Path) -> bytes:
    with Ext4(image) as disk:
        upper = disk.lookup("containers/a/0123/upper")
        assert upper is not None
        return b"".join(Changes(disk, upper, **LIMITS).tar())


def test_a_layer_of_an_upper_directory(tree: Path, tmp_path: Path) -> None:
    data = layer_of(image_of(tree, tmp_path / "disk"))
    assert data == layer_of(tmp_path / "disk"), "the same changes give the same bytes"
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        found = {member.name: member for member in archive}
        assert set(found) - {name for name in found if name.startswith("many/")} == {
            ".", "etc", "etc/.wh.gone", "etc/device", "etc/new", "etc/pipe", "hard", "holes", "large", "many", "opaque", "opaque/.wh..wh..opq",
            "opaque/deep", "opaque/deep/link", "short", "\udcff-bytes",
        }  # fmt: skip
        assert sum(name.startswith("many/") for name in found) == 300
        new = found["etc/new"]
        assert (new.mode, new.uid, new.gid, new.size) == (0o4755, 70000, 80000, 4)
        assert new.mtime == 1_700_000_000  # mkfs.ext4 copies no fractions
        assert {key for key in new.pax_headers if key.startswith("SCHILY")} == {"SCHILY.xattr.user.mark"}
        assert new.pax_headers["SCHILY.xattr.user.mark"].encode("utf-8", "surrogateescape") == b"\0\xffvalue"
        assert (found["hard"].type, found["hard"].linkname) == (tarfile.LNKTYPE, "etc/new")
        assert (found["short"].linkname, found["opaque/deep/link"].linkname) == ("etc/new", "x" * 200)
        assert (found["etc/device"].devmajor, found["etc/device"].devminor) == (300, 70000)
        for name in ("large", "holes"):
            file = archive.extractfile(found[name])
            assert file is not None
            assert file.read() == (tree / "containers/a/0123/upper" / name).read_bytes()


def test_access_lists(tmp_path: Path) -> None:
    (tmp_path / "tree/f").mkdir(parents=True)
    value = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry) for entry in ((1, 7, 0xFFFFFFFF), (2, 5, 1000), (4, 5, 0xFFFFFFFF), (0x10, 5, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF))
    )
    os.setxattr(tmp_path / "tree/f", "system.posix_acl_access", value)
    with Ext4(image_of(tmp_path / "tree", tmp_path / "disk", "24M")) as disk:
        inode = disk.lookup("f")
        assert inode is not None
        assert disk.xattrs(inode) == {b"system.posix_acl_access": value}


@pytest.mark.parametrize("path", ["nosuch", "containers/a/nosuch", "containers/a/0123/upper/etc/new/x"])
def test_what_is_not_there(path: str, tree: Path, tmp_path: Path) -> None:
    with Ext4(image_of(tree, tmp_path / "disk")) as disk:
        assert disk.lookup(path) is None


@pytest.mark.parametrize(
    ("offset", "value", "kind"),
    [
        (1024 + 0x38, b"\0\0", Ext4Error),
        (1024 + 0x60, struct.pack("<I", 0x2C2 | 0x8000), Ext4Error),
        (1024 + 0x60, struct.pack("<I", 0x2C2 | 0x4), NotClean),
        (1024 + 0x28, struct.pack("<I", 0), Ext4Error),
        (1024 + 0x58, struct.pack("<H", 0xFFFF), Ext4Error),
    ],
)
def test_superblocks_that_are_refused(offset: int, value: bytes, kind: type[Exception], tree: Path, tmp_path: Path) -> None:
    with image_of(tree, tmp_path / "disk").open("r+b") as file:
        file.seek(offset)
        file.write(value)
    with pytest.raises(kind):
        Ext4(tmp_path / "disk")


def test_a_link_is_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(image_of(tree, tmp_path / "disk"))
    with pytest.raises(OSError, match="symbolic links"):
        Ext4(tmp_path / "link")


@pytest.mark.slow
def test_damage_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Bytes changed by chance in the part where metadata lies: it is read, or refused, and nothing else happens."""
    upper = tmp_path / "tree/containers/a/0123/upper/d"
    upper.mkdir(parents=True)
    for number in range(20):
        (upper / f"f{number}").write_bytes(bytes(number * 1000))
    os.setxattr(upper / "f1", "user.x", b"y" * 300)
    clean = bytearray(image_of(tmp_path / "tree", tmp_path / "disk", "24M").read_bytes())
    interesting = [index for index in range(0, len(clean), 1024) if any(clean[index : index + 1024])]
    chance = random.Random(11)
    refused = 0
    for _ in range(100):
        data = bytearray(clean)
        for _ in range(chance.randint(1, 150)):
            data[chance.choice(interesting) + chance.randrange(1024)] = chance.randrange(256)
        (tmp_path / "damaged").write_bytes(data)
        try:
            with Ext4(tmp_path / "damaged") as disk:
                found = disk.lookup("containers/a/0123/upper")
                if found is not None:
                    for _ in Changes(disk, found, size=1 << 24, files=1000).tar():
                        pass
        except Ext4Error:
            refused += 1
    assert refused > 10
