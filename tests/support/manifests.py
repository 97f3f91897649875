# SPDX-License-Identifier: GPL-3.0-or-later
"""One manifest that says everything that is honoured or noted."""

from __future__ import annotations

import copy
import re
from typing import Any

FULL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "full",
        "namespace": "default",
        "labels": {"app": "full"},
        "annotations": {"note": "anything"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "uid": "1-2",
        "resourceVersion": "7",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "full", "uid": "3", "controller": True}],
    },
    "spec": {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "activeDeadlineSeconds": 600,
        "hostname": "full",
        "subdomain": "shop",
        "setHostnameAsFQDN": True,
        "imagePullSecrets": [{"name": "registry"}],
        "shareProcessNamespace": True,
        "hostNetwork": False,
        "hostIPC": False,
        "hostPID": False,
        "os": {"name": "linux"},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db", "db.example.org"]}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.2"], "searches": ["example.org"], "options": [{"name": "ndots", "value": "2"}]},
        "overhead": {"memory": "16Mi"},
        "resources": {"limits": {"cpu": "1500m", "memory": "256Mi"}, "requests": {"cpu": 1}},
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "runAsNonRoot": True,
            "supplementalGroups": [50, 60],
            "supplementalGroupsPolicy": "Merge",
            "fsGroup": 70,
            "fsGroupChangePolicy": "OnRootMismatch",
            "sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}],
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
                }
            },
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": "host", "labelSelector": {"matchLabels": {"app": "full"}}}}
                ]
            },
        },
        "automountServiceAccountToken": False,
        "nodeSelector": {"disk": "ssd"},
        "priority": 5,
        "priorityClassName": "high",
        "serviceAccountName": "robot",
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "ram", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
            {"name": "map", "configMap": {"name": "settings", "optional": True, "defaultMode": 0o400, "items": [{"key": "a", "path": "b/c", "mode": 0o444}]}},
            {"name": "keys", "secret": {"secretName": "keys", "optional": True, "defaultMode": 0o400, "items": [{"key": "a", "path": "b"}]}},
            {"name": "self", "downwardAPI": {"defaultMode": 0o444, "items": [{"path": "labels", "mode": 0o400, "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"name": "room", "downwardAPI": {"items": [{"path": "cpu", "resourceFieldRef": {"containerName": "one", "resource": "limits.cpu"}}]}},
            {"name": "kept", "persistentVolumeClaim": {"claimName": "kept", "readOnly": True}},
            {"name": "raw", "persistentVolumeClaim": {"claimName": "raw"}},
            {"name": "host", "hostPath": {"path": "/srv/pods/a", "type": "DirectoryOrCreate"}},
            {"name": "remote", "nfs": {"server": "10.0.2.2", "path": "/a", "readOnly": True}},
            {"name": "seed", "image": {"reference": "tools", "pullPolicy": "Never"}},
            {
                "name": "mixed",
                "projected": {
                    "defaultMode": 0o400,
                    "sources": [
                        {"secret": {"name": "keys", "optional": True, "items": [{"key": "a", "path": "s", "mode": 0o400}]}},
                        {"configMap": {"name": "settings", "optional": True, "items": [{"key": "a", "path": "c", "mode": 0o400}]}},
                        {"downwardAPI": {"items": [{"path": "d", "mode": 0o400, "fieldRef": {"fieldPath": "metadata.name"}}]}},
                    ],
                },
            },
        ],
        "containers": [
            {
                "name": "one",
                "image": "tools",
                "imagePullPolicy": "Never",
                "command": ["sh", "-c"],
                "args": ["sleep 1"],
                "workingDir": "/srv",
                "env": [
                    {"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "b", "optional": True}}},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "c", "optional": True}}},
                    {"name": "D", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['app']"}}},
                    {"name": "E", "valueFrom": {"resourceFieldRef": {"containerName": "one", "resource": "limits.memory", "divisor": "1Mi"}}},
                ],
                "envFrom": [
                    {"prefix": "P_", "configMapRef": {"name": "settings", "optional": True}},
                    {"secretRef": {"name": "keys", "optional": True}},
                ],
                "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1", "protocol": "TCP"}],
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data", "readOnly": True, "recursiveReadOnly": "Enabled", "mountPropagation": "None", "subPath": "a/b"},
                    {"name": "kept", "mountPath": "/kept", "subPathExpr": "$(A)"},
                ],
                "volumeDevices": [{"name": "raw", "devicePath": "/dev/xvda"}],
                "resources": {"limits": {"cpu": "500m", "memory": "64Mi", "ephemeral-storage": "1Gi"}, "requests": {"cpu": 0.25, "memory": "32Mi"}},
                "stdin": True,
                "stdinOnce": True,
                "tty": True,
                "securityContext": {
                    "runAsUser": 1001,
                    "runAsGroup": 1001,
                    "runAsNonRoot": True,
                    "privileged": False,
                    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                    "procMount": "Unmasked",
                    "seccompProfile": {"type": "Unconfined"},
                },
                "terminationMessagePath": "/tmp/last",
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
                "restartPolicy": "OnFailure",
                "startupProbe": {"tcpSocket": {"port": "http", "host": "127.0.0.1"}, "initialDelaySeconds": 1, "failureThreshold": 30},
                "livenessProbe": {
                    "httpGet": {"port": "http", "host": "10.0.2.15", "path": "/", "scheme": "HTTP", "httpHeaders": [{"name": "Accept", "value": "*/*"}]},
                    "periodSeconds": 5,
                    "timeoutSeconds": 2,
                    "terminationGracePeriodSeconds": 3,
                },
                "readinessProbe": {"exec": {"command": ["true"]}, "successThreshold": 2},
                "lifecycle": {
                    "postStart": {"exec": {"command": ["true"]}},
                    "preStop": {"sleep": {"seconds": 1}},
                    "stopSignal": "SIGUSR1",
                },
            },
            {
                "name": "two",
                "image": "tools",
                "lifecycle": {"preStop": {"httpGet": {"port": 80, "path": "/end", "httpHeaders": [{"name": "Accept", "value": "*/*"}]}}},
            },
        ],
        "initContainers": [{"name": "before", "image": "tools"}, {"name": "beside", "image": "tools", "restartPolicy": "Always"}],
    },
}

_MINIMAL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "nginx", "image": "nginx:1"}]},
}


def at(path: str) -> str:
    """The path that an error names, of a form's: spec.containers[] → spec.containers[0]."""
    return path.replace("[]", "[0]")


# What a form needs before another of its fields is looked at.
_NEEDED: dict[str, dict[str, Any]] = {
    "spec.hostAliases[]": {"ip": "10.0.0.1"},
    "spec.dnsConfig.options[]": {"name": "ndots"},
    "spec.containers[].lifecycle.postStart": {"exec": {"command": ["true"]}},
    "spec.containers[].livenessProbe": {"exec": {"command": ["true"]}},
    "spec.containers[].livenessProbe.httpGet": {"port": 80},
    "spec.containers[].livenessProbe.httpGet.httpHeaders[]": {"name": "A", "value": "b"},
    "spec.containers[].livenessProbe.tcpSocket": {"port": 80},
    "spec.containers[].ports[]": {"containerPort": 80},
    "spec.containers[].env[]": {"name": "A"},
    "spec.containers[].env[].valueFrom.configMapKeyRef": {"name": "a", "key": "b"},
    "spec.containers[].env[].valueFrom.secretKeyRef": {"name": "a", "key": "b"},
    "spec.containers[].env[].valueFrom.fieldRef": {"fieldPath": "metadata.name"},
    "spec.containers[].env[].valueFrom.resourceFieldRef": {"resource": "limits.cpu"},
    "spec.containers[].envFrom[].configMapRef": {"name": "a"},
    "spec.containers[].envFrom[].secretRef": {"name": "a"},
    "spec.containers[].securityContext.seccompProfile": {"type": "Unconfined"},
    "spec.securityContext.sysctls[]": {"name": "net.ipv4.ip_forward", "value": "1"},
    "spec.containers[].volumeMounts[]": {"name": "data", "mountPath": "/data"},
    "spec.volumes[]": {"name": "data", "emptyDir": {}},
    "spec.volumes[].configMap": {"name": "a"},
    "spec.volumes[].configMap.items[]": {"key": "a", "path": "b"},
    "spec.volumes[].secret": {"secretName": "a"},
    "spec.volumes[].downwardAPI.items[]": {"path": "a"},
    "spec.volumes[].persistentVolumeClaim": {"claimName": "a"},
    "spec.volumes[].image": {"reference": "tools"},
    "spec.volumes[].nfs": {"server": "10.0.2.2", "path": "/a"},
    "spec.volumes[].hostPath": {"path": "/srv/pods/a"},
    "spec.containers[].volumeDevices[]": {"name": "data", "devicePath": "/dev/xvda"},
}


def placed(path: str, name: str, value: object) -> dict[str, Any]:
    """A small manifest in which one field of a form has a value; a form's path such as spec.containers[].env[]."""
    manifest: Any = copy.deepcopy(_MINIMAL)
    node = manifest
    walked = ""
    if path.endswith(("volumeMounts[]", "volumeDevices[]")):
        manifest["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    for part in path.split(".") if path else ():
        walked = f"{walked}.{part}".lstrip(".")
        key = part.removesuffix("[]")
        node = node.setdefault(key, [{}])[0] if part.endswith("[]") else node.setdefault(key, {})
        for needed, item in _NEEDED.get(walked, {}).items():
            node.setdefault(needed, copy.deepcopy(item))
    # A volume has one source.
    if path.startswith("spec.volumes[]") and name != "name":
        volume = manifest["spec"]["volumes"][0]
        source = re.search(r"volumes\[\]\.(\w+)", path)
        for other in list(volume):
            if other not in ("name", source[1] if source else name):
                del volume[other]
    node[name] = value
    return dict(manifest)


def claim(name: str, size: str, **spec: Any) -> dict[str, Any]:
    """A PersistentVolumeClaim."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
    }


def used(name: str, claim_name: str, **more: Any) -> dict[str, Any]:
    """A pod's volume that is claimed."""
    return {"name": name, "persistentVolumeClaim": {"claimName": claim_name, **more}}
