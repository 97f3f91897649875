# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates of a host: each a file with the state of a guest that waits for a pod, whole or absent."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _kvm, _template
from ansible_collections.hyper.pods.plugins.module_utils._command import CommandMissing
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import LockTimeout, locked
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET, Guest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host, NotPrepared
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed, installed
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp
from ansible_collections.hyper.pods.plugins.module_utils._trial import trial

# The one that was used longest ago goes for a new one. A template of a small guest has 65 MB.
_MOST = 4
# At the lowest priority on a host that is busy.
_BOOT_TIME = 300.0
_SAVE_TIME = 300.0
_ANSWER_TIME = 60.0


class NotSaved(HyperError):
    """The state of a guest could not be written."""


class Templates:
    """Those of one host, for the hyperstart that is installed on it."""

    def __init__(self, host: Host, init: Installed) -> None:
        self._host = host
        self._directory = host.templates_dir
        self._circumstances = [*_kvm.circumstances(init), init.version]

    @property
    def wanted(self) -> bool:
        """Whether this host is to keep templates."""
        return self._directory.is_dir()

    def serves(self, guest: Guest) -> bool:
        """Whether this host is to have a template of ``guest``. One with an initramfs of its own, or memory that it shares, is no copy of others."""
        return self.wanted and not guest.own_initramfs and guest.share is None

    def path(self, guest: Guest) -> Path:
        """Where the template of ``guest`` lies, if there is one."""
        return self._directory / _template.name_of(guest, self._circumstances)

    def open(self, guest: Guest) -> int | None:
        """A descriptor of the template of ``guest``, for the caller to close; None where there is none."""
        if not self.serves(guest):
            return None
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.path(guest))
            return os.open(self.path(guest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return None

    def drop(self, guest: Guest) -> None:
        """Remove the template of ``guest``: it was of no use."""
        self.path(guest).unlink(missing_ok=True)

    def unneeded(self) -> list[Path]:
        """Those that no guest can be a copy of any more, and what runs that were killed have left."""
        return [path for path in self.files() if path.name.startswith(".") or _template.is_stale(path.name, self._circumstances)]

    def prune(self) -> None:
        """Remove what is unneeded, unless another run makes a template just now."""
        with contextlib.suppress(LockTimeout), self._alone():
            for path in self.unneeded():
                path.unlink()

    def make(self, guest: Guest) -> None:
        """Boot a template of ``guest`` and save it, in seconds; nothing where there is one, or another run makes it. Raises HyperError."""
        path = self.path(guest)
        with contextlib.suppress(LockTimeout), self._alone():
            if path.exists():
                return
            for old in self.outdated():
                old.unlink(missing_ok=True)
            with trial(self._host, "template", lambda directory: _template.template_of(guest, directory)) as booted:
                if not booted.await_word(_BOOT_TIME):
                    raise NotSaved(f"the guest did not come up: {booted.said}", where=str(path))
                with _whole(path) as state:
                    _save(booted.directory / QMP_SOCKET, state)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Raises LockTimeout at once where another run makes or removes templates."""
        return locked(self._host.lock_path("templates", "make"), what="templates", timeout=0.0)

    def files(self) -> list[Path]:
        """All that lies there."""
        return sorted(self._directory.glob("*")) if self.wanted else []

    def outdated(self) -> list[Path]:
        """What has to go for a new one."""
        unneeded = self.unneeded()
        rest = [path for path in self.files() if path not in unneeded]
        return unneeded + sorted(rest, key=lambda path: path.stat().st_mtime)[: max(0, len(rest) - _MOST + 1)]


def templates_of(host: Host) -> Templates | None:
    """Those of a host; None where no hyperstart is installed, for whose guests they could be, or no QEMU."""
    try:
        return Templates(host, installed(host))
    except (NotPrepared, CommandMissing):
        return None


def _save(socket: Path, state: int) -> None:
    with Qmp.connect(socket, _ANSWER_TIME) as qmp:
        qmp.send_file("state", state)
        # Without a limit that is meant for networks. The guest is not stopped before: so its copies run as soon as they are loaded.
        qmp.execute("migrate-set-parameters", max_bandwidth=2**40)
        qmp.execute("migrate", uri="fd:state")
        deadline = time.monotonic() + _SAVE_TIME
        while (progress := _progress(qmp))["status"] != "completed":
            if progress["status"] in ("failed", "cancelled") or time.monotonic() > deadline:
                raise NotSaved(f"QEMU could not save its guest: {progress.get('error-desc', progress['status'])}")
            # It has an event for this, but not before it is asked to tell of it, and this is done once in a host's life.
            time.sleep(0.02)


def _progress(qmp: Qmp) -> Mapping[str, str]:
    found: Mapping[str, str] = qmp.execute("query-migrate")
    return found


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[int]:
    """A descriptor for a file that comes to be ``path`` when all of it has been written."""
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        yield handle
        os.fsync(handle)
        os.rename(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
    finally:
        os.close(handle)
