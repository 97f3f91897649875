# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of the host in real guests: they outlive their pods, grow, and have devices."""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _volumes
from ansible_collections.hyper.pods.plugins.plugin_utils import forms

from tests.support.manifests import claim, used
from tests.support.pods import PodHost, manifest

pytestmark = pytest.mark.guest


def test_volumes_outlive_their_pods(pods: PodHost) -> None:
    """One volume in two containers is the same data, which the next pod finds again, grown and given to its group; a block volume is a device."""
    mounts = [{"name": "kept", "mountPath": "/kept"}]
    device = {"volumeDevices": [{"name": "raw", "devicePath": "/dev/xvda"}]}
    first = manifest(
        "keeper",
        {"name": "one", "volumeMounts": mounts, **device},
        {
            "name": "two",
            "securityContext": {"runAsUser": 1000},
            "env": [{"name": "PART", "value": "below"}],
            "volumeMounts": [{**mounts[0], "subPathExpr": "$(PART)"}, {"name": "small", "mountPath": "/small"}, {"name": "seed", "mountPath": "/seed"}],
        },
        volumes=[
            used("kept", "kept-data"),
            used("raw", "raw-data"),
            {"name": "small", "emptyDir": {"sizeLimit": "16Mi"}},
            {"name": "seed", "image": {"reference": "server"}},
        ],
    )
    refused = pods.pod(first, fails=True)
    assert "there is no volume 'kept-data' on this host" in refused["msg"]
    documents = [claim("kept-data", "64Mi"), first, claim("raw-data", "16Mi", volumeMode="Block")]
    planned = pods.pod(*documents, check=True)
    assert not (pods.host.volumes_dir / "kept-data").exists()
    try:
        done = pods.pod(*documents)
        assert done["actions"] == planned["actions"]
        assert done["diff"]["before"]["volume kept-data"] is None
        assert done["diff"]["after"]["volume kept-data"] == {"size": "64 MiB", "mode": "Filesystem", "labels": {}}
        assert [action["action"] for action in done["actions"]][:2] == ["create volume", "create volume"]
        again = pods.pod(*documents)
        assert not again["changed"], (again["actions"], pods.log("keeper"))
        write = (
            "stat -c '%a %u' /kept; ls -A /kept; mkdir -m 750 /kept/below/d; echo kept > /kept/below/d/file; chown 1000:1000 /kept/below/d /kept/below/d/file"
        )
        assert pods.shell("keeper", "one", write).split() == ["777", "0", "below"]
        assert pods.shell("keeper", "two", "cat /kept/d/file") == "kept"
        assert pods.shell("keeper", "one", "echo marked > /dev/xvda; sync; head -c 6 /dev/hyper/raw") == "marked"
        # Every container has all devices under one name, and may not take the names from the others.
        assert pods.shell("keeper", "two", "ls /dev/hyper").split() == ["kept", "raw", "small"]
        full = pods.exec("keeper", "two", "sh", "-c", "dd if=/dev/zero of=/small/file bs=1M count=17")
        assert (full.code, b"No space left" in full.stderr) == (1, True)
        assert pods.exec("keeper", "one", "rm", "/dev/hyper/raw").code != 0
        seen = pods.shell("keeper", "two", "cat /seed/data/seed; /seed/bin/true 2>/dev/null || echo not run; touch /seed/x 2>/dev/null || echo fixed")
        assert seen.split("\n") == ["from the image", "not run", "fixed"]
        before = int(pods.shell("keeper", "one", "df -k /kept | tail -1").split()[1])

        second = manifest(
            "heir",
            {"name": "one", "securityContext": {"runAsUser": 1001}, "volumeMounts": mounts},
            {"name": "two", **device},
            volumes=[used("kept", "kept-data"), used("raw", "raw-data", readOnly=True)],
            securityContext={"fsGroup": 70},
        )
        assert "is held by pod keeper" in pods.module("volume", name=["copy"], source="kept-data", fails=True)["msg"]
        refused = pods.pod(second, fails=True)
        assert "volume kept-data is held by pod keeper" in refused["msg"]
        pods.pod("keeper", state="absent", grace_period=0)
        refused = pods.pod(claim("kept-data", "32Mi"), second, fails=True)
        assert "does not shrink" in refused["msg"]
        grown = pods.pod(claim("kept-data", "192Mi"), second)
        assert grown["actions"][0]["action"] == "grow volume"
        assert pods.shell("heir", "one", "cat /kept/below/d/file; echo more >> /kept/below/d/file; stat -c '%a %u:%g' /kept/below/d/file /kept/below/d").split(
            "\n"
        ) == ["kept", "664 1000:70", "2770 1000:70"]
        assert int(pods.shell("heir", "one", "df -k /kept | tail -1").split()[1]) > before * 2
        assert pods.shell("heir", "two", "head -c 6 /dev/xvda; stat -c ' %g' -L /dev/hyper/raw").split() == ["marked", "70"]
        assert pods.exec("heir", "two", "sh", "-c", "echo x > /dev/xvda").code != 0
    finally:
        pods.pod("keeper", "heir", state="absent", grace_period=0)


def test_a_volume_that_cannot_be_mounted(pods: PodHost) -> None:
    """Its pod is not said to run, whoever is asked."""
    pod = manifest("unmade", {"name": "one", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=[used("v", "spoiled")])
    pods.module("volume", name=["spoiled"], size="16Mi")
    with _volumes.disk(pods.host, "spoiled").open("r+b") as disk:
        disk.write(bytes(1 << 20))
    try:
        for wait in ("running", "completed"):
            said = pods.pod(pod, wait=wait, fails=True)
            assert said["error"] == "GuestFailed"
            assert "volume v: mounting its disk: Invalid argument" in said["msg"]
    finally:
        pods.pod("unmade", state="absent", grace_period=0)
        pods.module("volume", name=["spoiled"], state="absent")


PODFILE = """{
	"id": "imaged",
	"containers": [{"name": "app", "image": "tools",
		"volumes": [{"volume": "old", "path": "/old"}, {"volume": "packed", "path": "/packed", "readOnly": true}]}],
	"volumes": [
		{"name": "old", "source": "%(allowed)s/old.img", "format": "raw", "fstype": "ext4"},
		{"name": "packed", "source": "%(allowed)s/packed.qcow2", "format": "qcow2"}]}"""


def test_volumes_begin_with_disk_images(pods: PodHost, tmp_path: Path) -> None:
    """A podfile's images become volumes of the host, which show what is in them as it is; the files themselves stay as they are."""
    pods.allowed.mkdir(exist_ok=True)
    old, packed = pods.allowed / "old.img", pods.allowed / "packed.qcow2"
    (tmp_path / "files/dir").mkdir(parents=True)
    (tmp_path / "files/dir/note").write_text("from before\n")
    for target in (old, tmp_path / "raw"):
        target.write_bytes(b"")
        os.truncate(target, 24 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", tmp_path / "files", target], check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", tmp_path / "raw", packed], check=True)
    digest = hashlib.sha256(old.read_bytes()).hexdigest()
    documents = forms.load_manifests(PODFILE % {"allowed": pods.allowed}, where="imaged.pod")
    try:
        (pods.allowed / "link").symlink_to(old)
        (pods.allowed / "huge.qcow2").write_bytes(packed.read_bytes()[:24] + (2**62).to_bytes(8, "big") + packed.read_bytes()[32:])
        for source, form, message in (
            ("/etc/hostname", "raw", "PersistentVolumeClaim imaged-old: metadata.annotations[hyper.pods/source]: /etc/hostname does not lie beneath"),
            (f"{pods.allowed}/none", "raw", f"there is no file {pods.allowed}/none"),
            (f"{pods.allowed}/link", "raw", f"{pods.allowed}/link is a symbolic link"),
            (str(old), "qcow2", f"{old} is no qcow2 image"),
            (f"{pods.allowed}/huge.qcow2", "qcow2", "is a qcow2 image whose header is damaged"),
        ):
            wrong = copy.deepcopy(documents)
            wrong[0]["metadata"]["annotations"] = {"hyper.pods/source": source, "hyper.pods/format": form}
            assert message in pods.pod(*wrong, fails=True)["msg"]
        assert not list(pods.host.volumes_dir.glob("*imaged*"))
        planned = pods.pod(*documents, check=True)
        done = pods.pod(*documents)
        assert done["actions"] == planned["actions"]
        assert not pods.pod(*documents)["changed"]
        assert pods.shell("imaged", "app", "cat /old/dir/note /packed/dir/note; echo new > /old/volume; ls /old").split() == [
            *("from", "before") * 2,
            *("dir", "lost+found", "volume"),
        ]
        assert pods.exec("imaged", "app", "touch", "/packed/x").code != 0
        # What it is was decided when it was mounted first, whatever it holds now.
        pods.pod("imaged", state="restarted", grace_period=0)
        assert pods.shell("imaged", "app", "cat /old/volume; ls -d /old/dir").split() == ["new", "/old/dir"]
        assert hashlib.sha256(old.read_bytes()).hexdigest() == digest
    finally:
        pods.pod("imaged", state="absent", grace_period=0)
        pods.module("volume", name=["imaged-old", "imaged-packed"], state="absent")
