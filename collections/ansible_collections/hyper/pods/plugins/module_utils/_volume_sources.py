# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host whose disks volumes begin with, where claims name them: beneath what the host's owner allows, and read as what anybody may have made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command, _host_paths, _manifest_claims, _qcow2, _quantity
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._manifest_claims import Claim
from ansible_collections.hyper.pods.plugins.module_utils._qcow2 import BadDiskImage
from ansible_collections.hyper.pods.plugins.module_utils._volume_plan import Volume


def sizes(host: Host, claims: Iterable[Claim], existing: Mapping[str, Volume]) -> dict[str, int]:
    """The sizes of the disks that volumes are about to begin with, by the volume's name. Raises PathNotAllowed, PathUnusable, BadDiskImage."""
    found = {}
    for claim in claims:
        if claim.source and claim.name not in existing:
            with _host_paths.opened(host, claim.source, _where(claim.name)) as handle:
                try:
                    size = _qcow2.opened(handle).size if claim.form == "qcow2" else os.fstat(handle).st_size
                except BadDiskImage as error:
                    raise BadDiskImage(f"{claim.source} {error.message}", where=_where(claim.name), remedy=error.remedy) from None
            if not 0 < size <= _manifest_claims.MAX_SIZE:
                raise BadDiskImage(f"{claim.source} holds a disk of {_quantity.human(size)}", where=_where(claim.name))
            found[claim.name] = size
    return found


def copy(host: Host, volume: str, source: Path, form: str, target: Path) -> None:
    """Write the disk that a file holds to another file, which is there and empty. Raises PathNotAllowed, PathUnusable, BadDiskImage, CommandFailed."""
    with _host_paths.opened(host, str(source), _where(volume)) as handle:
        if form == "raw":
            copy_file(Path(f"/proc/self/fd/{handle}"), target, pass_fds=(handle,))
            return
        made = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            _qcow2.copy(_qcow2.opened(handle), made)
        finally:
            os.close(made)


def copy_file(source: Path, target: Path, *, pass_fds: tuple[int, ...] = ()) -> None:
    """Sharing blocks where the filesystem can, else leaving holes as holes."""
    _command.run(["cp", "--reflink=auto", "--sparse=always", "--no-target-directory", "--", str(source), str(target)], pass_fds=pass_fds)


def _where(volume: str) -> str:
    return f"PersistentVolumeClaim {volume}: metadata.annotations[{_manifest_claims.SOURCE}]"
