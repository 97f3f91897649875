# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever cannot be done is refused with a clear message and an exit code, and nothing is changed."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _quantity

from tests.support.control_node import ControlNode
from tests.support.faults import finish, snapshot, without
from tests.support.modules import module_process
from tests.support.pods import PodHost, free_port, manifest
from tests.support.registry import Registry, registry

__all__ = ["registry"]

pytestmark = pytest.mark.guest


@dataclass(frozen=True)
class Place:
    """The host, and what tests' inputs name of it. taken: a port that another program holds; closed: one that nobody serves."""

    pods: PodHost
    node: ControlNode
    registry: str
    taken: int
    closed: int

    def fill(self, value: Any) -> Any:
        """The same tree of values with %REGISTRY%, %TAKEN%, %CLOSED%, %MEMORY% and %STATE% in its texts filled in; a text %TAKEN% alone becomes a number."""
        if isinstance(value, Mapping):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.fill(item) for item in value]
        if value == "%TAKEN%":
            return self.taken
        words = {"REGISTRY": self.registry, "TAKEN": self.taken, "CLOSED": self.closed, "MEMORY": memory(), "STATE": self.pods.host.state_dir}
        for word, text in words.items() if isinstance(value, str) else ():
            value = value.replace(f"%{word}%", str(text))
        return value

    def check(self, told: str, wanted: str) -> None:
        """Whether a message is the one that is wanted, word for word but for what another program said (%WORDS%)."""
        front, mark, end = self.fill(wanted).partition("%WORDS%")
        if mark and told.startswith(front) and told.endswith(end) and len(told) > len(front) + len(end):
            return
        assert told == front + end


def memory() -> str:
    """The host's memory as messages have it (proc(5))."""
    [mebibytes] = [int(line.split()[1]) // 1024 for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")]
    return _quantity.human(mebibytes * _quantity.MIB)


@pytest.fixture(scope="module")
def place(pods: PodHost, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield Place(pods, ControlNode.of(pods, tmp_path_factory.mktemp("node")), registry.address, holder.getsockname()[1], free_port())


@dataclass(frozen=True)
class Case:
    """pods: the module's argument; message: the whole of it; options: further arguments; missing: a program that is not installed."""

    name: str
    pods: Sequence[Any]
    error: str
    message: str
    options: Mapping[str, Any] = field(default_factory=dict)
    missing: str | None = None


def container(**fields: Any) -> dict[str, Any]:
    """A pod "bad" whose only container has such fields."""
    return manifest("bad", {"name": "a", **fields})


def port(host_port: Any, **fields: Any) -> dict[str, Any]:
    return {"containerPort": 80, "hostPort": host_port, **fields}


def limits(memory: str) -> dict[str, Any]:
    return manifest("bad", {"name": "a"}, resources={"limits": {"memory": memory}})


LABEL = "must be at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
REPUBLISH = "Publish another host port, or free this one"
NAMES = "A name has at most 63 lower-case letters, digits and '-'; see them all: hyper list"
PREPARE = "Prepare the host first: ansible-playbook playbooks/prepare_host.yml"
OR_PREPARE = "or prepare the host: ansible-playbook playbooks/prepare_host.yml"

NO_MEMORY = "pod bad: needs 1.0 TiB of memory; of the host's %MEMORY%, 0 B are given to pods. Lower spec.resources.limits.memory (--memory), or stop other pods"
NO_IMAGE = "image %REGISTRY%/nosuch:1: the registry has no such image (%WORDS%). Check its name and tag; for a private repository give credentials (authfile)"
NO_REGISTRY = (
    "image 127.0.0.1:%CLOSED%/web:1: the registry does not answer (%WORDS%). Check the registry's name and port, that it runs, and the host's network and proxy"
)
NO_QEMU = f"qemu-system-x86_64 is not installed. Install the package qemu-system-x86, {OR_PREPARE}"
PORT_TAKEN = f"pod bad: port 127.0.0.1:%TAKEN%/tcp is taken by another program. {REPUBLISH}"

CASES = (
    Case(
        "unknown image",
        [container(image="%REGISTRY%/nosuch:1")],
        "ImageNotFound",
        NO_IMAGE,
        {"tls_verify": False},
    ),
    Case(
        "registry down",
        [container(image="127.0.0.1:%CLOSED%/web:1")],
        "RegistryUnavailable",
        NO_REGISTRY,
        {"tls_verify": False},
    ),
    Case(
        "registry without TLS",
        [container(image="%REGISTRY%/web:1")],
        "TlsFailed",
        "image %REGISTRY%/web:1: the registry speaks HTTP and not HTTPS (%WORDS%). "
        "Put the registry's CA certificate into /etc/containers/certs.d/REGISTRY/ca.crt on the host; "
        "for a registry without TLS that you trust set tls_verify to false",
    ),
    Case(
        "no pull allowed",
        [container(image="nosuch", imagePullPolicy="Never")],
        "ImageNotFound",
        "image docker.io/library/nosuch:latest: is not in the store, and may not be pulled. Pull it first, or set the pull policy to missing",
    ),
    Case(
        "bad reference",
        [container(image="No/Such:Tag")],
        "InvalidManifest",
        "spec.containers[0].image: 'No/Such:Tag' is no reference to an image: the repository's name must be in lower case. "
        "Write [REGISTRY/]NAME[:TAG][@DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG] or aci:FILE",
    ),
    Case(
        "no credentials file",
        [container(image="%REGISTRY%/web:1")],
        "CredentialsMissing",
        "/nosuch/auth.json: credentials file cannot be read: No such file or directory. Give the path of a file on the KVM host",
        {"authfile": "/nosuch/auth.json"},
    ),
    Case("bad name", [manifest("Bad_Name", {"name": "a"})], "InvalidManifest", f"metadata.name: 'Bad_Name' {LABEL}"),
    Case("a path as name", [manifest("../../etc", {"name": "a"})], "InvalidManifest", f"metadata.name: '../../etc' {LABEL}"),
    Case("long name", [manifest("x" * 64, {"name": "a"})], "InvalidManifest", f"metadata.name: '{'x' * 64}' {LABEL}"),
    Case(
        "number as name", [{**container(), "metadata": {"name": 7}}], "InvalidManifest", "metadata.name: must be a string, not a whole number. Put it in quotes"
    ),
    Case("no name", [{**container(), "metadata": {}}], "InvalidManifest", "metadata.name: is required"),
    Case("not a mapping", [["a"]], "InvalidManifest", "definition: must be a mapping, not a list"),
    Case("no pod", [{**container(), "kind": "Deployment"}], "InvalidManifest", "kind: must be Pod, not Deployment"),
    Case("no container", [manifest("bad")], "InvalidManifest", "spec.containers: needs at least one container"),
    Case("a container twice", [manifest("bad", {"name": "a"}, {"name": "a"})], "InvalidManifest", "spec.containers[1]: 'a' occurs twice"),
    Case("a pod twice", [container(), container()], "InvalidManifest", "pods[1].metadata.name: pod bad is defined twice"),
    Case("the second is bad", [container(), manifest("bad2", {"name": "b", "image": ""})], "InvalidManifest", "pods[1].spec.containers[0].image: is required"),
    Case(
        "typing error",
        [container(imagePulPolicy="Never")],
        "InvalidManifest",
        "spec.containers[0].imagePulPolicy: unknown field. Did you mean imagePullPolicy?",
    ),
    Case(
        "unsupported field",
        [container(securityContext={"windowsOptions": {}})],
        "NotSupported",
        "spec.containers[0].securityContext.windowsOptions: not supported: a guest runs Linux",
    ),
    Case(
        "unsupported value",
        [manifest("bad", {"name": "a"}, shareProcessNamespace=False)],
        "NotSupported",
        "spec.shareProcessNamespace: not supported: the containers of a pod share one PID namespace. Remove the field or set it to true",
    ),
    Case(
        "no such volume",
        [container(volumeMounts=[{"name": "v", "mountPath": "/v"}])],
        "InvalidManifest",
        "spec.containers[0].volumeMounts[0].name: there is no volume 'v'. Volumes of this pod: none",
    ),
    Case("port taken", [container(ports=[port("%TAKEN%")])], "PortTaken", PORT_TAKEN),
    Case(
        "not our address",
        [container(ports=[port(8080, hostIP="192.0.2.1")])],
        "PortTaken",
        "pod bad: this host has no address 192.0.2.1. Publish on an address of the host",
    ),
    Case("bad port", [container(ports=[port(65536)])], "InvalidManifest", "spec.containers[0].ports[0].hostPort: must be between 1 and 65535, not 65536"),
    Case(
        "a port twice",
        [container(ports=[port(8080), port(8080, containerPort=81)])],
        "InvalidManifest",
        "spec.containers[0].ports[1].hostPort: 8080/tcp is already published by spec.containers[0].ports[0].hostPort",
    ),
    Case(
        "a port for two pods",
        [container(ports=[port(8080)]), manifest("bad2", {"name": "b", "ports": [port(8080)]})],
        "PortTaken",
        "pod bad2: port 8080/tcp is published by pod bad too. Publish another host port",
    ),
    Case("much memory", [limits("1Ti")], "NotEnoughMemory", NO_MEMORY),
    Case("little memory", [limits("1Mi")], "InvalidManifest", "spec.resources.limits.memory: 1 MiB is too little for a guest. Give it 32Mi or more"),
    Case(
        "not an amount of memory", [limits("lots")], "InvalidManifest", "spec.resources.limits.memory: 'lots' is not a quantity such as 2, 500m, 256Mi or 1Gi"
    ),
    Case(
        "no QEMU",
        [container()],
        "CommandMissing",
        NO_QEMU,
        {},
        "qemu-system-x86_64",
    ),
    Case(
        "no skopeo",
        [container(image="%REGISTRY%/web:1")],
        "CommandMissing",
        f"skopeo is not installed. Install the package skopeo, {OR_PREPARE}",
        {},
        "skopeo",
    ),
    Case("no user for QEMU", [container()], "NotPrepared", f"there is no system user nosuch to run QEMU as. {PREPARE}", {"qemu_user": "nosuch"}),
    Case(
        "no hyperstart",
        [container()],
        "NotPrepared",
        f"%STATE%/fresh/hyperstart: hyperstart is not installed on this host. {PREPARE}",
        {"state_dir": "%STATE%/fresh"},
    ),
    Case("names and manifests", ["bad", container()], "InvalidManifest", "pods: holds both names and manifests. Use two tasks"),
    Case("present by name", ["bad"], "InvalidManifest", "pods: needs manifests, not names", {"state": "present"}),
    *(
        Case(f"no pod to be {state}", ["bad"], "PodNotFound", "there is no pod bad. Pods of this host: none", {"state": state})
        for state in ("started", "stopped", "restarted")
    ),
    *(
        Case(f"{state} of the name {name}", [name], "BadName", f"{name!r} is not a pod's name. {NAMES}", {"state": state})
        for name in ("", "..", "../images", "x/", "X")
        for state in ("stopped", "absent")
    ),
)


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: re.sub(r"[^a-zA-Z]+", "-", case.name))
def test_the_module_refuses(place: Place, case: Case, check: bool) -> None:
    before = snapshot(place.pods)
    arguments = {**place.pods.arguments, "pods": place.fill(case.pods), **place.fill(case.options)}
    with module_process("pod", arguments, check=check, within=without(case.missing) if case.missing else ()) as module:
        result = finish(module)
    assert module.returncode == 1
    assert snapshot(place.pods) == before
    assert (result["failed"], result.get("changed", False), result["error"]) == (True, False, case.error)
    place.check(result["msg"], case.message)


@pytest.fixture
def web(place: Place) -> Iterator[int]:
    """A port that the pod "web" publishes, which runs."""
    number = free_port()
    place.pods.pod(manifest("web", {"name": "a", "ports": [port(number)]}))
    yield number
    place.pods.pod("web", state="absent", grace_period=0)


def test_a_pod_that_runs_is_not_disturbed(place: Place, web: int) -> None:
    """By another pod that wants its port, and by changes of its own that cannot be made."""
    pid = place.pods.pid("web")
    for check in (True, False):
        refused = place.pods.pod(container(ports=[port(web)]), check=check, fails=True)
        assert refused["msg"] == f"pod bad: port 127.0.0.1:{web}/tcp is taken by pod web. {REPUBLISH}"
    assert not place.pods.host.pod_dir("bad").exists()
    assert not place.pods.host.pod_run_dir("bad").exists()
    mine = {"name": "a", "ports": [port(web)]}
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        (manifest("web", {**mine, "ports": [port(web), port("%TAKEN%", containerPort=81)]}), "PortTaken"),
        (manifest("web", {**mine, "image": "%REGISTRY%/nosuch:1"}), "ImageNotFound"),
        (manifest("web", {**mine, "securityContext": {"windowsOptions": {}}}), "NotSupported"),
        (manifest("web", mine, resources={"limits": {"memory": "1Ti"}}), "NotEnoughMemory"),
    )
    for wanted, error in changes:
        assert place.pods.pod(place.fill(wanted), tls_verify=False, fails=True)["error"] == error
    assert place.pods.pid("web") == pid
    assert not place.pods.pod(manifest("web", mine))["changed"]


# The words after `hyper`; its exit code; what it says after "hyper: "; a program that is not installed.
COMMANDS: Mapping[str, tuple[Sequence[str], int, str, str | None]] = {
    "bad name": (("run", "--name", "Bad_Name", "tools"), 2, f"metadata.name: 'Bad_Name' {LABEL}", None),
    "much memory": (("run", "--name", "bad", "--memory", "1T", "tools"), 1, NO_MEMORY, None),
    "port taken": (("run", "--name", "bad", "--publish", "%TAKEN%:80", "tools"), 1, PORT_TAKEN, None),
    "not a port": (
        ("run", "--name", "bad", "--publish", "none", "tools"),
        2,
        "publish: none is not a published port. Write [IP:]HOST_PORT:CONTAINER_PORT[/tcp|/udp], for example 8080:80 or 0.0.0.0:5353:53/udp",
        None,
    ),
    "unknown image": (("run", "--name", "bad", "--tls-verify", "false", "%REGISTRY%/nosuch:1"), 1, NO_IMAGE, None),
    "registry down": (("run", "--name", "bad", "--tls-verify", "false", "127.0.0.1:%CLOSED%/web:1"), 1, NO_REGISTRY, None),
    "unsupported field": (("run", "-f", "unsupported.json"), 2, "spec.containers[0].securityContext.windowsOptions: not supported: a guest runs Linux", None),
    "malformed file": (("run", "-f", "malformed.yaml"), 2, "malformed.yaml: neither JSON, %WORDS%, nor YAML", None),
    "no file": (("run", "-f", "nosuch.yaml"), 2, "nosuch.yaml: cannot be read: no such file or directory", None),
    "no pod to stop": (("stop", "bad"), 1, "there is no pod bad. Pods of this host: none", None),
    "path instead of a pod": (("rm", "../images"), 1, f"'../images' is not a pod's name. {NAMES}", None),
    "no pod to look into": (("exec", "bad", "--", "true"), 1, "there is no pod bad. Pods of this host: none", None),
    "no QEMU": (("run", "--name", "bad", "tools"), 1, NO_QEMU, "qemu-system-x86_64"),
}


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: str(case).replace(" ", "-"))
def test_the_command_refuses(place: Place, tmp_path: Path, case: str) -> None:
    (tmp_path / "unsupported.json").write_text(json.dumps(container(securityContext={"windowsOptions": {}})))
    (tmp_path / "malformed.yaml").write_text("{apiVersion: v1, kind: Pod, metadata")
    words, code, message, missing = COMMANDS[case]
    before = snapshot(place.pods)
    done = place.node.hyper(*place.fill(words), code=code, cwd=tmp_path, within=without(missing) if missing else ())
    assert (done.stdout, snapshot(place.pods)) == ("", before)
    progress, mark, told = done.stderr.partition("hyper: ")
    assert mark
    assert all(re.fullmatch(r".* \(\d+ s\)", line) for line in progress.splitlines())
    place.check(told, f"{message}\n")
