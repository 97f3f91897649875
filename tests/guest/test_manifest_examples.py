# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests of docs/examples do in a real guest what they say."""

from __future__ import annotations

import platform
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _log
from ansible_collections.hyper.pods.plugins.plugin_utils import forms

from tests.support.guests import wait_for
from tests.support.library import write_library
from tests.support.pods import PodHost, free_port

pytestmark = pytest.mark.guest
EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"


@pytest.fixture(scope="module")
def library(pods: PodHost, tmp_path_factory: pytest.TempPathFactory) -> PodHost:
    """The host, with the images that the examples name."""
    for reference, source in write_library(tmp_path_factory.mktemp("library") / "layout").items():
        pods.module("image", name=[reference], source=source)
    return pods


@contextmanager
def example(library: PodHost, name: str, *, wait: str = "running", **replace: str) -> Iterator[dict[str, Any]]:
    """The pod of an example, as the module reports it; replace: words of the file that this machine needs otherwise."""
    text = (EXAMPLES / f"{name}.yaml").read_text()
    for word, other in replace.items():
        assert word in text
        text = text.replace(word, other)
    try:
        [pod] = library.pod(*forms.load_manifests(text, where=name), wait=wait)["pods"]
        yield pod
    finally:
        library.pod(name, state="absent", grace_period=0)


def said(library: PodHost, pod: str, container: str) -> list[str]:
    """The lines that a container wrote."""
    path = library.host.pod_dir(pod) / "log"
    return [line.message.decode() for line in _log.read(path, container=container) if line.stream == "stdout"]


def test_shared_volume(library: PodHost) -> None:
    port = str(free_port())
    with example(library, "shared-volume", **{"hostPort: 8080": f"hostPort: {port}"}):
        library.shell("shared-volume", "writer", "until [ -s /pages/index.html ]; do sleep 0.1; done")
        page = f"http://127.0.0.1:{port}/"
        wait_for(lambda: library.exec("shared-volume", "writer", "wget", "-qO-", "http://localhost/").code == 0, "the server")
        assert urllib.request.urlopen(page, timeout=20).read() == b"Hello from the writer\n"
        assert library.exec("shared-volume", "web", "touch", "/usr/share/pages/x").code != 0


def test_log_shipper(library: PodHost) -> None:
    with example(library, "log-shipper", wait="completed") as pod:
        assert pod["phase"] == "Succeeded", library.log("log-shipper")
        assert said(library, "log-shipper", "shipper") == ["line 1", "line 2", "line 3"]
        log = library.log("log-shipper")
        assert log.index("event F shipper started") < log.index("event F app started")
        assert log.index("event F app exited") < log.index("event F shipper exited code=0")


def test_redis(library: PodHost) -> None:
    with example(library, "redis"):
        wait_for(lambda: library.info("redis")["status"]["containerStatuses"][0]["ready"], "the server to be ready")
        asked = "redis-cli CONFIG GET maxmemory; redis-cli CONFIG GET maxmemory-policy; echo $MASTER"
        assert library.shell("redis", "redis", asked).split() == ["maxmemory", "2097152", "maxmemory-policy", "allkeys-lru", "true"]
        assert library.shell("redis", "redis", "redis-cli SET greeting hello; redis-cli GET greeting") == "OK\nhello"


def test_liveness(library: PodHost) -> None:
    def restarts() -> dict[str, int]:
        return {container["name"]: container["restartCount"] for container in library.info("liveness")["containers"]}

    with example(library, "liveness"):
        wait_for(lambda: restarts()["exec"] >= 1, "the container that is sick by itself to be restarted")
        assert re.search(r'exec unhealthy cause="liveness probe" message="exited with 1', library.log("liveness"))
        assert (restarts()["http"], restarts()["tcp"]) == (0, 0)
        library.shell("liveness", "http", "rm /tmp/www/healthz")
        library.shell("liveness", "tcp", "killall nc")
        wait_for(lambda: restarts()["http"] >= 1 and restarts()["tcp"] >= 1, "the others to be restarted")
        log = library.log("liveness")
        assert re.search(r'http unhealthy cause="liveness probe" message="answered 404 Not Found"', log)
        assert re.search(r'tcp unhealthy cause="liveness probe"', log)


def test_secrets(library: PodHost) -> None:
    with example(library, "secrets", wait="completed") as pod:
        assert pod["phase"] == "Succeeded", library.log("secrets")
        assert said(library, "secrets", "env") == ["backend-admin Hello backend-admin, $(this) stays very charm"]
        assert said(library, "secrets", "files") == [
            *("39528$vdg7Jb", "400 backend-username", "400 password"),
            *("SPECIAL_LEVEL", "SPECIAL_TYPE", "keys", "name"),
        ]


def test_security_context(library: PodHost) -> None:
    with example(library, "security-context", wait="completed") as pod:
        assert pod["phase"] == "Succeeded", library.log("security-context")
        assert said(library, "security-context", "ids") == ["uid=1000 gid=3000 groups=2000,3000,4000", "1000 2000", "80"]
        override = said(library, "security-context", "override")
        assert (override[0], override[1].endswith("Read-only file system"), override[2].split()[1]) == ("2000", True, f"{1 << 10:016x}")
        assert said(library, "security-context", "privileged") == ["0", "mounted"]


def test_resources(library: PodHost) -> None:
    with example(library, "resources", wait="completed") as pod:
        states = {container["name"]: (container["reason"], container["exitCode"]) for container in pod["containers"]}
        assert states == {"app": ("Completed", 0), "greedy": ("OOMKilled", 137)}
        assert pod["phase"] == "Failed"
        assert said(library, "resources", "app") == ["64 1500"]


def test_init_containers(library: PodHost) -> None:
    with example(library, "init-containers", wait="completed") as pod:
        assert pod["phase"] == "Succeeded", library.log("init-containers")
        assert said(library, "init-containers", "app") == ["fetched", "unpacked"]


def test_lifecycle(library: PodHost) -> None:
    with example(library, "lifecycle"):
        wait_for(lambda: "event F app started" in library.log("lifecycle"), "the postStart handler")
        library.pod("lifecycle", state="stopped")
        assert said(library, "lifecycle", "app") == ["Hello from the postStart handler", "Bye from the preStop handler", "by QUIT"]
        assert "event F app exited code=0" in library.log("lifecycle")


def test_downward_api(library: PodHost) -> None:
    with example(library, "downward-api", wait="completed") as pod:
        assert pod["phase"] == "Succeeded", library.log("downward-api")
        assert said(library, "downward-api", "client") == [
            "downward-api default 10.0.2.15 us-est-coast",
            *('cluster="test-cluster1"', 'zone="us-est-coast"build="two"'),
            f"{pod['uid']} {platform.node()} 10.0.2.2 1000/64",
            "somewhere",
            *("nameserver 192.0.2.1", "search ns1.svc.cluster.example my.dns.search.suffix", "options ndots:2 edns0"),
            "10.1.2.3\tfoo.remote\tbar.remote",
        ]


def test_annotations(library: PodHost) -> None:
    with example(library, "annotations", wait="completed") as pod:
        assert pod["phase"] == "Succeeded", library.log("annotations")
        assert said(library, "annotations", "app") == ["nobody", "1", "8", "4000", "1024", "4096", "0", "unlimited"]
        assert said(library, "annotations", "other") == ["0"]


def test_compose_file(library: PodHost) -> None:
    port = str(free_port())
    path = EXAMPLES / "compose.yml"
    manifests = forms.load_manifests(path.read_text().replace("8081:80", f"{port}:80"), where=path.name)
    try:
        library.pod(*manifests)
        wait_for(lambda: library.exec("shop", "web", "wget", "-qO-", "http://localhost/").code == 0, "the server")
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read() == b"made by page\n"
        assert library.shell("shop", "cache", "redis-cli -h cache ping") == "PONG"
        assert library.shell("shop", "cache", "echo $MODE") == "plain"
    finally:
        library.pod("shop", state="absent", grace_period=0)
        library.module("volume", name=["shop-pages"], state="absent")


def test_every_example_has_a_test() -> None:
    assert {f"test_{path.stem.replace('-', '_')}" for path in EXAMPLES.glob("*.yaml")} <= set(globals())
