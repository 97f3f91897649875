# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files become one Pod manifest, or are refused by the field that a pod cannot say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import split
from ansible_collections.hyper.pods.plugins.plugin_utils import forms

HEALTHCHECK = {"test": ["CMD", "pg_isready"], "interval": "5s", "timeout": "3s", "retries": 2, "start_period": "1m2s"}
PROBE = {"exec": {"command": ["pg_isready"]}, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 2}


def pod(document: Any, **variables: str) -> dict[str, Any]:
    """The Pod of a Compose file, given as text or as a tree."""
    documents = forms.read(document, where="compose.yaml") if isinstance(document, str) else [document]
    *claims, manifest = forms.convert(documents, where="compose.yaml", name="shop", variables=variables)
    assert {claim["kind"] for claim in claims} <= {"PersistentVolumeClaim"}
    return manifest


def service(**fields: Any) -> dict[str, Any]:
    """A Compose file with one service that has these fields beside its image."""
    return {"services": {"web": {"image": "nginx:1", **fields}}}


def container(**fields: Any) -> dict[str, Any]:
    """The container of such a service, without what every container has."""
    (result,) = pod(service(**fields))["spec"]["containers"]
    assert (result.pop("name"), result.pop("image")) == ("web", "nginx:1")
    return dict(result)


def test_a_whole_file() -> None:
    manifest = pod("""
version: "3.8"
name: blog
x-common: &common
  restart: unless-stopped
services:
  web:
    <<: *common
    image: nginx:${TAG:-1}
    ports: ["8080:80", 3000:22]
    depends_on: [app]
    volumes: ["static:/usr/share/nginx/html:ro"]
  app:
    <<: *common
    image: registry.local:5000/app
    command: serve --port 9000
    environment: {PASSWORD: "a$$b", WORKERS: 5}
    volumes: ["static:/srv/static", "/srv/pods/uploads:/uploads"]
volumes:
  static:
""")
    assert manifest == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "blog"},
        "spec": {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 10,
            "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["app", "web"]}],
            "volumes": [
                {"name": "static", "persistentVolumeClaim": {"claimName": "blog-static"}},
                {"name": "srv-pods-uploads", "hostPath": {"path": "/srv/pods/uploads"}},
            ],
            "containers": [
                {
                    "name": "app",
                    "image": "registry.local:5000/app",
                    "args": ["serve", "--port", "9000"],
                    "env": [{"name": "PASSWORD", "value": "a$$b"}, {"name": "WORKERS", "value": "5"}],
                    "volumeMounts": [{"name": "static", "mountPath": "/srv/static"}, {"name": "srv-pods-uploads", "mountPath": "/uploads"}],
                },
                {
                    "name": "web",
                    "image": "nginx:1",
                    "ports": [
                        {"containerPort": 80, "hostPort": 8080, "protocol": "TCP"},
                        {"containerPort": 22, "hostPort": 3000, "protocol": "TCP"},
                    ],
                    "volumeMounts": [{"name": "static", "mountPath": "/usr/share/nginx/html", "readOnly": True}],
                },
            ],
        },
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"command": "sh -c 'echo $$HOME'"}, {"args": ["sh", "-c", "echo $$HOME"]}),
        ({"command": ["a", "b c"]}, {"args": ["a", "b c"]}),
        ({"command": []}, {"args": []}),
        ({"command": None}, {}),
        ({"entrypoint": "/bin/sh -c", "command": ["x"]}, {"command": ["/bin/sh", "-c"], "args": ["x"]}),
        ({"entrypoint": [], "command": ["x", "y"]}, {"command": ["x", "y"]}),
        ({"working_dir": "/srv"}, {"workingDir": "/srv"}),
        ({"environment": ["A=x=y", "EMPTY="]}, {"env": [{"name": "A", "value": "x=y"}, {"name": "EMPTY", "value": ""}]}),
        ({"ports": ["127.0.0.1:53:53/udp"]}, {"ports": [{"containerPort": 53, "hostPort": 53, "hostIP": "127.0.0.1", "protocol": "UDP"}]}),
        ({"ports": ["81-82:91-92"]}, {"ports": [{"containerPort": port + 10, "hostPort": port, "protocol": "TCP"} for port in (81, 82)]}),
        (
            {"ports": [{"target": 80, "published": "8080", "host_ip": "0.0.0.0", "mode": "host", "name": "http"}]},
            {"ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": "0.0.0.0", "protocol": "TCP"}]},
        ),
        (
            {"ports": [{"target": 80}], "expose": [81, "82/udp"]},
            {"ports": [{"containerPort": p, "protocol": q} for p, q in ((80, "TCP"), (81, "TCP"), (82, "UDP"))]},
        ),
        ({"user": 1000}, {"securityContext": {"runAsUser": 1000}}),
        ({"user": "1000:50"}, {"securityContext": {"runAsUser": 1000, "runAsGroup": 50}}),
        ({"cap_add": ["CAP_NET_ADMIN"], "cap_drop": ["ALL"]}, {"securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}}),
        ({"privileged": True, "read_only": True}, {"securityContext": {"privileged": True, "readOnlyRootFilesystem": True}}),
        ({"stop_signal": "SIGRTMIN+3"}, {"lifecycle": {"stopSignal": "SIGRTMIN+3"}}),
        ({"stdin_open": True, "tty": True}, {"stdin": True, "tty": True}),
        ({"pull_policy": "missing"}, {"imagePullPolicy": "IfNotPresent"}),
        ({"healthcheck": HEALTHCHECK}, {"readinessProbe": PROBE}),
        (
            {"healthcheck": {"test": "curl -f localhost || exit 1"}},
            {
                "readinessProbe": {
                    "exec": {"command": ["/bin/sh", "-c", "curl -f localhost || exit 1"]},
                    "periodSeconds": 30,
                    "timeoutSeconds": 30,
                    "failureThreshold": 3,
                }
            },
        ),
        ({"healthcheck": {"test": ["NONE"]}}, {}),
        ({"healthcheck": {"disable": True}}, {}),
        ({"x-note": "anything"}, {}),
    ],
)
def test_fields_of_a_service(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert container(**fields) == expected


@pytest.mark.parametrize(
    ("value", "policy"),
    [(None, "Never"), (False, "Never"), ("no", "Never"), ("always", "Always"), ("unless-stopped", "Always"), ("on-failure", "OnFailure")],
)
def test_restart(value: object, policy: str) -> None:
    assert pod(service(restart=value))["spec"]["restartPolicy"] == policy


def test_services_with_restart_policies_of_their_own() -> None:
    spec = pod({"services": {"a": {"image": "a"}, "b": {"image": "b", "restart": "always"}}})["spec"]
    assert (spec["restartPolicy"], [each.get("restartPolicy") for each in spec["containers"]]) == ("Never", [None, "Always"])


def test_a_service_that_others_wait_for_is_an_init_container() -> None:
    spec = pod(
        {
            "services": {
                "web": {
                    "image": "web",
                    "restart": "always",
                    "depends_on": {"db": {"condition": "service_healthy"}, "migrate": {"condition": "service_completed_successfully"}, "cache": None},
                },
                "cache": {"image": "cache", "restart": "always"},
                "migrate": {"image": "app", "restart": "on-failure", "depends_on": ["db"]},
                "db": {"image": "db", "restart": "always", "healthcheck": HEALTHCHECK},
            }
        }
    )["spec"]
    assert spec["initContainers"] == [
        # 62 seconds of start period are 13 checks.
        {"name": "db", "image": "db", "restartPolicy": "Always", "readinessProbe": PROBE, "startupProbe": {**PROBE, "failureThreshold": 15}},
        {"name": "migrate", "image": "app"},
    ]
    assert [each["name"] for each in spec["containers"]] == ["cache", "web"]


def test_what_an_init_container_depends_on_is_one_too() -> None:
    services = {
        "web": {"image": "web", "depends_on": {"job": {"condition": "service_completed_successfully"}}},
        "job": {"image": "job", "restart": "on-failure", "depends_on": ["db"]},
        "db": {"image": "db", "restart": "always"},
    }
    spec = pod({"services": services})["spec"]
    assert [(each["name"], each.get("restartPolicy")) for each in spec["initContainers"]] == [("db", "Always"), ("job", "OnFailure")]


def test_claims_stand_beside_the_pod_but_for_those_that_others_made() -> None:
    document = {**service(volumes=["v:/a", "v:/b", "made:/c"]), "volumes": {"v": None, "made": {"external": True}, "unused": None}}
    manifests = forms.convert([document], where="compose.yaml", name="shop")
    assert [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests] == [("PersistentVolumeClaim", "shop-v"), ("Pod", "shop")]
    [definition], objects = split(manifests)
    assert [volume.claim for volume in parse(definition, objects).claims] == ["shop-v", "made"]


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        (["/data"], [({"emptyDir": {}}, "/data", {})]),
        (["v:/data"], [({"persistentVolumeClaim": {"claimName": "shop-v"}}, "/data", {})]),
        (["named:/data"], [({"persistentVolumeClaim": {"claimName": "other"}}, "/data", {})]),
        (["made:/data"], [({"persistentVolumeClaim": {"claimName": "made"}}, "/data", {})]),
        (["/srv/a:/data:rw"], [({"hostPath": {"path": "/srv/a"}}, "/data", {})]),
        ([{"type": "tmpfs", "target": "/run", "tmpfs": {"size": "64m"}}], [({"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}, "/run", {})]),
        ([{"type": "tmpfs", "target": "/run"}], [({"emptyDir": {"medium": "Memory"}}, "/run", {})]),
        (
            [{"type": "volume", "source": "v", "target": "/data", "read_only": True, "volume": {"nocopy": True, "subpath": "a"}}],
            [({"persistentVolumeClaim": {"claimName": "shop-v"}}, "/data", {"readOnly": True, "subPath": "a"})],
        ),
        ([{"type": "bind", "source": "/srv/a", "target": "/data"}], [({"hostPath": {"path": "/srv/a"}}, "/data", {})]),
    ],
)
def test_volumes(volumes: list[Any], expected: list[Any]) -> None:
    document = {**service(volumes=volumes), "volumes": {"v": None, "named": {"name": "other", "driver": "local"}, "made": {"external": True}}}
    spec = pod(document)["spec"]
    sources = {volume.pop("name"): volume for volume in spec["volumes"]}
    found = [(sources[mount.pop("name")], mount.pop("mountPath"), mount) for mount in spec["containers"][0]["volumeMounts"]]
    assert found == expected


def test_tmpfs_is_memory() -> None:
    spec = pod(service(tmpfs=["/run:size=8m", "/tmp"]))["spec"]
    assert [volume["emptyDir"] for volume in spec["volumes"]] == [{"medium": "Memory", "sizeLimit": "8Mi"}, {"medium": "Memory"}]
    assert [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]] == ["/run", "/tmp"]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A ${A} ${A:-x} ${A-x} ${A:+y} ${A?no}", "1 1 1 1 y 1"),
        ("${B:-x}|${B-x}|${B:+y}|${B+y}", "x||" + "|y"),
        ("${C:-x}|${C-x}|${C:+y}|${C+y}", "x|x||"),
        ("$$A $$$$ $${A}", "$A $$ ${A}"),
    ],
)
def test_variables(text: str, result: str) -> None:
    manifest = pod(service(environment={"X": text}), A="1", B="")
    assert manifest["spec"]["containers"][0]["env"][0]["value"] == result.replace("$", "$$")


def test_a_variable_of_a_service_may_be_taken_from_the_environment() -> None:
    for environment in (["TOKEN"], {"TOKEN": None}):
        assert pod(service(environment=environment), TOKEN="a$b")["spec"]["containers"][0]["env"] == [{"name": "TOKEN", "value": "a$$b"}]


def test_users_by_name_limits_parameters_and_hosts() -> None:
    manifest = pod(
        service(
            user="www-data:staff",
            group_add=["audio", 44],
            ulimits={"nofile": {"soft": 1024, "hard": 4096}, "core": 0, "memlock": -1},
            sysctls=["net.core.somaxconn=1024"],
            extra_hosts=["db:10.0.0.1", "v6=[::1]"],
        )
    )
    assert manifest["metadata"]["annotations"] == {
        "hyper.pods/user.web": "www-data:staff",
        "hyper.pods/groups.web": "audio,44",
        "hyper.pods/ulimits.web": "nofile=1024:4096,core=0:0,memlock=-1:-1",
    }
    assert manifest["spec"]["securityContext"] == {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}
    assert manifest["spec"]["hostAliases"] == [{"ip": "10.0.0.1", "hostnames": ["db"]}, {"ip": "::1", "hostnames": ["v6"]}]
    assert "runAsUser" not in str(manifest)
    parse(manifest)


@pytest.mark.parametrize("labels", [{"tier": "front", "port": 80, "mark": None}, ["tier=front", "port=80", "mark"]])
def test_labels_are_a_containers_own(labels: object) -> None:
    manifest = pod(service(labels=labels))
    assert parse(manifest).containers[0].annotations.labels == {"tier": "front", "port": "80", "mark": ""}


def services(**of: dict[str, Any]) -> dict[str, Any]:
    """A Compose file with services that have an image each."""
    return {"services": {name: {"image": name, **fields} for name, fields in of.items()}}


COMPLETED = {"condition": "service_completed_successfully"}
HEALTHY = {"condition": "service_healthy"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"services": {}}, "services: needs at least one service"),
        ({"services": {"my_web": None}}, "services: 'my_web' must be at most 63 lower-case letters"),
        ({"services": {"web": None}}, "services.web: says nothing"),
        ({**service(), "name": "No_Good"}, "name: 'No_Good' must be at most 63 lower-case letters"),
        ({**service(), "networks": {"a": None}}, "networks: not supported: the services of a pod share one network"),
        ({**service(), "secrets": {"a": {"file": "a"}}}, "secrets: not supported: write it as a volume"),
        ({"services": {"web": {"build": "."}}}, "services.web.build: not supported: images are not built here. Build the image, push it"),
        ({"services": {"web": {}}}, "services.web.image: is required"),
        (service(build="."), "services.web.build: not supported: images are not built here"),
        (service(imag="x"), "services.web.imag: unknown field. Did you mean image?"),
        (service(networks=["a"]), "services.web.networks: not supported: the services of a pod share one network"),
        (service(deploy={"replicas": 2}), "services.web.deploy: not supported"),
        (service(labels={"a": True}), "services.web.labels[a]: must be text. Put it in quotes"),
        (service(command="echo 'x"), "services.web.command: cannot be split into words: no closing quotation"),
        (service(entrypoint=[]), "services.web.command: is required beside an empty entrypoint"),
        (service(environment=["A"]), "services.web.environment[A]: has no value"),
        (service(environment={"A": True}), "services.web.environment[A]: must be text. Put it in quotes"),
        (service(environment={"A": "$X"}), "services.web.environment.A: the variable X is not set. Set it, or write ${X:-DEFAULT}"),
        (service(environment={"A": "${X:?needed}"}), "services.web.environment.A: the variable X is not set: needed"),
        (service(command=["a", "5$"]), "services.web.command[1]: '5$' has a $ that begins no variable. Write $$ for one $"),
        (service(ports=["80"]), "services.web.ports[0]: not supported: no port of the host is chosen for a pod. Write HOST:80"),
        (service(ports=[80]), "services.web.ports[0]: not supported: no port of the host is chosen for a pod"),
        (service(ports=["a:80"]), "services.web.ports[0]: 'a:80' is not a published port"),
        (service(ports=["8000-8010:80"]), "services.web.ports[0]: not supported: no port can be chosen from 8000-8010"),
        (service(ports=[{"published": 80}]), "services.web.ports[0].target: is required"),
        (service(restart="on-failure:3"), "services.web.restart: not supported: restarts are not counted. Write on-failure"),
        (service(restart="sometimes"), "services.web.restart: must be one of no, always, unless-stopped, on-failure, not 'sometimes'"),
        (service(user="www data"), "services.web.user: 'www data' is not of the form app or app:staff"),
        (service(group_add=["a b"]), "services.web.group_add: 'a b' is not a group"),
        (service(ulimits={"files": 5}), "services.web.ulimits: 'files' is not a limit"),
        (service(ulimits={"nofile": "many"}), "services.web.ulimits.nofile: must be a whole number, or soft and hard"),
        (service(ulimits={"nofile": {"soft": 2}}), "services.web.ulimits.nofile: must be a whole number, or soft and hard"),
        (service(extra_hosts=["db"]), "services.web.extra_hosts[0]: 'db' is not of the form NAME=VALUE"),
        (service(extra_hosts=["db:host-gateway"]), "services.web.extra_hosts[0]: 'host-gateway' is not an address"),
        (services(a={"sysctls": {"x": 1}}, b={"sysctls": ["x=2"]}), "services.b.sysctls[0]: another service sets '1'; the services of a pod share one kernel"),
        (services(a={"extra_hosts": {"x": "::1"}}, b={"extra_hosts": ["x=::2"]}), "services.b.extra_hosts[0]: another service has ::1 for x"),
        (service(stop_grace_period="500ms"), "services.web.stop_grace_period: '500ms' is not a duration in whole seconds"),
        (services(a={}, b={"stop_grace_period": "1m"}), "services.b.stop_grace_period: not supported: a pod has one grace period; another service has 10 s"),
        (service(healthcheck={"interval": "5s"}), "services.web.healthcheck.test: must be a text, or a list that begins with CMD"),
        (service(healthcheck={"test": "x", "start_interval": "1s"}), "services.web.healthcheck.start_interval: not supported: a probe has one interval"),
        (service(volumes=["./a:/a"]), "services.web.volumes[0]: not supported: './a' is a path beside the Compose file"),
        (service(volumes=["v:/a"]), "services.web.volumes[0]: there is no volume 'v'. Volumes of this file: none"),
        (service(volumes=["/a:/b:z"]), "services.web.volumes[0]: not supported: a volume has the access modes rw and ro, not 'z'"),
        (service(volumes=["/a:/b:/c"]), "services.web.volumes[0]: '/a:/b:/c' is not a volume"),
        (service(volumes=["/a:/"]), "services.web.volumes[0]: '/' must be an absolute path"),
        (service(tmpfs="/run:mode=0700"), "services.web.tmpfs[0]: not supported: a tmpfs has the option size only, not 'mode'"),
        ({**service(), "volumes": {"v": {"driver": "nfs"}}}, "volumes.v.driver: not supported: a volume lies on the host"),
        (services(a={"ports": ["1:80"]}, b={"ports": ["2:80"]}), "services.b.ports: 80/tcp is the port of a too; the services of a pod share one network"),
        (services(a={"depends_on": ["b"]}), "services.a.depends_on: there is no service 'b'. Services: a"),
        (services(a={"depends_on": {"a": {"condition": "soon"}}}), "services.a.depends_on.a.condition: must be one of service_started"),
        (services(a={"depends_on": {"b": {"required": False}}}, b={}), "services.a.depends_on.b.required: not supported"),
        (services(a={"depends_on": ["b"]}, b={"depends_on": ["a"]}), "services: depend on each other in a circle: "),
        (services(a={"depends_on": {"b": HEALTHY}}, b={"restart": "always"}), "services.b.healthcheck: is required, since a service waits"),
        (services(a={"depends_on": {"b": HEALTHY}}, b={"healthcheck": HEALTHCHECK}), "services.b.restart: not supported: a service that others wait for is a"),
        (services(a={"depends_on": {"b": COMPLETED}}, b={"restart": "always"}), "services.b.restart: a service that others wait for to complete cannot be"),
        (services(a={"depends_on": {"b": COMPLETED}}, b={"healthcheck": HEALTHCHECK}), "services.b.healthcheck: not supported: a service that others wait"),
    ],
)
def test_refusals(document: dict[str, Any], message: str) -> None:
    with pytest.raises(HyperError) as caught:
        pod(document)
    assert f"compose.yaml, {message}" in str(caught.value)


def test_a_pod_needs_a_name() -> None:
    with pytest.raises(HyperError, match=r"^compose\.yaml, name: is required"):
        forms.convert([service()], where="compose.yaml")
