# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of guests share: a tiny init, a boot sector, a host of their own, waiting for a guest's words."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _initramfs, _kernel
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

_SOURCE = Path(__file__).with_name("tiny_init.c")


def build_tiny_init(directory: Path) -> Path:
    """The binary of tiny_init.c. The kernel's headers are taken from the compiler's own, which musl-gcc does not have."""
    binary = directory / "tiny-init"
    subprocess.run([os.environ.get("CC", "cc"), "-static", "-O2", "-s", "-o", str(binary), str(_SOURCE)], check=True)
    return binary


def write_kernel(directory: Path, init: Path) -> tuple[Path, Path]:
    """The distribution's kernel and an initramfs with ``init``, as files."""
    source = _kernel.installed()
    with contextlib.ExitStack() as stack:
        kernel = _kernel.read(source or stack.enter_context(_kernel.fetched(_kernel.package())))
    image, initrd = directory / "vmlinux", directory / "initramfs"
    image.write_bytes(kernel.image)
    initrd.write_bytes(_initramfs.build(init.read_bytes(), kernel.modules))
    return image, initrd


def boot_sector(word: bytes) -> bytes:
    """512 bytes that a BIOS boots: they write ``word`` to the first serial port and halt."""
    code = bytes.fromhex(
        "fa"  # cli
        "31c08ed8"  # xor ax,ax; mov ds,ax
        "be187c"  # mov si,0x7c18: the word
        "bafd03"  # next: mov dx,0x3fd: line status
        "eca820"  # in al,dx; test al,0x20
        "74f8"  # jz next
        "ac"  # lodsb
        "84c0"  # test al,al
        "7406"  # jz halt
        "baf803ee"  # mov dx,0x3f8; out dx,al
        "ebed"  # jmp next
        "f4"  # halt: hlt
        "ebfd"  # jmp halt
    )
    start = 0x7C00 + len(code)
    code = code.replace(bytes.fromhex("be187c"), b"\xbe" + start.to_bytes(2, "little"))
    return (code + word + b"\0").ljust(510, b"\0") + b"\x55\xaa"


@contextlib.contextmanager
def short_host() -> Iterator[Host]:
    """A host in directories of its own, which QEMU's user (an account that every host has) can enter and whose sockets' paths are short enough."""
    base = Path(tempfile.mkdtemp(prefix="hp", dir="/tmp"))
    base.chmod(0o755)
    try:
        yield Host(base / "s", base / "r", "nobody")
    finally:
        shutil.rmtree(base, ignore_errors=True)


def wait_for(condition: Callable[[], bool], what: str, *, timeout: float = 60.0) -> None:
    """Wait until ``condition`` holds; fails, saying ``what`` was waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for {what}"
        time.sleep(0.02)
