# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server of NFS exports, in a real guest."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.support.nfs_server import nfs_server
from tests.support.pods import PodHost, manifest

pytestmark = pytest.mark.guest


def export(name: str, path: str, **more: Any) -> dict[str, Any]:
    # The host's loopback, as a pod's own network shows it.
    return {"name": name, "nfs": {"server": "10.0.2.2", "path": path, **more}}


def test_an_export(pods: PodHost) -> None:
    """Both sides see one another's files, with their owners; a part of it, read-only; and a path that the server does not have."""
    pod = manifest(
        "remote",
        {
            "name": "one",
            "volumeMounts": [{"name": "all", "mountPath": "/all"}, {"name": "part", "mountPath": "/part"}, {"name": "all", "mountPath": "/x", "subPath": "x"}],
        },
        volumes=[export("all", "/export"), export("part", "/export/part", readOnly=True)],
    )
    with nfs_server() as place:
        (place / "part").mkdir()
        (place / "part/file").write_text("exported")
        os.chown(place / "part/file", 1000, 1001)
        try:
            pods.pod(pod)
            assert pods.shell("remote", "one", "cat /part/file; stat -c ' %u:%g' /part/file") == "exported 1000:1001"
            pods.shell("remote", "one", "echo written > /all/new; chown 7:8 /all/new; echo y > /x/y")
            assert ((place / "new").read_text(), (place / "new").stat().st_uid, (place / "x/y").read_text()) == ("written\n", 7, "y\n")
            assert pods.exec("remote", "one", "touch", "/part/x").code != 0
            assert "4.2" in pods.shell("remote", "one", "grep ' /all ' /proc/mounts")
            pods.pod("remote", state="absent")
            assert (place / "new").read_text() == "written\n"
            said = pods.pod({**pod, "spec": {**pod["spec"], "volumes": [export("all", "/nosuch"), pod["spec"]["volumes"][1]]}}, fails=True)
            assert said["error"] == "GuestFailed"
            assert "volume all: mounting /nosuch of 10.0.2.2: No such file or directory" in said["msg"]
        finally:
            pods.pod("remote", state="absent", grace_period=0)
