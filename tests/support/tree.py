# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be seen of a directory tree, so that two can be compared file by file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def describe(root: Path) -> dict[str, dict[str, Any]]:
    """Path → type, mode, owner, size, content's hash, link, time, attributes, device, and the other names of the same file."""
    found: dict[str, dict[str, Any]] = {}
    groups: dict[int, list[str]] = defaultdict(list)
    for directory, directories, files in os.walk(os.fsencode(root)):
        for name in (b"", *directories, *files) if directory == os.fsencode(root) else (*directories, *files):
            path = os.path.join(directory, name)
            relative = os.fsdecode(os.path.relpath(path, os.fsencode(root)))
            facts = os.lstat(path)
            found[relative] = _facts(path, facts)
            if not stat.S_ISDIR(facts.st_mode):
                groups[facts.st_ino].append(relative)
    for group in groups.values():
        for member in group:
            found[member]["names"] = sorted(group)
    return found


def _facts(path: bytes, facts: os.stat_result) -> dict[str, Any]:
    kind = stat.S_IFMT(facts.st_mode)
    shown: dict[str, Any] = {
        "type": stat.filemode(facts.st_mode)[0],
        "mode": oct(stat.S_IMODE(facts.st_mode)),
        "owner": (facts.st_uid, facts.st_gid),
        "mtime": facts.st_mtime_ns,
        "xattrs": {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(os.listxattr(path, follow_symlinks=False))},
    }
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:
            shown["content"] = hashlib.file_digest(file, "sha256").hexdigest()
        shown["size"] = facts.st_size
    elif kind == stat.S_IFLNK:
        shown["link"] = os.readlink(path)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        shown["device"] = (os.major(facts.st_rdev), os.minor(facts.st_rdev))
    return shown


def differences(left: dict[str, dict[str, Any]], right: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each path or fact that differs."""
    lines = [f"only left: {path}" for path in sorted(left.keys() - right.keys())]
    lines += [f"only right: {path}" for path in sorted(right.keys() - left.keys())]
    for path in sorted(left.keys() & right.keys()):
        for fact in sorted(left[path].keys() | right[path].keys()):
            if left[path].get(fact) != right[path].get(fact):
                lines.append(f"{path}: {fact}: {left[path].get(fact)!r} != {right[path].get(fact)!r}")
    return lines


@contextlib.contextmanager
def opened(disk: Path, scratch: Path) -> Iterator[Path]:
    """The content of an erofs disk: mounted, or extracted by fsck.erofs where the kernel has no erofs or no loop device is to be had."""
    scratch.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "erofs", "-o", "loop,ro", str(disk), str(scratch)], capture_output=True, check=False).returncode == 0:
        try:
            yield scratch
        finally:
            subprocess.run(["umount", str(scratch)], check=True)
    else:
        subprocess.run(["fsck.erofs", f"--extract={scratch}", "--overwrite", "--preserve", str(disk)], capture_output=True, check=True)
        yield scratch
