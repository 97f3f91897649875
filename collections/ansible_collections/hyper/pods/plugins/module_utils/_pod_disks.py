# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a pod's volumes while its guest runs: plugged in before the guest is told of them, taken away when nothing of it uses them any more."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from ansible_collections.hyper.pods.plugins.module_utils import _guest, _guest_disks, _manifest, _pod_files, _pod_guest
from ansible_collections.hyper.pods.plugins.module_utils._channel import Deadline
from ansible_collections.hyper.pods.plugins.module_utils._control import Control, RequestRefused
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

_ANSWER_TIME = 10.0
# Beyond the grace period of who still uses a disk.
_ENDING_TIME = 10.0
_PAUSE = 0.05


@contextmanager
def exchanged(host: Host, former: _manifest.Pod, latter: _manifest.Pod) -> Iterator[None]:
    """While it lasts the guest has the disks of both definitions; then those of the latter alone, or, when the block fails, of the former.

    Raises DiskNotPlugged and others: before the block nothing has changed then, after it the pod is what the block made it.
    """
    before, after = _disks(host, former), _disks(host, latter)
    if before.keys() == after.keys():
        yield
        return
    run_dir, patience = host.pod_run_dir(former.name), max(former.grace_period, latter.grace_period) + _ENDING_TIME
    _pod_files.ensure_volumes(host, latter)
    with suppress(HyperError):
        # What a run that was killed has left.
        held = _guest_disks.slots(run_dir) or []
        _take(host, former.name, {serial for serial in held if serial} - before.keys() - after.keys(), 0.0)
    added, removed = after.keys() - before.keys(), before.keys() - after.keys()
    try:
        _guest_disks.plug(run_dir, [after[serial] for serial in after if serial in added])
        yield
    except BaseException:
        with suppress(HyperError):
            _take(host, former.name, added, patience)
        raise
    _take(host, former.name, removed, patience)
    _pod_files.drop_volumes(host, latter)


def _disks(host: Host, pod: _manifest.Pod) -> Mapping[str, _guest.Disk]:
    """By their serials."""
    return {disk.serial: disk for disk in _pod_guest.volume_disks(pod, host.pod_dir(pod.name), host.volumes_dir)}


def _take(host: Host, name: str, serials: Collection[str], patience: float) -> None:
    """Take disks away as soon as the guest has let go of them. patience: seconds. Raises DiskNotPlugged and what else is in the way."""
    if not serials:
        return
    deadline = Deadline(patience)
    with Control.connect(host.pod_run_dir(name), timeout=_ANSWER_TIME) as control:
        for serial in serials:
            while True:
                try:
                    control.release(serial)
                    break
                except RequestRefused as error:
                    if deadline.passed:
                        raise _guest_disks.DiskNotPlugged(
                            f"the guest still uses the disk of a volume that it is not to have any more: {error.message}",
                            where=f"pod {name}",
                            remedy=f"Restart it: hyper restart {name}",
                        ) from None
                time.sleep(_PAUSE)
    _guest_disks.unplug(host.pod_run_dir(name), serials)
