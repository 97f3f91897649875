# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a tree of files is what another one would make of it, by their streams. Pure."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping

from ansible_collections.hyper.pods.plugins.module_utils._file_tree import HARMLESS, Entry, Reader

Description = Mapping[str, tuple[object, ...]]
_KINDS = (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK)


class Describer(Reader):
    """Notes all that a copy keeps of each file of a tree. received: as ``_file_tree_receive`` would make it; owners: whether the receiver keeps these."""

    def __init__(self, *, received: bool = False, owners: bool = True) -> None:
        super().__init__()
        self._received = received
        self._owners = owners
        self._content = hashlib.sha256()
        self._last: Entry | None = None
        self._files: dict[str, tuple[object, ...]] = {}
        # The names of each file that has several, by the first of them.
        self._names: dict[str, list[str]] = {}
        self.is_directory = False

    @property
    def files(self) -> Description:
        """What was noted, by path. A file of several names is the same under each, in whatever order they came."""
        several = {name: (*self._files[first], tuple(sorted(names))) for first, names in self._names.items() if first in self._files for name in names}
        return {**self._files, **several}

    def take(self, entry: Entry) -> None:
        """Note an entry, a directory with the one behind all that is in it."""
        self._content = hashlib.sha256()
        self._last = entry
        self.is_directory |= not entry.path and stat.S_ISDIR(entry.mode)
        if not entry.size:
            self.close()

    def content(self, data: bytes) -> None:
        """A part of a file."""
        self._content.update(data)

    def close(self) -> None:
        """A file is whole."""
        entry = self._last
        if entry is None or (self._received and stat.S_IFMT(entry.mode) not in _KINDS):
            return
        mode, attributes = entry.mode, sorted((each.name, each.value) for each in entry.attributes)
        if self._received:
            if not stat.S_ISLNK(mode):
                mode = stat.S_IFMT(mode) | (mode & 0o1777)
            attributes = [pair for pair in attributes if pair[0].startswith(HARMLESS)]
        owner = (entry.uid, entry.gid) if self._owners else ()
        self._files[entry.path] = (mode, owner, entry.time, entry.target, entry.device, tuple(attributes), entry.size, self._content.digest())
        if entry.same:
            self._names.setdefault(entry.same, [entry.same]).append(entry.path)


def differing(wanted: Description, present: Description) -> list[str]:
    """The paths that a copy would change: absent, or otherwise. What only is in ``present`` stays, since a directory is merged with another."""
    return sorted(path for path, said in wanted.items() if present.get(path) != said)
