# SPDX-License-Identifier: GPL-3.0-or-later
"""Podfiles of Hyper become Pod manifests, or are refused by the field that a manifest cannot say."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import Network, Nic
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import split
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.plugin_utils import forms, podfile


def pod(text: str, **options: Any) -> dict[str, Any]:
    """The Pod of a podfile's text."""
    return forms.convert(forms.read(text, where="web.pod"), where="web.pod", **options)[-1]


def minimal(**fields: Any) -> dict[str, Any]:
    """A podfile with one container; fields of the pod."""
    return {"id": "web", "containers": [{"name": "nginx", "image": "nginx:1"}], **fields}


def of_container(**fields: Any) -> dict[str, Any]:
    """A podfile whose one container has these fields beside its name and image."""
    return {"id": "web", "containers": [{"name": "nginx", "image": "nginx:1", **fields}]}


def test_a_pod_of_several_containers() -> None:
    manifest = pod("""{
	"id": "shop",
	"containers" : [
		{"name": "web", "image": "tomcat:latest"},
		{"name": "top", "image": "ubuntu:latest", "workdir": "/", "command": ["/usr/bin/top"]},
		{"name": "vmstat", "image": "ubuntu:latest", "workdir": "/", "command": ["/usr/bin/vmstat", "1", "10"], "restartPolicy": "always"}],
	"resource": {"vcpu": 1, "memory": 512},
	"files": [], "volumes": [], "tty": true}""")
    terminal = {"stdin": True, "tty": True}
    assert manifest == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop"},
        "spec": {
            "containers": [
                {"name": "web", "image": "tomcat:latest", **terminal},
                {"name": "top", "image": "ubuntu:latest", "args": ["/usr/bin/top"], "workingDir": "/", **terminal},
                {
                    "name": "vmstat",
                    "image": "ubuntu:latest",
                    "args": ["/usr/bin/vmstat", "1", "10"],
                    "workingDir": "/",
                    **terminal,
                    "restartPolicy": "Always",
                },
            ],
            "restartPolicy": "Never",
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
        },
    }


INSERTED = """{
	"id": "inserted",
	"containers": [{
		"name": "tester", "image": "ubuntu:latest",
		"files": [
			{"path": "/root/test/", "filename": "resolv.conf", "perm": "0600"},
			{"path": "/root/test/t1", "filename": "data", "perm": "0644", "user": "0", "group": "root"},
			{"path": "/root/test/t2", "filename": "data2"},
			{"path": "/root/test/t3", "filename": "logo", "perm": "0"},
			{"path": "/etc/own", "perm": "0644", "detail": {"name": "own", "content": "mine"}}]}],
	"files": [
		{"name": "resolv.conf", "encoding": "raw", "uri": "file:///etc/resolv.conf"},
		{"name": "data", "encoding": "raw", "content": ""},
		{"name": "data2", "encoding": "base64", "content": "aGVsbG8sDQpoeXBlciENCg=="},
		{"name": "logo", "uri": "https://example.org/logo.png"},
		{"name": "unused", "content": "unused"}]}"""


def test_inserted_files_are_a_config_map_with_a_path_for_each_permission() -> None:
    contents = {"file:///etc/resolv.conf": b"nameserver 10.0.2.3\n", "https://example.org/logo.png": b"\x89PNG"}
    config_map, manifest = podfile.convert(forms.read(INSERTED, where="web.pod")[0], fetch=contents.__getitem__)
    assert config_map == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "inserted-files"},
        "data": {"resolv-conf": "nameserver 10.0.2.3\n", "data": "", "data2": "hello,\r\nhyper!\r\n", "own": "mine"},
        "binaryData": {"logo": base64.b64encode(b"\x89PNG").decode()},
    }
    (volume,) = manifest["spec"]["volumes"]
    assert volume["configMap"]["name"] == "inserted-files"
    assert {item["path"]: (item["key"], item["mode"]) for item in volume["configMap"]["items"]} == {
        "0600/resolv-conf": ("resolv-conf", 0o600),
        "0644/data": ("data", 0o644),
        "0755/data2": ("data2", 0o755),
        "0000/logo": ("logo", 0),
        "0644/own": ("own", 0o644),
    }
    assert {mount["mountPath"]: mount["subPath"] for mount in manifest["spec"]["containers"][0]["volumeMounts"]} == {
        "/root/test/resolv.conf": "0600/resolv-conf",
        "/root/test/t1": "0644/data",
        "/root/test/t2": "0755/data2",
        "/root/test/t3": "0000/logo",
        "/etc/own": "0644/own",
    }


def test_a_mapped_file_and_volumes_that_two_containers_share() -> None:
    manifest = pod("""{
	"id": "volumes",
	"containers": [
		{"name": "web", "image": "tomcat", "volumes": [
			{"volume": "log", "path": "/var/log", "readOnly": false},
			{"volume": "resolv.conf", "path": "/etc/resolv.conf", "readOnly": true}]},
		{"name": "shell", "image": "ubuntu", "volumes": [
			{"volume": "log", "path": "/var/log/"},
			{"path": "/export", "detail": {"name": "share", "source": "192.168.80.72:/export", "format": "nas", "fstype": "nfs"}}]}],
	"volumes": [
		{"name": "log", "source": "", "format": ""},
		{"name": "resolv.conf", "source": "/etc/resolv.conf", "driver": "vfs"},
		{"name": "tmp", "source": "/tmp", "format": "vfs"}]}""")
    assert manifest["spec"]["volumes"] == [
        {"name": "log", "emptyDir": {}},
        {"name": "resolv-conf", "hostPath": {"path": "/etc/resolv.conf"}},
        {"name": "tmp", "hostPath": {"path": "/tmp"}},
        {"name": "share", "nfs": {"server": "192.168.80.72", "path": "/export"}},
    ]
    assert [container["volumeMounts"] for container in manifest["spec"]["containers"]] == [
        [{"name": "log", "mountPath": "/var/log"}, {"name": "resolv-conf", "mountPath": "/etc/resolv.conf", "readOnly": True}],
        [{"name": "log", "mountPath": "/var/log"}, {"name": "share", "mountPath": "/export"}],
    ]


def test_disk_images_are_volumes_of_the_host_that_begin_with_them() -> None:
    volumes = [
        {"name": "data.1", "source": "/srv/pods/a.qcow2", "format": "qcow2"},
        {"name": "old", "source": "/srv/pods/b", "format": "raw", "fstype": "ext4"},
    ]
    mounts = [{"volume": "data.1", "path": "/a"}, {"volume": "data.1", "path": "/b", "readOnly": True}, {"volume": "old", "path": "/c"}]
    *claims, manifest = podfile.convert({**of_container(volumes=mounts), "volumes": volumes})
    [definition], objects = split([*claims, manifest])
    pod_claims = {claim.name: claim for item in objects.values() if (claim := item.claim)}
    name = manifest["metadata"]["name"]
    assert [(claim.name, claim.source, claim.form) for claim in pod_claims.values()] == [
        (f"{name}-data-1", "/srv/pods/a.qcow2", "qcow2"),
        (f"{name}-old", "/srv/pods/b", "raw"),
    ]
    made = parse(definition, objects)
    assert [(volume.name, volume.claim) for volume in made.claims] == [("data-1", f"{name}-data-1"), ("old", f"{name}-old")]
    assert [(mount.name, mount.read_only) for mount in made.containers[0].mounts] == [("data-1", False), ("data-1", True), ("old", False)]


def test_port_mappings_with_ranges_are_ports_of_the_first_container() -> None:
    manifest = pod("""{
	"id": "port-mapping-test",
	"containers": [{"name": "pmtest", "image": "busybox:latest", "command": ["/bin/nc", "-l", "-p", "1300"],
		"ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]}],
	"portmappings": [{"containerport": "1300-1302", "hostport": "3000-3002", "protocol": "tcp"}, {"containerPort": 22, "hostPort": "2222"}]}""")
    ports = [(port.get("hostPort"), port["containerPort"], port["protocol"]) for port in manifest["spec"]["containers"][0]["ports"]]
    assert ports == [(8080, 80, "TCP"), (None, 53, "UDP"), (3000, 1300, "TCP"), (3001, 1301, "TCP"), (3002, 1302, "TCP"), (2222, 22, "TCP")]


def test_a_user_with_groups() -> None:
    spec = podfile.convert(of_container(user={"name": "1000", "group": "13", "additionalGroups": ["8", "24"]}))[0]["spec"]
    assert spec["containers"][0]["securityContext"] == {"runAsUser": 1000, "runAsGroup": 13}
    assert spec["securityContext"] == {"supplementalGroups": [8, 24]}


def test_users_and_groups_by_name_and_limits_are_annotations() -> None:
    user = {"name": "nobody", "group": "13", "additionalGroups": ["cdrom", "8"]}
    limits = [{"Name": "nofile", "Soft": 1024, "Hard": 4096}, {"name": "core"}, {"name": "memlock", "soft": -1, "hard": -1}]
    containers = [{"name": "a", "image": "a", "user": user, "ulimits": limits}, {"name": "b", "image": "b", "user": {"additionalGroups": ["8"]}}]
    manifest = podfile.convert(minimal(containers=containers))[0]
    assert manifest["metadata"]["annotations"] == {
        "hyper.pods/user.a": "nobody:13",
        "hyper.pods/groups.a": "cdrom,8",
        "hyper.pods/ulimits.a": "nofile=1024:4096,core=0:0,memlock=unlimited:unlimited",
        "hyper.pods/groups.b": "8",
    }
    assert "securityContext" not in str(manifest)
    first, second = parse(manifest).containers
    assert (first.annotations.user, first.annotations.groups, second.annotations.groups) == ("nobody:13", ("cdrom", "8"), ("8",))
    assert [(limit.resource, limit.soft, limit.hard) for limit in first.annotations.ulimits] == [(4, 0, 0), (7, 1024, 4096), (8, 2**64 - 1, 2**64 - 1)]


@pytest.mark.parametrize(
    ("lists", "address"),
    [({}, None), ({"externalNetworks": ["0.0.0.0/0"], "internalNetworks": ["127.0.0.1/32"]}, "0.0.0.0"), ({"externalNetworks": ["127.0.0.0/8"]}, None)],
)
def test_who_may_come_to_mapped_ports(lists: dict[str, Any], address: str | None) -> None:
    mappings = [{"containerPort": "80-81", "hostPort": "8080-8081"}]
    ports = podfile.convert(minimal(portmappings=mappings, portmappingWhiteLists=lists))[0]["spec"]["containers"][0]["ports"]
    assert [port.get("hostIP") for port in ports] == [address] * 2


def test_only_some_may_come_to_mapped_ports() -> None:
    lists = {"externalNetworks": ["10.0.0.0/8", "127.0.0.0/8", "2001:db8::/32"]}
    manifest = podfile.convert(minimal(portmappings=[{"containerPort": 80, "hostPort": 8080}], portmappingWhiteLists=lists))[0]
    assert manifest["metadata"]["annotations"] == {"hyper.pods/network": "nat", "hyper.pods/published-from": "10.0.0.0/8, 2001:db8::/32"}
    assert parse(manifest).network == Network((Nic("nat", "default"),), ("10.0.0.0/8", "2001:db8::/32"))
    [port] = manifest["spec"]["containers"][0]["ports"]
    assert port["hostIP"] == "0.0.0.0"


def test_interfaces_are_nics() -> None:
    interfaces = [{"ip": "10.83.0.9/24"}, {"bridge": "br0", "ip": "192.168.1.20/24", "gateway": "192.168.1.1", "mac": "52:54:00:12:34:56"}]
    pod = parse(podfile.convert(minimal(interfaces=interfaces))[0])
    own = Nic("nat", "default", addresses=("10.83.0.9",))
    assert pod.network.nics == (own, Nic("bridge", "", "br0", ("192.168.1.20/24",), ("192.168.1.1",), "52:54:00:12:34:56", dhcp=False))


def test_an_interface_without_an_address_is_given_one() -> None:
    [nic] = parse(podfile.convert(minimal(interfaces=[{"bridge": "br0"}]))[0]).network.nics
    assert (nic.bridge, nic.addresses, nic.dhcp) == ("br0", (), True)


def test_labels_of_a_container_are_its_own() -> None:
    manifest = podfile.convert(of_container(labels={"tier": "front", "": "a, b"}))[0]
    assert "labels" not in manifest["metadata"]
    assert parse(manifest).containers[0].annotations.labels == {"tier": "front", "": "a, b"}


def test_a_podfile_in_yaml() -> None:
    manifest = pod("""
# a web server
id: web
hostname: shop
labels: {tier: front}
restartPolicy: onFailure
dns: [10.0.0.1]
dnsSearch: [example.org]
dnsOptions: ["ndots:2", rotate]
log: {type: json-file}
resource: {memory: "128"}
containers:
  - image: registry.local:5000/nginx:1
    entrypoint: [/bin/sh, -c]
    command: ["echo $HOME $(date)"]
    envs: [{env: COST, value: "5$"}]
    sysctl: {net.core.somaxconn: "1024"}
    StopSignal: quit
    readOnly: true
""")
    assert manifest["metadata"] == {"name": "web", "labels": {"tier": "front"}}
    assert manifest["spec"] == {
        "hostname": "shop",
        "restartPolicy": "OnFailure",
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.1"], "searches": ["example.org"], "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]},
        "resources": {"limits": {"memory": "128Mi"}},
        "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]},
        "containers": [
            {
                "name": "nginx",
                "image": "registry.local:5000/nginx:1",
                "command": ["/bin/sh", "-c"],
                "args": ["echo $$HOME $$(date)"],
                "env": [{"name": "COST", "value": "5$$"}],
                "securityContext": {"readOnlyRootFilesystem": True},
                "lifecycle": {"stopSignal": "SIGQUIT"},
            }
        ],
    }


def test_containers_that_agree_on_a_restart_policy_give_it_to_the_pod() -> None:
    document = minimal(containers=[{"name": "a", "image": "a", "restartPolicy": "always"}, {"name": "b", "image": "b", "restartPolicy": "Always"}])
    spec = podfile.convert(document)[0]["spec"]
    assert spec == {"restartPolicy": "Always", "containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b"}]}


def test_empty_values_say_nothing() -> None:
    empty = minimal(hostname="", interfaces=[], services=[], portmappingWhiteLists={}, log={}, dns=[], resource={"vcpu": 0, "memory": 0}, type="")
    assert podfile.convert(empty) == podfile.convert(minimal())


FILE = {"path": "/f", "filename": "f"}
SYSCTLS = [{"name": "a", "image": "a", "sysctl": {"x": "1"}}, {"name": "b", "image": "b", "sysctl": {"x": "2"}}]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"containers": [{"image": "a"}]}, "id: is required. Name the pod"),
        (minimal(id="No_Good"), "id: 'No_Good' must be at most 63 lower-case letters"),
        (minimal(ID="x"), "ID: stands twice, as id and ID"),
        (minimal(containers=[]), "containers: needs at least one container"),
        (minimal(hostnam="x"), "hostnam: unknown field. Did you mean hostname?"),
        (minimal(surprise=""), "surprise: unknown field"),
        (minimal(type="service-discovery"), "type: not supported"),
        (minimal(restartPolicy="sometimes"), "restartPolicy: must be one of always, onFailure, never, not 'sometimes'"),
        (minimal(interfaces=[{"bridge": "br0", "gateway": "10.0.0.1"}]), "interfaces[0].gateway: with dhcp, addresses of IPv4 are the network's to give"),
        (minimal(interfaces=[{"bridge": "br0", "ip": "10.0.0.9"}]), "interfaces[0].ip: '10.0.0.9' has no prefix. Write for example 10.0.0.9/24"),
        (minimal(interfaces=[{"bridge": "b r", "ip": "10.0.0.9/8"}]), "interfaces[0].bridge: 'b r' is not the name of an interface"),
        (minimal(interfaces=[{}, {"mac": "01:00:00:00:00:00"}]), "interfaces[1].mac: '01:00:00:00:00:00' is not the address of a NIC"),
        (minimal(interfaces=[{}, {}]), "interfaces[1]: the pod is on the network 'default' already"),
        (minimal(interfaces=[{"gateway": "10.0.0.1"}]), "interfaces[0].gateway: not supported: a network of the host's own has its gateway. Remove the field"),
        (minimal(interfaces=[{"bridge": "br0", "ip": "10.0.0.9/8", "gateway": "x"}]), "interfaces[0].gateway: 'x' is not an IP address"),
        (minimal(interfaces=[{"ifname": "lan0"}]), "interfaces[0].ifname: not supported: the guest names its NICs eth0, eth1, and so on"),
        (minimal(interfaces=[{"tap": "tap0"}]), "interfaces[0].tap: not supported: a pod's taps are made for it"),
        (
            minimal(interfaces=[{"bridge": "br0", "ip": "10.0.0.9/8"}], portmappings=[{"containerPort": 80, "hostPort": 80}]),
            "portmappings: not supported: a pod on a bridge has addresses of its own there",
        ),
        (minimal(services=[{"serviceIP": "10.0.0.1"}]), "services: not supported: a pod holds no load balancer; run one as a container"),
        (minimal(portmappingWhiteLists={"internalNetworks": ["10.0.0.0/8"]}), "portmappingWhiteLists.internalNetworks[0]: not supported: nobody reaches a pod"),
        (minimal(portmappingWhiteLists={"externalNetworks": ["10.0.0.1/8"]}), "portmappingWhiteLists.externalNetworks[0]: '10.0.0.1/8' is not a network"),
        (minimal(log={"type": "syslog"}), "log.type: not supported: output goes to the pod's log"),
        (minimal(log={"type": "json-file", "config": {"max-size": "1m"}}), "log.config: not supported: the pod's log has no options"),
        (minimal(resource={"memory": "much"}), "resource.memory: must be a whole number, not 'much'"),
        (minimal(portmappings=[{"containerPort": "80", "hostPort": "8080-8090"}]), "portmappings[0]: not supported: no port can be chosen from 8080-8090"),
        (minimal(portmappings=[{"containerPort": "80-82", "hostPort": "80-88"}]), "portmappings[0]: 80-88 and 80-82 are not ranges of the same length"),
        (minimal(portmappings=[{"containerPort": "80"}]), "portmappings[0].hostPort: not supported: no port of the host is chosen"),
        (minimal(portmappings=[{"hostPort": "80"}]), "portmappings[0].containerPort: is required"),
        (minimal(portmappings=[{"containerPort": "22--23", "hostPort": "1"}]), "portmappings[0]: '22--23' is neither a port nor a range"),
        (minimal(portmappings=[{"containerPort": "23-22", "hostPort": "1-2"}]), "portmappings[0]: '23-22' must go upwards, between 1 and 65535"),
        (minimal(portmappings=[{"containerPort": "1", "hostPort": "1", "protocol": "icmp"}]), "portmappings[0]: must be one of tcp, udp, not 'icmp'"),
        (minimal(volumes=[{"name": "v", "source": "/a.vdi", "format": "vdi"}]), "volumes[0].format: not supported: a volume is no vdi image. Convert it"),
        (minimal(volumes=[{"name": "v", "source": "rbd/a", "format": "rbd"}]), "volumes[0].format: not supported: a volume is no rbd image"),
        (minimal(volumes=[{"name": "v", "source": "a.img", "format": "raw"}]), "volumes[0].source: 'a.img' must be an absolute path without '..'"),
        (
            minimal(volumes=[{"name": "v", "source": "/a.img", "format": "raw", "fstype": "xfs"}]),
            "volumes[0].fstype: not supported: the guest's kernel reads ext4, not xfs. Make the image with ext4",
        ),
        (minimal(volumes=[{"name": "v", "source": "/a", "driver": "floppy"}]), "volumes[0].driver: must be one of vfs, nas, raw, qcow2, vdi, rbd"),
        (minimal(volumes=[{"name": "v", "source": "/a"}]), "volumes[0].format: is required beside a source. Write vfs"),
        (minimal(volumes=[{"name": "v", "source": "/a", "format": "nas"}]), "volumes[0].source: '/a' is not of the form SERVER:/PATH"),
        (minimal(volumes=[{"name": "v", "cache": "none"}]), "volumes[0].cache: not supported: the cache of a disk is not chosen"),
        (minimal(volumes=[{"name": "v"}, {"name": "v"}]), "volumes[1].name: 'v' occurs twice"),
        (minimal(files=[{"name": "f", "encoding": "base64", "content": "VsbG8sDQpoeXBlciENCg="}]), "files[0].content: is not base64"),
        (minimal(files=[{"name": "f", "uri": "http://example.org/"}]), "files[0].uri: not supported: files are fetched by the command hyper only"),
        (minimal(files=[{"name": "f", "uri": "http://example.org/", "content": "x"}]), "files[0].content: stands beside a uri"),
        (minimal(containers=SYSCTLS), "containers[1].sysctl[x]: another container sets '1'; the containers of a pod share one kernel"),
        (minimal(containers=[{"name": "a", "image": "a"}] * 2), "containers[0].name: 'a' occurs twice"),
        (of_container(image=""), "containers[0].image: is required"),
        (of_container(id="other"), "containers[0].id: not supported: a container is known by its name"),
        (of_container(labels={"a": 5}), "containers[0].labels[a]: must be a string, not a whole number. Put it in quotes"),
        (of_container(ulimits=[{"Name": "files"}]), "containers[0].ulimits: 'files' is not a limit"),
        (of_container(ulimits=[{"Name": "core"}, {"Name": "core"}]), "containers[0].ulimits: core stands twice"),
        (of_container(ulimits=[{"Name": "core", "soft": 2, "hard": 1}]), "containers[0].ulimits: the soft limit of core is above the hard one"),
        (of_container(ulimits=[{"Name": "core", "soft": "x"}]), "containers[0].ulimits[0].soft: must be a whole number, or -1 for no limit, not 'x'"),
        (of_container(logPath="/log"), "containers[0].logPath: not supported: the output of all containers goes to the pod's one log; read it with hyper logs"),
        (of_container(StopSignal="SIGNOPE"), "containers[0].StopSignal: 'SIGNOPE' is not a signal"),
        (of_container(user={"name": "no body"}), "containers[0].user: 'no body' is not of the form app or app:staff"),
        (of_container(user={"group": "staff"}), "containers[0].user.name: is required beside the name of a group"),
        (of_container(user={"additionalGroups": ["a,b:c"]}), "containers[0].user.additionalGroups: 'b:c' is not a group"),
        (of_container(envs=[{"env": "A", "vale": "x"}]), "containers[0].envs[0].vale: unknown field. Did you mean value?"),
        (of_container(ports=[{"containerPort": 80, "servicePort": 80}]), "containers[0].ports[0].servicePort: not supported: a pod holds no load balancer"),
        (of_container(ports=[{"containerPort": 80, "protocol": "sctp"}]), "containers[0].ports[0].protocol: must be one of tcp, udp, not 'sctp'"),
        (of_container(volumes=[{"volume": "v", "path": "/v"}]), "containers[0].volumes[0].volume: there is no volume 'v'. Volumes of this podfile: none"),
        (of_container(volumes=[{"detail": {"name": "v"}, "path": "v"}]), "containers[0].volumes[0].path: 'v' must be an absolute path"),
        (of_container(files=[FILE]), "containers[0].files[0].filename: there is no file 'f'"),
        ({**of_container(files=[{**FILE, "perm": "rw"}]), "files": [{"name": "f"}]}, "containers[0].files[0].perm: 'rw' is not of the form 0644"),
        ({**of_container(files=[{**FILE, "user": "1000"}]), "files": [{"name": "f"}]}, "containers[0].files[0].user: not supported: inserted files belong"),
    ],
)
def test_refusals(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        podfile.convert(document)
    assert message in str(caught.value)


def test_what_cannot_be_fetched_is_told_with_the_files_path() -> None:
    def fetch(uri: str) -> bytes:
        raise HyperError(f"{uri} cannot be fetched: no route")

    with pytest.raises(InvalidManifest, match=r"^files\[0\]\.uri: http://a/ cannot be fetched: no route$"):
        podfile.convert(minimal(files=[{"name": "f", "uri": "http://a/"}]), fetch=fetch)


def test_inserted_files_stand_before_their_pod() -> None:
    assert [each["kind"] for each in forms.load_manifests(INSERTED, where="web.pod", fetch=lambda _uri: b"")] == ["ConfigMap", "Pod"]
