# SPDX-License-Identifier: GPL-3.0-or-later
"""The podfiles of docs/examples do in a real guest what they say."""

from __future__ import annotations

import functools
import http.server
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log

from hyperstart import _manifests
from tests.support.guests import wait_for
from tests.support.library import write_library
from tests.support.pods import PodHost, free_port

pytestmark = pytest.mark.guest
EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples/podfiles"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server on loopback that has a page."""
    directory = tmp_path_factory.mktemp("served")
    (directory / "page").write_bytes(b"\x89fetched\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def first_port() -> int:
    """The first of three ports that are free side by side."""
    for _attempt in range(100):
        port = free_port()
        try:
            for number in (port + 1, port + 2):
                with socket.socket() as probe:
                    probe.bind(("0.0.0.0", number))
        except (OSError, OverflowError):
            continue
        return port
    raise AssertionError("no three ports are free")


@pytest.fixture(scope="module")
def running(pods: PodHost, page: str, first_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodHost]:
    """All of them, side by side."""
    for reference, source in write_library(tmp_path_factory.mktemp("library") / "layout").items():
        pods.module("image", name=[reference], source=source)
    documents = []
    for path in sorted(EXAMPLES.glob("*.pod")):
        text = path.read_text().replace("127.0.0.1:8000", page).replace("3000-3002", f"{first_port}-{first_port + 2}")
        documents += _manifests.parse_manifests(text, where=path.name)
    try:
        pods.pod(*documents)
        yield pods
    finally:
        pods.pod(*(path.stem for path in EXAMPLES.glob("*.pod")), state="absent", grace_period=0)


def lines(pods: PodHost, pod: str, container: str) -> list[str]:
    """What a container of a pod that ends has written."""
    wait_for(lambda: "event F - poweroff" in pods.log(pod), f"{pod} to end")
    path = pods.host.pod_dir(pod) / "log"
    return [line.message.decode() for line in _log.read(path, container=container) if line.stream == "stdout"]


def test_multi_container(running: PodHost) -> None:
    containers = running.info("multi-container")["containers"]
    states = {container["name"]: container["state"] for container in containers}
    assert [container["labels"] for container in containers] == [{"tier": "front"}, {}, {}]
    assert states == dict.fromkeys(("web", "top", "shell"), "running")
    shell = "$(pidof sh | tr ' ' '\\n' | sort -n | head -1)"
    script = f"tty < /proc/$(pidof top)/fd/0; readlink /proc/{shell}/cwd"
    assert running.shell("multi-container", "top", script).split() == ["/dev/pts/1", "/tmp"]
    assert running.shell("multi-container", "web", "nproc") == "2"


def test_insert_file(running: PodHost) -> None:
    assert running.shell("insert-file", "tester", "cat /root/test/motd") == Path("/etc/hostname").read_text().strip()
    assert running.shell("insert-file", "tester", "cat /root/test/t1") == "hello,\nhyper!"
    assert running.exec("insert-file", "tester", "cat", "/root/test/t2").stdout == b"hello,\r\nhyper!\r\n"
    assert running.exec("insert-file", "tester", "cat", "/root/test/t3").stdout == b"\x89fetched\n"
    modes = running.shell("insert-file", "tester", "cd /root/test; stat -Lc '%a %u' motd t1 t2 t3 /etc/own; cat /etc/own").split()
    assert modes == ["600", "0", "644", "0", "755", "0", "400", "0", "644", "0", "mine"]


def test_user(running: PodHost) -> None:
    assert lines(running, "user", "nobody") == ["nobody", "1", "1", "8", "44", "512", "1024"]
    assert lines(running, "user", "other") == ["1000", "0", "1024"]


def test_port_mapping(running: PodHost, first_port: int) -> None:
    def fetched(number: int) -> bytes:
        try:
            return bytes(urllib.request.urlopen(f"http://127.0.0.1:{first_port + number}/page", timeout=20).read())
        except (ConnectionError, urllib.error.URLError):
            return b""

    for number in range(3):
        wait_for(lambda number=number: fetched(number) == f"{1300 + number}\n".encode(), f"port {number}")  # type: ignore[misc]
    [published] = {
        port["hostIP"] for port in json.loads((running.host.pod_dir("port-mapping") / "pod.json").read_text())["definition"]["spec"]["containers"][0]["ports"]
    }
    assert published == "0.0.0.0"


def test_volume(running: PodHost) -> None:
    assert running.shell("volume", "reader", "until [ -s /data/line ]; do sleep 0.1; done; cat /data/line") == "shared"
    assert running.exec("volume", "reader", "touch", "/data/x").code != 0
    running.shell("volume", "writer", "echo own > /mnt/file")


def test_yaml_form(running: PodHost) -> None:
    assert lines(running, "yaml-form", "app") == ["shop", "5$", "nameserver 10.0.0.1", "search example.org", "options ndots:2 rotate", "read-only"]


def test_every_podfile_has_a_test() -> None:
    assert {f"test_{path.stem.replace('-', '_')}" for path in EXAMPLES.glob("*.pod")} <= set(globals())
