# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a pod takes to start: ``python -m benchmarks.start [--rounds N]`` as root, on a machine that is quiet.

a  a bare boot: the same kernel in the same QEMU with the same devices, and an init that only says that it is there
b  from the guest's spawn until four containers run, as a prepared host starts a pod of the usual size: a copy of its template
n  the same without a template, booted: the first pod of another size, and one with files of the host
c  the whole ``hyper run``, images and template there
d  an empty play
m  one module task: a play with a ping, less d

Each round measures all of them, one after another; the medians of the rounds' ratios are told. Aims: b/a ≤ 1.25 and c ≤ 1.3 a + d + m.
A single round's a and n scatter by 6 % each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from ansible_collections.hyper.pods.plugins.module_utils import _guest, _hyperstart_install, _initramfs, _pod_guest, _pods, _pods_call, _record
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import installed
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._kvm import accelerator
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor
from ansible_collections.hyper.pods.plugins.module_utils._templates import Templates

from hyperstart._project import ROOT
from hyperstart.samples import make_samples

R = TypeVar("R")

_BIN = Path(sys.executable).parent
_QEMU_USER = "nobody"
_NAMES = ("web", "app", "log", "cron")
_WORD = b"bare init is up"
_BARE_INIT = f"""
#include <unistd.h>
int main(void) {{
    write(1, "{_WORD.decode()}\\n", {len(_WORD) + 1});
    for (;;)
        pause();
}}
"""


@dataclass
class Round:
    """Seconds of one round."""

    a: float = 0.0
    b: float = 0.0
    n: float = 0.0
    c: float = 0.0
    d: float = 0.0
    m: float = 0.0


@dataclass
class Bench:
    """A host in a directory of its own with hyperstart, the sample images and a bare initramfs."""

    host: Host
    work: Path
    environment: dict[str, str] = field(default_factory=dict)

    def definition(self, name: str, memory: str = "256Mi") -> dict[str, object]:
        """The sample pod."""
        containers = [{"name": image, "image": image} for image in _NAMES]
        spec = {"restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 2, "resources": {"limits": {"memory": memory}}, "containers": containers}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    def guest(self, initramfs: Path) -> _guest.Guest:
        """That of the sample pod."""
        name = "bare"
        _pods.bring(self.host, [self.definition(name)], "present", _pods_call.Options())
        record, init = _record.require(self.host, name), installed(self.host)
        return _pod_guest.guest(
            record.pod,
            record.images,
            directory=self.host.pod_dir(name),
            volumes_dir=self.host.volumes_dir,
            run_dir=self.host.pod_run_dir(name),
            installed=init,
            kernel=init.kernel,
            initramfs=initramfs,
            accelerator=accelerator(self.host, init).accelerator,
        )

    @contextmanager
    def templates(self) -> Iterator[None]:
        """A host that keeps templates, with that of the sample pod."""
        kept, place, init = self.work / "templates", self.host.templates_dir, installed(self.host)
        kept.mkdir(exist_ok=True)
        kept.rename(place)
        try:
            Templates(self.host, init).make(self.guest(init.initramfs))
            yield
            if len(list(place.iterdir())) != 1:
                raise RuntimeError("a pod was booted that should have been a copy")
        finally:
            place.rename(kept)

    def bare_boot(self) -> float:
        """a."""
        run_dir = self.host.pod_run_dir("bare")
        guest = self.guest(self.work / "bare-initramfs")
        run_dir.mkdir(parents=True, exist_ok=True)
        (self.work / "bare-console").unlink(missing_ok=True)
        # Only the init differs: the same QEMU, run as the same kind of process.
        argv = _guest.qemu_argv(replace(guest, console=self.work / "bare-console"), run_dir=run_dir)
        began = time.monotonic()
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as qemu:
            try:
                return _until(lambda: _WORD in _read(self.work / "bare-console"), began, qemu)
            finally:
                qemu.kill()

    def spawn_to_running(self) -> float:
        """b; n, where there is no template."""
        progress = Progress()
        try:
            _pods.bring(self.host, [self.definition("bench")], "started", _pods_call.Options(progress=progress))
            return progress.timings["bench"]["spawn"] + progress.timings["bench"]["boot"]
        finally:
            _pods.bring(self.host, ["bench"], "absent", _pods_call.Options(grace_period=0))

    def whole_run(self) -> float:
        """c."""
        try:
            return self.timed([str(_BIN / "hyper"), "run", "-p", *_NAMES, "--name", "bench"])
        finally:
            _pods.bring(self.host, ["bench"], "absent", _pods_call.Options(grace_period=0))

    def empty_play(self) -> float:
        """d."""
        return self.play("")

    def module_task(self, empty: float) -> float:
        """m. empty: d."""
        return self.play("  tasks:\n    - name: Ping\n      ansible.builtin.ping:\n") - empty

    def play(self, tasks: str) -> float:
        """A play with these tasks on this machine, by ansible-playbook."""
        playbook = self.work / "play.yml"
        playbook.write_text(f"---\n- name: Play\n  hosts: kvm_hosts\n  gather_facts: false\n  become: true\n{tasks}")
        return self.timed([str(_BIN / "ansible-playbook"), str(playbook)])

    def timed(self, argv: list[str]) -> float:
        """Seconds of a command that must succeed."""
        # A setting of developers' machines that has Python compile everything anew at each start.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        began = time.monotonic()
        subprocess.run(argv, cwd=ROOT, env={**environment, **self.environment}, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return time.monotonic() - began

    def smallest_memory(self) -> int:
        """The least memory in MiB, in steps of 8, with which the sample pod comes to run."""
        for size in range(32, 264, 8):
            try:
                _pods.bring(self.host, [self.definition("small", f"{size}Mi")], "started", _pods_call.Options(wait_timeout=40))
            except HyperError:
                continue
            else:
                return size
            finally:
                _pods.bring(self.host, ["small"], "absent", _pods_call.Options(grace_period=0))
        return 0

    def footprint(self) -> Iterator[tuple[str, str]]:
        """Sizes and memory of a pod that is left alone."""
        init = installed(self.host)
        yield "hyperstart, bytes", str((ROOT / "build/hyperstart").stat().st_size)
        yield "initramfs, bytes", str(init.initramfs.stat().st_size)
        _pods.bring(self.host, [self.definition("idle")], "started", _pods_call.Options())
        try:
            with Control.connect(self.host.pod_run_dir("idle"), timeout=20) as control:
                script = "sed -n 's/VmRSS:[^0-9]*//p' /proc/1/status; sed -n 's/MemTotal:[^0-9]*//p; s/MemAvailable:[^0-9]*//p' /proc/meminfo"
                resident, total, available = control.exec("log", ["sh", "-c", script]).stdout.decode().splitlines()
            yield "hyperstart, resident", resident
            yield "guest, in use", f"{int(total.split()[0]) - int(available.split()[0])} kB of 256 MiB (the kernel's own image is not counted)"
            pid = supervisor(self.host).pid("hyper-pod@idle")
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            fields = dict(line.split(":", 1) for line in status.splitlines())
            yield "QEMU, resident", f"{fields['VmRSS'].strip()}, of it anonymous {fields['RssAnon'].strip()}"
        finally:
            _pods.bring(self.host, ["idle"], "absent", _pods_call.Options(grace_period=0))
        yield "smallest memory of the sample pod", f"{self.smallest_memory()} MiB"


@contextmanager
def bench_host() -> Iterator[Bench]:
    """A host for measurements, gone when the block ends."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "hyperstart/init")], check=True)
    base = Path(tempfile.mkdtemp(prefix="hb", dir="/tmp"))
    base.chmod(0o755)
    try:
        host = Host(base / "s", base / "r", _QEMU_USER)
        bench = Bench(host, base, {"HYPER_STATE_DIR": str(host.state_dir), "HYPER_RUN_DIR": str(host.run_dir), "HYPER_QEMU_USER": _QEMU_USER})
        _hyperstart_install.converge(host, _hyperstart_install.Wanted(ROOT / "build/hyperstart", None, None, False), check=False)
        for name, archive in make_samples(directory=base / "samples").items():
            ImageStore(host).ensure(name, source=f"oci-archive:{archive}")
        source, binary = base / "bare.c", base / "bare"
        source.write_text(_BARE_INIT)
        subprocess.run(["musl-gcc", "-static", "-O2", "-s", "-o", str(binary), str(source)], check=True, capture_output=True)
        (base / "bare-initramfs").write_bytes(_initramfs.build(binary.read_bytes(), ()))
        yield bench
    finally:
        for name in _record.names(host):
            _pods.bring(host, [name], "absent", _pods_call.Options(grace_period=0))
        shutil.rmtree(base, ignore_errors=True)


def _until(condition: Callable[[], bool], began: float, process: subprocess.Popen[bytes]) -> float:
    """Seconds from ``began`` until the condition holds."""
    while not condition():
        if process.poll() is not None:
            raise RuntimeError(f"QEMU ended with code {process.returncode}")
        time.sleep(0.001)
    return time.monotonic() - began


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _round(bench: Bench) -> Round:
    found = Round(a=bench.bare_boot(), n=bench.spawn_to_running())
    with bench.templates():
        found.b, found.c = bench.spawn_to_running(), bench.whole_run()
    found.d = bench.empty_play()
    found.m = bench.module_task(found.d)
    return found


@contextmanager
def series(description: str, measure: Callable[[Bench], R]) -> Iterator[tuple[Bench, list[R]]]:
    """As many rounds as the command line says. measure: one round, its seconds by their names. Gives the host, which is there in the block, and the rounds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        parser.error("run it as root: it makes guests and disks")
    with bench_host() as bench:
        measure(bench)  # warms what a first run loads
        found = []
        for number in range(rounds):
            found.append(measure(bench))
            print(f"round {number + 1}: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in vars(found[-1]).items()), file=sys.stderr)
        yield bench, found


def main() -> None:
    """Measure and tell."""
    with series("Measure how long a pod takes to start, beside a bare boot.", _round) as (bench, found):
        median = {name: statistics.median(getattr(item, name) for item in found) for name in vars(found[0])}
        init = installed(bench.host)
        print(f"medians of {len(found)} rounds, {accelerator(bench.host, init).accelerator}, kernel {init.kernel_version}")
        for name, what in (
            ("a", "bare boot"),
            ("b", "copy → four containers"),
            ("n", "boot → four containers"),
            ("c", "hyper run"),
            ("d", "empty play"),
            ("m", "one module task"),
        ):
            print(f"  {name}  {what:<26} {median[name]:6.2f} s")
        print(f"b / a               = {statistics.median(item.b / item.a for item in found):.2f}   (aim: at most 1.25)")
        print(f"n / a               = {statistics.median(item.n / item.a for item in found):.2f}")
        print(f"c / (1.3 a + d + m) = {statistics.median(item.c / (1.3 * item.a + item.d + item.m) for item in found):.2f}   (aim: at most 1.00)")
        for what, text in bench.footprint():
            print(f"{what}: {text}")


if __name__ == "__main__":
    main()
