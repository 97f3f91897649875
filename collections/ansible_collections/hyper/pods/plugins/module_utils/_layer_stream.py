# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a layer: decompressed, hashed and counted in a thread of its own, beside the one that writes files."""

from __future__ import annotations

import hashlib
import os
import queue
import subprocess
import threading
import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command

_READ = 256 << 10
_CHUNK = 1 << 20
# Chunks that may wait between the two threads: enough to ride out a burst of small files.
_DEPTH = 16
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_UNSUPPORTED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x04\x22\x4d\x18": "lz4"}


class StreamError(ValueError):
    """The layer cannot be decompressed, is too large, or is not what its digest says."""


class LayerTooLarge(StreamError):
    """More bytes than allowed."""


def layer_chunks(path: Path, diff_id: str, limit: int) -> Iterator[bytes]:
    """The uncompressed tar stream of a layer; at its end it must have the digest ``diff_id``. Raises StreamError, also after ``limit`` bytes."""
    digest = hashlib.sha256()
    total = 0
    for chunk in decompressed(path):
        total += len(chunk)
        if total > limit:
            raise LayerTooLarge(f"expands to more than {limit} bytes")
        digest.update(chunk)
        yield chunk
    if f"sha256:{digest.hexdigest()}" != diff_id:
        raise StreamError(f"its content has the digest sha256:{digest.hexdigest()}, not {diff_id}")


def ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, made by a thread that works ahead (zlib and hashlib let go of the interpreter's lock)."""
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_DEPTH)
    stop = threading.Event()

    def work() -> None:
        last: BaseException | None = None
        try:
            for chunk in chunks:
                if stop.is_set():
                    break
                waiting.put(chunk)
        except BaseException as error:
            last = error
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        waiting.put(last)

    thread = threading.Thread(target=work, name="layer", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            # Make room, so that a thread that waits to put sees the stop.
            try:
                waiting.get(timeout=0.01)
            except queue.Empty:
                thread.join(0.01)


def decompressed(path: Path) -> Iterator[bytes]:
    """The bytes of a file, gzip, zstd or neither. Raises StreamError."""
    # Unbuffered: zstd reads from the descriptor's own position.
    with path.open("rb", buffering=0) as file:
        magic = file.read(8)
        file.seek(0)
        if magic.startswith(_GZIP):
            yield from _gzip(file)
        elif magic.startswith(_ZSTD):
            yield from _zstd(file)
        else:
            for start, name in _UNSUPPORTED.items():
                if magic.startswith(start):
                    raise StreamError(f"is compressed with {name}; gzip, zstd and uncompressed layers are supported")
            while chunk := file.read(_CHUNK):
                yield chunk


def _gzip(file: FileIO) -> Iterator[bytes]:
    """One gzip member or several; zeros may follow the last."""
    member = zlib.decompressobj(wbits=31)
    pending = b""
    try:
        while True:
            pending = pending or file.read(_READ)
            if not pending:
                break
            if member.eof:
                pending = pending.lstrip(b"\0")
                if not pending:
                    continue
                member = zlib.decompressobj(wbits=31)
            chunk = member.decompress(pending, _CHUNK)
            pending = member.unused_data if member.eof else member.unconsumed_tail
            if chunk:
                yield chunk
        # What the decompressor still holds after the last input byte.
        while not member.eof:
            chunk = member.decompress(b"", _CHUNK)
            if not chunk:
                raise StreamError("its gzip stream ends early")
            yield chunk
    except zlib.error as error:
        raise StreamError(f"is no valid gzip stream: {error}") from None


def _zstd(file: FileIO) -> Iterator[bytes]:
    """Through the zstd command: Python's standard library has no zstd before 3.14."""
    program = _command.find("zstd")
    with subprocess.Popen([program, "-dcq"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"LC_ALL": "C"}) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe
        assert process.stderr is not None  # noqa: S101 - a pipe
        try:
            while chunk := os.read(process.stdout.fileno(), _CHUNK):
                yield chunk
            stderr = process.stderr.read().decode(errors="replace").strip()
            if process.wait() != 0:
                raise StreamError(f"is no valid zstd stream: {stderr[-300:]}")
        finally:
            if process.poll() is None:
                process.kill()
