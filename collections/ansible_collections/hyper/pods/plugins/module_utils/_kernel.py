# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a guest's kernel and its modules come from: files of the host, or the distribution's package."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _command, _kernel_image
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._initramfs import Module

PACKAGE = "linux-image-cloud-amd64"
# What hyperstart needs of the kernel; what these need is found by modprobe. Those that a kernel has built in are left out.
MODULES = (
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "virtio_net",
    "erofs",
    "overlay",
    "button",  # with evdev: the power button, by which the host asks the guest to end
    "evdev",
    "pvpanic_pci",  # tells QEMU of a panic
)
# What only some pods need, in archives of their own: name → modules.
VIRTIOFS = "virtiofs"
NFS = "nfs"
EXTRAS: Mapping[str, Sequence[str]] = {VIRTIOFS: ("virtiofs",), NFS: ("nfsv4",)}


class KernelNotFound(HyperError):
    """There is no kernel where it was said to be, nor a package of it."""


class ModuleNotFound(HyperError):
    """The kernel lacks something that hyperstart needs."""


@dataclass(frozen=True)
class Source:
    """A kernel on the host's disk. image: bzImage or ELF; modules: its lib/modules/VERSION, None when all is built in."""

    version: str
    image: Path
    modules: Path | None


@dataclass(frozen=True)
class Kernel:
    """What a guest boots: the kernel as QEMU takes it, and the modules in the order of their loading. extras: those of EXTRAS, as far as it has them."""

    version: str
    image: bytes
    modules: tuple[Module, ...]
    extras: Mapping[str, tuple[Module, ...]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The SHA-256 of all of it, hexadecimal."""
        total = hashlib.sha256(self.image)
        for module in (*self.modules, *(module for modules in self.extras.values() for module in modules)):
            total.update(b"%s\0%d\0" % (module.name.encode(), len(module.data)))
            total.update(module.data)
        return total.hexdigest()


def given(image: Path, modules: Path | None) -> Source:
    """A kernel that the user names. modules: its lib/modules/VERSION; without it the host's, if it has that version's. Raises KernelNotFound."""
    try:
        release = _kernel_image.version(image.read_bytes())
    except (FileNotFoundError, IsADirectoryError):
        raise KernelNotFound("there is no kernel image", where=str(image)) from None
    if modules is not None:
        if not (modules / "modules.dep").is_file():
            raise KernelNotFound("there are no kernel modules, or no modules.dep", where=str(modules), remedy="Run depmod there")
        return Source(release or modules.name, image, modules)
    if release is None:
        return Source(image.name, image, None)
    own = Path("/lib/modules") / release
    return Source(release, image, own if (own / "modules.dep").is_file() else None)


def installed(boot: Path = Path("/boot"), modules: Path = Path("/lib/modules")) -> Source | None:
    """The newest cloud kernel that the host itself has installed, or None."""
    found = [image for image in boot.glob("vmlinuz-*-cloud-amd64") if (modules / image.name[8:] / "modules.dep").is_file()]
    if not found:
        return None
    newest = max(found, key=lambda image: [int(number) for number in re.findall(r"\d+", image.name)])
    return Source(newest.name[8:], newest, modules / newest.name[8:])


def package(name: str = PACKAGE) -> str:
    """The package with the kernel's files that the package ``name`` stands for now. Raises KernelNotFound."""
    try:
        depends = _command.run(["apt-cache", "depends", "--no-recommends", "--no-suggests", name]).stdout
    except _command.CommandFailed:
        depends = ""
    match = re.search(r"Depends: (linux-image-\d\S+)", depends)
    if match:
        return match[1]
    if re.match(r"linux-image-\d", name) and depends:
        return name
    raise KernelNotFound("apt knows no such kernel package", where=name, remedy="Run apt-get update, or give the module a kernel")


@contextlib.contextmanager
def fetched(name: str) -> Iterator[Source]:
    """The kernel in the package ``name``, unpacked for as long as the context lasts and not installed on the host. Raises KernelNotFound."""
    with tempfile.TemporaryDirectory(prefix="hyper-kernel.", dir="/var/tmp") as directory:
        place = Path(directory)
        try:
            # -o: apt's own account could not write here.
            _command.run(["env", "-C", directory, "apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name], timeout=900)
        except _command.CommandFailed as error:
            raise KernelNotFound(
                f"apt could not fetch it: {error.stderr.strip()}", where=name, remedy="Run apt-get update, or give the module a kernel"
            ) from None
        archive = next(place.glob("*.deb"))
        tree = place / "tree"
        _command.run(["dpkg-deb", "-x", str(archive), str(tree)])
        image = next((tree / "boot").glob("vmlinuz-*"), None)
        if image is None:
            raise KernelNotFound("the package holds no kernel image", where=name)
        version = image.name[8:]
        _command.run(["depmod", "-b", str(tree), version])
        yield Source(version, image, next(path for path in (tree / "lib/modules" / version, tree / "usr/lib/modules" / version) if path.is_dir()))


def read(source: Source, modules: Sequence[str] = MODULES) -> Kernel:
    """The kernel made ready for guests. modules: their names, as modprobe knows them. Raises UnknownKernel, ModuleNotFound."""
    image = _kernel_image.bootable(source.image.read_bytes())
    if source.modules is None:
        return Kernel(source.version, image, ())
    files, extras = _load_order(source.modules, modules), {}
    for name, wanted in EXTRAS.items():
        with contextlib.suppress(ModuleNotFound):
            extras[name] = tuple(_module(file) for file in _load_order(source.modules, wanted) if file not in files)
    return Kernel(source.version, image, tuple(_module(file) for file in files), extras)


def _load_order(modules: Path, names: Sequence[str]) -> list[Path]:
    """The files of the named modules and of what they need, each after those it needs. Raises ModuleNotFound."""
    base = next((parent.parent for parent in modules.parents if parent.name == "lib"), modules.parent)
    order: dict[Path, None] = {}
    for name in names:
        try:
            # -C: the host's own options and blacklists say nothing about guests.
            said = _command.run(["modprobe", "-C", os.devnull, "-d", str(base), "-S", modules.name, "--show-depends", name]).stdout
        except _command.CommandFailed:
            raise ModuleNotFound(f"the kernel has no module {name}", where=str(modules)) from None
        for line in said.splitlines():
            word, _, path = line.partition(" ")
            if word == "insmod":
                order[Path(path.strip())] = None
    return list(order)


def _module(file: Path) -> Module:
    """A module unpacked: hyperstart hands it to the kernel as it is."""
    name, data = file.name, file.read_bytes()
    if name.endswith(".xz"):
        return Module(name[:-3], lzma.decompress(data))
    if name.endswith(".zst"):
        return Module(name[:-4], _kernel_image.unpack_zstd(data))
    return Module(name, data)
