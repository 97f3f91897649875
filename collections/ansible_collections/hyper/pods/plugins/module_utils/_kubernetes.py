# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of what a pod definition may say: every field of the Kubernetes 1.34 API that belongs to a pod, and what becomes of it here.

The readers of ``_manifest*.py`` refuse and note by this table, and docs/manifest.md is made from it (``make docs``); a test holds the three together and
compares the names with the published schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

# The shape of a noted field's value: a type; [shape] is a list; {name: shape} a mapping of known names, of which
# those with a ! behind have to be there; {str: shape} a mapping of any.
Shape = Any


class Field(NamedTuple):
    """What becomes of a field, and why or how in words. honoured: the pod is so. noted: without effect on a host, accepted with a warning.

    refused: it would change what the user gets and cannot be given. shape: of a noted field's value.
    """

    fate: Literal["honoured", "noted", "refused"]
    text: str
    shape: Shape = None


def _honoured(text: str) -> Field:
    return Field("honoured", text)


def _noted(text: str, shape: Shape) -> Field:
    return Field("noted", text, shape)


def _refused(text: str) -> Field:
    return Field("refused", text)


_STRINGS = {str: str}
_EXPRESSIONS = [{"key!": str, "operator!": str, "values": [str]}]
_LABEL_SELECTOR = {"matchLabels": _STRINGS, "matchExpressions": _EXPRESSIONS}
_NODE_TERM = {"matchExpressions": _EXPRESSIONS, "matchFields": _EXPRESSIONS}
_POD_TERM = {
    "labelSelector": _LABEL_SELECTOR,
    "matchLabelKeys": [str],
    "mismatchLabelKeys": [str],
    "namespaceSelector": _LABEL_SELECTOR,
    "namespaces": [str],
    "topologyKey!": str,
}
_POD_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": [_POD_TERM],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight!": int, "podAffinityTerm!": _POD_TERM}],
}
_AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms!": [_NODE_TERM]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight!": int, "preference!": _NODE_TERM}],
    },
    "podAffinity": _POD_AFFINITY,
    "podAntiAffinity": _POD_AFFINITY,
}
_TOLERATION = {"effect": str, "key": str, "operator": str, "tolerationSeconds": int, "value": str}
_SPREAD = {
    "labelSelector": _LABEL_SELECTOR,
    "matchLabelKeys": [str],
    "maxSkew!": int,
    "minDomains": int,
    "nodeAffinityPolicy": str,
    "nodeTaintsPolicy": str,
    "topologyKey!": str,
    "whenUnsatisfiable!": str,
}
_OWNER = {"apiVersion!": str, "blockOwnerDeletion": bool, "controller": bool, "kind!": str, "name!": str, "uid!": str}
_MANAGED = {"apiVersion": str, "fieldsType": str, "fieldsV1": dict, "manager": str, "operation": str, "subresource": str, "time": str}

_PLACED = "a host places no pods"
_RECORD = "a cluster's record"
_NO_STORAGE = "a host has no such storage"
_NO_HOST_INSIDE = "there is no host inside a guest"

POD: Mapping[str, Field] = {
    "apiVersion": _honoured("`v1`"),
    "kind": _honoured("`Pod`"),
    "metadata": _honoured("see below"),
    "spec": _honoured("see below"),
    "status": _honoured("ignored: a cluster's record"),
}

OBJECT_META: Mapping[str, Field] = {
    "name": _honoured("the pod's name, a DNS label; also its hostname unless `spec.hostname` says otherwise"),
    "namespace": _honoured("absent or `default`: a host has no namespaces"),
    "labels": _honoured("kept and shown; a change of them is live"),
    "annotations": _honoured("kept and shown; a change of them is live"),
    "creationTimestamp": _noted(_RECORD, str),
    "deletionGracePeriodSeconds": _noted(_RECORD, int),
    "deletionTimestamp": _noted(_RECORD, str),
    "finalizers": _noted(_RECORD, [str]),
    "generateName": _noted("a pod has the name that it is given", str),
    "generation": _noted(_RECORD, int),
    "managedFields": _noted(_RECORD, [_MANAGED]),
    "ownerReferences": _noted(_RECORD, [_OWNER]),
    "resourceVersion": _noted(_RECORD, str),
    "selfLink": _noted(_RECORD, str),
    "uid": _noted(_RECORD, str),
}

POD_SPEC: Mapping[str, Field] = {
    "containers": _honoured("at least one; they share network, hostname, processes, IPC and volumes"),
    "initContainers": _honoured(
        "one after the other, before the containers; those with `restartPolicy: Always` are sidecars: beside the others, and ended last"
    ),
    "hostname": _honoured("the one hostname of all containers"),
    "resources": _honoured(
        "the guest's size: `cpu` and `memory` of `limits`, else of `requests`. What it leaves open is the sum of the containers' resources, and 64 MiB"
        " and an eighth for the guest itself; containers that say nothing have one CPU and 256 MiB together"
    ),
    "overhead": _honoured("added to the guest's size"),
    "restartPolicy": _honoured("`Always` (the default), `OnFailure`, `Never`; restarts back off from 10 s to 5 min"),
    "shareProcessNamespace": _honoured("`true`, which is what a pod is; `false` is refused"),
    "terminationGracePeriodSeconds": _honoured("30 unless given"),
    "activeDeadlineSeconds": _honoured("counts from each start of the guest; a pod that takes longer is ended, and its phase is Failed"),
    "volumes": _honoured("see below"),
    "securityContext": _honoured("see below"),
    "hostIPC": _honoured(f"`false`; `true` is refused: {_NO_HOST_INSIDE}"),
    "hostNetwork": _honoured(f"`false`; `true` is refused: {_NO_HOST_INSIDE}"),
    "hostPID": _honoured(f"`false`; `true` is refused: {_NO_HOST_INSIDE}"),
    "os": _honoured("`name: linux`"),
    "hostAliases": _honoured("lines of /etc/hosts"),
    "dnsPolicy": _honoured("`None` leaves `dnsConfig` alone; with every other names are resolved as on the host, and what `dnsConfig` says is added"),
    "dnsConfig": _honoured("see below"),
    "subdomain": _honoured("with the hostname makes the pod's full name, `HOSTNAME.SUBDOMAIN.default.svc.cluster.local`, in its /etc/hosts"),
    "setHostnameAsFQDN": _honoured("the kernel's hostname is that full name, of at most 64 characters"),
    "imagePullSecrets": _honoured(
        "Secrets that stand beside the pod; used for the pulls of that call and not kept; where `authfile` has the registry, it wins"
    ),
    "affinity": _noted(_PLACED, _AFFINITY),
    "automountServiceAccountToken": _noted("a host has no service accounts", bool),
    "enableServiceLinks": _noted("a host has no services", bool),
    "hostUsers": _noted("a guest has users of its own", bool),
    "nodeName": _noted(_PLACED, str),
    "nodeSelector": _noted(_PLACED, _STRINGS),
    "preemptionPolicy": _noted(_PLACED, str),
    "priority": _noted(_PLACED, int),
    "priorityClassName": _noted(_PLACED, str),
    "runtimeClassName": _noted("every pod runs in a KVM guest", str),
    "schedulerName": _noted(_PLACED, str),
    "serviceAccount": _noted("a host has no service accounts", str),
    "serviceAccountName": _noted("a host has no service accounts", str),
    "tolerations": _noted(_PLACED, [_TOLERATION]),
    "topologySpreadConstraints": _noted(_PLACED, [_SPREAD]),
    "ephemeralContainers": _refused("run a command in a container instead"),
    "hostnameOverride": _refused("use `hostname`"),
    "readinessGates": _refused("nobody would set the conditions"),
    "resourceClaims": _refused("devices are not handed to guests"),
    "schedulingGates": _refused("nobody would remove them"),
}

CONTAINER: Mapping[str, Field] = {
    "name": _honoured("a DNS label"),
    "image": _honoured("a reference, looked for on the host first"),
    "imagePullPolicy": _honoured("`IfNotPresent` (also the default, whatever the tag), `Always`, `Never`"),
    "command": _honoured("instead of the image's Entrypoint and Cmd; `$(NAME)` is expanded from `env`, `$$` is one `$`"),
    "args": _honoured("instead of the image's Cmd; expanded likewise"),
    "workingDir": _honoured("instead of the image's"),
    "env": _honoured("on top of the image's environment; a value may name variables before it"),
    "envFrom": _honoured("before `env`"),
    "ports": _honoured("see below"),
    "volumeMounts": _honoured("see below"),
    "securityContext": _honoured("see below"),
    "resources": _honoured("held by a cgroup; a container that needs more memory than its limit is killed, with the reason `OOMKilled`"),
    "stdin": _honoured("stays open, though nobody is attached; otherwise it is /dev/null"),
    "stdinOnce": _honoured("stdin ends when who was attached to it has left, until the container is started again; a terminal stays open"),
    "tty": _honoured("standard streams are a terminal"),
    "restartPolicy": _honoured("instead of the pod's own; `Always` makes an init container a sidecar"),
    "startupProbe": _honoured("as the liveness probe; until it succeeds the other two wait, and so do those behind a sidecar"),
    "livenessProbe": _honoured("see below; when it fails, the container is ended and, unless its restart policy is `Never`, started anew"),
    "readinessProbe": _honoured("as the liveness probe, without a grace period; says whether the container is ready"),
    "lifecycle": _honoured("see below"),
    "resizePolicy": _noted("resources are not changed while a container runs", [{"resourceName!": str, "restartPolicy!": str}]),
    "terminationMessagePath": _honoured("`/dev/termination-log` unless given; the last 4096 bytes of what it writes there are its status' message"),
    "terminationMessagePolicy": _honoured("`File`; or `FallbackToLogsOnError`: of one that failed and wrote nothing there, the last 2048 bytes of its output"),
    "restartPolicyRules": _refused("use `restartPolicy`"),
    "volumeDevices": _honoured("claims whose `volumeMode` is `Block`"),
}

PROBE: Mapping[str, Field] = {
    "exec": _honoured("a command in the container, as its user; 0 is success"),
    "httpGet": _honoured("see below"),
    "tcpSocket": _honoured("a connection succeeds"),
    "initialDelaySeconds": _honoured("0 unless given; counts from the container's start"),
    "periodSeconds": _honoured("10 unless given"),
    "timeoutSeconds": _honoured("1 unless given"),
    "successThreshold": _honoured("1 unless given, and 1 but for readiness"),
    "failureThreshold": _honoured("3 unless given"),
    "terminationGracePeriodSeconds": _honoured("instead of the pod's own, when the probe ends the container"),
    "grpc": _refused("hyperstart speaks no gRPC; use `exec`"),
}

EXEC_ACTION: Mapping[str, Field] = {"command": _honoured("is run without a shell, and nothing in it is expanded")}

HTTP_GET: Mapping[str, Field] = {
    "port": _honoured("a number, or the name of a port of the container"),
    "path": _honoured("`/` unless given"),
    "host": _honoured("an IP address, or `localhost`; the pod's address unless given"),
    "httpHeaders": _honoured("a `Host` among them wins"),
    "scheme": _honoured("`HTTP`; an answer of 200 to 399 is success, a redirection is not followed"),
}

HTTP_HEADER: Mapping[str, Field] = {"name": _honoured("a header's name"), "value": _honoured("text")}

TCP_SOCKET: Mapping[str, Field] = {
    "port": _honoured("a number, or the name of a port of the container"),
    "host": _honoured("an IP address, or `localhost`; the pod's address unless given"),
}

LIFECYCLE: Mapping[str, Field] = {
    "postStart": _honoured("at the start; the container counts as running when it has succeeded, and is ended when it fails"),
    "preStop": _honoured("before the stop signal, within the grace period, of which at least 2 s are left to the container"),
    "stopSignal": _honoured("instead of the image's, by its name"),
}

LIFECYCLE_HANDLER: Mapping[str, Field] = {
    "exec": _honoured("as a probe's"),
    "httpGet": _honoured("as a probe's"),
    "sleep": _honoured("a pause"),
    "tcpSocket": _refused("Kubernetes does not carry it out either"),
}

SLEEP: Mapping[str, Field] = {"seconds": _honoured("how long")}

_NO_MODULE = "the guest's kernel has no such security module"

POD_SECURITY: Mapping[str, Field] = {
    "runAsUser": _honoured("for the containers that say nothing else"),
    "runAsGroup": _honoured("likewise; the groups that the image gives the user are added"),
    "runAsNonRoot": _honoured("a container whose user is 0 is not started; names are resolved in the image"),
    "supplementalGroups": _honoured("of every container's processes"),
    "supplementalGroupsPolicy": _honoured("`Merge`"),
    "fsGroup": _honoured("a group of every container's processes, and the owner of the pod's volumes, whose new files inherit it"),
    "fsGroupChangePolicy": _honoured(
        "`Always` gives all files of a claim's volume to the group at each start, `OnRootMismatch` only where the volume has another; the pod's own volumes"
        " belong to it from their first moment"
    ),
    "sysctls": _honoured("any: the kernel is the pod's own"),
    "seccompProfile": _honoured("see below; a privileged container has none"),
    "appArmorProfile": _refused(_NO_MODULE),
    "seLinuxChangePolicy": _refused(_NO_MODULE),
    "seLinuxOptions": _refused(_NO_MODULE),
    "windowsOptions": _refused("a guest runs Linux"),
}

SECURITY: Mapping[str, Field] = {
    "runAsUser": _honoured("instead of the image's User"),
    "runAsGroup": _honoured("instead of the user's group in the image"),
    "runAsNonRoot": _honoured("as the pod's"),
    "privileged": _honoured("all capabilities, nothing of /proc and /sys masked: the guest is the container's, the host is not"),
    "capabilities": _honoured("see below"),
    "readOnlyRootFilesystem": _honoured("volumes stay writable"),
    "allowPrivilegeEscalation": _honoured("`false` sets no_new_privs"),
    "procMount": _honoured("`Default`, `Unmasked`"),
    "seccompProfile": _honoured("see below; a privileged container has none"),
    "appArmorProfile": _refused(_NO_MODULE),
    "seLinuxOptions": _refused(_NO_MODULE),
    "windowsOptions": _refused("a guest runs Linux"),
}

CAPABILITIES: Mapping[str, Field] = {
    "add": _honoured("names, or `ALL`"),
    "drop": _honoured("names, or `ALL`; what is not dropped is the container engines' usual set"),
}

SECCOMP: Mapping[str, Field] = {
    "type": _honoured(
        "`Unconfined`, which is also the default; `RuntimeDefault` refuses what the container engines' own profile does, and all 32-bit programs"
    ),
    "localhostProfile": _refused("a host has no profiles of its own"),
}

SYSCTL: Mapping[str, Field] = {"name": _honoured("with dots or slashes"), "value": _honoured("text")}

CONTAINER_PORT: Mapping[str, Field] = {
    "containerPort": _honoured("where the container listens"),
    "hostPort": _honoured("published on the host"),
    "hostIP": _honoured("the host's address on which it is published, `127.0.0.1` unless given; of IPv6 on a nat network"),
    "protocol": _honoured("`TCP` or `UDP`"),
    "name": _honoured("a DNS label"),
}

ENV_VAR: Mapping[str, Field] = {
    "name": _honoured("any name without `=`"),
    "value": _honoured("text, expanded"),
    "valueFrom": _honoured("instead of a value, and not expanded"),
}

ENV_SOURCE: Mapping[str, Field] = {
    "configMapKeyRef": _honoured("of a ConfigMap that stands beside the pod"),
    "secretKeyRef": _honoured("of a Secret that stands beside the pod; its digest is shown, not its value"),
    "fieldRef": _honoured("see below"),
    "resourceFieldRef": _honoured("see below"),
    "fileKeyRef": _refused("use `configMapKeyRef`"),
}

KEY_SELECTOR: Mapping[str, Field] = {
    "name": _honoured("of the object"),
    "key": _honoured("in its data"),
    "optional": _honoured("without object or key there is no variable; otherwise that is an error"),
}

FIELD_SELECTOR: Mapping[str, Field] = {
    "apiVersion": _honoured("`v1`"),
    "fieldPath": _honoured(
        "`metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels['KEY']`, `metadata.annotations['KEY']`, `spec.nodeName` (the host's name),"
        " `spec.serviceAccountName`, `status.podIP`, `status.podIPs`, and on other networks than a bridge alone `status.hostIP` and `status.hostIPs`, where"
        " the pod reaches its host; others are refused"
    ),
}

RESOURCE_SELECTOR: Mapping[str, Field] = {
    "resource": _honoured("`limits` or `requests` of `cpu` or `memory`; without a limit what the guest has for containers, without a request 0"),
    "divisor": _honoured("the unit; rounded up"),
    "containerName": _honoured("a container of the pod; in its environment the container itself unless given"),
}

ENV_FROM: Mapping[str, Field] = {
    "configMapRef": _honoured("all keys of a ConfigMap"),
    "secretRef": _honoured("all keys of a Secret"),
    "prefix": _honoured("before each name"),
}

ENV_FROM_REFERENCE: Mapping[str, Field] = {"name": _honoured("of the object"), "optional": _honoured("whether it may be missing")}

VOLUME_MOUNT: Mapping[str, Field] = {
    "name": _honoured("a volume of the pod"),
    "mountPath": _honoured("an absolute path; what is missing of it is made"),
    "readOnly": _honoured("as Kubernetes has it"),
    "subPath": _honoured("a path within the volume; what is missing of it is made"),
    "subPathExpr": _honoured("likewise, with `$(NAME)` for variables of `env` and `envFrom`, which have to be there, and not to come from Secrets"),
    "mountPropagation": _honoured("within the pod, between the containers that mount the volume; `Bidirectional` for privileged containers only"),
    "recursiveReadOnly": _honoured("any: what is read-only is so all the way down; `Enabled` and `IfPossible` without mountPropagation only"),
}

VOLUME: Mapping[str, Field] = {
    "name": _honoured("a DNS label"),
    "configMap": _honoured("of a ConfigMap that stands beside the pod; read-only, as it was when the pod was defined"),
    "secret": _honoured("likewise of a Secret; in the guest in memory only"),
    "downwardAPI": _honoured("fields of the pod as files"),
    "projected": _honoured("several of these in one volume"),
    "emptyDir": _honoured("on the pod's disk, or in memory; lives as long as the pod, also while it is stopped when on disk"),
    "persistentVolumeClaim": _honoured("a volume of the host, which outlives the pod"),
    "image": _honoured("the files of an image, read-only; nothing of them is run"),
    "nfs": _honoured("what a server of NFS exports, by version 4"),
    "hostPath": _honoured("a directory or a file of the host, beneath what its owner allows (`hyper_host_paths`, `/srv/pods` unless set)"),
    **{
        name: _refused(_NO_STORAGE)
        for name in (
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "csi",
            "ephemeral",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "glusterfs",
            "iscsi",
            "photonPersistentDisk",
            "portworxVolume",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        )
    },
    "gitRepo": _refused("clone in a container instead"),
}

_MODE = "permission bits, 0644 unless given; with `fsGroup` the group may read"

CONFIG_MAP_VOLUME: Mapping[str, Field] = {
    "name": _honoured("of the object"),
    "items": _honoured("only these keys; without it all"),
    "optional": _honoured("whether object and keys may be missing"),
    "defaultMode": _honoured(_MODE),
}
SECRET_VOLUME: Mapping[str, Field] = {**{name: item for name, item in CONFIG_MAP_VOLUME.items() if name != "name"}, "secretName": _honoured("of the Secret")}
KEY_TO_PATH: Mapping[str, Field] = {
    "key": _honoured("in the object's data"),
    "path": _honoured("relative to the volume"),
    "mode": _honoured("permission bits"),
}
DOWNWARD: Mapping[str, Field] = {"items": _honoured("the files"), "defaultMode": _honoured(_MODE)}
DOWNWARD_FILE: Mapping[str, Field] = {
    "path": _honoured("relative to the volume"),
    "fieldRef": _honoured("as in `env`, and all of `metadata.labels` or `metadata.annotations`"),
    "mode": _honoured("permission bits"),
    "resourceFieldRef": _honoured("as in `env`, with `containerName`"),
}
PROJECTED: Mapping[str, Field] = {"sources": _honoured("see below"), "defaultMode": _honoured(_MODE)}
PROJECTION: Mapping[str, Field] = {
    "configMap": _honoured("as the volume"),
    "secret": _honoured("as the volume, with `name`"),
    "downwardAPI": _honoured("as the volume"),
    "clusterTrustBundle": _refused("a host has no such bundles"),
    "podCertificate": _refused("a host signs no certificates"),
    "serviceAccountToken": _refused("a host has no service accounts"),
}

EMPTY_DIR: Mapping[str, Field] = {
    "medium": _honoured("empty, or `Memory`"),
    "sizeLimit": _honoured(
        "in memory half of the guest's unless given; on disk a filesystem of that size, at least 16Mi with what it needs for itself."
        " With another limit the volume begins anew"
    ),
}

VOLUME_DEVICE: Mapping[str, Field] = {
    "name": _honoured("a volume of the pod, of a claim"),
    "devicePath": _honoured("an absolute path; the device is also `/dev/hyper/NAME`"),
}

HOST_PATH: Mapping[str, Field] = {
    "path": _honoured("absolute, without `..`; symbolic links on the way are refused; `readOnly` in all mounts keeps the guest from writing at all"),
    "type": _honoured(
        "all are checked; sockets and devices are refused then, since a guest could not reach what is behind them. "
        "Without a type a path that is missing becomes a directory"
    ),
}
NFS: Mapping[str, Field] = {
    "server": _honoured("an address that the pod reaches, or a name: the host looks it up each time the pod is started by command"),
    "path": _honoured("absolute"),
    "readOnly": _honoured("as Kubernetes has it"),
}
IMAGE_SOURCE: Mapping[str, Field] = {
    "reference": _honoured("as a container's `image`"),
    "pullPolicy": _honoured("as a container's `imagePullPolicy`"),
}

CLAIM_SOURCE: Mapping[str, Field] = {
    "claimName": _honoured("of a PersistentVolumeClaim that stands beside the pod, or of a volume that the host has; one pod at a time holds it"),
    "readOnly": _honoured("its mounts are read-only, its device as well where the volume has no filesystem"),
}

CLAIM: Mapping[str, Field] = {
    "apiVersion": _honoured("`v1`"),
    "kind": _honoured("`PersistentVolumeClaim`"),
    "metadata": _honoured("`name` is the volume's; labels are kept with it"),
    "spec": _honoured("see below"),
    "status": _honoured("ignored: a cluster's record"),
}

_UNCLONED = "a volume begins empty; fill it in an init container"

CLAIM_SPEC: Mapping[str, Field] = {
    "accessModes": _honoured("`ReadWriteOnce`, `ReadWriteOncePod`: one pod at a time holds it; others are refused"),
    "resources": _honoured("see below"),
    "volumeMode": _honoured("`Filesystem`, which is ext4, or `Block`"),
    "selector": _refused("a claim's volume has its name"),
    "storageClassName": _noted("a host has one kind of storage", str),
    "volumeAttributesClassName": _noted("a host has one kind of storage", str),
    "volumeName": _refused("a claim's volume has its name"),
    "dataSource": _refused(_UNCLONED),
    "dataSourceRef": _refused(_UNCLONED),
}

CLAIM_RESOURCES: Mapping[str, Field] = {"requests": _honoured("see below"), "limits": _refused("a volume has the size that is requested")}

CLAIM_REQUESTS: Mapping[str, Field] = {
    "storage": _honoured(
        "the size, 10Gi unless given. A larger one than before grows the volume, and its filesystem at the pod's next start; a smaller is refused"
    )
}

RESOURCES: Mapping[str, Field] = {
    "limits": _honoured("see below"),
    "requests": _honoured("`cpu` and `memory`, where `limits` has none"),
    "claims": _refused("devices are not handed to guests"),
}

AMOUNTS: Mapping[str, Field] = {
    "cpu": _honoured("in CPUs, such as `1500m`; the guest has whole ones"),
    "memory": _honoured("in bytes, such as `512Mi`"),
    "ephemeral-storage": _noted("a container's own limit counts, and the size of the pod's disk for all of them", str),
    "hugepages-1Gi": _refused("a guest has no huge pages of its own"),
    "hugepages-2Mi": _refused("a guest has no huge pages of its own"),
}

CONTAINER_LIMITS: Mapping[str, Field] = {
    **AMOUNTS,
    "ephemeral-storage": _honoured(
        "in bytes, such as `1Gi`, of a container's writable layer, looked at every 10 s: who holds more has its pod end within a second, `Failed` with the"
        " reason `Evicted`. Its log lies on the host, and with its volumes does not count. In `requests`, noted"
    ),
}

PULL_SECRET: Mapping[str, Field] = {"name": _honoured("of a Secret of the type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`")}

HOST_ALIAS: Mapping[str, Field] = {"ip": _honoured("an address"), "hostnames": _honoured("its names")}

DNS_CONFIG: Mapping[str, Field] = {
    "nameservers": _honoured("addresses, at most three with the host's own"),
    "searches": _honoured("domains, at most 32"),
    "options": _honoured("see below"),
}

DNS_OPTION: Mapping[str, Field] = {"name": _honoured("such as `ndots`"), "value": _honoured("its value")}

POD_OS: Mapping[str, Field] = {"name": _honoured("`linux`")}

# Where it stands, its name in the API ("": it has none), its fields.
FORMS: tuple[tuple[str, str, Mapping[str, Field]], ...] = (
    ("", "Pod", POD),
    ("metadata", "ObjectMeta", OBJECT_META),
    ("spec", "PodSpec", POD_SPEC),
    ("spec.resources", "ResourceRequirements", RESOURCES),
    ("spec.resources.limits", "", AMOUNTS),
    ("spec.os", "PodOS", POD_OS),
    ("spec.imagePullSecrets[]", "LocalObjectReference", PULL_SECRET),
    ("spec.hostAliases[]", "HostAlias", HOST_ALIAS),
    ("spec.dnsConfig", "PodDNSConfig", DNS_CONFIG),
    ("spec.dnsConfig.options[]", "PodDNSConfigOption", DNS_OPTION),
    ("spec.securityContext", "PodSecurityContext", POD_SECURITY),
    ("spec.securityContext.sysctls[]", "Sysctl", SYSCTL),
    ("spec.containers[]", "Container", CONTAINER),
    ("spec.containers[].resources", "ResourceRequirements", RESOURCES),
    ("spec.containers[].resources.limits", "", CONTAINER_LIMITS),
    ("spec.containers[].securityContext", "SecurityContext", SECURITY),
    ("spec.containers[].securityContext.capabilities", "Capabilities", CAPABILITIES),
    ("spec.containers[].securityContext.seccompProfile", "SeccompProfile", SECCOMP),
    ("spec.containers[].ports[]", "ContainerPort", CONTAINER_PORT),
    ("spec.containers[].lifecycle", "Lifecycle", LIFECYCLE),
    ("spec.containers[].lifecycle.postStart", "LifecycleHandler", LIFECYCLE_HANDLER),
    ("spec.containers[].lifecycle.postStart.sleep", "SleepAction", SLEEP),
    ("spec.containers[].livenessProbe", "Probe", PROBE),
    ("spec.containers[].livenessProbe.exec", "ExecAction", EXEC_ACTION),
    ("spec.containers[].livenessProbe.httpGet", "HTTPGetAction", HTTP_GET),
    ("spec.containers[].livenessProbe.httpGet.httpHeaders[]", "HTTPHeader", HTTP_HEADER),
    ("spec.containers[].livenessProbe.tcpSocket", "TCPSocketAction", TCP_SOCKET),
    ("spec.containers[].env[]", "EnvVar", ENV_VAR),
    ("spec.containers[].env[].valueFrom", "EnvVarSource", ENV_SOURCE),
    ("spec.containers[].env[].valueFrom.configMapKeyRef", "ConfigMapKeySelector", KEY_SELECTOR),
    ("spec.containers[].env[].valueFrom.secretKeyRef", "SecretKeySelector", KEY_SELECTOR),
    ("spec.containers[].env[].valueFrom.fieldRef", "ObjectFieldSelector", FIELD_SELECTOR),
    ("spec.containers[].env[].valueFrom.resourceFieldRef", "ResourceFieldSelector", RESOURCE_SELECTOR),
    ("spec.containers[].envFrom[]", "EnvFromSource", ENV_FROM),
    ("spec.containers[].envFrom[].configMapRef", "ConfigMapEnvSource", ENV_FROM_REFERENCE),
    ("spec.containers[].envFrom[].secretRef", "SecretEnvSource", ENV_FROM_REFERENCE),
    ("spec.containers[].volumeMounts[]", "VolumeMount", VOLUME_MOUNT),
    ("spec.containers[].volumeDevices[]", "VolumeDevice", VOLUME_DEVICE),
    ("spec.volumes[]", "Volume", VOLUME),
    ("spec.volumes[].emptyDir", "EmptyDirVolumeSource", EMPTY_DIR),
    ("spec.volumes[].configMap", "ConfigMapVolumeSource", CONFIG_MAP_VOLUME),
    ("spec.volumes[].configMap.items[]", "KeyToPath", KEY_TO_PATH),
    ("spec.volumes[].secret", "SecretVolumeSource", SECRET_VOLUME),
    ("spec.volumes[].downwardAPI", "DownwardAPIVolumeSource", DOWNWARD),
    ("spec.volumes[].downwardAPI.items[]", "DownwardAPIVolumeFile", DOWNWARD_FILE),
    ("spec.volumes[].projected", "ProjectedVolumeSource", PROJECTED),
    ("spec.volumes[].projected.sources[]", "VolumeProjection", PROJECTION),
    ("spec.volumes[].persistentVolumeClaim", "PersistentVolumeClaimVolumeSource", CLAIM_SOURCE),
    ("spec.volumes[].image", "ImageVolumeSource", IMAGE_SOURCE),
    ("spec.volumes[].hostPath", "HostPathVolumeSource", HOST_PATH),
    ("spec.volumes[].nfs", "NFSVolumeSource", NFS),
)

# The same of a document that stands beside Pods.
CLAIM_FORMS: tuple[tuple[str, str, Mapping[str, Field]], ...] = (
    ("", "PersistentVolumeClaim", CLAIM),
    ("spec", "PersistentVolumeClaimSpec", CLAIM_SPEC),
    ("spec.resources", "VolumeResourceRequirements", CLAIM_RESOURCES),
    ("spec.resources.requests", "", CLAIM_REQUESTS),
)
