# SPDX-License-Identifier: GPL-3.0-or-later
import bz2
import gzip
import lzma
import struct
import subprocess
from collections.abc import Callable

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._kernel_image import UnknownKernel, bootable, unpack_zstd, version


def elf(*, pvh: bool) -> bytes:
    """A 64-bit ELF file with one segment of notes."""
    note = struct.pack("<III", 4, 8, 18 if pvh else 6) + b"Xen\0" + bytes(8)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(note), len(note), 4)
    return header + segment + note + b"kernel" * 1000


def bzimage(payload: bytes, release: bytes = b"6.1.0-56-cloud-amd64 (someone@somewhere) #1") -> bytes:
    """A boot sector and one sector of set-up, the release, the payload."""
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x202:0x208] = b"HdrS" + struct.pack("<H", 0x20F)
    head[0x20E:0x210] = struct.pack("<H", 0x100)
    head[0x300 : 0x300 + len(release)] = release
    head[0x248:0x250] = struct.pack("<II", 0, len(payload))
    return bytes(head) + payload


def command(*argv: str) -> Callable[[bytes], bytes]:
    return lambda data: subprocess.run(argv, input=data, capture_output=True, check=True).stdout


SIZE = bytes(4)
PACKERS = {
    "gzip": gzip.compress,
    "bzip2": lambda data: bz2.compress(data) + SIZE,
    "xz": lambda data: lzma.compress(data) + SIZE,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE) + SIZE,
    "lz4": lambda data: command("lz4", "-l", "-c")(data) + SIZE,
    "zstd": lambda data: command("zstd", "-c")(data) + SIZE,
    "none": lambda data: data,
}


@pytest.mark.parametrize("packer", PACKERS)
def test_the_kernel_inside_is_found(packer: str) -> None:
    assert bootable(bzimage(PACKERS[packer](elf(pvh=True)))) == elf(pvh=True)


def test_without_a_pvh_entry_the_bzimage_is_booted() -> None:
    image = bzimage(gzip.compress(elf(pvh=False)))
    assert bootable(image) == image


def test_an_elf_kernel_is_taken_as_it_is() -> None:
    assert bootable(elf(pvh=True)) == elf(pvh=True)


@pytest.mark.parametrize(
    ("image", "message"),
    [(elf(pvh=False), "no PVH entry"), (b"", "neither"), (b"MZ" * 600, "neither"), (bzimage(b"?" * 100), "not known")],
)
def test_what_is_no_kernel_is_refused(image: bytes, message: str) -> None:
    with pytest.raises(UnknownKernel, match=message):
        bootable(image)


def test_the_release_is_read() -> None:
    assert version(bzimage(b"")) == "6.1.0-56-cloud-amd64"
    assert version(elf(pvh=True)) is None
    assert version(b"") is None


def test_zstd() -> None:
    assert unpack_zstd(command("zstd", "-c")(b"module")) == b"module"
