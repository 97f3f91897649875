# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing or wrong on a host, each with its remedy. One function a subject; a check that finds nothing wrong says what it found."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _command,
    _host_prune,
    _hyperstart,
    _kvm,
    _network_host,
    _pod_status,
    _preflight,
    _record,
)
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host, NotPrepared
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor

OK, WARNING, ERROR = "ok", "warning", "error"
_PREPARE = "Prepare the host: hyper prepare"
# Below it images and scratch disks soon find no room.
_LEAST_FREE = 1 << 30
_LEAST_QEMU = (7, 0)
_NEEDED = ("qemu-system-x86_64", "qemu-img", "skopeo", "mkfs.erofs", "mkfs.ext4", "modprobe", "zstd")
_FOR_NETWORKS = ("ip", "nft", "dnsmasq")
_POLICIES = (Path("/etc/containers/policy.json"), Path.home() / ".config/containers/policy.json")
# The longest path of a socket below run_dir: pods/NAME/control.7 with a name of 63 characters; sockaddr_un holds 107.
_SOCKET_PATH = 107 - len("/pods//control.7.lock") - 63


@dataclass(frozen=True)
class Finding:
    """level: ok, warning (pods run all the same) or error. subject: what was looked at; remedy: empty where nothing is to be done."""

    level: str
    subject: str
    message: str
    remedy: str = ""


def findings(host: Host) -> list[dict[str, Any]]:
    """All that was looked at, in order."""
    result = []
    for check in _CHECKS:
        try:
            result += list(check(host))
        except HyperError as error:
            result.append(Finding(ERROR, check.__name__.strip("_"), error.message, error.remedy or ""))
    return [asdict(finding) for finding in result]


def _machine(_host: Host) -> Iterator[Finding]:
    facts = f"{platform.system()} {platform.release()} on {platform.machine()}, Python {platform.python_version()}"
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        yield Finding(ERROR, "machine", facts, "Pods run on Linux on x86_64")
    else:
        yield Finding(OK, "machine", facts)
    if os.geteuid() != 0:
        yield Finding(ERROR, "user", "not root: much cannot be seen, and nothing be changed", "Run it with become: true (-K asks for sudo's password)")


def _programs(_host: Host) -> Iterator[Finding]:
    missing = [program for program in _NEEDED if shutil.which(program, path=_command.SEARCH_PATH) is None]
    for program in missing:
        package = _command.PACKAGES.get(program, program)
        yield Finding(ERROR, "programs", f"{program} is not installed", f"Install the package {package}, or prepare the host: hyper prepare")
    if not missing:
        yield Finding(OK, "programs", ", ".join(_NEEDED))


def _qemu(_host: Host) -> Iterator[Finding]:
    if shutil.which("qemu-system-x86_64", path=_command.SEARCH_PATH) is None:
        return
    text = _command.run(["qemu-system-x86_64", "--version"], timeout=30).stdout
    version = text.partition("version ")[2].split()[0] if "version " in text else ""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _LEAST_QEMU:
        yield Finding(WARNING, "QEMU", f"version {version or 'unknown'}", f"Hyper pods is tested with QEMU {_LEAST_QEMU[0]}.2 and newer")
    else:
        yield Finding(OK, "QEMU", version)


def _account(host: Host) -> Iterator[Finding]:
    uid, _ = host.qemu_ids()
    if uid == 0:
        yield Finding(ERROR, "account", f"QEMU would run as {host.qemu_user}, which is root", "Give it a system user of its own (hyper_qemu_user)")
    else:
        yield Finding(OK, "account", f"QEMU runs as {host.qemu_user}")


def _directories(host: Host) -> Iterator[Finding]:
    if not host.state_dir.is_dir():
        yield Finding(ERROR, "disk", f"there is no {host.state_dir}", _PREPARE)
        return
    free = shutil.disk_usage(host.state_dir).free
    text = f"{free / 1e9:.1f} GB free at {host.state_dir}"
    if free < _LEAST_FREE:
        yield Finding(WARNING, "disk", text, "See what takes it (hyper df), and remove images that no pod uses: hyper image prune --all")
    else:
        yield Finding(OK, "disk", text)
    if len(os.fsencode(host.run_dir)) > _SOCKET_PATH:
        yield Finding(WARNING, "run_dir", f"{host.run_dir} is too long for the sockets of pods with long names", "Set hyper_run_dir to a shorter path")


def _init(host: Host) -> Iterator[Finding]:
    installed = _hyperstart.installed(host)
    for path in (installed.kernel, installed.initramfs):
        if not path.is_file():
            yield Finding(ERROR, "hyperstart", f"{path} is missing", _PREPARE)
            return
    yield Finding(OK, "hyperstart", installed.version)


def _acceleration(host: Host) -> Iterator[Finding]:
    if _hyperstart.current(host) is None or shutil.which("qemu-system-x86_64", path=_command.SEARCH_PATH) is None:
        return
    verdict = _kvm.accelerator(host, _hyperstart.installed(host))
    if verdict.accelerator == "kvm":
        yield Finding(OK, "acceleration", f"KVM: {verdict.reason}")
        return
    remedy = "Turn on virtualization in the firmware, and load the module kvm_intel or kvm_amd; in a virtual machine, allow it nested virtualization"
    yield Finding(WARNING, "acceleration", f"pods are emulated: {verdict.reason}", remedy)


def _signatures(_host: Host) -> Iterator[Finding]:
    found = next((path for path in _POLICIES if path.is_file()), None)
    if found is None:
        remedy = "Install the package golang-github-containers-common, or give a policy (image module: policy)"
        yield Finding(ERROR, "signatures", f"skopeo pulls nothing without a signature policy, and there is no {_POLICIES[0]}", remedy)
    else:
        yield Finding(OK, "signatures", f"policy {found}")


def _networks(host: Host) -> Iterator[Finding]:
    missing = [program for program in _FOR_NETWORKS if shutil.which(program, path=_command.SEARCH_PATH) is None]
    for program in missing:
        remedy = f"Install the package {_command.PACKAGES[program]}, or prepare the host: hyper prepare"
        yield Finding(WARNING, "networks", f"{program} is not installed: pods have user-mode networks only", remedy)
    try:
        lack = _network_host.lack_of_taps(host)
    except NotPrepared:
        # Who says so of the account says it once.
        lack = None
    if lack:
        yield Finding(WARNING, "networks", f"{lack[0]}: pods have user-mode networks only", lack[1])
    elif not missing:
        yield Finding(OK, "networks", f"{', '.join(_FOR_NETWORKS)}, tap devices")


def _build(_host: Host) -> Iterator[Finding]:
    if shutil.which("buildah", path=_command.SEARCH_PATH) is None:
        yield Finding(OK, "build", "buildah is not installed: images cannot be built here, all else can")
    else:
        yield Finding(OK, "build", "buildah")


def _pods(host: Host) -> Iterator[Finding]:
    supervision = supervisor(host)
    names, running, memory = _record.names(host), 0, 0
    for name in names:
        try:
            record = _record.require(host, name)
            pod = record.pod
        except HyperError as error:
            yield Finding(ERROR, f"pod {name}", str(error.message), error.remedy or f"Remove the pod and run it again: hyper rm {name}")
            continue
        unit = _pod_status.unit_name(name)
        if supervision.pid(unit) is not None:
            running += 1
            memory += pod.memory_mib
        missing = [
            link for link in (host.pod_dir(name) / "images" / f"{image.partition(':')[2][:20]}.erofs" for image in record.images.values()) if not link.exists()
        ]
        if missing:
            yield Finding(ERROR, f"pod {name}", f"{missing[0]} is missing", f"Remove the pod and run it again: hyper rm {name}")
        if not record.stopped and supervision.pid(unit) is None and supervision.due(unit):
            yield Finding(WARNING, f"pod {name}", "its QEMU does not run, and is to be started again", f"See why: journalctl -u {unit}; hyper logs {name}")
    total = _preflight.host_memory_mib()
    yield Finding(OK, "pods", f"{len(names)}, of which {running} run, with {memory} of {total} MiB of memory")


def _images(host: Host) -> Iterator[Finding]:
    store = ImageStore(host)
    damaged = store.damaged()
    for reference in damaged:
        yield Finding(ERROR, f"image {reference}", "its disk or its config is missing or damaged", f"Pull it again: hyper pull {reference}")
    if not damaged:
        yield Finding(OK, "images", str(len(store.list())))


def _leftovers(host: Host) -> Iterator[Finding]:
    lines = _host_prune.find(host).lines
    if lines:
        yield Finding(WARNING, "leftovers", f"what nothing needs, {len(lines)} in all, such as: {lines[0]}", "Remove them: hyper prune")
    else:
        yield Finding(OK, "leftovers", "none")


_CHECKS: tuple[Callable[[Host], Iterator[Finding]], ...] = (
    _machine,
    _programs,
    _qemu,
    _account,
    _directories,
    _init,
    _acceleration,
    _signatures,
    _images,
    _pods,
    _leftovers,
    _networks,
    _build,
)
