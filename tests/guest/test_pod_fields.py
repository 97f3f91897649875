# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manifest says is what the containers find, in a real guest."""

from __future__ import annotations

import pytest

from tests.support.guests import wait_for
from tests.support.pods import PodHost, manifest, sh

pytestmark = pytest.mark.guest


def test_resources(pods: PodHost) -> None:
    """A container is held to its limits, its neighbour is left alone, and the guest has what both were promised."""
    limits = {"limits": {"cpu": "500m", "memory": "32Mi"}, "requests": {"cpu": "100m"}}
    own = {"memory": "128Mi"}
    pod = manifest(
        "held",
        {"name": "hungry", "command": sh("sleep 1; tail /dev/zero"), "resources": limits},
        {"name": "free", "resources": {"limits": own}},
    )
    pods.pod(pod, wait="running")
    try:
        group = "/sys/fs/cgroup/container.hungry"
        said = pods.shell("held", "free", f"cat {group}/cpu.max {group}/memory.max {group}/cpu.weight; awk '/MemAvailable/ {{print $2}}' /proc/meminfo").split()
        assert said[:4] == ["50000", "100000", str(32 << 20), "4"]
        assert int(said[4]) >= (32 + 128) * 1024, "the guest cannot hold what its containers were promised"
        wait_for(lambda: pods.info("held")["containers"][0]["state"] == "terminated", "the hungry container to end")
        hungry, free = pods.info("held")["containers"]
        assert (hungry["state"], hungry["reason"], hungry["exitCode"]) == ("terminated", "OOMKilled", 137), hungry
        assert free["state"] == "running"
        # A limit of what it may write, set while it runs, ends them all.
        pods.shell("held", "free", "head -c 3000000 /dev/zero > /much")
        own["ephemeral-storage"] = "2Mi"
        result = pods.pod(pod, wait="completed")
        assert [action["effect"] for action in result["actions"]] == ["live"]
        status = pods.info("held")["status"]
        message = 'Container free exceeded its local ephemeral storage limit "2Mi". '
        assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", message), pods.log("held")
        assert not pods.pod(pod)["changed"]
    finally:
        pods.pod("held", state="absent", grace_period=0)


def test_values_of_config_maps_and_secrets(pods: PodHost) -> None:
    """They reach the containers, and outlive the call that brought them."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": "hush-hush"}}
    pod = manifest(
        "valued",
        {
            "name": "one",
            "env": [
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "envFrom": [{"prefix": "SET_", "configMapRef": {"name": "settings"}}],
        },
        nodeSelector={"disk": "ssd"},
    )
    try:
        result = pods.pod(secret, pod, settings, diff=True)
        assert "hush" not in str(result)
        assert "spec.nodeSelector" in str(result["warnings"])
        assert pods.shell("valued", "one", "echo $TOKEN $NAME $SET_mode") == "hush-hush valued fast"
        assert not pods.pod(settings, secret, pod)["changed"]
        pods.pod("valued", state="restarted")
        assert pods.shell("valued", "one", "echo $TOKEN") == "hush-hush"
        changed = pods.pod(settings, {**secret, "stringData": {"token": "hush-again"}}, pod, check=True)
        assert [action["reason"] for action in changed["actions"]] == ["container one: env changed"]
    finally:
        pods.pod("valued", state="absent", grace_period=0)


def test_names_and_termination_messages(pods: PodHost) -> None:
    """What a container says of its end is known when the guest is off, and so is how the pod fared."""
    pod = manifest(
        "named",
        {"name": "one", "command": sh("hostname; grep default.svc /etc/hosts; printf 'disk full' > /dev/termination-log; exit 3")},
        {"name": "two", "command": sh("echo last line >&2; exit 4"), "terminationMessagePolicy": "FallbackToLogsOnError"},
        subdomain="shop",
        setHostnameAsFQDN=True,
    )
    try:
        pods.pod(pod, wait="completed")
        full = "named.shop.default.svc.cluster.local"
        assert f" F one {full}\n" in pods.log("named")
        assert f"\t{full} named\n" in pods.log("named")
        [found] = pods.module("pod_info", names=["named"], details=True)["pods"]
        assert [each["message"] for each in found["containers"]] == ["disk full", "last line\n"]
        ends = [each["state"]["terminated"] for each in found["status"]["containerStatuses"]]
        assert [(end["exitCode"], end["reason"], end["message"]) for end in ends] == [(3, "Error", "disk full"), (4, "Error", "last line\n")]
        assert found["status"]["startTime"] <= ends[0]["startedAt"] <= ends[0]["finishedAt"] <= found["status"]["conditions"][3]["lastTransitionTime"]
        assert (found["definition"], found["guest"]["running"], found["guest"]["ips"]) == (pod, False, [])
    finally:
        pods.pod("named", state="absent", grace_period=0)


def test_volumes_of_files(pods: PodHost) -> None:
    """ConfigMaps, Secrets and fields as files, with their modes; read-only, in memory, and one by its subPath."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"redis.conf": "port 7\n", "other": "x"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"token": "aHVzaAD/"}}
    mounts = [{"name": name, "mountPath": f"/mnt/{name}"} for name in ("map", "keys", "self", "mixed")]
    pod = manifest(
        "filed",
        {"name": "one", "volumeMounts": [*mounts, {"name": "map", "mountPath": "/etc/redis.conf", "subPath": "sub/redis.conf"}]},
        {"name": "user", "securityContext": {"runAsUser": 1000}, "volumeMounts": mounts},
        securityContext={"fsGroup": 70},
        volumes=[
            {"name": "map", "configMap": {"name": "settings", "items": [{"key": "redis.conf", "path": "sub/redis.conf", "mode": 0o444}]}},
            {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
            {"name": "self", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"name": "mixed", "projected": {"sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "keys"}}]}},
        ],
    )
    try:
        pods.pod(settings, secret, pod)
        assert pods.shell("filed", "one", "cat /mnt/map/sub/redis.conf /etc/redis.conf /mnt/self/name") == "port 7\nport 7\nfiled"
        assert pods.shell("filed", "one", "cd /mnt/mixed; ls; stat -Lc '%a %g' /mnt/map/sub/redis.conf /mnt/keys/token token").split() == [
            *("other", "redis.conf", "token", "444", "70", "440", "70", "644", "70")
        ]
        assert pods.shell("filed", "user", "od -An -tx1 /mnt/keys/token").split() == ["68", "75", "73", "68", "00", "ff"]
        assert pods.exec("filed", "one", "sh", "-c", "echo x > /mnt/keys/token").code != 0
        assert pods.shell("filed", "one", "stat -f -c %T /mnt/keys") == "tmpfs"
    finally:
        pods.pod("filed", state="absent", grace_period=0)


def test_security_contexts(pods: PodHost) -> None:
    """Users, groups, volumes' groups, capabilities, read-only roots and sysctls, as Kubernetes has them."""
    pod = manifest(
        "secured",
        {
            "name": "plain",
            "command": sh(
                "id -u; id -g; id -G; touch /data/new && stat -c '%g %a' /data /data/new; "
                "cd /proc; cat sys/net/ipv4/ip_forward sys/vm/swappiness; grep Seccomp: self/status"
            ),
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        },
        {
            "name": "strict",
            "command": sh("id -u; touch /x 2>&1; grep -E 'NoNewPrivs|CapBnd' /proc/self/status"),
            "securityContext": {
                "runAsUser": 0,
                "runAsNonRoot": False,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            },
        },
        {
            "name": "mighty",
            "command": sh("mount -t tmpfs none /srv && grep Cap[BE] /proc/self/status"),
            "securityContext": {"runAsUser": 0, "runAsNonRoot": False, "privileged": True},
        },
        volumes=[{"name": "data", "emptyDir": {}}],
        securityContext={
            "runAsUser": 1000,
            "runAsGroup": 7,
            "runAsNonRoot": True,
            "supplementalGroups": [60],
            "fsGroup": 70,
            "seccompProfile": {"type": "RuntimeDefault"},
            "sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}, {"name": "vm.swappiness", "value": "7"}],
        },
    )
    try:
        pods.pod(pod, wait="completed")
        log = pods.log("secured")
        said = {
            name: [line.partition(f" {name} ")[2] for line in log.splitlines() if f" F {name} " in line and " event " not in line]
            for name in ("plain", "strict", "mighty")
        }
        assert said["plain"][:2] == ["1000", "7"]
        assert set(said["plain"][2].split()) == {"7", "50", "60", "70"}
        assert said["plain"][3:] == ["70 2777", "70 644", "1", "7", "Seccomp:\t2"]
        assert said["strict"][0] == "0"
        assert "Read-only file system" in said["strict"][1]
        assert said["strict"][2].split() == ["CapBnd:", f"{1 << 10:016x}"]
        assert said["strict"][3].split() == ["NoNewPrivs:", "1"]
        assert int(said["mighty"][0].split()[1], 16) & (1 << 21)
    finally:
        pods.pod("secured", state="absent", grace_period=0)
