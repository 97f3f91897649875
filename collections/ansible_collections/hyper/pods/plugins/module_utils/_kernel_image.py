# SPDX-License-Identifier: GPL-3.0-or-later
"""From a distribution's kernel image to the uncompressed kernel inside, which a guest boots without unpacking it each time."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

_ELF = b"\x7fELF"
_PT_NOTE = 4
# Xen's note with the entry of the PVH boot protocol: QEMU boots an ELF kernel that has it.
_PVH_NOTE = 18


class UnknownKernel(HyperError):
    """The file is no kernel for x86, or packed in a way that is not known."""


def version(image: bytes) -> str | None:
    """The release of a bzImage, as uname -r will say it; None for another file."""
    if not _is_bzimage(image):
        return None
    (offset,) = struct.unpack_from("<H", image, 0x20E)
    if not offset:
        return None
    return image[offset + 0x200 :][:256].split(b"\0")[0].split(b" ")[0].decode("ascii", "replace")


def bootable(image: bytes) -> bytes:
    """What QEMU is to boot: the ELF kernel with a PVH entry, or the bzImage as it is when there is none within. Raises UnknownKernel.

    Under emulation the ELF kernel is up in 0.8 to 0.9 of the bzImage's time.
    """
    kernel = image
    if _is_bzimage(image):
        kernel = _unpack(_payload(image))
    elif not image.startswith(_ELF):
        raise UnknownKernel("it is neither a bzImage nor an ELF kernel")
    if _has_pvh_entry(kernel):
        return kernel
    if image is kernel:
        raise UnknownKernel("it has no PVH entry, which QEMU needs to boot an ELF kernel", remedy="Give the bzImage, or a kernel with CONFIG_PVH")
    return image


def _is_bzimage(image: bytes) -> bool:
    # Documentation/arch/x86/boot.rst of the kernel; 2.08 is the first protocol that says where the payload lies.
    return image[0x202:0x206] == b"HdrS" and struct.unpack_from("<H", image, 0x206)[0] >= 0x208


def _payload(image: bytes) -> bytes:
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return image[start : start + length]


def _unpack(payload: bytes) -> bytes:
    # All but gzip are followed by the unpacked size, four bytes that are no part of the packed data.
    formats: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
        (b"\x1f\x8b\x08", gzip.decompress),
        (b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data)),
        (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
        (b"\x5d\0\0", lambda data: lzma.LZMADecompressor().decompress(data)),
        (b"\x02\x21\x4c\x18", lambda data: _unpack_lz4(data[:-4])),
        (b"\x28\xb5\x2f\xfd", lambda data: unpack_zstd(data[:-4])),
        (_ELF, lambda data: data),
    )
    for magic, unpack in formats:
        if payload.startswith(magic):
            return unpack(payload)
    raise UnknownKernel("the kernel inside the bzImage is packed in a way that is not known", where=payload[:6].hex())


def unpack_zstd(data: bytes) -> bytes:
    """Undo zstd."""
    return _unpack_by(lambda packed, plain: ["zstd", "-d", "-q", "-f", packed, "-o", plain], data)


def _unpack_lz4(data: bytes) -> bytes:
    return _unpack_by(lambda packed, plain: ["lz4", "-d", "-q", "-f", packed, plain], data)


def _unpack_by(command: Callable[[str, str], list[str]], data: bytes) -> bytes:
    """Unpack by a program, for formats that Python's library does not have."""
    with tempfile.TemporaryDirectory(prefix="hyper-kernel.") as directory:
        packed, plain = Path(directory, "packed"), Path(directory, "plain")
        packed.write_bytes(data)
        _command.run(command(str(packed), str(plain)))
        return plain.read_bytes()


def _has_pvh_entry(kernel: bytes) -> bool:
    if not kernel.startswith(_ELF) or kernel[4] != 2:  # 64 bit
        return False
    (table,) = struct.unpack_from("<Q", kernel, 32)
    entry_size, entries = struct.unpack_from("<HH", kernel, 54)
    for index in range(entries):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", kernel, table + index * entry_size)
        if kind == _PT_NOTE and _PVH_NOTE in _xen_notes(kernel[offset : offset + size]):
            return True
    return False


def _xen_notes(notes: bytes) -> set[int]:
    kinds, position = set(), 0
    while position + 12 <= len(notes):
        name_size, data_size, kind = struct.unpack_from("<III", notes, position)
        if notes[position + 12 : position + 12 + name_size] == b"Xen\0":
            kinds.add(kind)
        position += 12 + (name_size + 3) // 4 * 4 + (data_size + 3) // 4 * 4
    return kinds
