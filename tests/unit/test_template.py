# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests can be copies of one template, and what of a template becomes old."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _kvm, _manifest, _pod_guest
from ansible_collections.hyper.pods.plugins.module_utils._guest import Disk, Forward, Guest, Nic, Port
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed
from ansible_collections.hyper.pods.plugins.module_utils._manifest_resources import DEFAULT_SIZE
from ansible_collections.hyper.pods.plugins.module_utils._pod_machine import machine
from ansible_collections.hyper.pods.plugins.module_utils._template import is_stale, name_of, template_of
from ansible_collections.hyper.pods.plugins.module_utils._templates import Templates, templates_of

from tests.support.guests import short_host

INSTALLED = Installed("1", "1", "6", Path("/vmlinux"), Path("/initramfs"))
HERE = ["boot", 1, "0.1.0-6.1"]


def guest(name: str, **changes: Any) -> Guest:
    made = Guest(
        name=name,
        vcpus=1,
        memory_mib=256,
        accelerator="tcg",
        kernel=Path(f"/pods/{name}/vmlinux"),
        initrd=Path(f"/pods/{name}/initramfs"),
        cmdline="quiet",
        disks=(Disk(Path(f"/pods/{name}/plan.img"), "hyper-plan", readonly=True),),
        nics=(Nic("52:54:00:00:00:01"),),
        ports=(Port("hyper.control.0", Path(f"/run/{name}/control.0"), "socket"), Port("hyper.log", Path(f"/pods/{name}/log"), "file")),
        console=Path(f"/pods/{name}/console.log"),
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"disks": ()}, True),
        ({"disks": (Disk(Path("/a"), "a"), Disk(Path("/b"), "b", format="qcow2"))}, True),
        ({"nics": ()}, True),
        ({"nics": (Nic("52:54:00:00:00:02", (Forward("tcp", "", 80, 80),)), Nic("52:54:00:00:00:03", tap="hyper0"))}, True),
        ({"vcpus": 2}, False),
        ({"memory_mib": 512}, False),
        ({"accelerator": "kvm"}, False),
        ({"cmdline": "quiet debug"}, False),
        ({"ports": (Port("hyper.log", Path("/x"), "file"),)}, False),
        ({"hotplug_slots": 1}, False),
        ({"reboots": True}, False),
    ],
)
def test_pods_of_one_size_have_one_template(changes: dict[str, Any], same: bool) -> None:
    assert (name_of(guest("web", **changes), HERE) == name_of(guest("shop"), HERE)) == same


def test_a_pod_that_says_no_size_is_a_copy_of_the_usual_template() -> None:
    pod = _manifest.parse({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "image": "app"}]}})
    files: dict[str, Any] = {"installed": INSTALLED, "kernel": Path("/k"), "initramfs": Path("/i"), "accelerator": "tcg"}
    made = _pod_guest.guest(pod, {"app": "sha256:1"}, directory=Path("/pods/web"), volumes_dir=Path("/volumes"), run_dir=Path("/run/web"), **files)
    usual = machine("template", DEFAULT_SIZE, directory=Path("/"), run_dir=Path("/"), **files)
    assert name_of(made, HERE) == name_of(usual, HERE)


def test_a_template_has_nothing_of_a_pod() -> None:
    made = template_of(guest("web"), Path("/run/t"))
    assert (made.disks, made.nics) == ((), ())
    assert made.cmdline == "quiet template"
    assert "web" not in str(replace(made, kernel=None, initrd=None))


@pytest.mark.parametrize("now", [["another boot", 1, "0.1.0-6.1"], ["boot", 2, "0.1.0-6.1"], ["boot", 1, "0.1.0-6.2"]])
def test_a_template_of_other_circumstances_is_stale(now: list[object]) -> None:
    name = name_of(guest("web"), HERE)
    assert not is_stale(name, HERE)
    assert is_stale(name, now)
    assert name_of(guest("web"), now) != name


def test_a_host_without_what_guests_need_has_no_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_host() as host:
        assert templates_of(host) is None
        version = host.hyperstart_dir / "1"
        version.mkdir(parents=True)
        (version / "info.json").write_text('{"hyperstart_version": "1", "kernel_version": "6"}')
        (host.hyperstart_dir / "current").symlink_to("1")
        monkeypatch.setattr(_kvm, "PROGRAM", "no-such-program")
        assert templates_of(host) is None


def test_the_one_that_was_used_longest_ago_goes() -> None:
    with short_host() as host:
        templates = Templates(host, INSTALLED)
        assert not templates.wanted
        host.templates_dir.mkdir(parents=True)
        assert templates.serves(guest("web"))
        assert not templates.serves(guest("web", share=Path("/share")))
        paths = [templates.path(guest("web", memory_mib=size)) for size in (64, 128, 256, 512)]
        for age, path in enumerate(paths):
            path.touch()
            os.utime(path, (1000 - age, 1000 - age))
        stale = host.templates_dir / "of-another-boot"
        stale.touch()
        assert templates.unneeded() == [stale]
        assert templates.outdated() == [stale, paths[-1]]
        descriptor = templates.open(guest("web", memory_mib=512))
        assert descriptor is not None
        os.close(descriptor)
        assert templates.outdated() == [stale, paths[-2]]
