# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that are copies of a template instead of booted: what they have alike, what each has of its own, and what happens when a copy cannot be had."""

from __future__ import annotations

import shutil
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _pods, _pods_call
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._files import locked
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp

from tests.support.faults import qemus, remains
from tests.support.guests import wait_for
from tests.support.manifests import claim, used
from tests.support.pods import INIT, PodHost, free_port, manifest

pytestmark = pytest.mark.guest

NAMES = ("first", "left", "right")
SIZE = {"cpu": 1, "memory": "128Mi"}
PAGE = {"name": "page", "image": "server", "volumeMounts": [{"name": "page", "mountPath": "/srv"}]}


def pod(name: str, port: int = 0, *, size: Mapping[str, Any] = SIZE, **container: Any) -> dict[str, Any]:
    """Two containers, of which one serves a page."""
    served = {**PAGE, "ports": [{"containerPort": 80, "hostPort": port, "hostIP": "127.0.0.1"}]} if port else PAGE
    volumes = [{"name": "page", "emptyDir": {}}]
    return manifest(name, {"name": "app", **container}, served, volumes=volumes, resources={"limits": dict(size)})


@pytest.fixture(scope="module")
def directory(pods: PodHost) -> Iterator[Path]:
    """That of the templates, on a host that has made one of them for the pods of this file."""
    made = pods.host.templates_dir
    made.mkdir()
    try:
        pods.pod(pod("first"))
        assert not is_copy(pods, "first")
        await_template(made)
        yield made
    finally:
        pods.pod(*NAMES, state="absent", grace_period=0)
        await_maker(pods)
        shutil.rmtree(made)


@pytest.fixture
def stopped(pods: PodHost, directory: Path) -> Iterator[str]:
    """A pod that is defined and does not run; nothing is left of it at the end."""
    pods.pod(pod("left"), state="present")
    yield "left"
    pods.pod("left", state="absent", grace_period=0)
    assert remains(pods, "left") == []


def await_template(directory: Path) -> None:
    # At the lowest priority: it takes as long as the machine is busy.
    wait_for(lambda: any(path.name[0] != "." for path in directory.iterdir()), "the template", timeout=240)


def await_maker(pods: PodHost) -> None:
    """Return when nobody makes a template."""
    with locked(pods.host.lock_path("templates", "make"), what="templates", timeout=240):
        pass


def is_copy(pods: PodHost, name: str) -> bool:
    """Whether its guest was begun as a template: its kernel's command line tells."""
    return pods.shell(name, "app", "cat /proc/cmdline").endswith(" template")


def test_copies_are_guests_of_their_own(pods: PodHost, directory: Path) -> None:
    ports = [free_port(), free_port()]
    try:
        pods.pod(*(pod(name, port) for name, port in zip(NAMES[1:], ports, strict=True)))
        own = "hostname; cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | md5sum; cat /sys/class/net/eth0/address"
        facts = [pods.shell(name, "app", own).splitlines() for name in NAMES[1:]]
        assert [fact[0] for fact in facts] == ["left", "right"]
        assert all(one != other for one, other in zip(*facts, strict=True))
        for name, port in zip(NAMES[1:], ports, strict=True):
            assert is_copy(pods, name)
            before = time.time()
            assert before - 2 < int(pods.shell(name, "app", "date +%s")) < time.time() + 2
            pods.shell(name, "page", "echo $HOSTNAME $(hostname) > /srv/index.html")
            assert name in urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).read().decode()
        boots = [line for line in pods.log("left").splitlines() if " event F - boot " in line]
        assert len(boots) == 1

        # It is changed while it runs, and stopped and started, as any other.
        changed = pods.pod(pod("left", ports[0], env=[{"name": "A", "value": "1"}]))
        assert [action["effect"] for action in changed["actions"]] == ["restarts container app"]
        assert pods.shell("left", "app", "echo $A") == "1"
        assert pods.shell("left", "app", own).splitlines()[1] == facts[0][1]
        assert [action["effect"] for action in pods.pod(pod("right", ports[1], size={"cpu": 2, "memory": "256Mi"}))["actions"]] == ["live"]
        pods.shell("right", "app", "until [ $(nproc) = 2 ] && [ $(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) -gt 200000 ]; do sleep 0.1; done")
        pods.shell("left", "app", "echo kept > /data/file")
        pods.pod("left", state="stopped")
        pods.pod("left", state="started")
        assert is_copy(pods, "left")
        assert pods.shell("left", "app", "cat /data/file") == "kept"
        assert pods.shell("left", "app", own).splitlines()[1] not in [fact[1] for fact in facts]
    finally:
        pods.pod("left", "right", state="absent", grace_period=0)


def test_a_copy_takes_disks_and_gives_them_back(pods: PodHost, directory: Path) -> None:
    """Also one that it had in its QEMU from its start, of which the template's state knows nothing."""
    claims = [claim(name, "32Mi") for name in ("copied-a", "copied-b")]

    def wanted(*names: str) -> dict[str, Any]:
        made = pod("right", volumeMounts=[{"name": name, "mountPath": f"/{name}"} for name in names])
        made["spec"]["volumes"] += [used(name, f"copied-{name}") for name in names]
        return made

    try:
        pods.pod(*claims, wanted("a"))
        assert is_copy(pods, "right")
        pods.shell("right", "app", "echo one > /a/file")
        for names in (("a", "b"), ("b",), ("a", "b")):
            changed = pods.pod(*claims, wanted(*names))
            assert [action["effect"] for action in changed["actions"]] == ["live", "restarts container app"]
            assert pods.shell("right", "app", "ls /dev/hyper").split() == list(names)
        assert pods.shell("right", "app", "cat /a/file") == "one"
        assert is_copy(pods, "right")
    finally:
        pods.pod("right", state="absent", grace_period=0)
        pods.module("volume", name=["copied-a", "copied-b"], state="absent")


@pytest.mark.parametrize("moment", [(Qmp, "send_file"), (Control, "begin")])
def test_a_copy_that_a_killed_run_left_half_started(pods: PodHost, stopped: str, monkeypatch: pytest.MonkeyPatch, moment: tuple[type, str]) -> None:
    """One run ends before QEMU has its state, one before its guest was told to go on; the next brings the pod to run."""

    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*moment, end)
        with pytest.raises(KeyboardInterrupt):
            _pods.bring(pods.host, [stopped], "started", _pods_call.Options())
    left = qemus(pods, stopped)
    assert left
    assert not pods.module("pod", pods=[stopped], state="started").get("warnings")
    assert is_copy(pods, stopped)
    assert qemus(pods, stopped) != left


def test_a_damaged_template_is_replaced(pods: PodHost, directory: Path, stopped: str) -> None:
    [template] = directory.iterdir()
    with template.open("r+b") as state:
        state.truncate(template.stat().st_size // 2)
    result = pods.pod(stopped, state="started")
    assert result["pods"][0]["phase"] == "Running"
    assert "could not be copied from its template" in str(result["warnings"])
    assert not is_copy(pods, stopped)
    await_template(directory)
    pods.pod(stopped, state="restarted", grace_period=0)
    assert is_copy(pods, stopped)


def test_a_check_makes_no_template(pods: PodHost, directory: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert pods.pod(pod("left"), check=True)["changed"]
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_what_no_pod_can_use_goes(pods: PodHost, directory: Path) -> None:
    """Templates of another boot or of another hyperstart, and what was never finished."""
    await_maker(pods)
    [template] = directory.iterdir()
    useless = [directory / "0000000000000000-1111111111111111", directory / ".unfinished"]
    for path in useless:
        path.touch()
    usage = pods.module("host_info", gather=["usage"])["usage"]["templates"]
    assert {item["name"]: item["used"] for item in usage} == {template.name: True, **{path.name: False for path in useless}}
    assert sum(item["own"] for item in usage) > 10 << 20
    told = pods.module("host_prune", check=True)["actions"]
    assert [line for line in told if "templates" in line] == sorted(f"remove {path}" for path in useless)
    pods.module("host_prune")
    assert list(directory.iterdir()) == [template]


def test_already_the_first_pod_of_the_usual_size_is_a_copy(pods: PodHost, directory: Path) -> None:
    def templates() -> set[Path]:
        return {path for path in directory.iterdir() if path.name[0] != "."}

    others = templates()
    assert not pods.module("hyperstart", init=str(INIT), check=True)["changed"]
    await_maker(pods)
    assert templates() == others
    assert not pods.module("hyperstart", init=str(INIT))["changed"]
    wait_for(lambda: templates() > others, "the template of usual pods", timeout=240)
    await_maker(pods)
    [usual] = templates() - others
    made = usual.stat().st_ino
    pods.pod(manifest("left", {"name": "app"}))
    assert is_copy(pods, "left")
    assert not pods.module("hyperstart", init=str(INIT))["changed"]
    await_maker(pods)
    assert (templates(), usual.stat().st_ino) == ({*others, usual}, made)
    pods.pod("left", state="absent", grace_period=0)
    usual.unlink()
