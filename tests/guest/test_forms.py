# SPDX-License-Identifier: GPL-3.0-or-later
"""What other forms say holds in a real guest: a podfile, a Compose file, an AppContainer image."""

from __future__ import annotations

import gzip
import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.plugin_utils import forms

from tests.support.guests import wait_for
from tests.support.images import Member, directory, symlink, tar
from tests.support.pods import PodHost, free_port, manifest

pytestmark = pytest.mark.guest

PODFILE = """{
	"id": "podfile",
	"hostname": "shop",
	"containers": [
		{"name": "web", "image": "server", "volumes": [{"volume": "pages", "path": "/srv"}]},
		{"name": "shell", "image": "tools", "workdir": "/tmp", "tty": true,
			"user": {"name": "app", "group": "staff", "additionalGroups": ["60", "root"]},
			"ulimits": [{"name": "nofile", "soft": 100, "hard": 200}, {"name": "memlock", "soft": -1, "hard": -1}],
			"envs": [{"env": "COST", "value": "5$(X)"}],
			"entrypoint": ["sh", "-c"], "command": ["tty; pwd; id -u; id -g; id -G; hostname; echo $COST; exec sleep infinity"],
			"volumes": [{"volume": "pages", "path": "/pages"}]}],
	"resource": {"vcpu": 1, "memory": 128},
	"dns": ["10.0.0.1"], "dnsSearch": ["example.org"],
	"volumes": [{"name": "pages", "source": "", "format": ""}],
	"portmappings": [{"containerport": "80", "hostport": "%d", "protocol": "tcp"}]}"""

COMPOSE = """
services:
  web:
    image: server
    ports: ["%d:80"]
    depends_on:
      prepare: {condition: service_completed_successfully}
      cache: {condition: service_healthy}
    volumes: ["/pages"]
    read_only: true
  client:
    image: tools
    restart: always
    depends_on: [web]
    cap_drop: [ALL]
    user: app
    group_add: [staff]
    ulimits: {nofile: 100}
    command: sh -c 'wget -qO- http://web/ 2>&1; echo $$(id -u) $$(id -G) $$(ulimit -n); grep CapEff /proc/self/status; sleep infinity'
  prepare:
    image: tools
    command: echo prepared
  cache:
    image: tools
    restart: always
    command: sh -c 'sleep 2; echo warm; touch /tmp/warm; sleep infinity'
    healthcheck: {test: test -e /tmp/warm, interval: 1s, timeout: 5s, start_period: 1m}
"""


def fetched(port: int, path: str = "") -> str:
    """What a published port serves; it waits for the server, which the guest starts a moment after the pod runs."""
    for _attempt in range(100):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as answer:
                return str(answer.read().decode())
        except (ConnectionError, urllib.error.URLError) as error:
            if isinstance(error, urllib.error.HTTPError):
                return f"{error.code}"
            time.sleep(0.1)
    raise AssertionError("nothing serves the port")


def written(pods: PodHost, pod: str, words: str) -> None:
    """Wait until a container has written words."""
    wait_for(lambda: words in pods.log(pod), f"{words!r} in the log of {pod}")


def test_a_podfile(pods: PodHost) -> None:
    port = free_port()
    pods.pod(*forms.load_manifests(PODFILE % port, where="web.pod"))
    try:
        pods.shell("podfile", "web", "umask 0; echo from the podfile > /srv/index.html")
        assert fetched(port) == "from the podfile\n"
        assert pods.shell("podfile", "shell", "cat /pages/index.html") == "from the podfile"
        assert pods.shell("podfile", "shell", "cat /etc/resolv.conf", user="0") == "nameserver 10.0.0.1\nsearch example.org"
        for word in ("/dev/pts/0", " /tmp", " 1000", " 50", " shop", " 5$(X)"):
            written(pods, "podfile", word)
        assert pods.shell("podfile", "shell", "grep Groups /proc/$(pidof sleep)/status", user="0").split()[1:] == ["0", "50", "60"]
        assert pods.shell("podfile", "shell", "ulimit -n; ulimit -Hn; ulimit -l").split() == ["100", "200", "unlimited"]
    finally:
        pods.pod("podfile", state="absent")


def test_a_compose_file(pods: PodHost) -> None:
    port = free_port()
    pods.pod(*forms.load_manifests(COMPOSE % port, where="compose.yaml", name="composed"))
    try:
        assert fetched(port, "none") == "404"
        containers = {container["name"]: container["state"] for container in pods.info("composed")["containers"]}
        assert (containers["web"], containers["client"]) == ("running", "running")
        assert pods.shell("composed", "client", "grep -c web /etc/hosts") == "1"
        assert pods.exec("composed", "client", "wget", "-qO-", "http://web/none").stderr.decode().rstrip().endswith("404 Not Found")
        assert pods.exec("composed", "web", "touch", "/file").code == 1
        written(pods, "composed", " 1000 1000 50 100\n")
        written(pods, "composed", "CapEff:\t0000000000000000\n")
        log = pods.log("composed")
        assert max(log.index(" prepared\n"), log.index(" warm\n")) < min(log.index("event F web started"), log.index("event F client started"))
    finally:
        pods.pod("composed", state="absent")


def test_an_appcontainer_image(pods: PodHost, tmp_path: Path) -> None:
    app = {
        "exec": ["/bin/sh", "-c", 'id -u; id -g; pwd; echo "$GREETING $0"; exec sleep infinity'],
        "user": "app",
        "group": "50",
        "workingDirectory": "/work",
        "environment": [{"name": "GREETING", "value": "hello"}, {"name": "PATH", "value": "/bin"}],
        "mountPoints": [{"name": "work", "path": "/work"}],
        "isolators": [{"name": "resource/memory", "value": {"limit": "64Mi"}}],
    }
    document = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/app", "app": app}
    members = [
        Member("manifest", json.dumps(document).encode()),
        *(directory(name) for name in ("rootfs", "rootfs/bin", "rootfs/etc", "rootfs/work")),
        Member("rootfs/bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755),
        *(symlink(f"rootfs/bin/{name}", "busybox") for name in ("sh", "id", "sleep", "cat")),
        Member("rootfs/etc/passwd", b"app:x:1000:1000::/:/bin/sh\n"),
        Member("rootfs/work/seed", b"from the image\n"),
    ]
    (tmp_path / "app.aci").write_bytes(gzip.compress(tar(members)))
    pods.pod(manifest("appc", {"name": "app", "image": f"aci:{tmp_path}/app.aci", "args": ["world"]}))
    try:
        assert pods.shell("appc", "app", "cat /work/seed /sys/fs/cgroup/container.app/memory.max").split() == ["from", "the", "image", str(64 << 20)]
        for word in (" 1000\n", " 50\n", " /work\n", " hello world\n"):
            written(pods, "appc", word)
    finally:
        pods.pod("appc", state="absent")
