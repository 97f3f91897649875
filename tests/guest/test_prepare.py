# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/prepare_host.yml on this machine, in directories of its own: foretold, done, done again; refused where it cannot work."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _host_paths
from ansible_collections.hyper.pods.plugins.module_utils._files import locked
from ansible_collections.hyper.pods.plugins.module_utils._host import Host

from tests.support.guests import short_host, wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def host() -> Iterator[Host]:
    with short_host() as host:
        yield host


def prepare(host: Host, *options: str, fails: bool = False, path: Path | None = None, **variables: Any) -> tuple[int, str]:
    """Run the playbook; returns how many tasks changed something, and what it printed. path: looked into first for commands.

    Without templates unless they are asked for: who makes them is waited for by nobody.
    """
    extra = {"hyper_state_dir": str(host.state_dir), "hyper_run_dir": str(host.run_dir), "hyper_qemu_user": host.qemu_user}
    extra.update(hyper_host_paths=[f"{host.state_dir}/allowed 1", f"{host.state_dir}/2"], **{"hyper_templates": False, **variables})
    program = Path(sys.executable).with_name("ansible-playbook")
    environment = {**os.environ, "PATH": os.pathsep.join([*([str(path)] if path else []), os.environ["PATH"]])}
    done = subprocess.run(
        [str(program), *options, "-e", json.dumps(extra), "playbooks/prepare_host.yml"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, text
    changed = re.search(r"\bchanged=(\d+)", text)
    return int(changed[1]) if changed else 0, text


def files(host: Host) -> list[str]:
    return sorted(str(path) for place in (host.state_dir, host.run_dir) for path in place.rglob("*"))


def test_a_host_is_prepared_once(host: Host) -> None:
    def templates() -> list[Path]:
        return [path for path in host.templates_dir.glob("*") if path.name[0] != "."]

    changed, _ = prepare(host, "--check", hyper_templates=True)
    assert changed
    assert not host.state_dir.exists()
    changed, _ = prepare(host, hyper_templates=True)
    assert changed
    # At the lowest priority: it takes as long as the machine is busy.
    wait_for(lambda: bool(templates()), "the template of usual pods", timeout=240)
    with locked(host.lock_path("templates", "make"), what="templates", timeout=240):
        assert len(templates()) == 1
    assert (host.hyperstart_dir / "current/vmlinux").is_file()
    places = _host_paths.allowed(host)
    assert places == (host.state_dir / "allowed 1", host.state_dir / "2")
    assert [stat.filemode(place.stat().st_mode) for place in places] == ["drwx------"] * 2
    before = files(host)
    changed, _ = prepare(host, hyper_templates=True)
    assert changed == 0
    changed, _ = prepare(host, "--check", hyper_templates=True)
    assert changed == 0
    assert files(host) == before
    changed, _ = prepare(host)
    assert changed == 1
    assert not host.templates_dir.exists()


def test_check_mode_tells_what_is_missing(host: Host) -> None:
    changed, text = prepare(host, "--check", kvm_host_packages=["no-such-package", "dpkg"])
    assert changed
    assert "would be installed: no-such-package" in text
    assert not host.state_dir.exists()


@pytest.mark.parametrize(("system", "told"), [("Linux riscv64", "found: Linux riscv64"), ("Darwin arm64", "found: Darwin arm64")])
def test_a_machine_that_cannot_be_a_host_is_refused(host: Host, tmp_path: Path, system: str, told: str) -> None:
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\necho {system}\n")
    uname.chmod(0o755)
    _, text = prepare(host, fails=True, path=tmp_path)
    assert "This machine cannot be prepared" in " ".join(text.split())
    assert told in " ".join(text.split())
    assert not host.state_dir.exists()


def test_hyperstart_is_built_where_it_is_missing(host: Host, tmp_path: Path) -> None:
    changed, _ = prepare(host, "--check", hyperstart_build_dir=str(tmp_path))
    assert changed
    assert not (tmp_path / "hyperstart").exists()
    prepare(host, hyperstart_build_dir=str(tmp_path))
    assert (tmp_path / "hyperstart").is_file()
    assert (host.state_dir / "hyperstart.init").read_bytes() == (tmp_path / "hyperstart").read_bytes()


def test_a_binary_that_is_given_is_not_built(host: Host, tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "-C", str(ROOT / "hyperstart/init"), f"BUILD={tmp_path}", "hyperstart"], check=True)
    (tmp_path / "hyperstart").rename(tmp_path / "mine")
    prepare(host, hyperstart_binary=str(tmp_path / "mine"), hyperstart_build_dir="/nonexistent")
    assert (host.state_dir / "hyperstart.init").read_bytes() == (tmp_path / "mine").read_bytes()
