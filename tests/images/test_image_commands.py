# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands for images and hosts, through real plays on this machine."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.images import Member, tar
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.store import layout, names

__all__ = ["layout"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hyper(host: Host, tmp_path: Path) -> Callable[..., str]:
    """Runs the command; remote: as on another host, where files are sent to and fetched from."""

    def run(*words: str, code: int = 0, stdin: str = "", remote: bool = False) -> str:
        # By its full name Ansible's local connection is not known for this machine.
        here = {"ansible_connection": "ansible.builtin.local" if remote else "local", "ansible_python_interpreter": "/usr/bin/python3"}
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"kvm_hosts": {"hosts": {"kvm1" if remote else "localhost": here}}}))
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HYPER_STATE_DIR": str(host.state_dir),
            "HYPER_RUN_DIR": str(host.run_dir),
            "HYPER_QEMU_USER": host.qemu_user,
        }
        at = 2 if words[0] == "image" else 1
        argv = [sys.executable, "-m", "hyperstart", *words[:at], "--inventory", str(inventory), *words[at:]]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, input=stdin, timeout=120, check=False)
        assert done.returncode == code, f"hyper {words} ended with {done.returncode}: {done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    return run


def test_from_a_registry_to_a_file_and_back(hyper: Callable[..., str], host: Host, store: ImageStore, registry: Registry, layout: Path, tmp_path: Path) -> None:
    source = registry.push(layout, "web", "commands/web:1")
    target = f"{registry.address}/commands/copy:1"
    assert source in hyper("pull", "--tls-verify", "false", source)
    assert hyper("tag", source, "web", "--check") == f"would tag {source} as localhost/web:latest\n"
    hyper("tag", source, "web")
    assert target in hyper("push", "--tls-verify", "false", "web", target)
    (image,) = json.loads(hyper("image", "inspect", "web"))
    assert (image["host"], image["names"]) == ("localhost", [source, "localhost/web:latest"])
    file = tmp_path / "web.tar"
    assert "localhost/web:latest: saved" in hyper("save", "-o", "web.tar", "web")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert hyper("rmi", "web", source).count("remove") == 2
    assert store.list() == ()
    assert "would load localhost/web:latest" in hyper("load", "web.tar", "--check", remote=True)
    assert store.list() == ()
    assert "localhost/web:latest" in hyper("load", "web.tar", remote=True)
    assert hyper("load", "web.tar") == "Nothing to do: the images are there\n"
    assert names(store, store.require("web").disk, tmp_path) == {"bin", "bin/sh", "web"}
    result: dict[str, Any] = json.loads(hyper("image", "prune", "--all", "--json"))
    assert [each["reference"] for each in result["images"]] == ["localhost/web:latest"]
    assert result["freed"] > 0


def test_from_a_tar(hyper: Callable[..., str], store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "rootfs.tar").write_bytes(tar([Member("hello")]))
    words = ["import", "--change", "CMD /hello", "--entrypoint", '["/bin/sh"]', "rootfs.tar", "base"]
    assert hyper(*words, "--check").startswith("would import localhost/base:latest from ")
    assert store.list() == ()
    hyper(*words)
    config = store.require("base").config
    assert (config.entrypoint, config.cmd) == (("/bin/sh",), ("/bin/sh", "-c", "/hello"))
    assert "there is no such file" in hyper("import", "nosuch.tar", "base", code=2)


def test_logging_in(hyper: Callable[..., str], host: Host, secure_registry: Registry) -> None:
    words = ["login", "--username", USER, "--password-stdin", "--tls-verify", "false", secure_registry.address]
    assert "refuses access" in hyper(*words, stdin="wrong\n", code=1)
    assert hyper(*words, stdin=f"{PASSWORD}\n") == f"{secure_registry.address}: logged in\n"
    assert stat.S_IMODE(host.authfile.stat().st_mode) == 0o600
    assert hyper("logout", secure_registry.address) == f"{secure_registry.address}: logged out\n"
    assert PASSWORD not in host.authfile.read_text()


def test_hosts(hyper: Callable[..., str], host: Host) -> None:
    assert hyper("df").startswith("localhost: ")
    found = json.loads(hyper("doctor", "--json", code=1).splitlines()[0])["localhost"]
    assert {finding["level"] for finding in found} >= {"ok", "error"}
    host.pod_dir("half").mkdir(parents=True)
    assert hyper("prune", "--check") == "would remove what is left of pod half\n"
    assert hyper("prune") == "remove what is left of pod half\n"
    assert hyper("prune") == "Nothing to remove\n"


def test_a_file_is_locked_by_the_command_and_by_the_playbook(hyper: Callable[..., str], host: Host, registry: Registry, layout: Path, tmp_path: Path) -> None:
    """Both write the same, keep all else, and change nothing the second time."""
    source = registry.push(layout, "web", "commands/lock:1")
    text = f"# mine\nkind: Pod\napiVersion: v1\nmetadata: {{name: web}}\nspec:\n  containers:\n  - {{name: a, image: '{source}'}}  # keep\n\n"
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    for file in (one, two):
        file.write_text(text)
        file.chmod(0o600)
    hyper("lock", "--tls-verify", "false", "--in-place", str(one))
    argv = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "playbooks/lock_definition.yml",
        "-e",
        f"pod_definition={two}",
        "-e",
        "pod_tls_verify=false",
    ]
    argv += ["-e", json.dumps({"hyper_state_dir": str(host.state_dir), "hyper_run_dir": str(host.run_dir), "hyper_qemu_user": host.qemu_user})]
    for changed, checked in ((True, True), (True, False), (False, False)):
        done = subprocess.run([*argv, *(["--check"] if checked else [])], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, "changed=1 " in done.stdout) == (0, changed), done.stdout + done.stderr
        assert two.read_text() == (text if checked else one.read_text())
    assert stat.S_IMODE(two.stat().st_mode) == 0o600
    assert two.read_text().replace(two.read_text().partition("@")[2].partition("'")[0], "").replace("@", "") == text
