# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and files become Pod manifests."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _manifest_env
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions, forms
from ansible_collections.hyper.pods.plugins.plugin_utils.definitions import BadDefinition


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("docker.io/library/nginx:1.27", "nginx"),
        ("localhost:5000/team/My_App:v1", "my-app"),
        ("registry.local:5000/shop", "shop"),
        ("nginx@sha256:" + "a" * 64, "nginx"),
        ("nginx:1@sha256:" + "a" * 64, "nginx"),
        ("oci-archive:/tmp/web.tar", "web"),
        ("oci-archive:/tmp/web.tar:tag", "web"),
        ("docker-archive:shop.tar", "shop"),
        ("aci:/srv/images/web.aci", "web"),
        ("aci:web.aci", "web"),
        ("oci:/var/images/log:latest", "log"),
        ("3scale", "3scale"),
        ("a" * 80, "a" * 63),
        ("___", "container"),
    ],
)
def test_a_container_is_named_after_its_image(image: str, name: str) -> None:
    assert definitions.container_name(image) == name


def test_a_second_container_of_the_same_name_is_numbered() -> None:
    assert definitions.container_names(["web", "web:2", "x/web", "web-2"]) == ["web", "web-2", "web-3", "web-2-2"]
    assert definitions.container_names(["a" * 70, "a" * 70]) == ["a" * 63, "a" * 61 + "-2"]


def test_a_pod_without_a_name_is_named_after_its_first_image() -> None:
    assert definitions.pod_name(["docker.io/nginx:1", "redis"], "x7k2b") == "nginx-x7k2b"
    assert len(definitions.pod_name(["a" * 80], "x7k2b")) == 63


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("8080:80", {"hostPort": 8080, "containerPort": 80, "hostIP": "127.0.0.1", "protocol": "TCP"}),
        ("0.0.0.0:53:53/udp", {"hostPort": 53, "containerPort": 53, "hostIP": "0.0.0.0", "protocol": "UDP"}),
        ("[::1]:8080:80/tcp", {"hostPort": 8080, "containerPort": 80, "hostIP": "::1", "protocol": "TCP"}),
    ],
)
def test_a_published_port(text: str, port: dict[str, Any]) -> None:
    assert definitions.port(text) == port


@pytest.mark.parametrize("text", ["80", "a:80", "8080:80/sctp", "0:80", "8080:65536", "1:2:3:4", "host:8080:80", "8080:80:udp", ""])
def test_a_port_that_cannot_be_published_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(BadDefinition, match=r"^publish: .*Write \[IP:\]HOST_PORT:CONTAINER_PORT"):
        definitions.port(text)


CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {}}


@pytest.mark.parametrize(
    ("own", "cpus", "memory", "resources"),
    [
        (None, None, None, None),
        (None, 2, None, {"limits": {"cpu": "2"}}),
        ({"limits": {"cpu": 1, "memory": "1Gi"}}, None, "512M", {"limits": {"cpu": 1, "memory": "512Mi"}}),
        ({"requests": {"cpu": 4, "memory": "1Gi"}}, 2, None, {"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}),
        ({"limits": [1]}, 2, None, {"limits": [1]}),
        ([], 2, None, {"limits": {"cpu": "2"}}),
        ([1], 2, None, [1]),
    ],
)
def test_words_about_the_size_win(own: object, cpus: object, memory: object, resources: object) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [], **({} if own is None else {"resources": own})}}
    before = copy.deepcopy(pod)
    claim, sized = definitions.sized([CLAIM, pod], cpus, memory)
    assert (claim, pod) == (CLAIM, before)
    assert sized["spec"].get("resources") == resources
    requested = definitions.requested_manifests({"pods": [CLAIM, pod], "cpus": cpus, "memory": memory})
    assert requested == [claim, sized]


@pytest.mark.parametrize(
    ("value", "quantity"),
    [("512M", "512Mi"), ("512m", "512Mi"), ("1g", "1Gi"), ("512Mi", "512Mi"), ("2GiB", "2Gi"), ("64MB", "64Mi"), ("1048576", "1048576"), (1048576, "1048576")],
)
def test_memory_is_counted_in_powers_of_1024(value: object, quantity: str) -> None:
    assert definitions.memory(value) == quantity


@pytest.mark.parametrize("value", ["", "much", "-1", "0", "1.5G", "5X", "M"])
def test_memory_that_is_no_amount_is_refused(value: str) -> None:
    with pytest.raises(BadDefinition, match="not an amount of memory"):
        definitions.memory(value)


@pytest.mark.parametrize("value", ["", "many", "-1", "0", "0.0", "1e3", "1,5"])
def test_cpus_that_are_no_number_are_refused(value: str) -> None:
    with pytest.raises(BadDefinition, match="not a number of CPUs"):
        definitions.cpus(value)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, {}),
        ("", {}),
        ({"A": "x", "N": 5}, {"A": "x", "N": "5"}),
        (["A=x=y", "EMPTY="], {"A": "x=y", "EMPTY": ""}),
        ("A=1\nB=two words", {"A": "1", "B": "two words"}),
    ],
)
def test_pairs(value: Any, result: dict[str, str]) -> None:
    assert definitions.pairs(value, where="env") == result


@pytest.mark.parametrize("value", [["A"], ["=x"], {"A": True}, {"A": ["x"]}, {"A B": "x"}, {5: "x"}])
def test_pairs_that_are_none_are_refused(value: Any) -> None:
    with pytest.raises(BadDefinition, match=r"^env: "):
        definitions.pairs(value, where="env")


def test_a_whole_pod_from_words_is_a_manifest_that_hosts_take() -> None:
    manifest = definitions.pod_manifest(
        name="web",
        images=["nginx:1", "redis"],
        env={"MODE": "test"},
        publish=["8080:80"],
        labels=["tier=front"],
        cpu_count=1.5,
        memory_size="512M",
    )
    variables = [{"name": "MODE", "value": "test"}]
    port = {"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1", "protocol": "TCP"}
    assert manifest == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"tier": "front"}},
        "spec": {
            "restartPolicy": "OnFailure",
            "containers": [{"name": "nginx", "image": "nginx:1", "env": variables, "ports": [port]}, {"name": "redis", "image": "redis", "env": variables}],
            "resources": {"limits": {"cpu": "1.5", "memory": "512Mi"}},
        },
    }
    assert [container.name for container in _manifest.parse(manifest).containers] == ["nginx", "redis"]


@pytest.mark.parametrize("word", ["$", "$$", "$HOME", "$(date)", "$$(date)", "echo $$ $(A) ${A}"])
def test_words_reach_the_container_as_they_were_typed(word: str) -> None:
    container = definitions.pod_manifest(name="job", images=["a"], command=[word], env={"A": word})["spec"]["containers"][0]
    known = {"A": "other", "date": "other"}
    assert (_manifest_env.expand(container["args"][0], known), _manifest_env.expand(container["env"][0]["value"], known)) == (word, word)


def test_a_command_takes_the_place_of_the_images_own_arguments() -> None:
    manifest = definitions.pod_manifest(name="job", images=["busybox"], command=["echo", "{{ hello }}"], restart_policy="Never")
    assert manifest["spec"] == {"restartPolicy": "Never", "containers": [{"name": "busybox", "image": "busybox", "args": ["echo", "{{ hello }}"]}]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"images": []}, "no image is named"),
        ({"images": ["a", "b"], "command": ["ls"]}, "a command goes with one image only"),
        ({"images": ["a"], "publish": ["80:80", "127.0.0.1:80:81"]}, "port 80 of 127.0.0.1 is named twice"),
        ({"images": ["a"], "restart_policy": "Sometimes"}, "Choose one of Always, OnFailure, Never"),
    ],
)
def test_words_that_make_no_pod_are_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(BadDefinition, match=message):
        definitions.pod_manifest(name="web", **words)


POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: a, image: a}]}\n"


def test_a_file_may_hold_several_pods_and_empty_documents() -> None:
    manifests = forms.load_manifests("---\n" + POD % "one" + "---\n---\n" + POD % "two" + "---\n", where="pods.yaml")
    assert [manifest["metadata"]["name"] for manifest in manifests] == ["one", "two"]


def test_a_date_in_a_file_is_text_as_in_kubernetes() -> None:
    text = "kind: Pod\nmetadata: {name: a, annotations: {day: 2024-01-01}}\n"
    assert forms.load_manifests(text, where="pod.yaml")[0]["metadata"]["annotations"] == {"day": "2024-01-01"}


def test_json_may_have_tabs() -> None:
    text = '{\n\t"kind": "Pod",\n\t"metadata": {"name": "a"}\n}'
    assert forms.load_manifests(text, where="pod.json") == [{"kind": "Pod", "metadata": {"name": "a"}}]


def test_a_port_mapping_in_a_file_is_no_number_in_base_60() -> None:
    (manifest,) = forms.load_manifests("kind: Pod\nspec: [3000:22, 1:30.5, 0x10, 1.5, -1]\n", where="pod.yaml")
    assert manifest["spec"] == ["3000:22", "1:30.5", 16, 1.5, -1]


@pytest.mark.parametrize(
    ("document", "form"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []}}, "manifest"),
        ({"kind": "Pod", "containers": []}, "manifest"),
        ({"id": "web", "containers": [], "services": []}, "podfile"),
        ({"Containers": []}, "podfile"),
        ({"services": {"web": {}}}, "compose"),
        ({"name": "web", "services": {"containers": {}}}, "compose"),
        ({}, "manifest"),
        ([], "manifest"),
    ],
)
def test_the_form_of_a_document_is_told_by_its_fields(document: object, form: str) -> None:
    assert forms.form_of(document) == form


def test_a_file_may_hold_documents_of_several_forms() -> None:
    text = POD % "one" + "---\n{id: two, containers: [{image: a}]}\n---\n{name: three, services: {a: {image: a}}}\n"
    assert [manifest["metadata"]["name"] for manifest in forms.load_manifests(text, where="pods.yaml")] == ["one", "two", "three"]


def test_what_is_wrong_in_one_of_several_documents_is_told_with_its_number() -> None:
    with pytest.raises(HyperError, match=r"^pods\.yaml, document 2, containers\[0\]\.image: is required$"):
        forms.load_manifests(POD % "one" + "---\n{id: two, containers: [{}]}\n", where="pods.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind": "Pod", "kind": "Pod"}', "pod.yaml: neither JSON, the key kind stands twice, nor YAML"),
        ('{"kind": "Pod", "spec": {"a": NaN}}\n\t', "pod.yaml: neither JSON, NaN is not a number, nor YAML"),
        ("", "there is no Pod in it"),
        ("a: [", "not YAML"),
        ("a: 1\na: 2\n", "the key a stands twice"),
        ("- 1\n", "is not a Pod manifest"),
        ("kind: Deployment\n", "the kind is Deployment"),
        (POD % "a" + "---\nkind: Service\n", "pod 2: the kind is Service"),
        (POD % "a" + "---\n" + POD % "a", "two pods are named a"),
        ("!!python/object/apply:os.system [ls]\n", "not YAML"),
    ],
)
def test_a_file_without_pods_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadDefinition, match=message) as caught:
        forms.load_manifests(text, where="pod.yaml")
    assert caught.value.where is not None
    assert caught.value.where.startswith("pod.yaml")


def names(request: dict[str, Any]) -> list[str]:
    return [manifest["metadata"]["name"] for manifest in definitions.requested_manifests(request)]


def test_a_survey_may_give_everything_as_text() -> None:
    request = {"name": "web", "images": "nginx, redis\nbusybox", "publish": "8080:80 8443:443", "env": "A=1\nB=2", "cpus": "", "labels": "", "command": ""}
    (manifest,) = definitions.requested_manifests(request)
    assert [container["image"] for container in manifest["spec"]["containers"]] == ["nginx", "redis", "busybox"]
    assert len(manifest["spec"]["containers"][0]["ports"]) == 2
    assert definitions.requested_manifests({"name": "a", "images": "a", "command": "sh -c 'echo $HOME'"})[0]["spec"]["containers"][0]["args"] == [
        "sh",
        "-c",
        "echo $$HOME",
    ]


def test_several_sources_of_pods_stand_together() -> None:
    pod = {"kind": "Pod", "metadata": {"name": "one"}}
    file = {"kind": "Pod", "metadata": {"name": "two"}}
    assert names({"pods": [pod], "definition": [file], "images": ["a"], "name": "three"}) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "there is nothing to run. Set pod_name and pod_images"),
        ({"name": "web", "images": ""}, "there is nothing to run"),
        ({"images": ["a"]}, "^pod_name: the pod has no name"),
        ({"pods": "web"}, "^pods: a list of Pod manifests is needed"),
        ({"pods": [5]}, "is not a Pod manifest"),
        ({"images": [5], "name": "a"}, "5 is not text"),
        ({"images": "a", "name": "a", "command": "echo 'x"}, "^command: "),
        ({"pods": [{"kind": "Pod", "metadata": {"name": "a"}}], "images": "a", "name": "a"}, "two pods are named a"),
    ],
)
def test_variables_that_ask_for_nothing_are_refused_with_an_example(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(BadDefinition, match=message):
        definitions.requested_manifests(request_)
