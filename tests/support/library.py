# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by the names that the examples use, made of this machine's own programs: busybox and redis."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.images import Layer, Member, directory, symlink, write_layout

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
_GROUP = b"root:x:0:\ndaemon:x:1:\nmail:x:8:\nnobody:x:65534:\n"


def write_library(layout: Path) -> dict[str, str]:
    """Write the images; reference → where it lies, as a source of the module image."""
    system = _busybox()
    tags = {"busybox:1.36": "busybox", "redis:7": "redis"}
    write_layout(layout, "busybox", [system], {"Cmd": ["sh"], "Env": [_PATH]})
    write_layout(layout, "redis", [system, _redis()], {"Cmd": ["redis-server"], "Env": [_PATH], "WorkingDir": "/data", "Volumes": {"/data": {}}})
    return {reference: f"oci:{layout}:{tag}" for reference, tag in tags.items()}


def _busybox() -> Layer:
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    return Layer.of(
        [
            *(directory(name) for name in ("bin", "dev", "etc", "home", "root", "usr", "var", "data")),
            directory("tmp", mode=0o1777),
            Member("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755),
            *(symlink(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox"),
            Member("etc/passwd", _PASSWD),
            Member("etc/group", _GROUP),
        ],
        "none",
    )


def _redis() -> Layer:
    """Debian has one program for the server and its checks, which goes by its name."""
    programs = {"usr/local/bin/redis-server": "/usr/bin/redis-check-rdb", "usr/local/bin/redis-cli": "/usr/bin/redis-cli"}
    needed = subprocess.run(["ldd", *programs.values()], capture_output=True, text=True, check=True).stdout
    libraries = sorted(set(re.findall(r"(/\S+) \(0x", needed)))
    files = {**programs, **{library.lstrip("/"): library for library in libraries}}
    folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
    return Layer.of(
        [
            *(directory(name) for name in folders),
            *(Member(name, Path(source).read_bytes(), mode=0o755) for name, source in files.items()),
        ],
        "none",
    )
