# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the processes of a pod run as and what they may do: securityContext of the pod and of a container."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, Node, NotSupported

MAX_ID = 2**31 - 1
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])+[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
# By their numbers in linux/capability.h.
_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE"),
    *("NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN"),
    *("SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE"),
    *("MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)


@dataclass(frozen=True)
class PodSecurity:
    """What holds for the whole pod. run_as_*: for the containers that say nothing else. sysctls: (name, value).

    regroup: volumes that outlive the pod are given to fs_group anew at each start.
    """

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    groups: tuple[int, ...] = ()
    fs_group: int | None = None
    regroup: bool = True
    sysctls: tuple[tuple[str, str], ...] = ()
    filtered: bool = False


@dataclass(frozen=True)
class Security:
    """What holds for one container, the pod's part in it. add, drop: names of capabilities, or ALL. filtered: the seccomp profile RuntimeDefault."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool = False
    privileged: bool = False
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    read_only_root: bool = False
    no_new_privileges: bool = False
    unmasked_proc: bool = False
    filtered: bool = False

    def capabilities(self, default: tuple[int, ...]) -> tuple[int, ...]:
        """The numbers of those that are kept: first all or none, then the ones that are named."""
        everything = set(range(len(_CAPABILITIES)))
        kept = everything if self.privileged or "ALL" in self.add else set(default)
        if "ALL" in self.drop and not self.privileged:
            kept = set()
        kept |= {_CAPABILITIES.index(name) for name in self.add if name != "ALL"}
        kept -= {_CAPABILITIES.index(name) for name in self.drop if name != "ALL"} if not self.privileged else set()
        return tuple(sorted(kept))

    @property
    def identified(self) -> bool:
        """Whether it says who the container runs as."""
        return self.run_as_user is not None or self.run_as_group is not None

    def user(self, image_user: str) -> str:
        """Who the container runs as, in the form that an image's User has."""
        user = image_user.partition(":")[0] if self.run_as_user is None else str(self.run_as_user)
        if self.run_as_group is not None:
            return f"{user or 0}:{self.run_as_group}"
        return image_user if self.run_as_user is None else user


def pod_security(spec: Node) -> PodSecurity:
    """The securityContext of a PodSpec."""
    node = spec.node("securityContext")
    if node is None:
        return PodSecurity()
    node.choice("supplementalGroupsPolicy", ("Merge",), "Merge")
    made = PodSecurity(
        filtered=bool(_filtered(node)),
        run_as_user=node.integer("runAsUser", 0, MAX_ID),
        run_as_group=node.integer("runAsGroup", 0, MAX_ID),
        run_as_non_root=node.boolean("runAsNonRoot"),
        groups=node.integers("supplementalGroups", 0, MAX_ID),
        fs_group=node.integer("fsGroup", 0, MAX_ID),
        regroup=node.choice("fsGroupChangePolicy", ("OnRootMismatch", "Always"), "Always") == "Always",
        sysctls=tuple(_sysctl(item) for item in node.nodes("sysctls")),
    )
    node.done(_kubernetes.POD_SECURITY)
    return made


def security(container: Node, pod: PodSecurity) -> Security:
    """The securityContext of a container, which goes before the pod's."""
    node = container.node("securityContext")
    if node is None:
        made = Security(pod.run_as_user, pod.run_as_group, bool(pod.run_as_non_root), filtered=pod.filtered)
        _consistent(made, container.at("securityContext"))
        return made
    filtered = _filtered(node)
    user, group, non_root = node.integer("runAsUser", 0, MAX_ID), node.integer("runAsGroup", 0, MAX_ID), node.boolean("runAsNonRoot")
    capabilities = node.node("capabilities")
    add, drop = ((), ()) if capabilities is None else (_names(capabilities, "add"), _names(capabilities, "drop"))
    if capabilities is not None:
        capabilities.done(_kubernetes.CAPABILITIES)
    made = Security(
        run_as_user=pod.run_as_user if user is None else user,
        run_as_group=pod.run_as_group if group is None else group,
        run_as_non_root=bool(pod.run_as_non_root if non_root is None else non_root),
        privileged=bool(node.boolean("privileged")),
        add=add,
        drop=drop,
        read_only_root=bool(node.boolean("readOnlyRootFilesystem")),
        no_new_privileges=node.boolean("allowPrivilegeEscalation") is False,
        unmasked_proc=node.choice("procMount", ("Default", "Unmasked"), "Default") == "Unmasked",
        filtered=pod.filtered if filtered is None else filtered,
    )
    node.done(_kubernetes.SECURITY)
    if made.no_new_privileges and (made.privileged or {"ALL", "SYS_ADMIN"} & set(made.add)):
        raise node.fail("allowPrivilegeEscalation", "cannot be false for a privileged container, nor for one with SYS_ADMIN")
    _consistent(made, node.path)
    return made


def _consistent(security: Security, path: str) -> None:
    if security.run_as_non_root and security.run_as_user == 0:
        raise InvalidManifest("runAsUser is 0, and runAsNonRoot is true", where=path, remedy="Give another user")


def _filtered(node: Node) -> bool | None:
    """Whether the seccomp profile is RuntimeDefault; None where nothing is said."""
    profile = node.node("seccompProfile")
    if profile is None:
        return None
    kind = profile.required_string("type")
    profile.choice("type", ("Unconfined", "RuntimeDefault", "Localhost"), "")
    if kind == "Localhost":
        raise NotSupported(profile.at("type"), "a host has no profiles of its own", "Take RuntimeDefault or Unconfined")
    profile.done(_kubernetes.SECCOMP)
    return kind == "RuntimeDefault"


def _names(node: Node, name: str) -> tuple[str, ...]:
    values = tuple(value.upper().removeprefix("CAP_") for value in node.strings(name) or ())
    for index, value in enumerate(values):
        if value != "ALL" and value not in _CAPABILITIES:
            raise InvalidManifest(f"{value!r} is not a capability", where=f"{node.at(name)}[{index}]")
    return values


def _sysctl(node: Node) -> tuple[str, str]:
    name = node.required_string("name")
    if not _SYSCTL.fullmatch(name):
        raise node.fail("name", f"{name!r} is not a name such as net.ipv4.ip_forward")
    node.required("value")
    value = node.string("value") or ""
    if "\x00" in value or "\n" in value:
        raise node.fail("value", "has to be one line")
    node.done(_kubernetes.SYSCTL)
    return name, value


def sysctl_path(name: str) -> str:
    """The file below /proc/sys (sysctl(8)): the first separator is the one that counts, the other stands for itself."""
    return name if "/" in name.partition(".")[0] else name.translate(str.maketrans("./", "/."))
