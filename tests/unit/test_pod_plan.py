# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pod's definition to what hyperstart is told of its life."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container, LaunchPlan
from ansible_collections.hyper.pods.plugins.module_utils._launch_life import Action, Probe
from ansible_collections.hyper.pods.plugins.module_utils._manifest import document, parse
from ansible_collections.hyper.pods.plugins.module_utils._network import Link
from ansible_collections.hyper.pods.plugins.module_utils._pod_guest import launch_plan
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

CONFIG = ImageConfig(cmd=("sleep", "infinity"))


def planned(containers: list[dict[str, Any]], init: list[dict[str, Any]] | None = None, *, config: ImageConfig = CONFIG, **spec: Any) -> dict[str, Container]:
    """The launch plan's containers, by name and in its order."""
    return {container.name: container for container in launched(containers, init, config=config, **spec).containers}


def launched(containers: list[dict[str, Any]], init: list[dict[str, Any]] | None = None, *, config: ImageConfig = CONFIG, **spec: Any) -> LaunchPlan:
    """The launch plan of a pod."""

    def named(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"image": "tools", **item} for item in items]

    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {**spec, "initContainers": named(init or []), "containers": named(containers)},
    }
    pod = parse(manifest)
    images = {container.name: "sha256:" + "a" * 64 for container in pod.all_containers}
    return launch_plan(pod, images, {"sha256:" + "a" * 64: config})


@pytest.mark.parametrize(
    ("pod", "own", "container", "init_container"),
    [
        ("Always", None, "Always", "OnFailure"),
        ("OnFailure", None, "OnFailure", "OnFailure"),
        ("Never", None, "Never", "Never"),
        ("Never", "Always", "Always", "Always"),
        ("Always", "Never", "Never", "Never"),
    ],
)
def test_restart_policies(pod: str, own: str | None, container: str, init_container: str) -> None:
    more = {} if own is None else {"restartPolicy": own}
    plan = planned([{"name": "app", **more}], [{"name": "before", **more}], restartPolicy=pod)
    assert [(name, item.init, item.restart_policy) for name, item in plan.items()] == [("before", True, init_container), ("app", False, container)]


def test_hooks_and_the_stop_signal() -> None:
    hooks = {"postStart": {"exec": {"command": ["a", "b"]}}, "preStop": {"sleep": {"seconds": 3}}}
    plan = planned([{"name": "app", "lifecycle": {**hooks, "stopSignal": "SIGQUIT"}}, {"name": "other", "lifecycle": {"preStop": {"httpGet": {"port": 80}}}}])
    assert (plan["app"].post_start, plan["app"].pre_stop, plan["app"].stop_signal) == (Action("exec", ("a", "b")), Action("sleep", seconds=3), 3)
    other = plan["other"]
    assert (other.post_start, other.pre_stop and other.pre_stop.kind, other.stop_signal) == (None, "http", 15)


COMMON = "User-Agent: kube-probe/1.34\r\nAccept: */*\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("handler", "action"),
    [
        ({"exec": {"command": ["sh", "-c", "$(NOT) expanded"]}}, Action("exec", ("sh", "-c", "$(NOT) expanded"))),
        ({"tcpSocket": {"port": 80}}, Action("tcp", address="10.0.2.15", port=80)),
        ({"tcpSocket": {"port": "web", "host": "localhost"}}, Action("tcp", address="127.0.0.1", port=8080)),
        (
            {"httpGet": {"port": 80, "path": "/a b?q=ü#part"}},
            Action("http", address="10.0.2.15", port=80, request=f"GET /a%20b?q=%C3%BC HTTP/1.1\r\nHost: 10.0.2.15:80\r\n{COMMON}\r\n".encode()),
        ),
        (
            {"httpGet": {"port": 80, "path": "x\r\nInjected: y", "host": "::1"}},
            Action("http", address="::1", port=80, request=f"GET /x%0D%0AInjected:%20y HTTP/1.1\r\nHost: [::1]:80\r\n{COMMON}\r\n".encode()),
        ),
        (
            {"httpGet": {"port": 80, "httpHeaders": [{"name": "host", "value": "shop"}, {"name": "ACCEPT", "value": "text/*"}]}},
            Action(
                "http",
                address="10.0.2.15",
                port=80,
                request=b"GET / HTTP/1.1\r\nUser-Agent: kube-probe/1.34\r\nConnection: close\r\nhost: shop\r\nACCEPT: text/*\r\n\r\n",
            ),
        ),
    ],
)
def test_what_a_probe_does(handler: dict[str, Any], action: Action) -> None:
    plan = planned([{"name": "app", "ports": [{"name": "web", "containerPort": 8080}], "livenessProbe": handler}])
    assert plan["app"].liveness_probe == Probe(action)


@pytest.mark.parametrize(
    ("more", "probe"),
    [
        ({}, {}),
        ({"periodSeconds": 0, "timeoutSeconds": 0, "successThreshold": 0, "failureThreshold": 0}, {}),
        (
            {"initialDelaySeconds": 3, "periodSeconds": 4, "timeoutSeconds": 5, "failureThreshold": 6},
            {"initial_delay": 3, "period": 4, "timeout": 5, "failure_threshold": 6},
        ),
        ({"terminationGracePeriodSeconds": 7}, {"grace_period": 7}),
    ],
)
def test_when_a_probe_counts(more: dict[str, int], probe: dict[str, int]) -> None:
    plan = planned([{"name": "app", "startupProbe": {"exec": {"command": ["true"]}, **more}}])
    assert plan["app"].startup_probe == Probe(Action("exec", ("true",)), **probe)


LIMITED = ImageConfig(
    cmd=("app",), labels=(("hyper.pods/limits.cpu", "500m"), ("hyper.pods/limits.memory", "64Mi"), ("hyper.pods/requests.memory", "32Mi"), ("other", "x"))
)


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ({}, (50000, 20, 64 << 20, None)),
        ({"requests": {"cpu": "1"}}, (None, 39, 64 << 20, None)),
        ({"limits": {"memory": "1Gi"}}, (50000, 20, 1 << 30, None)),
        ({"limits": {"ephemeral-storage": "1Gi"}}, (50000, 20, 64 << 20, 1 << 30)),
    ],
)
def test_limits_of_an_image_hold_where_the_definition_says_nothing(own: dict[str, Any], limits: tuple[int | None, ...]) -> None:
    app = planned([{"name": "app", "resources": own}], config=LIMITED)["app"]
    assert (app.cpu_quota, app.cpu_weight, app.memory_limit, app.storage_limit) == limits


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"limits.cpu": "much"}, r"^spec\.containers\[0\]\.image: image tools: its own limits: 'much' is not a quantity"),
        ({"limits.cpu": "1", "requests.cpu": "2"}, r"^spec\.containers\[0\]\.image: image tools: its own limits: asks for more cpu than its limit"),
        ({"requests.memory": "1Gi"}, r"^spec\.containers\[0\]\.resources: image tools asks for 1 GiB, and the guest has 256 MiB\. Give the container"),
    ],
)
def test_limits_of_an_image_that_cannot_hold(labels: dict[str, str], message: str) -> None:
    config = ImageConfig(cmd=("app",), labels=tuple((f"hyper.pods/{name}", value) for name, value in labels.items()))
    with pytest.raises(InvalidManifest, match=message):
        planned([{"name": "app"}], config=config)


@pytest.mark.parametrize(
    ("spec", "hostname", "line"),
    [
        ({}, "web", b"10.0.2.15\tweb\n"),
        ({"subdomain": "shop"}, "web", b"10.0.2.15\tweb.shop.default.svc.cluster.local web\n"),
        ({"subdomain": "shop", "hostname": "a", "setHostnameAsFQDN": True}, "a.shop.default.svc.cluster.local", b"\ta.shop.default.svc.cluster.local a\n"),
        ({"setHostnameAsFQDN": True}, "web", b"10.0.2.15\tweb\n"),
    ],
)
def test_names(spec: dict[str, Any], hostname: str, line: bytes) -> None:
    plan = launched([{"name": "app"}], **spec)
    assert plan.hostname == hostname
    assert line in plan.hosts


def test_termination_messages() -> None:
    plan = planned([{"name": "a"}, {"name": "b", "terminationMessagePath": "/x", "terminationMessagePolicy": "FallbackToLogsOnError"}])
    assert [(item.last_word_path, item.last_word_log) for item in plan.values()] == [("/dev/termination-log", False), ("/x", True)]


@pytest.mark.parametrize(
    ("pod", "own", "filtered"),
    [
        (None, None, False),
        ("RuntimeDefault", None, True),
        ("RuntimeDefault", {"seccompProfile": {"type": "Unconfined"}}, False),
        ("RuntimeDefault", {"runAsUser": 5}, True),
        ("Unconfined", {"seccompProfile": {"type": "RuntimeDefault"}}, True),
        ("RuntimeDefault", {"privileged": True}, False),
    ],
)
def test_seccomp_profiles(pod: str | None, own: dict[str, Any] | None, filtered: bool) -> None:
    spec = {"securityContext": {"seccompProfile": {"type": pod}}} if pod else {}
    assert planned([{"name": "app", **({"securityContext": own} if own else {})}], **spec)["app"].filtered == filtered


def test_what_only_its_place_tells() -> None:
    fields = ("metadata.uid", "spec.nodeName", "status.hostIP", "status.podIP", "status.podIPs")
    env = [{"name": field.rpartition(".")[2], "valueFrom": {"fieldRef": {"fieldPath": field}}} for field in fields]
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": {"hyper.pods/network": "nat"}},
        "spec": {
            "volumes": [{"name": "self", "downwardAPI": {"items": [{"path": "ip", "fieldRef": {"fieldPath": "status.hostIP"}}]}}],
            "containers": [{"name": "app", "image": "tools", "env": [*env, {"name": "ALL", "value": "$(podIPs) $(uid)"}]}],
        },
    }
    pod = parse(manifest)
    assert dict(document(pod)["containers"][0]["env"])["ALL"] == "$(podIPs) $(uid)"
    assert "\x00" not in str(document(pod))
    image = "sha256:" + "a" * 64
    link = Link("nat", "52:54:00:00:00:01", ("10.83.0.7/24", "fd00::7/64"), (), network="default", name_server="10.83.0.1")
    plan = launch_plan(pod, {"app": image}, {image: CONFIG}, [link], uid="1-2", node="kvm1")
    expected = {"uid": "1-2", "nodeName": "kvm1", "hostIP": "10.83.0.1", "podIP": "10.83.0.7", "podIPs": "10.83.0.7,fd00::7"}
    assert dict(plan.containers[0].env) == {**expected, "ALL": "10.83.0.7,fd00::7 1-2"}
    assert [file.data for file in plan.volumes[0].files] == [b"10.83.0.1"]


def test_a_pod_on_bridges_alone_does_not_know_its_host() -> None:
    nic = '[{"kind": "bridge", "bridge": "br0", "addresses": ["10.0.0.2/24"]}]'
    container = {"name": "app", "image": "tools", "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": {"hyper.pods/network": nic}}, "spec": {"containers": [container]}}
    with pytest.raises(InvalidManifest, match=r"valueFrom\.fieldRef\.fieldPath: not supported: status\.hostIP is not known here"):
        parse(manifest)
