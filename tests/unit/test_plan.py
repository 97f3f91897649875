# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a pod follows from what is wanted and what is observed, and from nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _manifest_objects, _plan
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod, parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container
from ansible_collections.hyper.pods.plugins.module_utils._plan import Observed, Room, Slots, Wanted

WEB = Container("web", "nginx")
LOG = Container("log", "busybox")
POD = Pod("shop", (WEB, LOG))
IMAGES = {"web": "sha256:" + "a" * 64, "log": "sha256:" + "b" * 64}
RUNNING = Observed(POD, IMAGES, running=True)
RIGID = replace(RUNNING, rigid=True)
OFF = Observed(POD, IMAGES)
COMPLETED = Observed(POD, IMAGES, completed=True)
NOTHING = Observed()

CREATE = ("create", "live")
START = ("start", "starts the guest")
GUEST = ("update", "restarts the guest")
LIVE = ("update", "live")
WEB_ANEW = ("update", "restarts container web")


def brief(actions: tuple[_plan.Action, ...]) -> list[tuple[str, str]]:
    return [(action.action, action.effect) for action in actions]


def ids(pod: Pod) -> dict[str, str]:
    return {container.name: IMAGES.get(container.name, "sha256:" + "c" * 64) for container in pod.all_containers}


LABELLED = replace(POD, labels={"a": "b"})
LARGER = replace(POD, memory_mib=512)
ANEW = replace(POD, containers=(replace(WEB, args=("x",)), LOG))


@pytest.mark.parametrize(
    ("wanted", "observed", "start", "expected"),
    [
        (POD, NOTHING, True, [CREATE, START]),
        (POD, NOTHING, False, [CREATE]),
        (POD, Observed(residue=True), True, [CREATE, START]),
        (POD, RUNNING, True, []),
        (POD, RUNNING, False, []),
        (POD, RIGID, True, []),
        (POD, OFF, True, [START]),
        (POD, OFF, False, []),
        (POD, replace(OFF, due=True), True, [START]),
        (POD, COMPLETED, True, []),
        (LABELLED, RUNNING, True, [LIVE]),
        (LABELLED, RUNNING, False, [LIVE]),
        (LABELLED, RIGID, True, [LIVE]),
        (LABELLED, COMPLETED, True, [LIVE]),
        (LABELLED, OFF, True, [LIVE, START]),
        (LABELLED, OFF, False, [LIVE]),
        (LARGER, RUNNING, True, [GUEST]),
        (LARGER, RUNNING, False, [GUEST]),
        (LARGER, RIGID, True, [GUEST]),
        (LARGER, OFF, True, [LIVE, START]),
        (LARGER, OFF, False, [LIVE]),
        (LARGER, COMPLETED, True, [LIVE, START]),
        (ANEW, RUNNING, True, [WEB_ANEW]),
        (ANEW, RUNNING, False, [WEB_ANEW]),
        (ANEW, RIGID, True, [GUEST]),
        (ANEW, OFF, True, [LIVE, START]),
        (ANEW, OFF, False, [LIVE]),
        (ANEW, COMPLETED, True, [LIVE, START]),
        (replace(ANEW, memory_mib=512), RUNNING, True, [GUEST]),
        (replace(ANEW, labels={"a": "b"}), RUNNING, True, [LIVE, WEB_ANEW]),
        (replace(POD, grace_period=5), COMPLETED, True, [LIVE, START]),
        (replace(POD, grace_period=5), RIGID, True, [GUEST]),
    ],
)
def test_converge(wanted: Pod, observed: Observed, start: bool, expected: list[tuple[str, str]]) -> None:
    assert brief(_plan.converge(Wanted(wanted, ids(wanted)), observed, start=start)) == expected


# A pod with something of everything, to be changed in one place.
DEFINITION: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "shop", "labels": {"tier": "front"}},
    "spec": {
        "resources": {"limits": {"cpu": 1, "memory": "256Mi"}},
        "initContainers": [
            {"name": "prepare", "image": "busybox"},
            {"name": "side", "image": "busybox", "restartPolicy": "Always"},
        ],
        "containers": [
            {
                "name": "web",
                "image": "nginx",
                "command": ["serve"],
                "env": [{"name": "A", "value": "1"}, {"name": "TIER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['tier']"}}}],
                "ports": [{"containerPort": 80, "hostPort": 8080}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "settings", "mountPath": "/settings"}],
                "livenessProbe": {"tcpSocket": {"port": 80}},
            },
            {"name": "app", "image": "nginx", "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}}]},
        ],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "settings", "configMap": {"name": "settings"}}],
    },
}
OBJECTS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"file": "text"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"one": "1"}},
]
Documents = tuple[dict[str, Any], list[dict[str, Any]]]


def at(path: str, value: Any) -> Callable[[Documents], None]:
    """Set the value at a path of the pod's definition, such as ``spec.containers.0.image``; of None the field is removed."""

    def change(documents: Documents) -> None:
        *way, last = path.split(".")
        place: Any = documents[0]
        for word in way:
            place = place[int(word)] if isinstance(place, list) else place.setdefault(word, {})
        if value is None and isinstance(place, dict):
            del place[last]
        elif isinstance(place, list):
            place[int(last) : int(last) + 1] = [] if value is None else [value]
        else:
            place[last] = value

    return change


def data(number: int, field: str, value: dict[str, str]) -> Callable[[Documents], None]:
    """Set the data of an object."""
    return lambda documents: documents[1][number].update({field: value})


def reversed_containers(documents: Documents) -> None:
    documents[0]["spec"]["containers"].reverse()


def reversed_init_containers(documents: Documents) -> None:
    documents[0]["spec"]["initContainers"].reverse()


WEB0, APP1 = "spec.containers.0", "spec.containers.1"
NEW = {"name": "new", "image": "busybox"}
RESTARTS_GUEST = ["restarts the guest"]
RESTARTS_WEB = ["restarts container web"]
TIER = {"name": "shop", "labels": {"tier": "back"}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # the pod's own
        (at("metadata.annotations", {"note": "x"}), ["live"]),
        (at("metadata.labels", {"tier": "front", "new": "x"}), ["live"]),
        (at("metadata", TIER), ["live", "restarts container web"]),  # its environment holds the label
        (at("spec.terminationGracePeriodSeconds", 5), ["live"]),
        (at("spec.restartPolicy", "Never"), ["live"]),
        (at("spec.hostname", "other"), RESTARTS_GUEST),
        (at("spec.resources.limits.memory", "512Mi"), RESTARTS_GUEST),
        (at("spec.resources.limits.cpu", 2), RESTARTS_GUEST),
        (at("spec.activeDeadlineSeconds", 60), RESTARTS_GUEST),
        (at("spec.hostAliases", [{"ip": "10.0.0.1", "hostnames": ["db"]}]), RESTARTS_GUEST),
        (at("spec.dnsConfig", {"searches": ["example.org"]}), RESTARTS_GUEST),
        (at("spec.securityContext", {"fsGroup": 70}), RESTARTS_GUEST),
        (at("spec.securityContext", {"runAsUser": 70}), ["restarts the guest"]),
        # what means nothing to a host, or the same
        (at("spec.nodeSelector", {"disk": "ssd"}), []),
        (at("spec.terminationGracePeriodSeconds", 30), []),
        (at("spec.restartPolicy", "Always"), []),
        (at(f"{WEB0}.imagePullPolicy", "Always"), []),
        (at("status", {"phase": "Running"}), []),
        (at("metadata.uid", "1"), []),
        # a container
        (at(f"{WEB0}.image", "nginx:2"), RESTARTS_WEB),
        (at(f"{WEB0}.command", ["other"]), RESTARTS_WEB),
        (at(f"{WEB0}.command", None), RESTARTS_WEB),
        (at(f"{WEB0}.args", ["x"]), RESTARTS_WEB),
        (at(f"{WEB0}.args", []), RESTARTS_WEB),
        (at(f"{WEB0}.workingDir", "/srv"), RESTARTS_WEB),
        (at(f"{WEB0}.env.0.value", "2"), RESTARTS_WEB),
        (at(f"{WEB0}.env.0", None), RESTARTS_WEB),
        (at(f"{WEB0}.tty", True), RESTARTS_WEB),
        (at(f"{WEB0}.stdin", True), RESTARTS_WEB),
        (at(f"{WEB0}.securityContext", {"privileged": True}), RESTARTS_WEB),
        (at(f"{WEB0}.livenessProbe", None), ["live"]),
        (at(f"{WEB0}.livenessProbe.periodSeconds", 3), ["live"]),
        (at(f"{WEB0}.readinessProbe", {"exec": {"command": ["true"]}}), ["live"]),
        (at(f"{WEB0}.startupProbe", {"exec": {"command": ["true"]}}), ["live"]),
        (at(f"{WEB0}.lifecycle", {"preStop": {"sleep": {"seconds": 1}}}), RESTARTS_WEB),
        (at(f"{WEB0}.volumeMounts.0.mountPath", "/other"), RESTARTS_WEB),
        (at(f"{WEB0}.resources", {"limits": {"memory": "64Mi"}}), ["live"]),
        (at(f"{WEB0}.resources", {"limits": {"cpu": "500m"}}), ["live"]),
        (at(f"{WEB0}.resources", {"limits": {"ephemeral-storage": "1Gi"}}), ["live"]),
        (at(f"{WEB0}.restartPolicy", "OnFailure"), ["live"]),
        (at(f"{APP1}.name", "other"), ["stops container app", "starts container other"]),
        (at(APP1, None), ["stops container app"]),
        (at("spec.containers.2", NEW), ["starts container new"]),
        (at(WEB0, NEW), ["stops container web", "starts container new"]),
        (reversed_containers, ["live"]),
        # its ports
        (at(f"{WEB0}.ports.0.hostPort", 8081), ["live"]),
        (at(f"{WEB0}.ports.0.hostPort", None), ["live"]),
        (at(f"{WEB0}.ports.0.name", "http"), ["live"]),
        (at(f"{WEB0}.ports.0.hostIP", "0.0.0.0"), ["live"]),
        (at(f"{WEB0}.ports.0.containerPort", 81), ["live"]),
        (at(f"{WEB0}.ports.1", {"containerPort": 81}), ["live"]),
        (at(f"{WEB0}.ports.1", {"containerPort": 81, "hostPort": 8081, "protocol": "UDP"}), ["live"]),
        (at(f"{WEB0}.ports.1", {"containerPort": 81, "hostPort": 81}), RESTARTS_GUEST),
        # init containers
        (at("spec.initContainers", None), RESTARTS_GUEST),
        (at("spec.initContainers.0", None), RESTARTS_GUEST),
        (at("spec.initContainers.2", NEW), RESTARTS_GUEST),
        (at("spec.initContainers.0.command", ["other"]), RESTARTS_GUEST),
        (at("spec.initContainers.1.image", "other"), RESTARTS_GUEST),
        (at("spec.initContainers.1.restartPolicy", None), RESTARTS_GUEST),
        (reversed_init_containers, RESTARTS_GUEST),
        (at("spec.initContainers.1.readinessProbe", {"exec": {"command": ["true"]}}), ["live"]),
        (at("spec.initContainers.1.resources", {"limits": {"memory": "64Mi"}}), ["live"]),
        (at("spec.initContainers.0.resources", {"limits": {"memory": "64Mi"}}), RESTARTS_GUEST),
        # volumes
        (at("spec.volumes.2", {"name": "more", "emptyDir": {}}), ["live"]),
        (at("spec.volumes.2", {"name": "more", "projected": {"sources": [{"configMap": {"name": "settings"}}]}}), ["live"]),
        (at("spec.volumes.2", {"name": "more", "image": {"reference": "nginx"}}), ["live"]),
        (at("spec.volumes.2", {"name": "more", "emptyDir": {"sizeLimit": "1Gi"}}), RESTARTS_GUEST),
        (at("spec.volumes.2", {"name": "more", "persistentVolumeClaim": {"claimName": "data"}}), RESTARTS_GUEST),
        (at("spec.volumes.0.emptyDir.medium", "Memory"), RESTARTS_GUEST),
        (at("spec.volumes.1.configMap.defaultMode", 0o600), ["live"]),
        (at("spec.volumes.1", {"name": "settings", "emptyDir": {}}), RESTARTS_GUEST),
        (data(0, "data", {"file": "other"}), ["live"]),
        (data(0, "data", {"file": "text", "second": "x"}), ["live"]),
        (data(1, "stringData", {"one": "2"}), ["restarts container app"]),
        (data(1, "stringData", {"one": "1", "two": "2"}), []),
    ],
)
def test_each_change_of_a_running_pod(change: Callable[[Documents], None], expected: list[str]) -> None:
    former = parse(DEFINITION, _manifest_objects.split(OBJECTS)[1])
    documents = copy.deepcopy((DEFINITION, OBJECTS))
    change(documents)
    latter = parse(documents[0], _manifest_objects.split(documents[1])[1])
    actions = _plan.converge(Wanted(latter, ids(latter)), Observed(former, ids(former), running=True), start=True)
    assert [action.effect for action in actions] == expected
    assert all(action.reason for action in actions)


ROOM = Room(cpus=1, most_cpus=4, memory_mib=256, most_memory_mib=4352, slots=2)


@pytest.mark.parametrize(
    ("before", "after", "room", "expected"),
    [
        ((1, 256), (2, 256), ROOM, LIVE),
        ((1, 256), (4, 256), ROOM, LIVE),
        ((1, 256), (5, 256), ROOM, GUEST),
        ((1, 256), (2, 256), None, GUEST),
        ((2, 256), (1, 256), replace(ROOM, cpus=2), GUEST),
        ((1, 256), (1, 384), ROOM, LIVE),
        ((1, 256), (1, 4352), ROOM, LIVE),
        ((1, 256), (1, 4480), ROOM, GUEST),
        ((1, 256), (1, 300), ROOM, GUEST),
        ((1, 256), (1, 384), replace(ROOM, slots=0), GUEST),
        ((1, 256), (1, 384), None, GUEST),
        ((1, 384), (1, 256), ROOM, GUEST),
        ((1, 256), (2, 512), ROOM, LIVE),
        ((1, 256), (5, 512), ROOM, GUEST),
        ((1, 256), (2, 300), ROOM, GUEST),
        # it has more than its definition says, since a change was taken back
        ((1, 256), (1, 384), replace(ROOM, memory_mib=512, slots=0), LIVE),
        ((1, 256), (1, 512), replace(ROOM, memory_mib=512, slots=0), LIVE),
        ((1, 256), (1, 640), replace(ROOM, memory_mib=512), LIVE),
    ],
)
def test_a_guest_grows(before: tuple[int, int], after: tuple[int, int], room: Room | None, expected: tuple[str, str]) -> None:
    former, latter = (replace(POD, cpus=cpus, memory_mib=memory) for cpus, memory in (before, after))
    assert brief(_plan.converge(Wanted(latter, IMAGES), replace(RUNNING, pod=former, room=room), start=True)) == [expected]


MORE = {
    "limited": {"name": "more", "emptyDir": {"sizeLimit": "1Gi"}},
    "claimed": {"name": "more", "persistentVolumeClaim": {"claimName": "data"}},
    "another": {"name": "another", "persistentVolumeClaim": {"claimName": "other"}},
    "host": {"name": "more", "hostPath": {"path": "/srv/pods/more"}},
    "nfs": {"name": "more", "nfs": {"server": "10.0.0.1", "path": "/more"}},
}


@pytest.mark.parametrize(
    ("before", "after", "slots", "reasons"),
    [
        ([], ["limited"], Slots(1, frozenset()), {"live": "volume more added"}),
        ([], ["claimed"], Slots(1, frozenset()), {"live": "volume more added"}),
        ([], ["claimed", "another"], Slots(2, frozenset()), {"live": "volume more added; volume another added"}),
        ([], ["claimed", "another"], Slots(1, frozenset()), {GUEST[1]: "volume more added; volume another added (the guest has no free slot for its disk)"}),
        ([], ["claimed"], Slots(0, frozenset()), {GUEST[1]: "volume more added (the guest has no free slot for its disk)"}),
        ([], ["claimed"], None, {GUEST[1]: "volume more added (the guest has no free slot for its disk)"}),
        (["claimed"], [], Slots(3, frozenset({"more"})), {"live": "volume more removed"}),
        (["claimed"], ["another"], Slots(1, frozenset({"more"})), {"live": "volume more removed; volume another added"}),
        (
            ["claimed"],
            ["another"],
            Slots(0, frozenset({"more"})),
            {GUEST[1]: "volume more removed; volume another added (the guest has no free slot for its disk)"},
        ),
        (
            ["limited"],
            [],
            Slots(4, frozenset()),
            {GUEST[1]: "volume more removed (its disk is in no slot from which it can be taken while the guest runs)"},
        ),
        (["limited"], ["claimed"], Slots(4, frozenset({"more"})), {GUEST[1]: "volume more changed"}),
        ([], ["host"], None, {GUEST[1]: "volume more added (files of the host are given to a guest when it starts)"}),
        (["nfs"], [], None, {GUEST[1]: "volume more removed (exports are mounted when a guest starts)"}),
    ],
)
def test_volumes_with_disks(before: list[str], after: list[str], slots: Slots | None, reasons: dict[str, str]) -> None:
    definition = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    former, latter = (parse(merged(definition, [MORE[name] for name in names])) for names in (before, after))
    actions = _plan.converge(Wanted(latter, ids(latter)), Observed(former, ids(former), running=True, slots=slots), start=True)
    assert {action.effect: action.reason for action in actions} == reasons


def merged(definition: dict[str, Any], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", **definition, "spec": {**definition["spec"], "volumes": volumes}}


def test_why_a_guest_does_not_grow() -> None:
    [action] = _plan.converge(Wanted(replace(POD, cpus=8, memory_mib=300), IMAGES), replace(RUNNING, room=ROOM), start=True)
    assert action.reason.split("; ") == [
        "cpus changed (while it runs the guest can grow to 4)",
        "memoryMib changed (while it runs the guest can grow to 4352 MiB, 2 times by a multiple of 128 MiB)",
    ]


@pytest.mark.parametrize(
    ("wanted", "images", "reasons"),
    [
        (LARGER, IMAGES, ["memoryMib changed"]),
        (replace(POD, containers=(replace(WEB, args=("x",), tty=True), LOG)), IMAGES, ["container web: args changed; container web: tty changed"]),
        (replace(POD, containers=(replace(WEB, image="nginx:2"), LOG)), {**IMAGES, "web": "sha256:" + "c" * 64}, ["container web: image changed"]),
        (replace(POD, containers=(WEB,)), {"web": IMAGES["web"]}, ["container log removed"]),
        (POD, {**IMAGES, "web": "sha256:" + "c" * 64}, [f"container web: nginx is another image now ({'a' * 12} → {'c' * 12})"]),
        (replace(POD, containers=(LOG, WEB)), IMAGES, ["order of containers changed"]),
        (replace(LABELLED, grace_period=1), IMAGES, ["labels changed; gracePeriod changed"]),
    ],
)
def test_reasons(wanted: Pod, images: dict[str, str], reasons: list[str]) -> None:
    assert [action.reason for action in _plan.converge(Wanted(wanted, images), RUNNING, start=True)] == reasons


def test_a_moved_tag_restarts_only_its_containers() -> None:
    moved = {**IMAGES, "web": "sha256:" + "c" * 64}
    [action] = _plan.converge(Wanted(POD, moved), RUNNING, start=True)
    assert (action.effect, action.container) == ("restarts container web", "web")


def test_an_image_that_is_yet_to_be_pulled_is_no_change_of_its_own() -> None:
    assert _plan.converge(Wanted(POD, {"web": IMAGES["web"]}), RUNNING, start=True) == ()


@pytest.mark.parametrize(
    ("decide", "observed", "expected"),
    [
        (_plan.start, RUNNING, []),
        (_plan.start, OFF, [START]),
        (_plan.start, COMPLETED, [START]),
        (_plan.stop, RUNNING, [("stop", "stops the guest")]),
        (_plan.stop, replace(OFF, due=True), [("stop", "live")]),
        (_plan.stop, OFF, []),
        (_plan.stop, COMPLETED, []),
        (_plan.restart, RUNNING, [("restart", "restarts the guest")]),
        (_plan.restart, OFF, [START]),
        (_plan.remove, RUNNING, [("delete", "stops the guest")]),
        (_plan.remove, OFF, [("delete", "live")]),
        (_plan.remove, Observed(residue=True), [("delete", "live")]),
        (_plan.remove, NOTHING, []),
    ],
)
def test_by_name(decide: object, observed: Observed, expected: list[tuple[str, str]]) -> None:
    assert callable(decide)
    assert brief(decide("shop", observed)) == expected
