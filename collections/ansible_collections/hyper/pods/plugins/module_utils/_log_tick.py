# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host runs every few seconds while there are pods: it looks at the size of their logs, and loads the rest only where one has grown."""

from __future__ import annotations

import os
import sys


def main(least: int) -> None:
    """Rotate what is due. least: bytes; no log is begun anew that is smaller. Arguments of the command: the host's directories of state and of sockets."""
    state_dir, run_dir = sys.argv[1:]
    try:
        pods = [entry for entry in os.scandir(os.path.join(state_dir, "pods")) if not entry.name.startswith(".")]
    except FileNotFoundError:
        return
    for pod in pods:
        # The last: a rotation that could not be brought to its end.
        if any(_size(os.path.join(pod.path, name)) >= size for name, size in (("log", least), ("console.log", least), (".log.unopened", 0))):
            _rotate(state_dir, run_dir, pod.name)


def _rotate(state_dir: str, run_dir: str, pod: str) -> None:
    from pathlib import Path

    from ansible_collections.hyper.pods.plugins.module_utils._host import Host
    from ansible_collections.hyper.pods.plugins.module_utils._log_rotation import rotate

    try:
        rotate(Host(Path(state_dir), Path(run_dir)), pod)
    except OSError as error:
        if os.path.exists(os.path.join(state_dir, "pods", pod, "pod.json")):
            print(f"pod {pod}: {error}", file=sys.stderr)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
