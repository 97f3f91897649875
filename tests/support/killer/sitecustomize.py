# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends the Python process that finds this on its PYTHONPATH with SIGKILL, at the moment before its Nth change of a KVM host.

Python's audit events tell of every such moment: files made, linked, renamed, removed below the host's directories; programs started; guests spoken to.
From the environment: KILL_BELOW, directories with ":" between; KILL_AT, N from 1; KILL_NOTE, a file that gets the name of the moment.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

# Event → which of its arguments is the path, and which the descriptor of the directory that it is relative to (docs.python.org, "Audit events table").
_PATHS = {
    "os.mkdir": (0, 2),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
    "os.rename": (1, 3),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.truncate": (0, None),
}
# Event → whether the path exists in the end.
_ENDS = {"os.mkdir": True, "os.remove": False}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def _path(event: str, arguments: tuple[object, ...]) -> str | None:
    """What is about to be changed, or None for an event that changes nothing."""
    if event == "open":
        path, _, flags = arguments
        return path if isinstance(path, str) and isinstance(flags, int) and flags & _WRITING else None
    if event == "socket.connect":
        return arguments[1] if isinstance(arguments[1], str) else None
    if event not in _PATHS:
        return None
    which, relative = _PATHS[event]
    named = arguments[which]
    path = os.fsdecode(named) if isinstance(named, (str, bytes, os.PathLike)) else None
    directory = arguments[relative] if relative is not None else -1
    return os.path.join(os.readlink(f"/proc/self/fd/{directory}"), path) if path and isinstance(directory, int) and directory >= 0 else path


def _install() -> None:
    below = tuple(f"{directory}/" for directory in os.environ["KILL_BELOW"].split(":"))
    note = os.open(os.environ["KILL_NOTE"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    left = int(os.environ["KILL_AT"])
    connected: set[str] = set()
    lock = threading.Lock()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event == "subprocess.Popen":
            moment = f"starting {arguments[0]}"
        else:
            path = _path(event, arguments)
            # Locks are no change of a host, nor is a directory that is there already, or a file that is not there to be removed.
            if path is None or not path.startswith(below) or "/locks" in path or (event in _ENDS and os.path.lexists(path) == _ENDS[event]):
                return
            if event == "socket.connect":
                # A socket that is not served yet is tried again and again.
                if path in connected:
                    return
                connected.add(path)
            moment = f"{event} {path}"
        with lock:
            left -= 1
            if left == 0:
                os.write(note, moment.encode())
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


_install()
