# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie on a KVM host, and who may touch them."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

STATE_DIR = "/var/lib/hyper"
RUN_DIR = "/run/hyper"
QEMU_USER = "hyper-qemu"


class NotPrepared(HyperError):
    """The host lacks something that preparation puts there."""

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message, where=where, remedy="Prepare the host first: ansible-playbook playbooks/prepare_host.yml")


@dataclass(frozen=True)
class Host:
    """The directories of one KVM host and the unprivileged account that QEMU runs under.

    state_dir: survives reboots; images, hyperstart versions, pods, guests.
    run_dir: is gone after a reboot; sockets, pid files, locks. Keep it short: a UNIX socket's path has at most 107 bytes.
    """

    state_dir: Path = Path(STATE_DIR)
    run_dir: Path = Path(RUN_DIR)
    qemu_user: str = QEMU_USER

    @property
    def images_dir(self) -> Path:
        return self.state_dir / "images"

    @property
    def authfile(self) -> Path:
        """Credentials for registries, where somebody has logged in; readable by root alone."""
        return self.state_dir / "auth.json"

    @property
    def signature_policy(self) -> Path:
        """Which images may be pulled (containers-policy.json(5)), where the host's owner has put it there; otherwise skopeo's own counts."""
        return self.state_dir / "policy.json"

    @property
    def signature_places(self) -> Path:
        """A directory that says where signatures are (containers-registries.d(5)), where the host's owner has made it; otherwise skopeo's own counts."""
        return self.state_dir / "registries.d"

    @property
    def digest_key(self) -> Path:
        """The key of the digests that are shown in the place of secrets; readable by root alone."""
        return self.state_dir / "digest.key"

    @property
    def hyperstart_dir(self) -> Path:
        return self.state_dir / "hyperstart"

    @property
    def templates_dir(self) -> Path:
        """Saved guests that pods are copied from, on a host that is to keep such: there is no other setting than that the directory is there."""
        return self.state_dir / "templates"

    def pod_dir(self, name: str) -> Path:
        return self.state_dir / "pods" / name

    def guest_dir(self, name: str) -> Path:
        return self.state_dir / "guests" / name

    @property
    def volumes_dir(self) -> Path:
        return self.state_dir / "volumes"

    @property
    def host_paths_file(self) -> Path:
        """The directories beneath which pods may have files of the host, one a line; the host's owner says which."""
        return self.state_dir / "host-paths"

    def share_dir(self, name: str) -> Path:
        """Where a pod's files of the host are served from."""
        return self.run_dir / "shares" / name

    def pod_run_dir(self, name: str) -> Path:
        return self.run_dir / "pods" / name

    def guest_run_dir(self, name: str) -> Path:
        return self.run_dir / "guests" / name

    def lock_path(self, kind: str, name: str) -> Path:
        """The lock file of one thing on this host, such as ("pod", "web"); not in the thing's own directory, which comes and goes."""
        return self.run_dir / "locks" / f"{kind}-{name}.lock"

    def qemu_ids(self) -> tuple[int, int]:
        """The uid and gid that own what QEMU writes. Raises NotPrepared when the account is missing."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        try:
            account = pwd.getpwnam(self.qemu_user)
        except KeyError:
            raise NotPrepared(f"there is no system user {self.qemu_user} to run QEMU as") from None
        return account.pw_uid, account.pw_gid

    def qemu_may_open(self, device: Path) -> bool:
        """Whether QEMU's account may read and write a device that is there. Raises NotPrepared."""
        status, (uid, gid) = device.stat(), self.qemu_ids()
        bits = 0o600 if status.st_uid == uid else 0o060 if status.st_gid == gid else 0o006
        return status.st_mode & bits == bits

    def kvm_gid(self) -> int | None:
        """The group that may open /dev/kvm, or None where there is no /dev/kvm."""
        try:
            gid = os.stat("/dev/kvm").st_gid
        except FileNotFoundError:
            return None
        try:
            return grp.getgrnam("kvm").gr_gid
        except KeyError:
            return gid
