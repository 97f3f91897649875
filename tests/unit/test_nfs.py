# SPDX-License-Identifier: GPL-3.0-or-later
"""nfs volumes: what is read, looked up and told to hyperstart."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _plan, _pod_guest, _server_name
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._launch import Volume
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod, document, parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import NfsVolume
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest


def pod_of(**source: Any) -> Pod:
    container = {"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    spec = {"volumes": [{"name": "v", "nfs": source}], "containers": [container]}
    return parse({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"server": "files.example.org", "path": "/a", "readOnly": True}, NfsVolume("v", "files.example.org", "/a", True)),
        ({"server": "fd00::1", "path": "/"}, NfsVolume("v", "fd00::1", "/")),
        ({"server": "files"}, "spec.volumes[0].nfs.path: is required"),
        ({"server": "files", "path": "a"}, "spec.volumes[0].nfs.path: 'a' must be an absolute path"),
        ({"path": "/a"}, "spec.volumes[0].nfs.server: is required"),
        ({"server": "a b", "path": "/a"}, "spec.volumes[0].nfs.server: 'a b' is neither a name nor an address"),
        ({"server": "-a,addr=1", "path": "/a"}, "spec.volumes[0].nfs.server: '-a,addr=1' is neither a name nor an address"),
    ],
)
def test_what_a_manifest_says(source: dict[str, Any], expected: NfsVolume | str) -> None:
    if isinstance(expected, str):
        with pytest.raises(InvalidManifest) as caught:
            pod_of(**source)
        assert str(caught.value).startswith(expected)
    else:
        assert pod_of(**source).exports == (expected,)


@pytest.mark.parametrize("read_only", [False, True])
def test_what_hyperstart_is_told(read_only: bool) -> None:
    pod = pod_of(server="files", path="/a", readOnly=read_only)
    image = "sha256:" + "a" * 64
    plan = _pod_guest.launch_plan(pod, {"c": image}, {image: ImageConfig(cmd=("x",))}, servers={"files": "192.0.2.7"})
    assert plan.volumes == (Volume("v", "nfs", server="192.0.2.7", path="/a"),)
    assert plan.containers[0].mounts[0].readonly is read_only
    assert _pod_guest.kernel_extras(pod) == ("nfs",)
    assert document(pod)["volumes"] == [f"v: nfs files:/a{', read-only' if read_only else ''}"]


def test_a_running_pod_gets_another_export_by_a_restart() -> None:
    wanted, observed = pod_of(server="files", path="/b"), pod_of(server="files", path="/a")
    [action] = _plan.converge(_plan.Wanted(wanted, {}), _plan.Observed(observed, {}, running=True), start=True)
    assert (action.effect, action.reason) == ("restarts the guest", "volume v changed")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["2001:db8::1", "192.0.2.1"], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["127.0.1.1", "fe80::1%eth0"], "server files: is the host's own loopback, which is not the guest's. Give an address"),
        ([], "server files: the host does not know its address: Name or service not known. Give its address"),
    ],
)
def test_names_are_looked_up_by_the_host(monkeypatch: pytest.MonkeyPatch, found: list[str], expected: str) -> None:
    def lookup(*_arguments: object, **_options: object) -> list[Any]:
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    _server_name.address.cache_clear()
    assert _server_name.address("10.0.2.2") == "10.0.2.2"
    if ": " not in expected:
        assert _server_name.address("files") == expected
        return
    with pytest.raises(_server_name.ServerUnknown) as caught:
        _server_name.address("files")
    assert str(caught.value).startswith(expected)
