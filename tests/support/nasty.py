# SPDX-License-Identifier: GPL-3.0-or-later
"""An honest image with everything in it that a layer can hold, and most ways in which layers can hide each other."""

from __future__ import annotations

import random
import subprocess
import tarfile
from pathlib import Path

from tests.support.images import Layer, Member, directory, hard_link, symlink, tar

# setcap cap_net_bind_service=ep: version 2, effective, permitted 1 << 10.
NET_BIND = bytes.fromhex("0100000200040000000000000000000000000000")
ACL = bytes.fromhex("0200000001000600ffffffff02000400e803000004000400ffffffff10000600ffffffff20000400ffffffff")


def nasty_layers(scratch: Path) -> list[Layer]:
    """The layers, the lowest first."""
    deep = "/".join(f"directory-number-{number:03}" for number in range(180))
    lower = [
        directory("./", mode=0o751, mtime=1_500_000_000),
        directory("bin"),
        Member("bin/su", b"#!su", mode=0o4755),
        Member("bin/wall", b"#!wall", mode=0o2755, gid=5),
        Member("bin/ping", b"#!ping", mode=0o755, xattrs={"security.capability": NET_BIND}),
        directory("tmp", mode=0o1777, mtime=1_500_000_001.5),
        directory("home", mode=0o755, mtime=1_400_000_000),
        directory("home/user", mode=0o2700, uid=1000, gid=100, mtime=1_400_000_001.123),
        Member("home/user/file", b"mine", mode=0o000, uid=1000, gid=100, mtime=1.25, xattrs={"user.note": b"a\0b", "user.empty": b"", "trusted.t": b"\xff"}),
        Member("acl", b"acl", mode=0o664, xattrs={"system.posix_acl_access": ACL}),
        directory("with-acl", xattrs={"system.posix_acl_default": ACL, "user.on-a-directory": b"1"}),
        Member("high-owner", b"x", uid=3_000_000_000, gid=4_000_000_000),
        Member("before-the-epoch", b"x", mtime=-86_400),
        Member("after-2038", b"x", mtime=5_000_000_000),
        Member("empty"),
        Member("large", bytes(range(256)) * 20_000),
        hard_link("large-link", "large"),
        hard_link("bin/large-link", "./large"),
        symlink("large-symlink", "large", uid=7, gid=8, mtime=1_000_000_000),
        hard_link("symlink-link", "large-symlink"),
        symlink("dangling", "/no/such/../file"),
        symlink("long-target", "t" * 1000),
        directory("dev"),
        Member("dev/null", kind="char", mode=0o666, device=(1, 3)),
        Member("dev/sda", kind="block", mode=0o660, gid=6, device=(8, 0)),
        Member("dev/large", kind="block", device=(259, 300_000)),
        Member("dev/pipe", kind="fifo", mode=0o620, uid=3),
        hard_link("dev/null-too", "dev/null"),
        Member("n" * 254, b"long name"),
        Member(deep, b"long path"),
        Member("ünïcode/\N{SNOWMAN}", b"x"),
        Member("latin-1-\udce9", b"x"),
        Member("with blank and\nnewline", b"x"),
        Member("implied/parent/file", b"x"),
        directory("usr"),
        directory("usr/lib"),
        symlink("lib", "usr/lib"),
        symlink("lib64", "/usr/lib"),
        Member("lib64/through-a-symlink", b"x"),
        # For the upper layers.
        Member("gone", b"x"),
        directory("gone-directory"),
        Member("gone-directory/file", b"x"),
        directory("opaque", mode=0o711),
        Member("opaque/old", b"x"),
        directory("opaque/old-directory"),
        Member("opaque/old-directory/file", b"x"),
        Member("file-then-directory", b"x"),
        directory("directory-then-file"),
        Member("directory-then-file/file", b"x"),
        directory("directory-then-symlink"),
        Member("directory-then-symlink/file", b"x"),
        symlink("symlink-then-directory", "usr"),
        directory("other-metadata", mode=0o700, uid=1, xattrs={"user.former": b"1"}, mtime=1_000),
        Member("other-metadata/kept", b"x"),
        Member("linked-lower", b"shared"),
        Member("back-again", b"first"),
    ]
    middle = [
        Member(".wh.gone"),
        Member(".wh.gone-directory"),
        directory("opaque", mode=0o711),
        Member("opaque/new", b"new"),
        Member("opaque/.wh..wh..opq"),
        directory("file-then-directory", mtime=2_000),
        Member("file-then-directory/file", b"x"),
        Member("directory-then-file", b"now a file"),
        symlink("directory-then-symlink", "usr/lib"),
        directory("symlink-then-directory", mtime=3_000),
        Member("symlink-then-directory/file", b"x"),
        directory("other-metadata", mode=0o755, gid=2, mtime=4_000),
        hard_link("linked-upper", "linked-lower"),
        Member("lib/into-a-symlink", b"x"),
        Member(".wh.back-again"),
        Member("home/user/added", b"x", uid=1000),
        Member("bin/su", b"#!another su", mode=0o4711),
        Member("twice", b"first", mode=0o600),
        Member("twice", b"second", mode=0o640),
    ]
    upper = [Member("back-again", b"second"), Member("home/user/.wh.added"), Member("usr/lib/.wh.through-a-symlink")]
    sparse = [sparse_tar(scratch, "--format=posix", f"--sparse-version={version}") for version in ("0.0", "0.1", "1.0")]
    return [
        Layer.of(lower, "gzip"),
        Layer.of(middle),
        Layer.of(upper, "none"),
        # GNU's own form of long names and large numbers.
        Layer.of(tar([Member("gnu/" + "l" * 180, b"x", uid=3_000_000_000), symlink("gnu/s", "t" * 180)], form=tarfile.GNU_FORMAT)),
        *(Layer.of(data) for data in sparse),
        Layer.of([]),
    ]


def random_layers(seed: int) -> list[list[Member]]:
    """Up to three layers of few names, so that they meet: most are honest, some nonsense (a file below a file, a link to nothing)."""
    dice = random.Random(seed)

    def path() -> str:
        return "/".join(dice.choice("abc") for _ in range(dice.randint(1, 3)))

    def member() -> Member:
        kind = dice.choice(["file"] * 6 + ["dir"] * 20 + ["symlink"] * 2 + ["whiteout"] * 4 + ["opaque"] * 2 + ["fifo", "link"])
        name, mtime = path(), dice.randint(1, 10**6)
        if kind == "whiteout":
            parent, slash, last = name.rpartition("/")
            return Member(f"{parent}{slash}.wh.{last}")
        if kind == "opaque":
            return Member(f"{name}/.wh..wh..opq")
        if kind == "symlink":
            return symlink(name, dice.choice(["", "/"]) + path(), mtime=mtime)
        if kind == "link":
            return hard_link(name, path())
        return Member(name, str(mtime).encode() if kind == "file" else b"", kind=kind, mtime=mtime, mode=dice.choice([0o755, 0o700, 0o4711]))

    return [[directory("./"), *(member() for _ in range(dice.randint(2, 8)))] for _ in range(dice.randint(1, 3))]


def sparse_tar(scratch: Path, *options: str) -> bytes:
    """GNU tar's archive of the file ``sparseFORM``, which has 30 islands."""
    scratch.mkdir(parents=True, exist_ok=True)
    name = "sparse" + "".join(options[-1].split("=")[1:])
    with (scratch / name).open("wb") as file:
        for number in range(30):
            file.seek(number * 100_000 + 50_000)
            file.write(b"island %d" % number)
        file.truncate(4_000_000)
    return subprocess.run(["tar", "--sparse", "--numeric-owner", *options, "-c", name], cwd=scratch, capture_output=True, check=True).stdout
