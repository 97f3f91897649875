# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a Debian host that boots with systemd: what a server has, and most of what ``prepare_host.yml`` installs.

Built by mmdebstrap once (about 50 s), kept in ``.cache`` under the hash of the recipe, and never written to afterwards.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/test-hosts"
SUITE = "bookworm"
# May use sudo without a password.
USER = "admin"
SERVER = ("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "sudo", "python3", "iproute2", "procps")
# What prepare_host.yml finds missing and fetches, with Ansible's own need of Python: small, so that no test waits long for dpkg.
MISSING = ("lz4", "zstd", "python3-apt")
# Not to be installed: its files are all that is used.
KERNEL = "linux-image-cloud-amd64"
# The only archive that the host's apt knows: there is no network behind the host's.
ARCHIVE = "srv/archive"
_FETCH = " && ".join(
    (
        # apt outside, on the tree's archives and packages.
        'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"',
        f'cd "$1" && mkdir -p {ARCHIVE}/partial && cd {ARCHIVE}',
        f'apt-get -q -y -o APT::Sandbox::User=root -o Dir::Cache::Archives="$PWD" --no-install-recommends --download-only install {" ".join(MISSING)}',
        # The package stands for that of the newest kernel.
        f"newest=$(apt-cache depends {KERNEL} | sed -n 's/.*Depends: \\(linux-image-[0-9]\\)/\\1/p')",
        f'apt-get -q -o APT::Sandbox::User=root download {KERNEL} "$newest"',
        "rm -r partial lock",
    )
)
_SET_UP = " && ".join(
    (
        f'useradd --root "$1" --create-home --shell /bin/bash {USER}',
        f"echo '{USER} ALL=(ALL) NOPASSWD: ALL' > \"$1/etc/sudoers.d/{USER}\"",
        'rm "$1/etc/resolv.conf" "$1/etc/apt/sources.list"',
        f"echo 'deb [trusted=yes] file:/{ARCHIVE} ./' > \"$1/etc/apt/sources.list.d/archive.list\"",
    )
)


def host_tree() -> Path:
    """The directory of the tree; read-only for its users."""
    needed = yaml.safe_load((ROOT / "roles/kvm_host/defaults/main.yml").read_text())["kvm_host_packages"]
    packages = [*SERVER, *(package for package in needed if package not in MISSING)]
    recipe = json.dumps([SUITE, packages, _FETCH, _SET_UP])
    tree = CACHE / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            work = CACHE / "work"
            shutil.rmtree(work, ignore_errors=True)
            try:
                hooks = [f"--customize-hook={_FETCH}", f"--customize-hook={_SET_UP}"]
                _run(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}", *hooks, SUITE, str(work)])
                _index(work / ARCHIVE)
                work.rename(tree)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return tree


def _index(archive: Path) -> None:
    """Make a directory of packages one that apt can use."""
    entries = []
    for package in sorted(archive.glob("*.deb")):
        data = package.read_bytes()
        control = _run(["dpkg-deb", "--field", str(package)]).strip()
        entries.append(f"{control}\nFilename: ./{package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")
    (archive / "Packages").write_text("\n".join(entries))


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv[0]} failed: {done.stderr[-2000:]}"
    return done.stdout
