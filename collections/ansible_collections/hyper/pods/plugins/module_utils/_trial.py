# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that is nobody's pod: started to learn something, or to make something of it, and gone at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._direct import spawn
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir
from ansible_collections.hyper.pods.plugins.module_utils._guest import Guest, qemu_argv
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


@dataclass(frozen=True)
class Trial:
    """A guest that runs. directory: its own, also QEMU's run directory; word: the file that hyperstart writes to."""

    directory: Path
    word: Path
    process: subprocess.Popen[bytes]

    def await_word(self, limit: float) -> bool:
        """Whether hyperstart said something within ``limit`` seconds, before QEMU ended."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.word.exists() and self.word.stat().st_size:
                return True
            # A file that another process writes has no event that is worth the code.
            time.sleep(0.02)
        return False

    @property
    def said(self) -> str:
        """The last line that QEMU said."""
        lines = (self.directory / "said").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


@contextlib.contextmanager
def trial(host: Host, purpose: str, make: Callable[[Path], Guest]) -> Iterator[Trial]:
    """The guest that ``make`` says for its directory; its last port is the one that hyperstart writes its log to, a file."""
    make_dir(host.run_dir)
    directory = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=host.run_dir))
    try:
        if os.geteuid() == 0:
            os.chown(directory, *host.qemu_ids())
        guest = make(directory)
        with (directory / "said").open("wb") as log:
            process = spawn(host, qemu_argv(guest, run_dir=directory), log)
        try:
            yield Trial(directory, guest.ports[-1].path, process)
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
