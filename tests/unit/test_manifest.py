# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod definition is read whole or refused by the path of what is wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _quantity
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Port
from ansible_collections.hyper.pods.plugins.module_utils._manifest_env import Variable, expand
from ansible_collections.hyper.pods.plugins.module_utils._manifest_security import sysctl_path
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import signal_number
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import EmptyDir, VolumeMount
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported

MINIMAL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "nginx", "image": "nginx:1"}]},
}

EXEC: dict[str, Any] = {"exec": {"command": ["true"]}}


def edited(path: str, value: object) -> dict[str, Any]:
    """MINIMAL with one field set; a path such as spec.containers.0.image."""
    manifest = copy.deepcopy(MINIMAL)
    *parents, last = path.split(".")
    node: Any = manifest
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
    return manifest


def test_defaults() -> None:
    pod = parse(MINIMAL)
    assert (pod.name, pod.hostname, pod.restart_policy, pod.grace_period, pod.cpus, pod.memory_mib) == ("web", "web", "Always", 30, 1, 256)
    container = pod.containers[0]
    assert (container.command, container.args, container.image_pull_policy) == (None, None, None)


@pytest.mark.parametrize(
    ("path", "value", "attribute", "expected"),
    [
        ("spec.restartPolicy", "Never", "restart_policy", "Never"),
        ("spec.activeDeadlineSeconds", 5, "active_deadline", 5),
        ("spec.terminationGracePeriodSeconds", 0, "grace_period", 0),
        ("spec.hostname", "shop", "hostname", "shop"),
        ("metadata.labels", {"app": "shop"}, "labels", {"app": "shop"}),
        ("spec.resources", {"limits": {"cpu": "1500m", "memory": "1Gi"}}, "cpus", 2),
        ("spec.resources", {"limits": {"cpu": 4}, "requests": {"cpu": 1}}, "cpus", 4),
        ("spec.resources", {"limits": {"memory": "512M"}}, "memory_mib", 489),
        ("spec.shareProcessNamespace", True, "name", "web"),
        ("metadata.namespace", "default", "name", "web"),
        ("status", {"phase": "Running"}, "name", "web"),
    ],
)
def test_pod_fields(path: str, value: object, attribute: str, expected: object) -> None:
    assert getattr(parse(edited(path, value)), attribute) == expected


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("command", ["sh", "-c"], "command", ("sh", "-c")),
        ("command", [], "command", ()),
        ("args", ["x"], "args", ("x",)),
        ("workingDir", "/srv", "working_dir", "/srv"),
        ("env", [{"name": "A", "value": "1"}, {"name": "B"}], "env", (Variable("A", "1"), Variable("B", ""))),
        ("ports", [{"containerPort": 80, "hostPort": 8080}], "ports", (Port(80, "TCP", 8080),)),
        ("ports", [{"containerPort": 53, "hostPort": 53, "hostIP": "0.0.0.0", "protocol": "UDP"}], "ports", (Port(53, "UDP", 53, "0.0.0.0"),)),
    ],
)
def test_container_fields(field: str, value: object, attribute: str, expected: object) -> None:
    assert getattr(parse(edited(f"spec.containers.0.{field}", value)).containers[0], attribute) == expected


def test_volumes() -> None:
    manifest = edited("spec.volumes", [{"name": "data", "emptyDir": {}}, {"name": "ram", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}])
    manifest["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data", "readOnly": True, "subPath": "a/b"}]
    pod = parse(manifest)
    assert pod.volumes == (EmptyDir("data"), EmptyDir("ram", True, 8 << 20))
    assert pod.containers[0].mounts == (VolumeMount("data", "/data", True, "a/b"),)


TWO = [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("apiVersion", "apps/v1", "apiVersion: must be v1, not apps/v1"),
        ("kind", "Deployment", "kind: must be Pod, not Deployment"),
        ("metadata", None, "metadata: is required"),
        ("metadata.name", "No_Good", "metadata.name: 'No_Good' must be at most 63 lower-case letters"),
        ("metadata.name", 5, "metadata.name: must be a string, not a whole number. Put it in quotes"),
        ("metadata.name", "a" * 64, "metadata.name: "),
        ("metadata.nam", "x", "metadata.nam: unknown field. Did you mean name?"),
        ("metadata.namespace", "prod", "metadata.namespace: not supported: a host has no namespaces"),
        ("metadata.labels", {"app": 1}, "metadata.labels[app]: must be a string"),
        ("metadata.labels", {"app": "a b"}, "metadata.labels[app]: 'a b' is not a label"),
        ("spec", [], "spec: must be a mapping, not a list"),
        ("spec.containers", [], "spec.containers: needs at least one container"),
        ("spec.containers", {"a": 1}, "spec.containers: must be a list, not a mapping"),
        ("spec.containers", ["nginx"], "spec.containers[0]: must be a mapping, not a string"),
        ("spec.initContainers", [{"name": "nginx", "image": "b"}], "spec.initContainers[0].name: 'nginx' is a container too"),
        ("spec.initContainers", TWO, "spec.initContainers[1]: 'a' occurs twice"),
        ("spec.initContainers", [{"name": "a"}], "spec.initContainers[0].image: is required"),
        ("spec.containers.0.restartPolicy", "Sometimes", "spec.containers[0].restartPolicy: must be one of Always, OnFailure, Never, not 'Sometimes'"),
        ("spec.containers", TWO, "spec.containers[1]: 'a' occurs twice"),
        ("spec.terminationGracePeriodSeconds", 366 * 24 * 3600, "spec.terminationGracePeriodSeconds: must be between 0 and 31536000"),
        (
            "spec.containers.0.image",
            "No/Such:Tag",
            "spec.containers[0].image: 'No/Such:Tag' is no reference to an image: the repository's name must be in lower",
        ),
        ("spec.containers.0.terminationMessagePath", "//", "spec.containers[0].terminationMessagePath: must be the path of a file"),
        ("spec.containers.0.terminationMessagePolicy", "Never", "spec.containers[0].terminationMessagePolicy: must be one of File, FallbackToLogsOnError"),
        ("spec.containers.0.image", None, "spec.containers[0].image: is required"),
        ("spec.containers.0.imag", "x", "spec.containers[0].imag: unknown field. Did you mean image?"),
        ("spec.containers.0.command", "sh -c", "spec.containers[0].command: must be a list, not a string"),
        ("spec.containers.0.args", [1], "spec.containers[0].args[0]: must be a string"),
        ("spec.containers.0.args", ["a\0b"], "spec.containers[0].args[0]: holds a NUL character"),
        ("spec.containers.0.workingDir", "srv", "spec.containers[0].workingDir: 'srv' must be an absolute path"),
        ("spec.containers.0.env", [{"name": "A=B"}], "spec.containers[0].env[0].name: 'A=B' is not a name"),
        ("spec.containers.0.env", [{"name": "A", "value": 1}], "spec.containers[0].env[0].value: must be a string, not a whole number. Put it in quotes"),
        ("spec.containers.0.env", [{"name": "A", "valueFrom": {}}], "spec.containers[0].env[0].valueFrom: needs exactly one source"),
        ("spec.containers.0.ports", [{}], "spec.containers[0].ports[0].containerPort: is required"),
        ("spec.containers.0.ports", [{"containerPort": 70000}], "spec.containers[0].ports[0].containerPort: must be between 1 and 65535, not 70000"),
        ("spec.containers.0.ports", [{"containerPort": True}], "spec.containers[0].ports[0].containerPort: must be a whole number, not true or false"),
        ("spec.containers.0.ports", [{"containerPort": 1, "protocol": "SCTP"}], "must be one of TCP, UDP, not 'SCTP'"),
        ("spec.containers.0.ports", [{"containerPort": 1, "hostIP": "1.2.3.999"}], "'1.2.3.999' is not an IP address"),
        (
            "spec.containers.0.ports",
            [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}],
            "spec.containers[0].ports[1].hostPort: 80/tcp is already published by spec.containers[0].ports[0].hostPort",
        ),
        ("spec.containers.0.volumeMounts", [{"name": "x", "mountPath": "/x"}], "spec.containers[0].volumeMounts[0].name: there is no volume 'x'"),
        ("spec.containers.0.livenessProbe", {}, "spec.containers[0].livenessProbe: needs one of exec, httpGet, tcpSocket"),
        ("spec.containers.0.livenessProbe", {**EXEC, "tcpSocket": {"port": 1}}, "spec.containers[0].livenessProbe: needs only one of exec, httpGet, tcpSocket"),
        ("spec.containers.0.livenessProbe", {"exec": {}}, "spec.containers[0].livenessProbe.exec.command: is required"),
        ("spec.containers.0.livenessProbe", {"exec": {"command": ["a\0"]}}, "spec.containers[0].livenessProbe.exec.command[0]: holds a NUL character"),
        ("spec.containers.0.livenessProbe", {"grpc": {"port": 1}}, "spec.containers[0].livenessProbe.grpc: not supported: hyperstart speaks no gRPC"),
        ("spec.containers.0.livenessProbe", {**EXEC, "successThreshold": 2}, "successThreshold: must be 1, not 2"),
        ("spec.containers.0.startupProbe", {**EXEC, "successThreshold": 2}, "startupProbe.successThreshold: must be 1, not 2"),
        ("spec.containers.0.startupProbe", {**EXEC, "periodSeconds": -1}, "startupProbe.periodSeconds: must be between 0 and 31536000, not -1"),
        ("spec.containers.0.readinessProbe", {**EXEC, "terminationGracePeriodSeconds": 5}, "has no meaning for a readiness probe"),
        ("spec.containers.0.livenessProbe", {**EXEC, "terminationGracePeriodSeconds": 0}, "terminationGracePeriodSeconds: must be between 1 and"),
        ("spec.containers.0.livenessProbe", {"tcpSocket": {}}, "livenessProbe.tcpSocket.port: is required"),
        ("spec.containers.0.livenessProbe", {"tcpSocket": {"port": 65536}}, "livenessProbe.tcpSocket.port: must be between 1 and 65535, not 65536"),
        ("spec.containers.0.livenessProbe", {"tcpSocket": {"port": "http"}}, "livenessProbe.tcpSocket.port: no port of the container is named 'http'"),
        ("spec.containers.0.livenessProbe", {"tcpSocket": {"port": 1, "host": "db"}}, "tcpSocket.host: not supported: hyperstart looks up no names"),
        ("spec.containers.0.livenessProbe", {"httpGet": {"port": 1, "scheme": "HTTPS"}}, "httpGet.scheme: not supported: hyperstart speaks no TLS"),
        ("spec.containers.0.livenessProbe", {"httpGet": {"port": 1, "scheme": "FTP"}}, "httpGet.scheme: must be one of HTTP, HTTPS, not 'FTP'"),
        (
            "spec.containers.0.livenessProbe",
            {"httpGet": {"port": 1, "httpHeaders": [{"name": "A B", "value": ""}]}},
            "livenessProbe.httpGet.httpHeaders[0].name: 'A B' is not a name of an HTTP header",
        ),
        (
            "spec.containers.0.livenessProbe",
            {"httpGet": {"port": 1, "httpHeaders": [{"name": "A", "value": "a\r\nB: c"}]}},
            "livenessProbe.httpGet.httpHeaders[0].value: holds a control character",
        ),
        (
            "spec.initContainers",
            [{"name": "a", "image": "b", "readinessProbe": EXEC}],
            "spec.initContainers[0].readinessProbe: belongs to a container that stays; an init container runs to its end",
        ),
        ("spec.containers.0.lifecycle", {"postStart": {}}, "spec.containers[0].lifecycle.postStart: needs one of exec, httpGet, sleep"),
        ("spec.containers.0.lifecycle", {"preStop": {**EXEC, "sleep": {"seconds": 1}}}, "lifecycle.preStop: needs only one of exec, httpGet, sleep"),
        ("spec.containers.0.lifecycle", {"preStop": {"sleep": {}}}, "lifecycle.preStop.sleep.seconds: is required"),
        ("spec.containers.0.lifecycle", {"preStop": {"sleep": {"seconds": -1}}}, "lifecycle.preStop.sleep.seconds: must be between 0 and"),
        (
            "spec.containers.0.lifecycle",
            {"preStop": {"tcpSocket": {"port": 1}}},
            "spec.containers[0].lifecycle.preStop.tcpSocket: not supported: Kubernetes does not carry it out either",
        ),
        ("spec.containers.0.lifecycle", {"stopSignal": "SIGNOPE"}, "spec.containers[0].lifecycle.stopSignal: 'SIGNOPE' is not a signal"),
        ("spec.initContainers", [{"name": "a", "image": "b", "lifecycle": {}}], "spec.initContainers[0].lifecycle: belongs to a container that stays"),
        ("spec", {**MINIMAL["spec"], "setHostnameAsFQDN": True, "subdomain": "s" * 40}, "spec.setHostnameAsFQDN: web.ssss"),
        ("spec.hostNetwork", True, "spec.hostNetwork: not supported"),
        ("spec.shareProcessNamespace", False, "spec.shareProcessNamespace: not supported: the containers of a pod share one PID namespace"),
        ("spec.restartPolicy", "Sometimes", "spec.restartPolicy: must be one of Always, OnFailure, Never, not 'Sometimes'"),
        ("spec.activeDeadlineSeconds", 0, "spec.activeDeadlineSeconds: must be between 1 and"),
        ("spec.terminationGracePeriodSeconds", -1, "spec.terminationGracePeriodSeconds: must be between 0"),
        ("spec.resources", {"limits": {"memory": "lots"}}, "spec.resources.limits.memory: 'lots' is not a quantity"),
        ("spec.resources", {"limits": {"memory": "8Mi"}}, "spec.resources.limits.memory: 8 MiB is too little for a guest"),
        ("spec.volumes", [{"name": "d"}], "spec.volumes[0]: has no source"),
        ("spec.volumes", [{"name": "d", "emptyDir": {"sizeLimit": 0}}], "spec.volumes[0].emptyDir.sizeLimit: 0 is no size of a volume"),
        ("surprise", 1, "surprise: unknown field"),
    ],
)
def test_refusals(path: str, value: object, message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(edited(path, value))
    assert message in str(caught.value)


@pytest.mark.parametrize("definition", [None, [], "web", 5, {}, {1: 2}])
def test_not_a_manifest(definition: object) -> None:
    with pytest.raises(InvalidManifest):
        parse(definition)


def test_not_supported_is_an_invalid_manifest() -> None:
    with pytest.raises(NotSupported):
        parse(edited("spec.ephemeralContainers", [{"name": "a", "image": "b"}]))


@pytest.mark.parametrize(
    ("word", "expected"),
    [("$(A)", "1"), ("x$(A)y$(B)", "x1y2"), ("$(C)", "$(C)"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$A", "$A"), ("", ""), ("$(", "$(")],
)
def test_expand(word: str, expected: str) -> None:
    assert expand(word, {"A": "1", "B": "2"}) == expected


@pytest.mark.parametrize(("name", "number"), [("SIGTERM", 15), ("quit", 3), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("SIGWINCH", 28)])
def test_signal_number(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize("name", ["", "SIGNOPE", "0", "65", "RTMAX+1"])
def test_not_a_signal(name: str) -> None:
    with pytest.raises(ValueError, match="is not a signal"):
        signal_number(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("500m", 0.5),
        ("1Ki", 1024),
        ("1.5Gi", 1.5 * 2**30),
        ("2e3", 2000),
        ("1E-1", 0.1),
        ("2E", 2e18),
        ("1Pi", 2**50),
        ("+5u", 5e-6),
        (".5", 0.5),
        (3, 3),
        (0.25, 0.25),
    ],
)
def test_quantity(text: str | float, value: float) -> None:
    assert _quantity.parse(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "-1", "1 Gi", "1g", "0x10", "∞", "1e999", "1e3Mi", "1ki"])
def test_not_a_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        _quantity.parse(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (2048, "2 KiB"), (1.5 * 2**20, "1.5 MiB"), (256 * 2**20, "256 MiB"), (2**41, "2.0 TiB")]
)
def test_human(size: float, text: str) -> None:
    assert _quantity.human(size) == text


@pytest.mark.parametrize(
    ("pod", "container", "image_user", "user"),
    [
        ({}, {}, "app:staff", "app:staff"),
        ({"runAsUser": 5}, {}, "app:staff", "5"),
        ({"runAsUser": 5}, {"runAsUser": 0}, "app", "0"),
        ({"runAsUser": 5, "runAsGroup": 7}, {}, "app", "5:7"),
        ({"runAsGroup": 7}, {}, "app:staff", "app:7"),
        ({"runAsGroup": 7}, {}, "", "0:7"),
    ],
)
def test_who_a_container_runs_as(pod: dict[str, Any], container: dict[str, Any], image_user: str, user: str) -> None:
    manifest = edited("spec.securityContext", pod)
    manifest["spec"]["containers"][0]["securityContext"] = container
    assert parse(manifest).containers[0].security.user(image_user) == user


@pytest.mark.parametrize(
    ("context", "kept"),
    [
        ({}, {0, 1}),
        ({"capabilities": {"drop": ["ALL"]}}, set()),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}, {10}),
        ({"capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["chown"]}}, {1, 12}),
        ({"capabilities": {"add": ["ALL"], "drop": ["CHOWN"]}}, set(range(1, 41))),
        ({"privileged": True}, set(range(41))),
    ],
)
def test_capabilities(context: dict[str, Any], kept: set[int]) -> None:
    container = parse(edited("spec.containers.0.securityContext", context)).containers[0]
    assert set(container.security.capabilities((0, 1))) == kept


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec.securityContext", {"seccompProfile": {"type": "Localhost"}}, "spec.securityContext.seccompProfile.type: not supported: a host has no profiles"),
        ("spec.securityContext", {"supplementalGroupsPolicy": "Strict"}, "spec.securityContext.supplementalGroupsPolicy: must be one of Merge"),
        ("spec.securityContext", {"sysctls": [{"name": "../x", "value": "1"}]}, "spec.securityContext.sysctls[0].name: '../x' is not a name"),
        ("spec.securityContext", {"sysctls": [{"name": "a.b", "value": "1\n2"}]}, "spec.securityContext.sysctls[0].value: has to be one line"),
        ("spec.containers.0.securityContext", {"capabilities": {"add": ["FLY"]}}, "securityContext.capabilities.add[0]: 'FLY' is not a capability"),
        ("spec.containers.0.securityContext", {"privileged": True, "allowPrivilegeEscalation": False}, "allowPrivilegeEscalation: cannot be false for"),
        ("spec.containers.0.securityContext", {"runAsUser": 0, "runAsNonRoot": True}, "securityContext: runAsUser is 0, and runAsNonRoot is true"),
        ("spec.containers.0.securityContext", {"seLinuxOptions": {}}, "securityContext.seLinuxOptions: not supported: the guest's kernel has no such"),
    ],
)
def test_refusals_of_security(path: str, value: object, message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(edited(path, value))
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "path"), [("net.ipv4.ip_forward", "net/ipv4/ip_forward"), ("net/ipv4/conf/eth0.1/x", "net/ipv4/conf/eth0.1/x")])
def test_names_of_sysctls(name: str, path: str) -> None:
    assert sysctl_path(name) == path


@pytest.mark.parametrize(
    ("containers", "inits", "own", "size"),
    [
        ([{}], [], None, (1, 256)),
        ([{"limits": {"memory": "64Mi"}}], [], None, (1, 136)),
        ([{"requests": {"memory": "64Mi", "cpu": "1500m"}}], [], None, (2, 136)),
        ([{"limits": {"cpu": 2}}, {"limits": {"cpu": "600m"}}], [], None, (3, 256)),
        ([{"limits": {"memory": "64Mi"}}, {}], [], None, (1, 392)),
        ([{"limits": {"memory": "64Mi"}}], [({"limits": {"memory": "1Gi"}}, None)], None, (1, 1216)),
        ([{"limits": {"memory": "64Mi"}}], [({"limits": {"memory": "32Mi"}}, "Always"), ({"limits": {"memory": "64Mi"}}, None)], None, (1, 172)),
        ([{"limits": {"memory": "64Mi", "cpu": 2}}], [], {"limits": {"memory": "512Mi"}}, (2, 512)),
        ([{"limits": {"memory": "64Mi", "cpu": 2}}], [], {"requests": {"cpu": 3}}, (3, 136)),
    ],
)
def test_size_of_the_guest(containers: list[Any], inits: list[Any], own: Any, size: tuple[int, int]) -> None:
    manifest = edited("spec.resources", own)
    manifest["spec"]["containers"] = [{"name": f"c{number}", "image": "x", "resources": item} for number, item in enumerate(containers)]
    manifest["spec"]["initContainers"] = [
        {"name": f"i{number}", "image": "x", "resources": item, "restartPolicy": policy} for number, (item, policy) in enumerate(inits)
    ]
    pod = parse(manifest)
    assert (pod.cpus, pod.memory_mib) == size


def test_a_limit_is_the_request_where_there_is_none() -> None:
    resources = parse(edited("spec.containers.0.resources", {"limits": {"cpu": "2", "memory": "64Mi"}})).containers[0].resources
    assert (resources.cpu_quota_us, resources.cpu_weight, resources.memory_limit) == (200000, 79, 64 << 20)


@pytest.mark.parametrize(
    ("own", "limit", "noted"),
    [
        ({"limits": {"ephemeral-storage": "1Gi"}}, 1 << 30, ()),
        ({"limits": {"ephemeral-storage": "2k"}, "requests": {"ephemeral-storage": 1000}}, 2000, ("requests.ephemeral-storage",)),
        ({"limits": {"ephemeral-storage": 0}}, None, ()),
        ({"requests": {"ephemeral-storage": "1Gi"}}, None, ("requests.ephemeral-storage",)),
    ],
)
def test_the_limit_of_a_writable_layer(own: dict[str, Any], limit: int | None, noted: tuple[str, ...]) -> None:
    pod = parse(edited("spec.containers.0.resources", own))
    assert pod.containers[0].resources.storage_limit == limit
    assert pod.noted == tuple(f"spec.containers[0].resources.{path}" for path in noted)


def test_the_storage_of_a_whole_pod_is_noted() -> None:
    assert parse(edited("spec.resources", {"limits": {"ephemeral-storage": "1Gi"}})).noted == ("spec.resources.limits.ephemeral-storage",)


@pytest.mark.parametrize(
    "resources",
    [
        {"limits": {"cpu": 1}, "requests": {"cpu": 2}},
        {"limits": {"nvidia.com/gpu": 1}},
        {"limits": {"ephemeral-storage": "much"}},
        {"limits": {"ephemeral-storage": 1}, "requests": {"ephemeral-storage": 2}},
    ],
)
def test_refusals_of_resources(resources: dict[str, Any]) -> None:
    with pytest.raises(InvalidManifest, match=r"spec\.containers\[0\]\.resources\."):
        parse(edited("spec.containers.0.resources", resources))
