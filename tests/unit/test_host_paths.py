# SPDX-License-Identifier: GPL-3.0-or-later
"""hostPath volumes: what is read, allowed, refused, made, and how it is served."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _host_paths, _plan, _pod_guest
from ansible_collections.hyper.pods.plugins.module_utils._guest import qemu_argv
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._host_paths import Missing
from ansible_collections.hyper.pods.plugins.module_utils._host_share import Part, Share, unit_texts
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod, document, parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import HostPath
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

from tests.unit.test_guest import GUEST, RUN


def pod_of(*sources: dict[str, Any], mounts: tuple[dict[str, Any], ...] = ()) -> Pod:
    """Its volumes are v0, v1 and so on."""
    volumes = [{"name": f"v{index}", "hostPath": source} for index, source in enumerate(sources)]
    container = {"name": "c", "image": "x", "volumeMounts": [{"mountPath": f"/m{index}", **mount} for index, mount in enumerate(mounts)]}
    return parse({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"volumes": volumes, "containers": [container]}})


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """It allows ``pods`` and, below that, ``pods/own``."""
    host = Host(tmp_path / "state", tmp_path / "run")
    host.state_dir.mkdir()
    (tmp_path / "pods/own").mkdir(parents=True)
    host.host_paths_file.write_text(f"{tmp_path}/pods\n\n{tmp_path}/pods/own\n")
    return host


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"path": "/srv/pods/a"}, HostPath("v0", "/srv/pods/a", "", True)),
        ({"path": "//srv/./pods//a/", "type": "File"}, HostPath("v0", "/srv/pods/a", "File", True)),
        ({"path": "srv"}, "spec.volumes[0].hostPath.path: 'srv' must be an absolute path without '..'"),
        ({"path": "/srv/pods/../x"}, "spec.volumes[0].hostPath.path: '/srv/pods/../x' must be an absolute path without '..'"),
        ({}, "spec.volumes[0].hostPath.path: is required"),
        ({"path": "/a", "type": "Pipe"}, "spec.volumes[0].hostPath.type: must be one of"),
    ],
)
def test_what_a_manifest_says(source: dict[str, Any], expected: HostPath | str) -> None:
    if isinstance(expected, str):
        with pytest.raises(InvalidManifest) as caught:
            pod_of(source)
        assert str(caught.value).startswith(expected)
    else:
        assert pod_of(source).host_paths == (expected,)


@pytest.mark.parametrize(("modes", "read_only"), [((True,), True), ((True, True), True), ((False,), False), ((True, False), False)])
def test_the_host_forbids_to_write_what_no_container_writes(modes: tuple[bool, ...], read_only: bool) -> None:
    pod = pod_of({"path": "/srv/pods/a"}, mounts=tuple({"name": "v0", "readOnly": mode} for mode in modes))
    assert pod.host_paths[0].read_only is read_only
    assert document(pod)["volumes"] == [f"v0: path /srv/pods/a of the host{', read-only' if read_only else ''}"]


@pytest.mark.parametrize(
    ("present", "kind", "path", "expected"),
    [
        ("directory", "", "pods/a", ()),
        ("file", "", "pods/a", ()),
        ("", "", "pods/a", ("directory",)),
        ("", "DirectoryOrCreate", "pods/x/a", ("directory",)),
        ("file", "DirectoryOrCreate", "pods/a", "is a file, not a directory"),
        ("", "Directory", "pods/a", "there is no directory"),
        ("", "FileOrCreate", "pods/a", ("file",)),
        ("", "FileOrCreate", "pods/x/a", "there is no directory for the file"),
        ("directory", "FileOrCreate", "pods/a", "is a directory, not a file"),
        ("file", "File", "pods/a", ()),
        ("", "File", "pods/a", "there is no file"),
        ("", "Socket", "pods/a", "there is no socket"),
        ("file", "Socket", "pods/a", "is a file, not a socket"),
        ("socket", "Socket", "pods/a", "is a socket of the host: a guest sees its name, and reaches nothing behind it"),
        ("socket", "", "pods/a", "is a socket of the host"),
        ("pipe", "", "pods/a", "is a pipe of the host"),
        ("file", "CharDevice", "pods/a", "is a file, not a character device"),
        ("file", "BlockDevice", "pods/a", "is a file, not a block device"),
        ("link", "", "pods/a", "pods/a is a symbolic link. Name what it leads to"),
        ("link", "", "pods/a/b", "pods/a is a symbolic link"),
        ("file", "", "pods/a/b", "pods/a/b: Not a directory"),
        ("", "", "pods", ()),
        ("", "", "pods/own", ()),
        ("", "", "podsy", "does not lie beneath a directory that this host allows to pods"),
        ("", "", "", "does not lie beneath a directory that this host allows to pods"),
    ],
)
def test_types(host: Host, present: str, kind: str, path: str, expected: tuple[str, ...] | str) -> None:
    base = host.state_dir.parent
    place = base / "pods/a"
    if present == "directory":
        place.mkdir()
    elif present == "file":
        place.touch()
    elif present == "pipe":
        os.mkfifo(place)
    elif present == "link":
        place.symlink_to(base / "pods/own")
    elif present == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
    pod = pod_of({"path": str(base / path), "type": kind})
    if isinstance(expected, str):
        with pytest.raises((_host_paths.PathUnusable, _host_paths.PathNotAllowed)) as caught:
            _host_paths.missing(host, [pod])
        assert str(caught.value).startswith("pod web: spec.volumes[0].hostPath.path: ")
        assert expected in str(caught.value)
        return
    wanted = tuple(Missing("web", "v0", str(base / path), made) for made in expected)
    assert _host_paths.missing(host, [pod]) == wanted
    assert _host_paths.missing(host, [pod]) == wanted, "looking made something"
    _host_paths.provide(host, pod)
    assert _host_paths.missing(host, [pod]) == ()
    if wanted:
        assert [(base / path).is_dir(), (base / path).is_file()] == [made == expected[0] for made in ("directory", "file")]


def test_a_file_in_a_directory_that_another_volume_makes(host: Host) -> None:
    place = host.state_dir.parent / "pods/new"
    pod = pod_of({"path": str(place / "d"), "type": "DirectoryOrCreate"}, {"path": str(place / "d/f"), "type": "FileOrCreate"}, {"path": str(place)})
    assert [item.kind for item in _host_paths.missing(host, [pod])] == ["directory", "file"]
    old = os.umask(0o077)
    try:
        _host_paths.provide(host, pod)
    finally:
        os.umask(old)
    assert [oct(path.stat().st_mode & 0o777) for path in (place, place / "d", place / "d/f")] == ["0o755", "0o755", "0o644"]


def test_a_host_that_allows_nothing(host: Host) -> None:
    host.host_paths_file.unlink()
    with pytest.raises(_host_paths.PathNotAllowed, match=r"\(there is none\)\. The host's owner allows more with hyper_host_paths"):
        _host_paths.missing(host, [pod_of({"path": "/srv/pods/a"})])


def test_what_is_served(host: Host) -> None:
    base = host.state_dir.parent
    pod = pod_of({"path": f"{base}/pods/a/b"}, {"path": f"{base}/pods/own"}, mounts=({"name": "v0"},))
    share = _host_paths.share(host, pod)
    assert share == Share("web", base / "run/shares/web", (Part("v0", base / "pods", "a/b"), Part("v1", base / "pods/own", ".", True)))
    assert _host_paths.share(host, pod_of()) is None
    assert [_pod_guest.kernel_extras(pod), _pod_guest.kernel_extras(pod_of())] == [("virtiofs",), ()]


def test_memory_is_shared_only_with_who_serves_files() -> None:
    argv = qemu_argv(replace(GUEST, share=Path("/run/hyper/shares/web/socket")), run_dir=RUN)
    assert [after for word, after in pairwise(argv) if word in ("-object", "-numa")] == [
        "memory-backend-memfd,id=memory,size=256M,share=on",
        "node,memdev=memory",
    ]
    assert any(word.startswith("vhost-user-fs-pci,chardev=share,tag=hyper-host,") for word in argv)
    assert not any("memory-backend" in word or "vhost" in word for word in qemu_argv(GUEST, run_dir=RUN))


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ([], [{"path": "/srv/pods/a"}], "restarts the guest"),
        ([{"path": "/srv/pods/a"}], [], "restarts the guest"),
        ([{"path": "/srv/pods/a"}], [{"path": "/srv/pods/b"}], "restarts the guest"),
        ([{"path": "/srv/pods/a"}], [{"path": "/srv/pods/a/"}], None),
    ],
)
def test_a_running_pod_gets_other_files_by_a_restart(before: list[dict[str, Any]], after: list[dict[str, Any]], effect: str | None) -> None:
    actions = _plan.converge(_plan.Wanted(pod_of(*after), {}), _plan.Observed(pod_of(*before), {}, running=True), start=True)
    assert [action.effect for action in actions] == ([] if effect is None else [effect])


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("a/d", ""),
        ("a/f", ""),
        (".", ""),
        ("a/link", "symbolic links"),
        ("a/link/x", "symbolic links"),
        ("a/flink", "symbolic links"),
        ("none", "does not exist"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_the_kernel_follows_no_link_to_what_is_served(tmp_path: Path, path: str, refusal: str) -> None:
    """The command as systemd starts it at boot, when nobody looks at the paths before."""
    root, place = tmp_path / "root", tmp_path / "place"
    (root / "a/d").mkdir(parents=True)
    (root / "a/f").touch()
    (root / "a/link").symlink_to("/etc")
    (root / "a/flink").symlink_to("/etc/passwd")
    place.mkdir()
    share = Share("web", place, (Part("vol", root, path, True),))
    argv = share.argv(0)
    served = argv[: argv.index("--", 5) + 1]
    done = subprocess.run([*served, "sh", "-c", f"ls -d {place}/shared/vol; touch {place}/x {place}/shared/vol/x"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert (refusal or "Read-only file system") in done.stderr.replace("Too many levels of ", "")
    assert done.stdout.strip() == ("" if refusal else f"{place}/shared/vol")


def test_units() -> None:
    share = Share("web", Path("/run/hyper/shares/web"), (Part("v0", Path("/srv/my pods"), "a$b"), Part("v1", Path("/home/x"), "c", True)))
    texts = unit_texts(share, "hyper-pod@web.service", "hyper-qemu", "read-only")
    assert list(texts) == ["hyper-share@web.socket", "hyper-share@web.service"]
    socket_text, service_text = texts.values()
    for wanted in ("ListenStream=/run/hyper/shares/web/socket", "SocketUser=hyper-qemu", "SocketMode=0600", "StopWhenUnneeded=yes"):
        assert wanted in socket_text.splitlines()
    for wanted in (
        "PartOf=hyper-pod@web.service",
        "Before=hyper-pod@web.service",
        'RequiresMountsFor="/srv/my pods" "/home/x"',
        "PrivateNetwork=yes",
        "NoNewPrivileges=yes",
    ):
        assert wanted in service_text.splitlines()
    assert '"rw" "/srv/my pods" "a$$b"' in service_text
