# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from hyperstart import samples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return samples.make_samples(directory=tmp_path_factory.mktemp("samples"))


def test_there_are_four(made: dict[str, Path]) -> None:
    assert list(made) == ["web", "app", "log", "cron"]
    assert all(path.name == f"{name}.tar" and path.stat().st_size < 4_000_000 for name, path in made.items())


def test_the_bytes_are_the_same_each_time_and_are_not_written_again(made: dict[str, Path], tmp_path: Path) -> None:
    again = samples.make_samples(directory=tmp_path / "new" / "directory")
    assert {name: path.read_bytes() for name, path in again.items()} == {name: path.read_bytes() for name, path in made.items()}
    before = again["web"].stat()
    samples.make_samples(directory=again["web"].parent)
    assert again["web"].stat().st_ino == before.st_ino
    assert sorted(path.name for path in again["web"].parent.iterdir()) == ["app.tar", "cron.tar", "log.tar", "web.tar"]


def test_each_is_a_layout_whose_blobs_are_what_their_names_say(made: dict[str, Path]) -> None:
    with tarfile.open(made["web"]) as archive:
        files = {info.name: file.read() for info in archive if (file := archive.extractfile(info))}
    for name, data in files.items():
        if name.startswith("blobs/"):
            assert samples._digest(data) == "sha256:" + name.rpartition("/")[2]
    manifest = json.loads(files["blobs/sha256/" + json.loads(files["index.json"])["manifests"][0]["digest"][7:]])
    config = json.loads(files["blobs/sha256/" + manifest["config"]["digest"][7:]])
    assert config["config"]["ExposedPorts"] == {"80/tcp": {}}


@pytest.mark.parametrize(
    ("program", "static"),
    [
        pytest.param(samples.HOST_BUSYBOX, None, id="the host's own"),
        pytest.param(Path("/bin/true"), False, id="a dynamic program"),
        pytest.param(Path("/etc/passwd"), False, id="no program"),
    ],
)
def test_static_programs_are_known(program: Path, static: bool | None) -> None:
    if static is None:
        # Which of Debian's two packages is installed is the machine's choice: its loader would be named in the file.
        static = b"/lib64/ld-linux-x86-64.so.2\0" not in program.read_bytes() if program.exists() else False
    assert samples.is_static(program.read_bytes() if program.exists() else b"") == static


def test_a_machine_without_busybox_and_apt_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "HOST_BUSYBOX", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(samples.BusyboxMissing, match=r"apt-get is not on this machine.*Install the package busybox-static"):
        samples.find_busybox(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_busybox_of_the_cache_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A program without a single segment needs no loader.
    (tmp_path / "busybox").write_bytes(b"\x7fELF\x02" + bytes(59))
    monkeypatch.setattr(samples, "HOST_BUSYBOX", tmp_path / "none")
    assert samples.find_busybox(tmp_path) == tmp_path / "busybox"
