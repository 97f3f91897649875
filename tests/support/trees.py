# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files to be copied, and what they are compared by."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

NAMES = ("plain", "with space", "new\nline", "-dash", "ümlaut", b"\xff\xfe".decode(errors="surrogateescape"), "x" * 255, "..dots", "*", "$(reboot)")


def make_tree(root: Path, files: int, *, attributes: bool) -> None:
    """A tree with about so many files of all sorts. attributes: extended ones, too."""
    chance = random.Random(7)  # the same each time
    root.mkdir(mode=0o750)
    directories = [root]
    for number in range(files):
        parent = chance.choice(directories)
        if number % 25 == 0:
            parent = parent / (NAMES[number // 25] if number // 25 < len(NAMES) else f"d{number}")
            parent.mkdir()
            if len(parent.relative_to(root).parts) < 8:
                directories.append(parent)
            continue
        path = parent / f"f{number}"
        path.write_bytes(chance.randbytes(chance.choice((0, 1, 100, 511, 512, 2000))))
        os.chown(path, chance.choice((0, 1000, 4_000_000_000)), chance.choice((0, 50)))
        path.chmod(chance.choice((0o644, 0o600, 0o755, 0o000, 0o1777)))
    for name in NAMES:
        (root / f"name {name}"[:255]).write_text(name, errors="surrogateescape")
    (root / "big").write_bytes(chance.randbytes(3_000_001))
    (root / "link").symlink_to("/etc/passwd")
    (root / "broken").symlink_to("no\nwhere")
    (root / "to directory").symlink_to(".")
    os.lchown(root / "link", 1000, 50)
    for name in ("one", "two"):
        os.link(root / "big", directories[1] / name)
    if attributes:
        os.setxattr(root / "big", "user.colour", b"\0blue")
        os.setxattr(directories[1], "user.kind", b"x" * 1000)
    for index, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(10**18, 10**18 + index * 1_000_000_007), follow_symlinks=False)
    directories[2].chmod(0o2775)
    directories[2].chmod(0o1770)
    os.utime(root, ns=(10**18, 10**18))


def describe(root: Path) -> dict[str, object]:
    """All that is to be the same of a tree: kinds, modes, owners, times, content, targets, which names are one file, attributes."""
    first: dict[int, str] = {}
    result: dict[str, object] = {}
    for path in (root, *sorted(root.rglob("*"))):
        name, status = str(path.relative_to(root)), path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else os.readlink(path) if path.is_symlink() else None
        attributes = {} if path.is_symlink() else {key: os.getxattr(path, key) for key in os.listxattr(path) if key.startswith("user.")}
        same = first.setdefault(status.st_ino, name)
        result[name] = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, same, attributes, content)
    return result
