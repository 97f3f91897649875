# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of NFS in user space (nfs-ganesha), on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.guests import wait_for

_PORT = 2049
_CONFIGURATION = """
NFS_CORE_PARAM {{ NFS_Port = {port}; NFS_Protocols = 4; Bind_addr = 127.0.0.1; Enable_NLM = false; Enable_RQUOTA = false; }}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = "{base}/recovery"; Only_Numeric_Owners = true; }}
EXPORT {{
  Export_Id = 1; Path = "{base}/export"; Pseudo = "/export"; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Transports = TCP;
  FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = WARN; }}
"""


@contextlib.contextmanager
def nfs_server() -> Iterator[Path]:
    """The directory that it exports as /export. It has NFS' own port, which a manifest cannot choose."""
    # Not below /tmp where that is a tmpfs, which has no handles of files.
    base = Path(tempfile.mkdtemp(prefix="hyper-nfs.", dir="/var/tmp"))
    try:
        for name in ("export", "recovery"):
            (base / name).mkdir()
        (base / "conf").write_text(_CONFIGURATION.format(port=_PORT, base=base))
        words = ["-F", "-f", str(base / "conf"), "-L", str(base / "log"), "-p", str(base / "pid")]
        with subprocess.Popen(["/usr/bin/ganesha.nfsd", *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as server:
            try:
                wait_for(lambda: server.poll() is not None or _answers(), "the server of NFS")
                assert server.poll() is None, (base / "log").read_text()
                yield base / "export"
            finally:
                server.kill()
    finally:
        shutil.rmtree(base)


def _answers() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", _PORT)) == 0
