# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and files of the host in real guests: what is asked for and no more, and nothing of it left on the host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._host_share import Share

from tests.support.guests import wait_for
from tests.support.pods import PodHost, manifest

pytestmark = pytest.mark.guest


def host_path(name: str, path: Path, kind: str | None = None) -> dict[str, Any]:
    return {"name": name, "hostPath": {"path": str(path), **({} if kind is None else {"type": kind})}}


def mounted(*names: str, read_only: bool = False) -> list[dict[str, Any]]:
    return [{"name": name, "mountPath": f"/mnt/{name}", **({"readOnly": True} if read_only else {})} for name in names]


def servers(pods: PodHost, pod: str) -> list[int]:
    """The processes that serve the pod's files."""
    word = Share(pod, pods.host.share_dir(pod), ()).word.encode()
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_files_of_the_host(pods: PodHost) -> None:
    """One pod with volumes of all kinds: what both sides write, who owns it, what is read-only, and that root in the guest gets no further."""
    place = pods.allowed / "shop"
    (place / "data").mkdir(parents=True)
    (place / "data/own").write_text("of the host")
    os.chown(place / "data/own", 1000, 1001)
    (place / "data/own").chmod(0o600)
    (place / "data/out").symlink_to("/etc/hostname")
    (place / "data/up").symlink_to("../unshared")
    (place / "fixed").mkdir()
    (place / "fixed/file").write_text("fixed")
    (place / "conf").write_text("a=1\n")
    (place / "unshared").write_text("unshared")
    pod = manifest(
        "shop",
        {
            "name": "one",
            "securityContext": {"privileged": True},
            "volumeMounts": [
                *mounted("data", "conf", "made", "fresh", "plain"),
                *mounted("fixed", read_only=True),
                {"name": "data", "mountPath": "/mnt/part", "subPath": "deep/er"},
            ],
        },
        {
            "name": "two",
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1001},
            "volumeMounts": [*mounted("data"), *mounted("fixed", read_only=True)],
        },
        volumes=[
            host_path("data", place / "data", "Directory"),
            host_path("conf", place / "conf", "File"),
            host_path("fixed", place / "fixed"),
            host_path("made", place / "new/made", "DirectoryOrCreate"),
            host_path("fresh", place / "new/made/fresh", "FileOrCreate"),
            host_path("plain", place / "plain"),
        ],
    )
    planned = pods.pod(pod, check=True)
    assert not (place / "new").exists()
    assert not (place / "plain").exists()
    try:
        done = pods.pod(pod)
        assert done["actions"] == planned["actions"]
        assert [(action["action"], action["reason"]) for action in done["actions"]][:3] == [
            ("create directory", f"volume made: there is no {place}/new/made"),
            ("create file", f"volume fresh: there is no {place}/new/made/fresh"),
            ("create directory", f"volume plain: there is no {place}/plain"),
        ]
        assert not pods.pod(pod)["changed"]
        assert [(oct(path.stat().st_mode), path.stat().st_uid) for path in (place / "new", place / "new/made", place / "new/made/fresh")] == [
            ("0o40755", 0),
            ("0o40755", 0),
            ("0o100644", 0),
        ]

        # Both sides see the same, with its owners.
        assert pods.shell("shop", "two", "cat /mnt/data/own; echo; stat -c '%u:%g %a' /mnt/data/own").split("\n") == ["of the host", "1000:1001 600"]
        pods.shell("shop", "one", "mkdir /mnt/data/d; echo more > /mnt/data/d/f; chown 7:8 /mnt/data/d/f; chmod 4711 /mnt/data/d/f; echo x > /mnt/part/y")
        made = place / "data/d/f"
        assert (made.read_text(), made.stat().st_uid, made.stat().st_gid, oct(made.stat().st_mode & 0o7777)) == ("more\n", 7, 8, "0o4711")
        assert (place / "data/deep/er/y").read_text() == "x\n"
        pods.shell("shop", "one", "echo b=2 >> /mnt/conf; echo f > /mnt/fresh; echo p > /mnt/plain/p; mv /mnt/data/d/f /mnt/data/g; rm -r /mnt/data/d")
        assert (place / "conf").read_text() == "a=1\nb=2\n"
        assert (place / "new/made/fresh").read_text() == "f\n"
        (place / "data/later").write_text("later")
        wait_for(lambda: pods.exec("shop", "two", "cat", "/mnt/data/later").stdout == b"later", "what the host wrote")

        # No further: neither by links and .., nor as root that mounts all there is, nor by devices.
        assert pods.exec("shop", "one", "cat", "/mnt/data/out").stdout != Path("/etc/hostname").read_bytes()
        assert pods.exec("shop", "one", "cat", "/mnt/data/up").code != 0
        assert pods.exec("shop", "two", "touch", "/mnt/fixed/x").code != 0
        whole = "mkdir /all; mount -t virtiofs hyper-host /all; ls -R /all; cd /all; ls -A .."
        assert "unshared" not in pods.shell("shop", "one", whole)
        pods.shell("shop", "one", "mount -o remount,bind,rw /mnt/fixed")
        for script in ("touch /mnt/fixed/x", "rm /mnt/fixed/file", "mknod /mnt/data/disk b 254 0", "mknod /mnt/data/null c 1 3"):
            assert pods.exec("shop", "one", "sh", "-c", script).code != 0, script
        assert (place / "fixed/file").read_text() == "fixed"

        # Who serves them may do no more than with files.
        limits = {}
        for pid in servers(pods, "shop"):
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            limits[status["CapEff"]] = (status["NoNewPrivs"], status["Seccomp"])
            assert sorted(os.listdir(f"/proc/{pid}/root")) == ["conf", "data", "fixed", "fresh", "made", "plain"]
        assert limits == {"0000000000000000": ("0", "0"), "00000000000000db": ("1", "2")}

        # A volume that comes restarts the guest; its files are there again.
        more = {**pod, "spec": {**pod["spec"], "volumes": [*pod["spec"]["volumes"], host_path("other", place / "data", "Directory")]}}
        changed = pods.pod(more)
        assert [(action["action"], action["effect"]) for action in changed["actions"]] == [("update", "restarts the guest")]
        assert pods.shell("shop", "one", "cat /mnt/data/g") == "more"
    finally:
        pods.pod("shop", state="absent", grace_period=0)
    assert servers(pods, "shop") == []
    assert not pods.host.share_dir("shop").exists()
    assert (place / "conf").read_text() == "a=1\nb=2\n"


def test_a_path_that_becomes_a_link(pods: PodHost) -> None:
    """The link is not followed, though it came when all had been looked at: what is mounted by then is what the kernel finds, link by link."""
    place = pods.allowed / "swap"
    (place / "a/b").mkdir(parents=True)
    pod = manifest("swap", {"name": "one", "volumeMounts": mounted("data")}, volumes=[host_path("data", place / "a/b", "Directory")])
    try:
        pods.pod(pod, state="present")
        (place / "a").rename(place / "away")
        (place / "a").symlink_to("/etc")
        refused = pods.pod("swap", state="started", fails=True)
        assert refused["error"] == "PathUnusable"
        assert f"{place}/a is a symbolic link" in refused["msg"]
    finally:
        pods.pod("swap", state="absent", grace_period=0)
