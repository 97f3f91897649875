# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one external command: an argv, never a shell; a clean environment; failures as exceptions that name the cause."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

# The Debian package of each command that the collection calls: said in the error when the command is missing.
PACKAGES = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "bridge": "iproute2",
    "buildah": "buildah",
    "cp": "coreutils",
    "depmod": "kmod",
    "dnsmasq": "dnsmasq-base",
    "dpkg-deb": "dpkg",
    "env": "coreutils",
    "fallocate": "util-linux",
    "ip": "iproute2",
    "mkfs.erofs": "erofs-utils",
    "mkfs.ext4": "e2fsprogs",
    "modprobe": "kmod",
    "mount": "mount",
    "nft": "nftables",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "skopeo": "skopeo",
    "systemctl": "systemd",
    "unshare": "util-linux",
    "/usr/lib/qemu/virtiofsd": "qemu-system-common",
}
# sbin is not on the PATH of an unprivileged shell, nor of every SSH session.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class CommandMissing(HyperError):
    """A program that the host must have is not installed."""

    def __init__(self, program: str) -> None:
        package = PACKAGES.get(program, program)
        super().__init__(
            f"{program} is not installed",
            remedy=f"Install the package {package}, or prepare the host: ansible-playbook playbooks/prepare_host.yml",
        )
        self.program = program


class CommandFailed(HyperError):
    """A program ended with a code that is not zero, or did not end in time (code None)."""

    def __init__(self, argv: Sequence[str], code: int | None, stderr: str) -> None:
        ending = "did not end in time" if code is None else f"ended with code {code}"
        super().__init__(f"{os.path.basename(argv[0])} {ending}: {stderr.strip()[-2000:]}")
        self.argv = tuple(argv)
        self.code = code
        self.stderr = stderr


@dataclass(frozen=True)
class Output:
    """What a command that succeeded printed."""

    stdout: str
    stderr: str


def find(program: str) -> str:
    """The full path of a program; raises CommandMissing."""
    path = shutil.which(program, path=SEARCH_PATH)
    if path is None:
        raise CommandMissing(program)
    return path


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a command gets to see: PATH, LC_ALL=C, HOME, TMPDIR and the proxy settings, and ``env``."""
    kept = {key: value for key, value in os.environ.items() if key in {"HOME", "TMPDIR"} or key.lower().endswith("_proxy")}
    return {**kept, "PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", **(env or {})}


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    stdin: str | None = None,
    pass_fds: Sequence[int] = (),
) -> Output:
    """Run ``argv`` and return its output, decoded as UTF-8; raises CommandMissing or CommandFailed.

    env: added to a minimal environment. timeout: seconds. pass_fds: descriptors that stay open in it (a lock that it shall hold too).
    """
    program = find(argv[0])
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            env=environment(env),
            pass_fds=pass_fds,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        stderr = late.stderr.decode(errors="replace") if isinstance(late.stderr, bytes) else (late.stderr or "")
        raise CommandFailed(argv, None, stderr) from None
    if done.returncode != 0:
        raise CommandFailed(argv, done.returncode, done.stderr or done.stdout)
    return Output(done.stdout, done.stderr)
