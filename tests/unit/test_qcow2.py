# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images that qemu-img has made are read as it reads them; what leads out of one, and damage, is refused."""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _qcow2
from ansible_collections.hyper.pods.plugins.module_utils._qcow2 import BadDiskImage
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

SIZE = 5 * 2**20 + 512


@contextmanager
def reading(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def qemu_img(*words: object) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with holes, zeros, text and noise."""
    path = tmp_path_factory.mktemp("disks") / "disk.raw"
    chance = random.Random(1)
    with path.open("wb") as file:
        file.truncate(SIZE)
        for offset, data in ((0, b"begin"), (70_000, b"text " * 50_000), (2**21, chance.randbytes(200_000)), (3 * 2**20, bytes(100_000)), (SIZE - 3, b"end")):
            file.seek(offset)
            file.write(data)
    return path


def converted(source: Path, directory: Path) -> bytes:
    target = directory / "copy"
    target.touch()
    with reading(source) as handle, target.open("r+b") as file:
        image = _qcow2.opened(handle)
        assert image.size == SIZE
        _qcow2.copy(image, file.fileno())
    return target.read_bytes()


@pytest.mark.parametrize("options", ["compat=v3", "compat=0.10", "cluster_size=512", "cluster_size=2M", "compat=v3,lazy_refcounts=on"])
@pytest.mark.parametrize("compressed", [[], ["-c"]], ids=["plain", "compressed"])
def test_what_an_image_holds(raw: Path, tmp_path: Path, options: str, compressed: list[str]) -> None:
    image = tmp_path / "disk.qcow2"
    qemu_img("convert", *compressed, "-f", "raw", "-O", "qcow2", "-o", options, raw, image)
    assert converted(image, tmp_path) == raw.read_bytes()
    assert (tmp_path / "copy").stat().st_blocks * 512 < SIZE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "compression_type=zstd"], "another compression than zlib"),
        (["-o", "extended_l2=on"], "is a qcow2 image with a data file, another compression than zlib, or damage"),
        (["-o", "data_file=data.img"], "is a qcow2 image with a data file"),
        (["-b", "base.raw", "-F", "raw"], "is a qcow2 image on top of another one. Make it whole first: qemu-img convert -O qcow2 FILE WHOLE"),
        # Not luks: to choose its parameters it measures the processor's time, and fails on some machines.
        (["-o", "encrypt.format=aes,encrypt.key-secret=s", "--object", "secret,id=s,data=x"], "is an encrypted qcow2 image"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.raw").write_bytes(bytes(SIZE))
    qemu_img("create", "-f", "qcow2", *options, "disk.qcow2", SIZE)
    with reading(tmp_path / "disk.qcow2") as handle, pytest.raises(BadDiskImage) as caught:
        _qcow2.opened(handle)
    assert message in str(caught.value)


def test_no_image(raw: Path) -> None:
    with reading(raw) as handle, pytest.raises(BadDiskImage, match="is no qcow2 image"):
        _qcow2.opened(handle)


@pytest.fixture(scope="module")
def compressed(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("whole") / "disk.qcow2"
    qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", raw, image)
    return image


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 5 * 65536), value=st.binary(min_size=1, max_size=16), cut=st.integers(0, 400_000))
# A table beyond what a file can be.
@example(place=40, value=b"\x80", cut=0)
def test_a_damaged_image_does_no_harm(compressed: Path, place: int, value: bytes, cut: int, tmp_path: Path) -> None:
    """It is read somehow, or refused; never more than a disk of its size comes of it."""
    image, target = tmp_path / "disk.qcow2", tmp_path / "copy"
    data = bytearray(compressed.read_bytes())
    data[place : place + len(value)] = value
    # Its size stays, or a sparse file of any size is what it says.
    data[24:32] = struct.pack(">Q", SIZE)
    image.write_bytes(data[: max(0, len(data) - cut)])
    target.write_bytes(b"")
    with reading(image) as handle, target.open("r+b") as file:
        try:
            _qcow2.copy(_qcow2.opened(handle), file.fileno())
        except BadDiskImage:
            return
    assert target.stat().st_size == SIZE
