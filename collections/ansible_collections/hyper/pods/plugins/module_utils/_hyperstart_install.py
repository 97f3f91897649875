# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a version of hyperstart on a host, whole or not at all, and take away those that no pod uses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _hyperstart, _initramfs, _kernel
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import locked, make_dir
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

_MODULES = "modules"
_X86_64 = 62  # EM_X86_64 of elf(5)
_PT_INTERP = 3


class UnusableInit(HyperError):
    """The file cannot be the init of a guest."""


@dataclass(frozen=True)
class Wanted:
    """What a host is to have. kernel: a bzImage or ELF kernel on the host, None for the distribution's; modules: its lib/modules/VERSION.

    upgrade: look for a newer kernel of the distribution, although one is here.
    """

    init: Path
    kernel: Path | None = None
    modules: Path | None = None
    upgrade: bool = False


@dataclass(frozen=True)
class Outcome:
    """What was there and what is there now (in check mode: what would be). removed, kept: versions that went, and that stay since pods use them."""

    before: str | None
    after: str | None
    kernel_version: str | None = None
    hyperstart_version: str | None = None
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything is not as it was."""
        return self.before != self.after or bool(self.removed)

    def as_dict(self) -> dict[str, Any]:
        """The outcome as the module reports it."""
        return {
            "changed": self.changed,
            "version": self.after,
            "hyperstart_version": self.hyperstart_version,
            "kernel_version": self.kernel_version,
            "removed": self.removed,
            "kept": self.kept,
            "diff": {"before": {"version": self.before}, "after": {"version": self.after}},
        }


def converge(host: Host, wanted: Wanted | None, *, check: bool) -> Outcome:
    """Make ``wanted`` the current version, or leave none; one run at a time."""
    if check:
        return _absent(host, check=True) if wanted is None else _present(host, wanted, check=True)
    with locked(host.lock_path("hyperstart", "versions"), what="hyperstart"):
        return _absent(host, check=False) if wanted is None else _present(host, wanted, check=False)


def _present(host: Host, wanted: Wanted, *, check: bool) -> Outcome:
    """Make the wanted version the current one. check: change nothing, and fetch no kernel.

    Raises UnusableInit, KernelNotFound, UnknownKernel, ModuleNotFound.
    """
    init, release = _read_init(wanted.init)
    here = _hyperstart.current(host)
    before = here.name if here else None
    if wanted.kernel is None and here is not None:
        # A new init goes with the kernel that is here: its modules lie beside it.
        info = _hyperstart.read_info(here)
        newest = _newest() if wanted.upgrade else info["kernel_version"]
        if info["distribution"] and info["wanted_modules"] == _wanted() and newest == info["kernel_version"]:
            version = _name(release, info["kernel_version"], init, info["kernel_digest"])
            if version != before and not check:
                _write(host, version, init, release, _kept(here), distribution=True, link=here / _hyperstart.KERNEL)
            return _finish(host, before, version, release, info["kernel_version"], check=check)
    if wanted.kernel is not None:
        kernel = _kernel.read(_kernel.given(wanted.kernel, wanted.modules))
    elif (own := _kernel.installed()) is not None:
        kernel = _kernel.read(own)
    elif check:
        # Its content, and so the digest in the version's name, are not known before it is fetched.
        fetchable = _newest()
        return Outcome(before, f"{release}-{fetchable}-", fetchable, release)
    else:
        with _kernel.fetched(_kernel.package()) as source:
            kernel = _kernel.read(source)
    version = _name(release, kernel.version, init, kernel.digest)
    if version != before and not check:
        _write(host, version, init, release, kernel, distribution=wanted.kernel is None)
    return _finish(host, before, version, release, kernel.version, check=check)


def _absent(host: Host, *, check: bool) -> Outcome:
    """Leave no current version, and none that no pod uses."""
    here = _hyperstart.current(host)
    unused = [name for name in _hyperstart.versions(host) if not _used(host, name)]
    kept = [name for name in _hyperstart.versions(host) if name not in unused]
    if not check:
        (host.hyperstart_dir / _hyperstart.CURRENT).unlink(missing_ok=True)
        for name in unused:
            _remove(host, name)
        if not kept and host.hyperstart_dir.is_dir():
            shutil.rmtree(host.hyperstart_dir)
    return Outcome(here.name if here else None, None, removed=unused, kept=kept)


def _read_init(file: Path) -> tuple[bytes, str]:
    """The binary, and the version that it says it is."""
    try:
        data = file.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise UnusableInit("there is no init", where=str(file), remedy="Build it: make -C hyperstart/init") from None
    if data[:5] != b"\x7fELF\x02" or struct.unpack_from("<H", data, 18)[0] != _X86_64:
        raise UnusableInit("it is no program for x86_64", where=str(file))
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    if any(struct.unpack_from("<I", data, table + index * size)[0] == _PT_INTERP for index in range(count)):
        raise UnusableInit("it is linked dynamically, and a guest has no libraries", where=str(file), remedy="Link it with -static")
    found = re.search(rb"hyperstart (\d+\.\d+\.\d+)\b", data)
    return data, found[1].decode() if found else "0"


def _newest() -> str:
    """The version of the distribution's newest kernel."""
    own = _kernel.installed()
    return own.version if own is not None else _kernel.package().replace("linux-image-", "", 1)


def _name(release: str, kernel_version: str, init: bytes, kernel_digest: str) -> str:
    total = hashlib.sha256(init + kernel_digest.encode()).hexdigest()
    return f"{release}-{kernel_version}-{total[:8]}"


def _kept(directory: Path) -> _kernel.Kernel:
    """The kernel of a version that is here."""
    info = _hyperstart.read_info(directory)

    def read(names: Sequence[str]) -> tuple[_initramfs.Module, ...]:
        return tuple(_initramfs.Module(name, (directory / _MODULES / name).read_bytes()) for name in names)

    extras = {name: read(names) for name, names in info["extras"].items()}
    return _kernel.Kernel(info["kernel_version"], (directory / _hyperstart.KERNEL).read_bytes(), read(info["modules"]), extras)


def _wanted() -> list[str]:
    """What is looked for in a kernel; a version that was made when it was something else is made anew."""
    return [*_kernel.MODULES, *(name for names in _kernel.EXTRAS.values() for name in names)]


def _write(host: Host, version: str, init: bytes, release: str, kernel: _kernel.Kernel, *, distribution: bool, link: Path | None = None) -> None:
    """Make the version's directory beside its place and move it there. link: a file that holds the very kernel."""
    make_dir(host.hyperstart_dir)
    place = host.hyperstart_dir / version
    if not (place / _hyperstart.INFO).is_file():
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=host.hyperstart_dir))
        try:
            if link is not None:
                os.link(link, fresh / _hyperstart.KERNEL)
            else:
                _put(fresh / _hyperstart.KERNEL, kernel.image)
            _put(fresh / _hyperstart.INITRAMFS, _initramfs.build(init, kernel.modules))
            (fresh / _MODULES).mkdir()
            for name, modules in kernel.extras.items():
                _put(_hyperstart.extra_path(fresh, name), _initramfs.build_extra(name, modules))
            for module in (*kernel.modules, *(module for modules in kernel.extras.values() for module in modules)):
                _put(fresh / _MODULES / module.name, module.data)
            info = {
                "hyperstart_version": release,
                "kernel_version": kernel.version,
                "kernel_digest": kernel.digest,
                "modules": [module.name for module in kernel.modules],
                "extras": {name: [module.name for module in modules] for name, modules in kernel.extras.items()},
                "wanted_modules": _wanted(),
                "distribution": distribution,
            }
            _put(fresh / _hyperstart.INFO, json.dumps(info, indent=1).encode() + b"\n")
            fresh.chmod(0o755)
            fresh.rename(place)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


def _finish(host: Host, before: str | None, version: str, release: str, kernel_version: str, *, check: bool) -> Outcome:
    """Point to the version. When it is new, remove those that neither a pod nor a run which has just begun can use."""
    old = [name for name in _hyperstart.versions(host) if name not in (before, version)]
    unused = [name for name in old if not _used(host, name)] if version != before else []
    if version != before and not check:
        pointer = host.hyperstart_dir / f".{_hyperstart.CURRENT}.new"
        pointer.unlink(missing_ok=True)
        pointer.symlink_to(version)
        pointer.replace(host.hyperstart_dir / _hyperstart.CURRENT)
        for name in unused:
            _remove(host, name)
        # What a run that was cut off has left.
        for leftover in leftovers(host):
            shutil.rmtree(leftover)
    kept = [name for name in old if name not in unused]
    return Outcome(before, version, kernel_version, release, unused, kept)


def _put(file: Path, data: bytes) -> None:
    with file.open("wb") as output:
        output.write(data)
        output.flush()
        os.fsync(output.fileno())
    file.chmod(0o644)


def prunable(host: Host) -> list[str]:
    """The versions that new guests do not boot and no pod has a link of."""
    here = _hyperstart.current(host)
    return [name for name in _hyperstart.versions(host) if (here is None or name != here.name) and not _used(host, name)]


def prune(host: Host) -> list[str]:
    """Remove what ``prunable`` says, and what a run that was cut off has left; returns the versions that went."""
    with locked(host.lock_path("hyperstart", "versions"), what="hyperstart"):
        names = prunable(host)
        for name in names:
            _remove(host, name)
        for leftover in leftovers(host):
            shutil.rmtree(leftover)
        return names


def leftovers(host: Host) -> list[Path]:
    """Directories of versions that were never finished, or not wholly removed."""
    return [*host.hyperstart_dir.glob(".new-*"), *host.hyperstart_dir.glob(".old-*")]


def _used(host: Host, version: str) -> bool:
    """Whether a pod has a link of its own to this version's initramfs."""
    return (host.hyperstart_dir / version / _hyperstart.INITRAMFS).stat().st_nlink > 1


def _remove(host: Host, version: str) -> None:
    trash = host.hyperstart_dir / f".old-{version}"
    shutil.rmtree(trash, ignore_errors=True)
    (host.hyperstart_dir / version).rename(trash)
    shutil.rmtree(trash)
