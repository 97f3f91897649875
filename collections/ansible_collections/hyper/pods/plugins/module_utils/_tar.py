# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a tar stream of a hostile author: ustar, GNU and pax, each header checked, nothing written.

Python's tarfile is not used: it takes a damaged header for the end of the archive, reads extension headers of any length into memory, and costs twice the time.
Formats: https://www.gnu.org/software/tar/manual/html_node/Standard.html (and "Sparse Formats" there), POSIX pax, `man 5 tar`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

BLOCK = 512
_ZEROS = bytes(BLOCK)
# The most that one extension header (pax record set, GNU long name, sparse map) may hold; Go's archive/tar has the same limit.
_EXTENSION_LIMIT = 1 << 20
_XATTR = b"SCHILY.xattr."
_NUMBERS = {b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"}


class TarError(ValueError):
    """The stream is no valid tar archive; the text says why."""


class Entry(NamedTuple):
    """One member. ``kind`` is one of ``file dir symlink link fifo char block``; times are nanoseconds since 1970."""

    name: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    link: bytes
    device: tuple[int, int]
    xattrs: dict[str, bytes]
    # Bytes of data in the stream, and of the file; they differ when it is sparse.
    stored: int
    size: int
    # Where the stored bytes go: (offset, length), in order; None: one run from 0.
    sparse: tuple[tuple[int, int], ...] | None


_KINDS = {b"0": "file", b"\0": "file", b"7": "file", b"S": "file", b"1": "link", b"2": "symlink", b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo"}


class Stream:
    """Exact reads from an iterator of chunks of any length."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._view = memoryview(b"")

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._view = memoryview(chunk)
                return True
        return False

    def read(self, length: int) -> bytes:
        """Exactly ``length`` bytes; fewer only at the end of the stream."""
        view = self._view
        if len(view) >= length:
            self._view = view[length:]
            return view[:length].tobytes()
        parts: list[bytes] = []
        self.copy(length, lambda part: parts.append(bytes(part)), short=True)
        return b"".join(parts)

    def copy(self, length: int, write: Callable[[memoryview], object], *, short: bool = False) -> None:
        """Hand ``length`` bytes to ``write`` in pieces; raises TarError when the stream ends before."""
        while length > 0:
            if not self._view and not self._more():
                if short:
                    return
                raise TarError("ends in the middle of a file")
            part = self._view[:length]
            self._view = self._view[len(part) :]
            write(part)
            length -= len(part)

    def skip(self, length: int) -> None:
        """Leave out ``length`` bytes; raises TarError when the stream ends before."""
        self.copy(length, len)

    def drain(self) -> None:
        """Read to the end, so that whoever hashes the chunks sees all of them."""
        self._view = memoryview(b"")
        while self._more():
            self._view = memoryview(b"")


def entries(stream: Stream) -> Iterator[Entry]:
    """The members, in order. The caller takes exactly ``stored`` bytes of each from the stream before it asks for the next. Raises TarError."""
    pax: list[tuple[bytes, bytes]] = []
    long_name = long_link = None
    while True:
        header = stream.read(BLOCK)
        if len(header) < BLOCK or header == _ZEROS:
            if header and len(header) < BLOCK:
                raise TarError("ends in the middle of a header")
            return
        _check_sum(header)
        flag = header[156:157]
        if flag in b"xgLK":
            size = _number(header[124:136], "size")
            if not 0 <= size <= _EXTENSION_LIMIT:
                raise TarError(f"an extension header has {size} bytes, more than {_EXTENSION_LIMIT}")
            data = stream.read(size)
            if len(data) < size:
                raise TarError("ends in the middle of an extension header")
            stream.skip(-size % BLOCK)
            if flag == b"x":
                pax = _pax_records(data)
            elif flag == b"L":
                long_name = data.partition(b"\0")[0]
            elif flag == b"K":
                long_link = data.partition(b"\0")[0]
            # "g", global defaults: ignored, as Go's archive/tar and so every container engine does.
            continue
        entry = _entry(stream, header, pax, long_name, long_link)
        yield entry
        # A sparse map at the head of the data is whole blocks, so the padding follows from the stored bytes alone.
        stream.skip(-entry.stored % BLOCK)
        pax, long_name, long_link = [], None, None


def _entry(stream: Stream, header: bytes, pax: list[tuple[bytes, bytes]], long_name: bytes | None, long_link: bytes | None) -> Entry:
    flag = header[156:157]
    kind = _KINDS.get(flag)
    name = long_name if long_name is not None else _name(header)
    if kind is None:
        raise TarError(f"{name!r} has the unknown type {flag!r}")
    if flag == b"\0" and name.endswith(b"/"):
        kind = "dir"
    link = long_link if long_link is not None else header[157:257].partition(b"\0")[0]
    size = _number(header[124:136], "size")
    uid, gid = _number(header[108:116], "uid"), _number(header[116:124], "gid")
    mtime = _number(header[136:148], "mtime") * 10**9
    xattrs: dict[str, bytes] = {}
    for key, value in pax:
        # An empty value takes a record back (POSIX), which container engines hold to for attributes too.
        if not value:
            continue
        if key.startswith(_XATTR):
            xattrs[key[len(_XATTR) :].decode("utf-8", "surrogateescape")] = value
        elif key in _NUMBERS:
            if key == b"path":
                name = value
            elif key == b"linkpath":
                link = value
            elif key == b"size":
                size = _decimal(value, "size")
            elif key == b"uid":
                uid = _decimal(value, "uid")
            elif key == b"gid":
                gid = _decimal(value, "gid")
            else:
                mtime = _time(value)
    device = (_number(header[329:337], "major"), _number(header[337:345], "minor")) if kind in ("char", "block") else (0, 0)
    if kind != "file":
        # Only files have data. Go's archive/tar ignores the size of the others too; old tars gave a hard link its target's.
        size = 0
    if size < 0 or not 0 <= uid < 2**32 - 1 or not 0 <= gid < 2**32 - 1 or abs(mtime) >= 2**63:
        raise TarError(f"{name!r} has a size, an owner or a time that is out of range")
    stored, sparse = size, None
    if flag == b"S":
        size, sparse = _sparse_gnu(stream, header)
    elif kind == "file" and pax:
        name, size, stored, sparse = _sparse_pax(stream, dict(pax), pax, name, size)
    if sparse is not None:
        _check_sparse(name, sparse, size, stored)
    if b"\0" in name or b"\0" in link:
        raise TarError(f"{name!r} has a NUL in its name or link")
    return Entry(name, kind, _number(header[100:108], "mode") & 0o7777, uid, gid, mtime, link, device, xattrs, stored, size, sparse)


def _name(header: bytes) -> bytes:
    name = header[0:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0":
        # Schily's star keeps times behind the first 131 bytes of the prefix.
        end = 476 if header[508:512] == b"tar\0" else 500
        prefix = header[345:end].partition(b"\0")[0]
        if prefix:
            return prefix + b"/" + name
    return name


def _check_sum(header: bytes) -> None:
    # The sum takes its own field for blanks. Some old tars summed signed bytes.
    rest = header[:148] + b"        " + header[156:]
    given = _number(header[148:156], "checksum")
    if given != sum(rest) and given != sum(byte - 256 if byte > 127 else byte for byte in rest):
        raise TarError("a header's checksum is wrong")


def _number(field: bytes, what: str) -> int:
    """A header's number: octal digits, or base 256 when the first bit is set (GNU, star)."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise TarError(f"a header's {what} is no number: {field!r}") from None


def _decimal(value: bytes, what: str) -> int:
    if not value.isdigit() or len(value) > 20:
        raise TarError(f"a pax record's {what} is no number: {value[:40]!r}")
    return int(value)


def _time(value: bytes) -> int:
    """Seconds with an optional fraction → nanoseconds."""
    negative = value.startswith(b"-")
    whole, _, fraction = value.lstrip(b"-").partition(b".")
    if not whole.isdigit() or len(whole) > 12 or (fraction and not fraction.isdigit()):
        raise TarError(f"a pax record's mtime is no time: {value[:40]!r}")
    nanoseconds = int(whole) * 10**9 + int(fraction[:9].ljust(9, b"0") or 0)
    return -nanoseconds if negative else nanoseconds


def _pax_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """``LENGTH KEY=VALUE\\n``, where LENGTH counts the whole record. Keys may repeat (sparse maps of form 0.0)."""
    records = []
    position = 0
    while position < len(data):
        blank = data.find(b" ", position, position + 9)
        digits = data[position:blank]
        if blank < 0 or not digits.isdigit():
            raise TarError("a pax header is malformed")
        end = position + int(digits)
        record = data[blank + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(data) or end <= blank or not equals or not key or record[-1:] != b"\n":
            raise TarError("a pax header is malformed")
        records.append((key, value))
        position = end
    return records


def _sparse_gnu(stream: Stream, header: bytes) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The old GNU form: 4 runs in the header, 21 in each extension block."""
    runs: list[tuple[int, int]] = []
    block, start, count, more = header, 386, 4, 482
    while True:
        for position in range(start, start + 24 * count, 24):
            if block[position] == 0:
                break
            runs.append((_number(block[position : position + 12], "offset"), _number(block[position + 12 : position + 24], "length")))
        if not block[more]:
            return _number(header[483:495], "size"), tuple(runs)
        if len(runs) * 24 > _EXTENSION_LIMIT:
            raise TarError("a sparse file has too many runs")
        block, start, count, more = stream.read(BLOCK), 0, 21, 504
        if len(block) < BLOCK:
            raise TarError("ends in the middle of a sparse file")


def _sparse_pax(
    stream: Stream, last: dict[bytes, bytes], pax: list[tuple[bytes, bytes]], name: bytes, stored: int
) -> tuple[bytes, int, int, tuple[tuple[int, int], ...] | None]:
    """GNU's pax forms 0.0, 0.1 and 1.0 → (name, size, stored, runs)."""
    name = last.get(b"GNU.sparse.name", name)
    if last.get(b"GNU.sparse.major") == b"1" and last.get(b"GNU.sparse.minor") == b"0":
        numbers, used = _sparse_map(stream, stored)
        return name, _decimal(last.get(b"GNU.sparse.realsize", b""), "size"), stored - used, _runs(numbers)
    if b"GNU.sparse.map" in last:
        numbers = [_decimal(item, "map") for item in last[b"GNU.sparse.map"].split(b",") if item]
    elif b"GNU.sparse.numblocks" in last:
        numbers = [_decimal(value, "map") for key, value in pax if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes")]
    else:
        return name, stored, stored, None
    size = last.get(b"GNU.sparse.size", last.get(b"GNU.sparse.realsize", b""))
    return name, _decimal(size, "size"), stored, _runs(numbers)


def _sparse_map(stream: Stream, stored: int) -> tuple[list[int], int]:
    """The map of form 1.0: at the head of the data, decimal numbers in lines, filled up to whole blocks."""
    text = b""
    wanted: int | None = None
    while wanted is None or text.count(b"\n") < wanted:
        if len(text) + BLOCK > min(stored, _EXTENSION_LIMIT):
            raise TarError("a sparse file's map is malformed")
        text += stream.read(BLOCK)
        if wanted is None and b"\n" in text:
            wanted = 1 + 2 * _decimal(text.partition(b"\n")[0], "map")
    lines = text.split(b"\n")[1:wanted]
    return [_decimal(line, "map") for line in lines], len(text)


def _runs(numbers: list[int]) -> tuple[tuple[int, int], ...]:
    if len(numbers) % 2:
        raise TarError("a sparse file's map is malformed")
    return tuple(zip(numbers[::2], numbers[1::2]))


def _check_sparse(name: bytes, runs: tuple[tuple[int, int], ...], size: int, stored: int) -> None:
    end = 0
    for offset, length in runs:
        if length < 0 or offset < end or offset + length > size:
            raise TarError(f"{name!r} has a sparse map that leaves the file")
        end = offset + length
    if sum(length for _, length in runs) != stored:
        raise TarError(f"{name!r} has a sparse map that does not fit its data")
