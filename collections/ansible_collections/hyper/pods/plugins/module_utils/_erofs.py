# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack a tree into a read-only disk."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, NoSpace

# lz4: 80 MB instead of 135 MB for a typical image, and 0.3 s more to make. Unpacking costs every start a little, in an emulated guest most, so a
# small image, of which there is little to save, is left as it is.
_SMALL = 16 << 20


def make_disk(image: str, tree: Path, disk: Path, *, identity: str, pass_fds: Sequence[int] = ()) -> None:
    """Write the tree below ``tree`` to the new file ``disk``, and see that it is on stable storage.

    identity: the same one gives the same file system UUID. pass_fds: descriptors (of locks) that mkfs.erofs keeps open. Raises NoSpace, BadImage.
    """
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, identity))
    try:
        packing = [] if _size(tree) <= _SMALL else ["-zlz4"]
        _command.run(["mkfs.erofs", *packing, "--quiet", "-U", name, str(disk), str(tree)], pass_fds=pass_fds)
    except _command.CommandFailed as error:
        if "No space left" in error.stderr:
            raise NoSpace(image, "there is no room for its disk") from None
        raise BadImage(image, f"mkfs.erofs cannot make a disk of it: {error.stderr.strip()[-500:]}") from None
    handle = os.open(disk, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _size(tree: Path) -> int:
    """Bytes of all files below ``tree``, as far as they count: no more are looked at than it takes to pass _SMALL."""
    size = 0
    for directory, _, names in os.walk(tree):
        for name in names:
            size += os.lstat(os.path.join(directory, name)).st_size
            if size > _SMALL:
                return size
    return size
