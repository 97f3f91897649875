# SPDX-License-Identifier: GPL-3.0-or-later
"""What serves the host's files to a guest, on a host without systemd: started before QEMU, it ends by itself when QEMU does."""

from __future__ import annotations

import contextlib
import select
import shutil
import signal
import socket
import subprocess
from typing import BinaryIO

from ansible_collections.hyper.pods.plugins.module_utils import _command
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._host_share import VIRTIOFSD, Share
from ansible_collections.hyper.pods.plugins.module_utils._pid_file import writer

_PID_FILE = "pid"
_END_TIME = 10.0


def begin(share: Share, log: BinaryIO, *, owner: tuple[int, int]) -> None:
    """Serve it to the one that connects. log: gets what virtiofsd says; owner: who may connect. Raises CommandMissing."""
    _command.find(VIRTIOFSD)
    make_dir(share.directory)
    share.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        # It waits in the socket's queue until virtiofsd takes it, and is told when that has ended.
        listener.bind(str(share.socket))
        share.socket.chmod(0o600)
        shutil.chown(share.socket, *owner)
        listener.listen(1)
        program, *arguments = share.argv(listener.fileno())
        process = subprocess.Popen(
            [_command.find(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": _command.SEARCH_PATH, "LC_ALL": "C.UTF-8"},
            start_new_session=True,
            pass_fds=(listener.fileno(),),
        )
    (share.directory / _PID_FILE).write_text(f"{process.pid}\n")


def end(host: Host, unit: str) -> None:
    """End what a QEMU that never came has left, and return when nothing is left of it."""
    kind, _, name = unit.partition("@")
    directory = host.share_dir(name)
    if kind != "hyper-pod" or not directory.exists():
        return
    with writer(directory / _PID_FILE, Share(name, directory, ()).word) as running:
        if running is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(running.pidfd, signal.SIGTERM)
            poll = select.poll()
            poll.register(running.pidfd, select.POLLIN)
            poll.poll(_END_TIME * 1000)
    shutil.rmtree(directory, ignore_errors=True)
