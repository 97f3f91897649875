# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host's directories and files of a pod are served to its guest: one virtiofsd, which sees these and nothing else. Pure.

It runs as root, since it acts for users of any number, but has given up all that root may do beyond files before it hears the guest: it keeps the
capabilities to read, write and give away files of others, is in namespaces of its own without a network, and its root is what it serves. Device nodes
and file capabilities it cannot make.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._systemd_text import HEAD, NARROWED, PROTECTED, line, plain, quoted, unit_file

VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
# By which systemd hands a socket over (sd_listen_fds(3)).
_FIRST_FD = 3
# What the mounts and giving up the rest take, and what virtiofsd keeps.
_CAPABILITIES = "CAP_SYS_ADMIN CAP_SETPCAP CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_SETGID CAP_SETUID"
# $1: a directory that is covered, then NAME ro|rw ROOT PATH of each volume, then -- and the program. In a mount namespace of its own.
#
# What lies beneath an allowed directory may be written by guests, at any time. So this one is seen through a mount that follows no symbolic links, and
# the kernel refuses whatever path comes to hold one; mount -c does not look at it before.
_SCRIPT = """set -eu
place=$1; shift
ulimit -n "$(ulimit -H -n)"
mount -t tmpfs -o mode=755,nosuid,nodev,noexec,size=1m share "$place"
mkdir "$place/root" "$place/shared"
while [ "$1" != -- ]; do
  target=$place/shared/$1
  mount --bind "$3" "$place/root"
  mount -c -o remount,bind,nosymfollow "$place/root"
  source=$place/root/$4
  if [ -d "$source" ]; then mkdir "$target"; else : > "$target"; fi
  mount -c --bind "$source" "$target"
  [ "$2" = rw ] || mount -c -o remount,bind,ro "$target"
  umount "$place/root"
  shift 4
done
shift
mount -c -o remount,ro "$place"
exec "$@"
"""


@dataclass(frozen=True)
class Part:
    """One volume. root: the allowed directory that it lies beneath; path: from there, "." for the directory itself."""

    name: str
    root: Path
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class Share:
    """All of a pod's. directory: of the socket."""

    pod: str
    directory: Path
    parts: tuple[Part, ...]

    @property
    def socket(self) -> Path:
        """Where QEMU finds virtiofsd."""
        return self.directory / "socket"

    @property
    def word(self) -> str:
        """By which its process is known: it stands on no other's command line."""
        return f"source={self.directory}/shared"

    def argv(self, fd: int = _FIRST_FD) -> tuple[str, ...]:
        """The command that serves one QEMU and ends with it. fd: of the socket, which listens."""
        words = (word for part in self.parts for word in (part.name, "ro" if part.read_only else "rw", str(part.root), part.path))
        served = (VIRTIOFSD, f"--fd={fd}", "--rlimit-nofile=0", "-o", self.word, "-o", "sandbox=namespace", "-o", "modcaps=-mknod:-setfcap")
        script = ("sh", "-c", _SCRIPT, "sh", str(self.directory), *words, "--", *served, "-o", "announce_submounts")
        return ("unshare", "--mount", "--propagation", "private", "--", *script)


def socket_unit(pod: str) -> str:
    """The unit that a pod's own requires."""
    return f"hyper-share@{pod}.socket"


def unit_files(pod: str) -> tuple[str, str]:
    """The units of a pod's share."""
    return socket_unit(pod), f"hyper-share@{pod}.service"


def unit_texts(share: Share, pod_service: str, user: str, homes: str) -> dict[str, str]:
    """File name → content (systemd.socket(5), systemd.service(5)). homes: systemd's word of how it sees home directories."""
    socket, service = unit_files(share.pod)
    roots = tuple(dict.fromkeys(part.root for part in share.parts))
    # How often it is tried the pod's unit says, which has a limit of its own and ends as failed.
    head = (*HEAD, "StartLimitIntervalSec=0")
    # The pod's own unit has it started again.
    fail = f'[ "$SERVICE_RESULT" = success ] || exec systemctl kill --signal=KILL {pod_service}'
    return {
        socket: unit_file(
            *head,
            f"Description=Files of the host for pod {plain(share.pod)}",
            "StopWhenUnneeded=yes",
            "",
            "[Socket]",
            f"ListenStream={plain(str(share.socket))}",
            f"SocketUser={user}",
            "SocketMode=0600",
            "DirectoryMode=0755",
            "RemoveOnStop=yes",
        ),
        service: unit_file(
            *head,
            f"Description=Files of the host for pod {plain(share.pod)}",
            f"PartOf={pod_service}",
            # When the host goes down the pod does first.
            f"Before={pod_service}",
            f"RequiresMountsFor={' '.join(quoted(str(root)) for root in roots)}",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={line(*share.argv())}",
            # It ends with QEMU. Should it end before, the guest would wait for ever for its files.
            f"ExecStopPost=-+{line('sh', '-c', fail)}",
            "LimitNOFILE=1048576",
            "LimitCORE=0",
            "NoNewPrivileges=yes",
            f"CapabilityBoundingSet={_CAPABILITIES}",
            "ProtectSystem=strict",
            f"ProtectHome={homes}",
            *(f"ReadWritePaths={quoted(str(root))}" for root in roots),
            "PrivateNetwork=yes",
            "PrivateDevices=yes",
            *PROTECTED,
            "RestrictAddressFamilies=AF_UNIX",
            *NARROWED,
            # seccomp: with it virtiofsd narrows this further for itself.
            "SystemCallFilter=@system-service @mount seccomp",
            "SystemCallErrorNumber=EPERM",
        ),
    }
