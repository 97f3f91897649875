# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of Secrets: in the guest's memory, in one place of root's on the host, and nowhere else; whatever becomes of the pod."""

from __future__ import annotations

import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import leaks
from tests.support.guests import wait_for
from tests.support.pods import PodHost, manifest, process_state, sh

pytestmark = pytest.mark.guest

NAME = "keeper"
BINARY = b"\x00\xff hush-binary \x00"


def secret(token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "stringData": {"token": token},
        "data": {"raw": base64.b64encode(BINARY).decode(), "unused": base64.b64encode(b"hush-unused").decode()},
    }


# For pulls: it is used by the call that brings it, and kept nowhere.
REGISTRY = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "registry"},
    "type": "kubernetes.io/dockerconfigjson",
    "stringData": {".dockerconfigjson": json.dumps({"auths": {"registry.invalid": {"auth": "hush-registry"}}})},
}


def definition() -> dict[str, Any]:
    token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}
    address = {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    return manifest(
        NAME,
        {
            "name": "env",
            "command": ["sh", "-c", "echo said $0 >/dev/shm/argument; trap 'exit 0' TERM; while :; do sleep 0.2; done", "a-$(TOKEN)-b"],
            "env": [token, address, {"name": "URL", "value": "redis://u:$(TOKEN)@$(ADDRESS)/$(TOKEN)"}],
        },
        {"name": "files", "command": sh("trap 'exit 0' TERM; while :; do sleep 0.2; done"), "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]},
        restartPolicy="Always",
        volumes=[
            {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400, "items": [{"key": "token", "path": "t"}, {"key": "raw", "path": "r"}]}}
        ],
    )


def holders(pods: PodHost, *values: bytes) -> set[Path]:
    """Every file of the host that holds one of the values."""
    return leaks.holders(pods.host.state_dir, pods.host.run_dir, values=values)


def told(pods: PodHost) -> str:
    return pods.shell(NAME, "env", "echo $TOKEN $URL; cat /dev/shm/argument") + " " + pods.shell(NAME, "files", "cat /keys/t")


def says(token: str) -> str:
    return f"{token} redis://u:{token}@10.0.2.15/{token}\nsaid a-{token}-b {token}"


def check_places(pods: PodHost, *tokens: str) -> None:
    """The values are in files of root's own in one directory, and in none else."""
    place = pods.host.pod_dir(NAME) / "secrets"
    files = holders(pods, *(token.encode() for token in tokens), BINARY, b"hush-unused")
    assert files, "the values are nowhere"
    assert {file.parent for file in files} == {place}
    assert {file.stat().st_mode & 0o7777 for file in files} == {0o600}
    assert (place.stat().st_mode & 0o7777, place.stat().st_uid) == (0o700, 0)
    assert not holders(pods, b"hush-unused", b"hush-registry")


def test_the_life_of_secrets(pods: PodHost) -> None:
    first, second = "hush-the-first-value", "hush-the-second-value"
    try:
        checked = pods.pod(secret(first), definition(), check=True, diff=True)
        assert not holders(pods, first.encode())
        pulling = definition()
        pulling["spec"]["imagePullSecrets"] = [{"name": "registry"}]
        made = pods.pod(secret(first), pulling, REGISTRY, diff=True)
        assert "hush" not in str(checked) + str(made)
        assert told(pods) == says(first)
        assert pods.exec(NAME, "files", "cat", "/keys/r").stdout == BINARY
        assert pods.shell(NAME, "files", "stat -f -c %T /keys; stat -L -c %a /keys/t") == "tmpfs\n400"
        pods.shell(NAME, "env", "sync")
        check_places(pods, first)
        command = Path(f"/proc/{pods.pid(NAME)}/cmdline").read_bytes()
        assert b"hyper-secrets" in command
        assert b"hush" not in command
        [told_of] = pods.module("pod_info", names=[NAME], details=True)["pods"]
        shown = told_of["objects"][0]["stringData"]
        assert "hush" not in str(told_of)
        assert shown["token"].startswith("hmac-sha256:")

        # The same values are no change, whichever way they are written.
        same = {**secret(first), "stringData": {}, "data": {**secret(first)["data"], "token": base64.b64encode(first.encode()).decode()}}
        assert not pods.pod(same, definition())["changed"]

        # Another one reaches the guest while it runs, and outlives it.
        guest = pods.pid(NAME)
        planned = pods.pod(secret(second), definition(), check=True)
        assert not holders(pods, second.encode())
        done = pods.pod(secret(second), definition(), diff=True)
        assert {(action["effect"], action["reason"]) for action in planned["actions"]} == {
            ("restarts container env", "container env: env changed"),
            ("live", "volume keys changed"),
        }
        assert (done["actions"], "hush" in str(done)) == (planned["actions"], False)
        assert told(pods) == says(second)
        assert pods.pid(NAME) == guest
        check_places(pods, first, second)
        assert guest is not None
        os.kill(guest, signal.SIGKILL)
        wait_for(lambda: process_state(guest) in ("", "Z"), "QEMU to end")
        assert [action["action"] for action in pods.pod(secret(second), definition(), check=True)["actions"]] == ["start"]
        pods.pod(NAME, state="started")
        assert told(pods) == says(second)

        # A change that fails is taken back, and so is one that is rolled back: with its values.
        failing = definition()
        failing["spec"]["containers"][1]["command"] = sh("exit 3")
        failed = pods.pod(secret("hush-the-third-value"), failing, fails=True, rollback=True, min_ready_seconds=2)
        assert "its former definition is back" in failed["msg"], failed["msg"]
        assert told(pods) == says(second)
        assert not pods.pod(secret(second), definition())["changed"]
        pods.module("pod_rollback", name=NAME)
        assert told(pods) == says(first)
        assert "hush" not in str(pods.module("pod_history", name=NAME))

        # A container that goes takes its secrets along; the other's stay.
        pods.module("pod_patch", name=NAME, remove_containers=["env"])
        assert pods.shell(NAME, "files", "cat /keys/t") == first

        # Without secrets there is no disk for them, and nothing is left of them but in the history.
        plain = manifest(NAME, {"name": "env"})
        pods.pod(plain)
        pods.pod(NAME, state="restarted")
        assert b"hyper-secrets" not in Path(f"/proc/{pods.pid(NAME)}/cmdline").read_bytes()
        # And into a guest that was started without they come all the same.
        pods.pod(secret(second), {**definition(), "spec": {**definition()["spec"], "volumes": [], "containers": [definition()["spec"]["containers"][0]]}})
        assert pods.shell(NAME, "env", "echo $TOKEN") == second
    finally:
        pods.pod(NAME, state="absent", grace_period=0)
    assert not holders(pods, first.encode(), second.encode(), BINARY)


def test_what_a_former_version_wrote_is_converted(pods: PodHost) -> None:
    token = "hush-of-long-ago"
    directory = pods.host.pod_dir(NAME)
    try:
        pods.pod(secret("hush-before"), definition(), state="present")
        pods.pod(secret(token), definition(), state="present")
        for file, value in ((directory / "pod.json", token), (directory / "revisions/1.json", "hush-before")):
            record = json.loads(file.read_bytes())
            record["objects"] = [secret(value)]
            del record["secrets"]
            file.write_text(json.dumps(record))
        for file in (directory / "secrets").iterdir():
            file.unlink()
        # What its plan was.
        (directory / "plan.img").write_bytes(token.encode())

        assert not pods.pod(secret(token), definition(), state="present", check=True)["changed"]
        assert token in (directory / "pod.json").read_text()
        assert not pods.pod(secret(token), definition(), state="present")["changed"]
        check_places(pods, token, "hush-before")
        pods.pod(NAME, state="started")
        assert told(pods) == says(token)
        pods.module("pod_rollback", name=NAME)
        assert told(pods) == says("hush-before")
        check_places(pods, token, "hush-before")
    finally:
        pods.pod(NAME, state="absent", grace_period=0)


def test_what_cannot_be_kept_secret_is_refused(pods: PodHost) -> None:
    shows = definition()
    shows["spec"]["containers"][0]["volumeMounts"] = [{"name": "keys", "mountPath": "/k", "subPathExpr": "$(TOKEN)"}]
    assert "containers[0].volumeMounts[0].subPathExpr: names a variable that comes from a Secret" in pods.pod(secret("t"), shows, fails=True)["msg"]
    large = pods.pod(secret("x" * 800000), definition(), fails=True)
    assert (large["error"], NAME in large["msg"]) == ("SecretsTooLarge", True)
    assert not pods.host.pod_dir(NAME).exists()
