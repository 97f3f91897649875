# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a manifest that no example shows, in one pod: what each says is what its containers find."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _log

from tests.support.guests import wait_for
from tests.support.pods import PodHost, free_port

pytestmark = pytest.mark.guest
ROOT = Path(__file__).resolve().parents[2]

FIELDS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast}
binaryData: {raw: AP8=}
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths": {"registry.example": {"auth": "dXNlcjpwYXNz"}}}'}
---
apiVersion: v1
kind: Pod
metadata:
  name: fields
  namespace: default
  labels: {app: fields}
  annotations: {note: anything}
status: {phase: Running}
spec:
  imagePullSecrets: [{name: registry}]
  hostIPC: false
  hostNetwork: false
  hostPID: false
  os: {name: linux}
  shareProcessNamespace: true
  overhead: {memory: 32Mi, cpu: 250m}
  resources: {requests: {cpu: 1500m, memory: 160Mi}}
  terminationGracePeriodSeconds: 60
  securityContext:
    runAsUser: 1000
    runAsNonRoot: true
    supplementalGroupsPolicy: Merge
    fsGroup: 70
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: Unconfined}
  volumes:
    - {name: mode, configMap: {name: settings, defaultMode: 0444}}
    - {name: no-map, configMap: {name: nothing, optional: true}}
    - {name: no-secret, secret: {secretName: nothing, optional: true}}
    - {name: self, downwardAPI: {defaultMode: 0400, items: [{path: note, mode: 0404, fieldRef: {fieldPath: "metadata.annotations['note']"}},
        {path: app, fieldRef: {apiVersion: v1, fieldPath: "metadata.labels['app']"}}]}}
    - {name: mixed, projected: {defaultMode: 0440, sources: [{configMap: {name: settings}}]}}
    - {name: scratch, emptyDir: {}}
    - {name: seed, image: {reference: server, pullPolicy: IfNotPresent}}
  containers:
    - name: plain
      image: tools
      imagePullPolicy: Never
      command: [sleep, infinity]
      stdin: true
      stdinOnce: true
      env:
        - {name: ABSENT, valueFrom: {secretKeyRef: {name: nothing, key: a, optional: true}}}
        - {name: ACCOUNT, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: spec.serviceAccountName}}}
      envFrom:
        - configMapRef: {name: nothing, optional: true}
      volumeMounts:
        - {name: mode, mountPath: /mnt/mode}
        - {name: no-map, mountPath: /mnt/no-map}
        - {name: no-secret, mountPath: /mnt/no-secret}
        - {name: self, mountPath: /mnt/self}
        - {name: mixed, mountPath: /mnt/mixed, mountPropagation: None, readOnly: true, recursiveReadOnly: IfPossible}
        - {name: scratch, mountPath: /mnt/part, subPath: a/b}
        - {name: seed, mountPath: /mnt/seed}
    - name: own
      image: tools
      imagePullPolicy: IfNotPresent
      command: [sleep, infinity]
      tty: true
      securityContext:
        runAsUser: 0
        runAsGroup: 7
        runAsNonRoot: false
        procMount: Unmasked
        seccompProfile: {type: Unconfined}
      volumeMounts:
        - {name: scratch, mountPath: /mnt/scratch}
    - name: probed
      image: server
      args: ["8080"]
      ports:
        - {name: web, containerPort: 8080, hostPort: HOST_PORT, hostIP: 127.0.0.1, protocol: TCP}
      startupProbe: {tcpSocket: {port: web, host: localhost}, periodSeconds: 1, failureThreshold: 60}
      readinessProbe:
        httpGet: {port: web, host: 127.0.0.1, scheme: HTTP, path: /page}
        periodSeconds: 1
        timeoutSeconds: 5
        successThreshold: 2
      lifecycle:
        postStart: {httpGet: {port: 9090, host: 127.0.0.1, path: /started}}
    - name: deaf
      image: tools
      command: [ipc, deaf]
      restartPolicy: Always
      livenessProbe:
        exec: {command: [test, "!", -e, /mnt/part/sick]}
        initialDelaySeconds: 1
        periodSeconds: 1
        timeoutSeconds: 5
        failureThreshold: 1
        terminationGracePeriodSeconds: 1
      volumeMounts:
        - {name: scratch, mountPath: /mnt/part, subPath: a/b}
    - name: ended
      image: tools
      command: [sh, -c, echo all done > /tmp/why]
      restartPolicy: Never
      terminationMessagePath: /tmp/why
      terminationMessagePolicy: File
    - name: told
      image: tools
      command: [sh, -c, 'while :; do printf "HTTP/1.0 200 OK\\r\\n\\r\\n" | nc -l -p 9090 | head -1; done']
"""


@pytest.fixture(scope="module")
def fields(pods: PodHost) -> Iterator[PodHost]:
    """The pod, which runs."""
    documents = list(yaml.safe_load_all(FIELDS.replace("HOST_PORT", str(free_port()))))
    pods.pod(*documents)
    yield pods
    pods.pod("fields", state="absent", grace_period=0)


@pytest.mark.parametrize(
    ("container", "script", "said"),
    [
        ("plain", "stat -Lc '%a %g' /mnt/mode/mode; od -An -tx1 /mnt/mode/raw", "444 70\n 00 ff"),
        ("plain", "ls /mnt/no-map /mnt/no-secret", "/mnt/no-map:\n\n/mnt/no-secret:"),
        ("plain", "cd /mnt/self; stat -Lc '%a %n' app note; cat app note", "440 app\n444 note\nfieldsanything"),
        ("plain", "stat -Lc %a /mnt/mixed/mode; cat /mnt/seed/data/seed", "440\nfrom the image"),
        ("plain", 'echo "${ABSENT-unset} $ACCOUNT"', "unset default"),
        ("plain", "id -u; touch /mnt/part/file; grep Seccomp: /proc/self/status", "1000\nSeccomp:\t0"),
        ("plain", "nproc; ls /sys/firmware 2>/dev/null | wc -l", "2\n0"),
        ("plain", "touch /mnt/part/new; stat -c '%u %g %a' /mnt/part/new /mnt/part", "1000 70 644\n0 70 2777"),
        ("own", "id -u; id -g; stat -c %g /mnt/scratch/a/b; grep -c ' /proc/' /proc/self/mountinfo || true", "0\n7\n70\n0"),
        ("own", "cat /proc/$(pidof ipc)/comm", "ipc"),
    ],
)
def test_what_a_container_finds(fields: PodHost, container: str, script: str, said: str) -> None:
    assert fields.shell("fields", container, script) == said


def test_the_message_of_what_ended(fields: PodHost) -> None:
    wait_for(lambda: "event F ended exited" in fields.log("fields"), "the container to end")
    [status] = [status for status in fields.info("fields")["status"]["containerStatuses"] if status["name"] == "ended"]
    assert status["state"]["terminated"]["message"].strip() == "all done"


def test_size_of_the_guest(fields: PodHost) -> None:
    total = int(fields.shell("fields", "plain", "awk '/MemTotal/ {print $2}' /proc/meminfo")) // 1024
    assert 120 <= total <= 192


def test_probes_and_hooks(fields: PodHost) -> None:
    path = fields.host.pod_dir("fields") / "log"
    wait_for(lambda: any(line.message.startswith(b"GET /started ") for line in _log.read(path, container="told")), "the hook's request")
    assert "event F probed ready" not in fields.log("fields")
    fields.shell("fields", "probed", "echo hello > /srv/page", user="0")
    wait_for(lambda: "event F probed ready" in fields.log("fields"), "readiness")
    fields.shell("fields", "plain", "touch /mnt/part/sick")
    # With the pod's own grace period it would take a minute.
    wait_for(lambda: "event F deaf exited code=137" in fields.log("fields"), "the deaf container to be killed")
    fields.shell("fields", "plain", "rm /mnt/part/sick")


def test_every_honoured_field_is_shown_in_a_real_guest() -> None:
    """By its name, in an example or in a manifest of these tests."""
    sources = [*(ROOT / "docs/examples").rglob("*.yaml"), *Path(__file__).parent.glob("*.py")]
    # A field's name may have a hyphen.
    text = " ".join(path.read_text() for path in sources)
    words = {*re.findall(r"[A-Za-z]+", text), *re.findall(r"[a-z]+-[a-z]+", text)}
    forms: list[tuple[str, Any]] = [(path, fields) for path, _, fields in _kubernetes.FORMS]
    assert [f"{path}.{name}" for path, fields in forms for name, field in fields.items() if field.fate == "honoured" and name not in words] == []
