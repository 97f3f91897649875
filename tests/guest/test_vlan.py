# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods' taps as access ports of VLANs: the very commands of a host, run in a guest whose kernel filters VLANs, and real frames."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _hyperstart, _initramfs, _kernel, _network
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import Nic
from ansible_collections.hyper.pods.plugins.module_utils._network import Link
from ansible_collections.hyper.pods.plugins.module_utils._steps import Step

pytestmark = pytest.mark.guest

_FRAMES = Path(__file__).parents[1] / "support/frames.c"
# Pod → its VLAN. The first two are neighbours, the last is in the VLAN that the bridge gives each new port.
PODS = {"red": 10, "crimson": 10, "blue": 20, "plain": 7}
BRIDGE = """
ip link add br0 type bridge forward_delay 0 vlan_filtering 1 vlan_default_pvid 7
ip link set br0 up
ip tuntap add dev uplink mode tap
ip link set uplink master br0 up
for vid in 10 20; do bridge vlan add dev uplink vid $vid; done
"""
_INIT = """#!/bin/sh
export PATH=/bin
mkdir -p /proc /sys; mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read name; do [ -z "$name" ] || insmod /modules/$name; done </modules/order
mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
exec >/dev/ttyS0 2>&1
sh /test
poweroff -f
"""


def given(pod: str) -> tuple[Link, ...]:
    return _network.links(pod, (Nic("bridge", bridge="br0", addresses=("192.0.2.5/24",), vlan=PODS[pod]),), {}, {})


def script(steps: tuple[Step, ...]) -> str:
    return "".join(f"{shlex.join(step.argv)}{' 2>/dev/null || :' if step.may_fail else ' || echo FAILED'}\n" for step in steps)


def before(pod: str) -> str:
    return script(_network.before(pod, given(pod), uid=0, directory=Path("/p"), hosts={}))


def boot(directory: Path, test: str) -> str:
    """What a script says in a guest with the distribution's kernel, busybox, ip, bridge and the program of frames.c."""
    tree = directory / "tree"
    (tree / "bin").mkdir(parents=True)
    programs = {name: shutil.which(name) or name for name in ("busybox", "ip", "bridge", "sh")}
    for word in subprocess.run(["ldd", *programs.values()], capture_output=True, text=True, check=False).stdout.split():
        if word.startswith("/") and not word.endswith(":") and not (tree / word[1:]).exists():
            (tree / word[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, tree / word[1:])
    for name, path in programs.items():
        shutil.copy(path, tree / "bin" / name)
    for applet in ("mount", "insmod", "mkdir", "mknod", "poweroff"):
        (tree / "bin" / applet).symlink_to("busybox")
    subprocess.run([os.environ.get("CC", "cc"), "-static", "-O2", "-s", "-o", str(tree / "bin/frames"), str(_FRAMES)], check=True)
    (tree / "test").write_text(test)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    more = subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], input=names.encode(), cwd=tree, capture_output=True, check=True).stdout
    with contextlib.ExitStack() as stack:
        kernel = _kernel.read(_kernel.installed() or stack.enter_context(_kernel.fetched(_kernel.package())), ("bridge", "tun"))
    (directory / "vmlinux").write_bytes(kernel.image)
    (directory / "initrd").write_bytes(_initramfs.build(_INIT.encode(), kernel.modules) + more)
    machine = ["-machine", "q35", "-accel", "tcg", "-m", "160", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"]
    argv = ["qemu-system-x86_64", *machine, "-kernel", str(directory / "vmlinux"), "-initrd", str(directory / "initrd"), "-append", _hyperstart.CMDLINE]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=240, check=True).stdout.decode(errors="replace")


def frame(vlan: int | None = None) -> str:
    """A broadcast, in hexadecimal; with a tag where it says a VLAN."""
    tag = "" if vlan is None else f"8100{vlan:04x}"
    return f"ffffffffffff020000000001{tag}88b5{'5a' * 46}"


def answers(said: str) -> list[list[str]]:
    """What came out of whom, for each frame that was sent."""
    made: list[list[str]] = [[]]
    for line in said.splitlines():
        if line == "-":
            made.append([])
        else:
            made[-1].append(line)
    return made[:-1]


def test_access_ports(tmp_path: Path) -> None:
    taps = {pod: given(pod)[0].tap for pod in PODS}
    names = {tap: pod for pod, tap in taps.items()} | {"uplink": "uplink"}
    # Who sends what, and what comes out of whom: the VLAN of its tag, None without one.
    cases: list[tuple[str, int | None, dict[str, int | None]]] = [
        ("red", None, {"crimson": None, "uplink": 10}),
        ("blue", None, {"uplink": 20}),
        ("uplink", 10, {"red": None, "crimson": None}),
        ("uplink", 20, {"blue": None}),
        # What has no tag at the uplink is of the bridge's own VLAN.
        ("uplink", None, {"plain": None}),
        ("plain", None, {"uplink": None}),
        # A pod that writes tags itself is in no other VLAN for that.
        ("red", 20, {}),
        ("red", 7, {}),
        ("uplink", 30, {}),
    ]
    sent = "".join(f"{taps.get(sender, sender)} {frame(vlan)}\n" for sender, vlan, _ in cases)
    # Once before that, since a tap carries nothing until its bridge has seen that somebody holds it.
    frames = f"echo BEGIN\nframes {' '.join(names)} <<END\nuplink {frame(99)}\n{sent}END\n"
    blind = "ip link set br0 type bridge vlan_filtering 0\necho BLIND\n" + before("red") + "echo GONE\n"
    gone = "".join(script(_network.after(pod, given(pod), directory=Path("/p"), hosts={})) for pod in PODS)
    said = boot(tmp_path, BRIDGE + "".join(map(before, PODS)) + "bridge vlan show\n" + frames + blind + gone + "ip -brief link\n").replace("\r", "")
    works, _, rest = said.partition("BLIND\n")
    assert "FAILED" not in works, said
    came = answers(works.partition("BEGIN\n")[2])
    assert len(came) == len(cases) + 1, said
    for (sender, vlan, expected), lines in zip(cases, came[1:], strict=True):
        got = {}
        for line in lines:
            tap, _, data = line.partition(" ")
            got[names[tap]] = int(data[28:32], 16) & 0xFFF if data[24:28] == "8100" else None
        assert got == expected, (sender, vlan, said)
    # A bridge that does not filter any more gets no pod of a VLAN.
    failed, _, left = rest.partition("GONE\n")
    assert "the bridge br0 does not filter VLANs" in failed, said
    assert "FAILED" in failed, said
    assert "br0" in left, said
    assert not any(tap in left for tap in taps.values()), said
