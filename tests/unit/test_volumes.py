# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims as documents, as volumes of pods, and what they do to the volumes of a host."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _plan, _pod_guest
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes import CLAIM_FORMS, Field
from ansible_collections.hyper.pods.plugins.module_utils._launch import Device, Volume
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod, document, parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_claims import Claim
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import claims, split
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest, NotSupported
from ansible_collections.hyper.pods.plugins.module_utils._volume_plan import Volume as HostVolume
from ansible_collections.hyper.pods.plugins.module_utils._volume_plan import after, check_holders, check_pods, converge, pruning, removal

GIB = 2**30
FIELDS = [pytest.param(path, name, field, id=f"{path}.{name}") for path, _, fields in CLAIM_FORMS for name, field in fields.items() if name != "kind"]


def claim_document(name: str = "data", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def claim_annotated(**words: str) -> dict[str, Any]:
    document = claim_document()
    return {**document, "metadata": {**document["metadata"], "annotations": {f"hyper.pods/{word}": text for word, text in words.items()}}}


def claim_of(document: object) -> Claim:
    [claim] = claims(split([document])[1]).values()
    return claim


def pod_of(volumes: list[dict[str, Any]], *containers: dict[str, Any], name: str = "web", **spec: Any) -> Pod:
    listed = [{"name": f"c{index}", "image": "x", **container} for index, container in enumerate(containers or ({},))]
    return parse({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**spec, "volumes": volumes, "containers": listed}})


def claimed(claim: str = "data", name: str = "kept", **more: Any) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim, **more}}


@pytest.mark.parametrize(("path", "name", "field"), FIELDS)
def test_the_reader_of_claims_does_what_the_table_says(path: str, name: str, field: Field) -> None:
    made: Any = claim_document()
    node = made
    for part in path.split(".") if path else ():
        node = node.setdefault(part, {})
    node[name] = object()
    with pytest.raises(InvalidManifest) as caught:
        split([made])
    assert caught.value.where == f"{path}.{name}".lstrip("."), caught.value
    assert isinstance(caught.value, NotSupported) == (field.fate == "refused"), caught.value


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Claim("data", None, False)),
        ({"resources": {"requests": {"storage": "1Gi"}}}, Claim("data", GIB, False)),
        ({"resources": {"requests": {"storage": 5000000000}}}, Claim("data", 4769 * 2**20, False)),
        ({"resources": {"requests": {"storage": "1Ki"}}}, Claim("data", 16 * 2**20, False)),
        ({"volumeMode": "Block", "accessModes": ["ReadWriteOnce", "ReadWriteOncePod"], "storageClassName": "fast"}, Claim("data", None, True)),
    ],
)
def test_a_claim(spec: dict[str, Any], expected: Claim) -> None:
    assert claim_of(claim_document(**spec)) == expected


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (claim_document(accessModes=["ReadWriteMany"]), "spec.accessModes[0]: not supported: a volume is a disk, which one pod at a time holds"),
        (claim_document(accessModes=["Once"]), "spec.accessModes[0]: must be one of ReadWriteOnce,"),
        (claim_document(resources={"requests": {"storage": "much"}}), "spec.resources.requests.storage: 'much' is not a quantity"),
        (claim_document(resources={"requests": {"storage": 0}}), "spec.resources.requests.storage: 0 is no size of a volume"),
        (claim_document(volumeMode="Disk"), "spec.volumeMode: must be one of Filesystem, Block"),
        (claim_document(dataSource={"kind": "VolumeSnapshot", "name": "x"}), "spec.dataSource: not supported"),
        (claim_document(size="1Gi"), "spec.size: unknown field"),
        (claim_annotated(source="a.img"), "metadata.annotations[hyper.pods/source]: 'a.img' must be an absolute path without '..'"),
        (claim_annotated(source="/a/../b"), "metadata.annotations[hyper.pods/source]: '/a/../b' must be an absolute path"),
        (claim_annotated(source="/a", format="vdi"), "metadata.annotations[hyper.pods/format]: must be one of raw, qcow2, not 'vdi'"),
        (claim_annotated(format="raw"), "metadata.annotations[hyper.pods/format]: says nothing without hyper.pods/source"),
        (claim_annotated(sauce="/a"), "metadata.annotations[hyper.pods/sauce]: unknown annotation. Did you mean hyper.pods/source?"),
        (claim_document("../etc"), "metadata.name: '../etc' must be"),
        ({**claim_document(), "spec": None}, "spec: is required"),
        ({**claim_document(), "apiVersion": "v2"}, "apiVersion: must be v1"),
    ],
)
def test_claims_that_are_refused(document: object, message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        split([document])
    assert str(caught.value).startswith(message)


def test_documents_in_any_order() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "x"}], "volumes": [claimed()]}}
    for documents in ([claim_document(), pod], [pod, claim_document()]):
        [definition], objects = split(copy.deepcopy(documents))
        made = parse(definition, objects)
        assert [volume.claim for volume in made.claims] == ["data"]
        # The volume is of the host; the pod keeps nothing of the claim.
        assert not made.uses
    with pytest.raises(InvalidManifest, match="PersistentVolumeClaim data is defined twice"):
        split([claim_document(), claim_document()])


@pytest.mark.parametrize(
    ("volumes", "containers", "message"),
    [
        ([claimed(), claimed(name="other")], [{}], "spec.volumes[1].persistentVolumeClaim.claimName: 'data' is volume kept already"),
        ([claimed("A")], [{}], "spec.volumes[0].persistentVolumeClaim.claimName: 'A' is not the name"),
        ([{"name": "v", "emptyDir": {}, "persistentVolumeClaim": {"claimName": "a"}}], [{}], "spec.volumes[0].persistentVolumeClaim: a volume has one source"),
        (
            [{"name": "kept", "emptyDir": {}}],
            [{"volumeDevices": [{"name": "kept", "devicePath": "/dev/x"}]}],
            "spec.containers[0].volumeDevices[0].name: volume 'kept' has no device",
        ),
        (
            [claimed()],
            [{"volumeDevices": [{"name": "kept", "devicePath": "/dev/x"}]}, {"volumeMounts": [{"name": "kept", "mountPath": "/a"}]}],
            "spec.containers[1].volumeMounts[0].name: volume 'kept' is a device in spec.containers[0].volumeDevices[0]",
        ),
        (
            [claimed()],
            [{"volumeDevices": [{"name": "kept", "devicePath": "dev/x"}]}],
            "spec.containers[0].volumeDevices[0].devicePath: 'dev/x' must be an absolute",
        ),
        ([claimed()], [{"volumeDevices": [{"name": "kept", "devicePath": "/"}]}], "spec.containers[0].volumeDevices[0].devicePath: cannot be the root"),
        ([claimed()], [{"volumeDevices": [{"name": "no", "devicePath": "/dev/x"}]}], "spec.containers[0].volumeDevices[0].name: there is no volume 'no'"),
        ([claimed()], [{"volumeDevices": [{"name": "kept", "devicePath": "/dev/x"}] * 2}], "spec.containers[0].volumeDevices[1]: '/dev/x' occurs twice"),
        (
            [{"name": "v", "emptyDir": {}}],
            [{"volumeMounts": [{"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}]}],
            "spec.containers[0].volumeMounts[0].mountPropagation: Bidirectional is for privileged containers only. Set securityContext.privileged: true",
        ),
        (
            [{"name": "v", "emptyDir": {}}],
            [{"volumeMounts": [{"name": "v", "mountPath": "/a", "readOnly": True, "recursiveReadOnly": "IfPossible", "mountPropagation": "HostToContainer"}]}],
            "spec.containers[0].volumeMounts[0].recursiveReadOnly: does not go with mountPropagation HostToContainer",
        ),
        (
            [{"name": "v", "emptyDir": {}}],
            [{"volumeMounts": [{"name": "v", "mountPath": "/a", "recursiveReadOnly": "Enabled"}]}],
            "spec.containers[0].volumeMounts[0].recursiveReadOnly: needs readOnly: true",
        ),
        (
            [{"name": "v", "emptyDir": {}}],
            [{"volumeMounts": [{"name": "v", "mountPath": "/a", "subPathExpr": "$(NO)/x"}]}],
            "spec.containers[0].volumeMounts[0].subPathExpr: the container has no variable NO",
        ),
        (
            [{"name": "v", "emptyDir": {}}],
            [{"env": [{"name": "UP", "value": ".."}], "volumeMounts": [{"name": "v", "mountPath": "/a", "subPathExpr": "a/$(UP)/x"}]}],
            "spec.containers[0].volumeMounts[0].subPathExpr: 'a/../x' must be a relative path",
        ),
        (
            [{"name": "v", "emptyDir": {}}],
            [{"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "b", "subPathExpr": "c"}]}],
            "spec.containers[0].volumeMounts[0].subPathExpr: does not go with subPath",
        ),
    ],
)
def test_pods_that_are_refused(volumes: list[dict[str, Any]], containers: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        pod_of(volumes, *containers)
    assert str(caught.value).startswith(message)


def test_what_the_guest_is_told() -> None:
    pod = pod_of(
        [claimed(), claimed("log", "log", readOnly=True), claimed("disk", "raw", readOnly=True)],
        {"volumeMounts": [{"name": "kept", "mountPath": "/a"}, {"name": "log", "mountPath": "/b"}], "volumeDevices": [{"name": "raw", "devicePath": "/dev/x"}]},
        securityContext={"fsGroup": 70},
    )
    config = ImageConfig((), ("run",), (), "", "", "", (), (), {}, "amd64")
    plan = _pod_guest.launch_plan(pod, {"c0": "sha256:1"}, {"sha256:1": config})
    kept, log, raw = plan.volumes
    assert (kept.kind, kept.group, kept.regroup, kept.serial) == ("disk", 70, True, _pod_guest.volume_serial("kept"))
    assert (log.kind, log.regroup) == ("disk", False)
    assert raw == Volume("raw", "block", None, 70, (), _pod_guest.volume_serial("raw"))
    [container] = plan.containers
    assert {mount.volume: mount.readonly for mount in container.mounts} == {"kept": False, "log": True}
    assert container.devices == (Device("raw", "/dev/x"),)
    assert len(_pod_guest.volume_serial("x" * 63)) == 20
    assert document(pod)["volumes"] == ["kept: volume data", "log: volume log, read-only", "raw: volume disk, read-only"]


def test_sub_paths_of_variables() -> None:
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "LOG", "value": "log-$(POD)"}]
    mounts = [{"name": "v", "mountPath": "/a", "subPathExpr": "$(LOG)/$$(x)", "mountPropagation": "None", "recursiveReadOnly": "Enabled", "readOnly": True}]
    [container] = pod_of([{"name": "v", "emptyDir": {}}], {"env": env, "volumeMounts": mounts}).containers
    assert container.mounts[0].sub_path == "log-web/$(x)"


def test_the_files_of_an_image() -> None:
    volumes = [{"name": "seed", "image": {"reference": "tools", "pullPolicy": "Always"}}]
    pod = pod_of(volumes, {"volumeMounts": [{"name": "seed", "mountPath": "/seed"}]})
    assert pod.image_uses == (("c0", "x", None), ("volume/seed", "tools", "Always"))
    images = {"c0": "sha256:1", "volume/seed": f"sha256:{'ab' * 32}"}
    plan = _pod_guest.launch_plan(pod, images, {"sha256:1": ImageConfig((), ("run",), (), "", "", "", (), (), {}, "amd64")})
    assert plan.volumes == (Volume("seed", "image", serial="ab" * 10),)
    assert plan.containers[0].mounts[0].readonly
    assert document(pod)["volumes"] == ["seed: image tools"]
    # A moved tag is another image; when it is pulled is nothing of the pod.
    moved = {**images, "volume/seed": "sha256:cd"}
    other = pod_of([{"name": "seed", "image": {"reference": "tools"}}], {"volumeMounts": [{"name": "seed", "mountPath": "/seed"}]})
    observed = _plan.Observed(pod, images, running=True)
    assert _plan.converge(_plan.Wanted(other, images), observed, start=True) == ()
    [action] = _plan.converge(_plan.Wanted(pod, moved), observed, start=True)
    assert (action.effect, action.reason) == ("restarts the guest", "volume seed: tools is another image now (abababababab → cd)")


def test_a_limited_volume_on_disk_has_a_disk_of_its_own() -> None:
    pod = pod_of([{"name": "v", "emptyDir": {"sizeLimit": "64Mi"}}, {"name": "m", "emptyDir": {"sizeLimit": "64Mi", "medium": "Memory"}}])
    [(volume, file)] = _pod_guest.own_disks(pod, Path("/pods/web"))
    assert (volume.name, file) == ("v", Path("/pods/web/volume-v-67108864.img"))
    assert document(pod)["volumes"] == ["v: disk, at most 64 MiB", "m: memory, at most 64 MiB"]


HELD = {"data": HostVolume("data", GIB, labels={"app": "shop"}), "raw": HostVolume("raw", GIB, block=True)}


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        (Claim("new"), [("create", "new", 10 * GIB)]),
        (Claim("new", GIB, True), [("create", "new", GIB)]),
        (Claim("data"), []),
        (Claim("data", GIB, False), []),
        (Claim("data", 2 * GIB), [("grow", "data", 2 * GIB)]),
        (Claim("raw", GIB, True), []),
        (Claim("data", None, None, {"app": "shop"}), []),
        (Claim("data", 2 * GIB, None, {"app": "web"}), [("grow", "data", 2 * GIB), ("label", "data", 2 * GIB)]),
        (Claim("data", GIB // 2), "volume data: has 1 GiB and does not shrink to 512 MiB"),
        (Claim("data", GIB, True), "volume data: is a volume with a filesystem, not a block volume"),
        (Claim("raw", GIB, False), "volume raw: is a block volume, not a volume with a filesystem"),
    ],
)
def test_claims_become_changes(claim: Claim, changes: Any) -> None:
    if isinstance(changes, str):
        with pytest.raises(HyperError) as caught:
            converge([claim], HELD, 0)
        assert str(caught.value).startswith(changes)
        return
    made = converge([claim], HELD, 0)
    assert [(change.action, change.volume.name, change.volume.size) for change in made] == changes
    # Once they are made there is nothing left to do.
    assert converge([claim], after(HELD, made), 0) == ()


_DEVICE = {"volumeDevices": [{"name": "kept", "devicePath": "/dev/x"}]}


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        (pod_of([claimed("data")]), None),
        (pod_of([claimed("raw")], _DEVICE), None),
        (
            pod_of([{"name": "v", "emptyDir": {}}, claimed("no")]),
            "pod web: spec.volumes[1].persistentVolumeClaim.claimName: there is no volume 'no' on this host",
        ),
        (pod_of([claimed("raw")]), "pod web: spec.volumes[0].persistentVolumeClaim.claimName: volume raw is a block volume. Use it in volumeDevices"),
        (pod_of([claimed("data")], _DEVICE), "pod web: spec.volumes[0].persistentVolumeClaim.claimName: volume data is a volume with a filesystem"),
    ],
)
def test_pods_need_their_volumes(pod: Pod, message: str | None) -> None:
    if message is None:
        check_pods([pod], HELD)
        return
    with pytest.raises(HyperError) as caught:
        check_pods([pod], HELD)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("starting", "holders", "message"),
    [
        (["a"], {}, None),
        (["a"], {"other": "b"}, None),
        (["a"], {"data": "a"}, None),
        (["a"], {"data": "b"}, "pod a: volume data is held by pod b. Stop that pod first: hyper stop b"),
        (["a", "b"], {}, "pod b: volume data is held by pod a"),
    ],
)
def test_one_pod_at_a_time(starting: list[str], holders: Mapping[str, str], message: str | None) -> None:
    pods = [pod_of([claimed()], name=name) for name in starting]
    if message is None:
        check_holders(pods, holders)
        return
    with pytest.raises(HyperError) as caught:
        check_holders(pods, holders)
    assert str(caught.value).startswith(message)


def test_removal_of_what_nobody_uses() -> None:
    assert [change.volume.name for change in removal("data", HELD, {})] == ["data"]
    assert removal("no", HELD, {}) == ()
    with pytest.raises(HyperError, match=r"volume data: is used by pods a, b\. Remove first: hyper rm a, b"):
        removal("data", HELD, {"data": ["a", "b"]})
    assert [change.volume.name for change in pruning(HELD, {}, {})] == ["data", "raw"]
    assert [change.volume.name for change in pruning(HELD, {"raw": ["a"]}, {})] == ["data"]
    assert [change.volume.name for change in pruning(HELD, {}, {"app": "web"})] == []
    assert [change.volume.name for change in pruning(HELD, {}, {"app": "shop"})] == ["data"]
