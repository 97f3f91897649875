# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on a disk a value lies that should lie nowhere."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def holders(*tops: Path, values: tuple[bytes, ...]) -> set[Path]:
    """Every regular file beneath the directories that holds one of the values, as it is or in base64."""
    wanted = {form for value in values for form in (value, base64.b64encode(value))}
    files = (Path(place) / name for top in tops for place, _, names in os.walk(top) for name in names)
    return {file for file in files if stat.S_ISREG(file.lstat().st_mode) and any(text in data for data in _written(file) for text in wanted)}


def _written(file: Path) -> Iterator[bytes]:
    """The parts of a file that are no holes."""
    with file.open("rb") as opened:
        end, at = os.fstat(opened.fileno()).st_size, 0
        while at < end:
            try:
                begin = os.lseek(opened.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            at = os.lseek(opened.fileno(), begin, os.SEEK_HOLE)
            yield os.pread(opened.fileno(), at - begin, begin)
