# SPDX-License-Identifier: GPL-3.0-or-later
"""Four tiny images for a first pod, ``web app log cron``, made from a static busybox: no registry, no root, the same bytes each time.

They show what a pod shares: ``web`` (port 80) asks ``app`` (port 8000) over localhost, as ``cron`` does every few seconds, and ``log`` counts the
processes of all four.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyperstart.errors import HyperError

HOST_BUSYBOX = Path("/bin/busybox")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_PT_INTERP = 3

# A shell sees a signal only between its commands, so each script waits for its work in the background and hands the signal on.
_SERVE = """#!/bin/sh
httpd -f -p {port} -h /srv/www &
trap 'kill $!; exit 0' TERM INT
echo "{name}: listening on port {port}"
wait $!
"""
_EVERY = """#!/bin/sh
trap 'kill $! 2>/dev/null; exit 0' TERM INT
while :; do
    {work}
    sleep "${{INTERVAL:-5}}" &
    wait $!
done
"""
_WEB_PAGE = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "Hello from pod $(hostname)."
printf 'app says: '
wget -q -O - http://127.0.0.1:8000/ 2>/dev/null || echo 'nothing yet'
"""
_APP_PAGE = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
read -r up rest < /proc/uptime
echo "up for $up seconds, $(ls -d /proc/[0-9]* | wc -l) processes in the pod"
"""


class BusyboxMissing(HyperError):
    """There is no static busybox to make the sample images from."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"there is no static busybox: {reason}", remedy="Install the package busybox-static and run this again")


@dataclass(frozen=True)
class Sample:
    """One image: its entry point, its environment and port, and further files by their path."""

    name: str
    script: str
    env: tuple[str, ...] = ()
    port: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)


SAMPLES = (
    Sample("web", _SERVE.format(name="web", port=80), port=80, files={"srv/www/cgi-bin/index.cgi": _WEB_PAGE}),
    Sample("app", _SERVE.format(name="app", port=8000), port=8000, files={"srv/www/cgi-bin/index.cgi": _APP_PAGE}),
    Sample("log", _EVERY.format(work='echo "log: $(ls -d /proc/[0-9]* | wc -l) processes in the pod"'), ("INTERVAL=10",)),
    Sample("cron", _EVERY.format(work='echo "cron: app is $(wget -q -O - http://127.0.0.1:8000/ 2>/dev/null || echo not there yet)"'), ("INTERVAL=5",)),
)


def make_samples(*, directory: Path, busybox: Path | None = None) -> dict[str, Path]:
    """Write ``NAME.tar``, an OCI archive, for each of the sample images into ``directory`` (made if absent); returns name → file.

    busybox: a static one; without it the host's, or Debian's, which is downloaded to the user's cache and not installed. Raises BusyboxMissing.
    """
    program = busybox or find_busybox()
    binary, applets = program.read_bytes(), _applets(program)
    directory.mkdir(parents=True, exist_ok=True)
    made = {}
    for sample in SAMPLES:
        target = directory / f"{sample.name}.tar"
        data = _archive(sample, binary, applets)
        if not (target.exists() and target.read_bytes() == data):
            temporary = target.with_name(f".{target.name}.{os.getpid()}")
            temporary.write_bytes(data)
            temporary.replace(target)
        made[sample.name] = target
    return made


def find_busybox(cache: Path | None = None) -> Path:
    """The host's busybox if it is static, or Debian's from ``cache`` (``~/.cache/hyper``), downloaded there if need be. Raises BusyboxMissing."""
    if HOST_BUSYBOX.exists() and is_static(HOST_BUSYBOX.read_bytes()):
        return HOST_BUSYBOX
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hyper"
    target = cache / "busybox"
    if target.exists() and is_static(target.read_bytes()):
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        try:
            subprocess.run(["apt-get", "download", "busybox-static"], cwd=scratch, check=True, capture_output=True, text=True)
            package = next(Path(scratch).glob("*.deb"))
            subprocess.run(["dpkg-deb", "-x", str(package), scratch], check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise BusyboxMissing(f"{error.filename} is not on this machine") from None
        except subprocess.CalledProcessError as error:
            raise BusyboxMissing(error.stderr.strip()[-300:]) from None
        unpacked = next(path for path in (Path(scratch) / "bin/busybox", Path(scratch) / "usr/bin/busybox") if path.exists())
        unpacked.replace(target)
    return target


def is_static(elf: bytes) -> bool:
    """Whether a 64-bit ELF program runs without a loader and libraries."""
    if elf[:5] != b"\x7fELF\x02":
        return False
    start, size, count = (int.from_bytes(elf[low:high], "little") for low, high in ((32, 40), (54, 56), (56, 58)))
    offsets = (start + size * number for number in range(count))
    kinds = (int.from_bytes(elf[offset : offset + 4], "little") for offset in offsets)
    return _PT_INTERP not in kinds


def _applets(busybox: Path) -> list[str]:
    # Which applets there are is the packager's choice.
    listed = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout
    return sorted(set(listed.split()) - {"busybox"})


def _root(sample: Sample, binary: bytes, applets: list[str]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The image's root filesystem, parents before their content."""
    directories = {"bin", "dev", "etc", "proc", "root", "sys", "tmp"}
    files = {"entrypoint": (sample.script, 0o755), "etc/passwd": ("root:x:0:0:root:/root:/bin/sh\n", 0o644), "etc/group": ("root:x:0:\n", 0o644)}
    files.update({path: (text, 0o755) for path, text in sample.files.items()})
    for path in files:
        directories.update(str(parent) for parent in Path(path).parents if str(parent) != ".")
    for path in sorted(directories):
        yield _info(path, tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755), b""
    yield _info("bin/busybox", tarfile.REGTYPE, 0o755), binary
    for applet in applets:
        info = _info(f"bin/{applet}", tarfile.SYMTYPE, 0o777)
        info.linkname = "busybox"
        yield info, b""
    for path, (text, mode) in sorted(files.items()):
        yield _info(path, tarfile.REGTYPE, mode), text.encode()


def _archive(sample: Sample, binary: bytes, applets: list[str]) -> bytes:
    """The OCI image layout, as one tar. The layer is not compressed: quicker to make and to read, and no compressor's version shows in the bytes."""
    layer = _tar(_root(sample, binary, applets))
    machine = platform.machine()
    config = _json(
        {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": {
                "Entrypoint": ["/entrypoint"],
                "Env": ["PATH=/bin", *sample.env],
                "ExposedPorts": {f"{sample.port}/tcp": {}} if sample.port else {},
                "Labels": {"org.opencontainers.image.title": sample.name},
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created_by": "hyperstart.samples"}],
        }
    )
    manifest = _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": _blob(_CONFIG, config), "layers": [_blob(_LAYER, layer)]})
    index = {"schemaVersion": 2, "manifests": [{**_blob(_MANIFEST, manifest), "annotations": {"org.opencontainers.image.ref.name": "latest"}}]}
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (config, manifest, layer)}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index), **blobs}
    return _tar((_info(path, tarfile.REGTYPE, 0o644), data) for path, data in files.items())


def _info(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode = kind, mode
    return info


def _tar(members: Iterator[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _blob(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def main() -> None:
    """``python -m hyperstart.samples DIRECTORY``: write the images and print their files."""
    parser = argparse.ArgumentParser(description="Make the sample images web, app, log and cron as OCI archives.")
    parser.add_argument("directory", type=Path)
    for path in make_samples(directory=parser.parse_args().directory).values():
        print(path)


if __name__ == "__main__":
    main()
