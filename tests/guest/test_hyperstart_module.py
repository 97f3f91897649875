# SPDX-License-Identifier: GPL-3.0-or-later
"""The module hyperstart: the twelve steps, versions that pods hold, the kernel that apt fetches, and that what it installs boots."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _kernel
from ansible_collections.hyper.pods.plugins.module_utils._guest import Guest, Port
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import installed
from ansible_collections.hyper.pods.plugins.module_utils._trial import trial

from tests.support.guests import build_tiny_init, short_host, wait_for
from tests.support.modules import module_process, run_module
from tests.support.pods import build_hyperstart

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def inits(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three binaries that differ, the second with a version in it."""
    directory = tmp_path_factory.mktemp("inits")
    data = build_tiny_init(directory).read_bytes()
    paths = [directory / f"init{number}" for number in range(3)]
    for path, more in zip(paths, (b"", b"hyperstart 1.2.3\n", b"other"), strict=True):
        path.write_bytes(data + more)
    return paths


@pytest.fixture
def host() -> Iterator[Host]:
    with short_host() as host:
        yield host


def arguments(host: Host, **args: Any) -> dict[str, Any]:
    return {"state_dir": str(host.state_dir), "run_dir": str(host.run_dir), "qemu_user": host.qemu_user, **args}


def converge(host: Host, *, check: bool = False, fails: bool = False, **args: Any) -> dict[str, Any]:
    return run_module("hyperstart", arguments(host, **{key: str(value) for key, value in args.items()}), check=check, fails=fails)


def versions(host: Host) -> list[str]:
    return sorted(path.name for path in host.hyperstart_dir.iterdir() if not path.is_symlink()) if host.hyperstart_dir.exists() else []


def files(host: Host) -> list[str]:
    return sorted(str(path) for path in host.state_dir.rglob("*"))


def test_the_twelve_steps(host: Host, inits: list[Path]) -> None:
    def step(**args: Any) -> dict[str, Any]:
        before = files(host)
        kernel_is_to_come = not versions(host) and _kernel.installed() is None
        for _ in range(2):
            foretold = converge(host, check=True, **args)
            assert foretold["changed"]
        assert files(host) == before
        done = converge(host, **args)
        assert done["changed"]
        assert done["diff"]["before"] == foretold["diff"]["before"]
        told, version = foretold["diff"]["after"]["version"], done["diff"]["after"]["version"]
        # Of a kernel that is yet to be fetched nobody knows the content.
        assert told == version or (kernel_is_to_come and told.endswith("-") and version.startswith(told))
        again = converge(host, **args)
        assert not again["changed"]
        assert not converge(host, check=True, **args)["changed"]
        return done

    first = step(init=inits[0])
    assert first["diff"] == {"before": {"version": None}, "after": {"version": first["version"]}}
    assert (host.hyperstart_dir / "current").resolve().name == first["version"]
    second = step(init=inits[1])
    assert second["hyperstart_version"] == "1.2.3"
    assert second["version"].startswith(f"1.2.3-{second['kernel_version']}-")
    assert versions(host) == sorted([first["version"], second["version"]])
    # One kernel, on the disk once.
    assert (host.hyperstart_dir / "current/vmlinux").stat().st_nlink == 2
    assert (host.hyperstart_dir / "current/initramfs").stat().st_size < 4 << 20
    step(state="absent")
    assert versions(host) == []


def test_versions_that_pods_hold_stay(host: Host, inits: list[Path]) -> None:
    held = converge(host, init=inits[0])["version"]
    pod = host.pod_dir("web")
    pod.mkdir(parents=True)
    for file in ("vmlinux", "initramfs"):
        os.link(host.hyperstart_dir / held / file, pod / file)
    second = converge(host, init=inits[1])["version"]
    third = converge(host, init=inits[2])
    # The one before stays too: a pod that is just being started may be about to take it.
    assert (third["removed"], third["kept"]) == ([], [held])
    assert converge(host, init=inits[1])["version"] == second
    assert converge(host, init=inits[2])["removed"] == []
    assert converge(host, state="absent")["kept"] == [held]
    assert versions(host) == [held]
    (pod / "initramfs").unlink()
    assert converge(host, state="absent")["removed"] == [held]
    assert versions(host) == []


def test_a_new_version_sweeps_the_one_before_the_last(host: Host, inits: list[Path]) -> None:
    first, second, third = (converge(host, init=init) for init in inits)
    assert (first["removed"], second["removed"], third["removed"]) == ([], [], [first["version"]])
    assert versions(host) == sorted([second["version"], third["version"]])


def test_a_kernel_of_ones_own(host: Host, inits: list[Path], tmp_path: Path) -> None:
    source = _kernel.installed()
    with _kernel.fetched(_kernel.package()) as fetched:
        result = converge(host, init=inits[0], kernel=fetched.image, modules=fetched.modules)
        assert not converge(host, init=inits[0], kernel=fetched.image, modules=fetched.modules)["changed"]
    assert result["kernel_version"] == fetched.version
    # What apt fetches is the kernel that the host would have installed.
    if source is not None and source.version == fetched.version:
        assert converge(host, init=inits[0], check=True)["version"] == result["version"]


def test_what_it_installs_boots(host: Host, inits: list[Path]) -> None:
    verdict = converge(host, init=inits[0])
    assert verdict["accelerator"] in ("kvm", "tcg")
    assert verdict["accelerator_reason"]
    current = host.hyperstart_dir / "current"
    guest = {"name": "g1", "kernel": str(current / "vmlinux"), "initrd": str(current / "initramfs"), "cmdline": "console=ttyS0 quiet panic=-1", "memory": 96}
    try:
        started = run_module("kvm_guest", arguments(host, **guest, state="started"))["guest"]
        assert started["running_with"] == verdict["accelerator"]
        wait_for(lambda: "READY" in Path(started["console"]).read_text(), "the guest")
    finally:
        run_module("kvm_guest", arguments(host, name="g1", state="absent", grace_period=0))


def test_a_killed_run_leaves_nothing_that_counts(host: Host, inits: list[Path]) -> None:
    first = converge(host, init=inits[0])["version"]
    with module_process("hyperstart", arguments(host, init=str(inits[1]))) as run:
        wait_for(lambda: bool(list(host.hyperstart_dir.glob(".new-*"))) or run.poll() is not None, "the new version's directory")
        run.kill()
    # Killed before or after it was whole: then the next run makes it, and sweeps.
    second = converge(host, init=inits[1])["version"]
    assert versions(host) == sorted([first, second])


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "there is no init"), (b"#!/bin/sh\n", "no program for x86_64"), (Path("/bin/true"), "linked dynamically")],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_no_init_is_refused(host: Host, tmp_path: Path, data: bytes | Path | None, message: str, check: bool) -> None:
    init = tmp_path / "init"
    if data is not None:
        init.write_bytes(data if isinstance(data, bytes) else data.read_bytes())
    assert message in converge(host, init=init, check=check, fails=True)["msg"]
    assert files(host) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [({"kernel": "/nonexistent"}, "no kernel image"), ({"kernel": "/bin/true"}, "no PVH entry"), ({"modules": "/lib/modules"}, "missing parameter")],
)
def test_what_is_no_kernel_is_refused(host: Host, inits: list[Path], args: dict[str, str], message: str) -> None:
    assert message in converge(host, init=inits[0], fails=True, **args)["msg"]
    assert files(host) == []


def test_the_real_init_is_installed_with_its_version(host: Host) -> None:
    assert converge(host, init=build_hyperstart())["hyperstart_version"] != "0"


def test_a_kernel_that_insists_on_signatures_gets_its_modules_whole(host: Host) -> None:
    converge(host, init=build_hyperstart())
    init = installed(host)

    def guest(directory: Path) -> Guest:
        return Guest(
            name="insists",
            vcpus=1,
            memory_mib=128,
            accelerator="tcg",
            kernel=init.kernel,
            initrd=init.initramfs,
            cmdline=init.cmdline.replace("quiet", "loglevel=6 module.sig_enforce=1"),
            disks=(),
            nics=(),
            ports=(Port("hyper.log", directory / "word", "file"),),
            console=directory / "console",
        )

    with trial(host, "signatures", guest) as booted:
        # hyperstart has a port to say it to: the modules for that were loaded.
        assert booted.await_word(120)
        console = (booted.directory / "console").read_text(errors="replace")
    assert "rejected" in console
    assert "hyperstart: module" not in console
