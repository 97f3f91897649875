# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of Secrets from a definition to the disk that brings them, and none of them on the way."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _digest_key, _launch, _launch_secrets, _record, _seal, _sealed_objects
from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._guest import SECRETS, qemu_argv
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._launch_secrets import Joined, Piece, SecretsTooLarge, decode, encode
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_objects import split
from ansible_collections.hyper.pods.plugins.module_utils._pod_guest import guest, launch_plan

KEY = bytes(32)
IMAGE = "sha256:" + "a" * 64
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "hush-a", "b": "hush-b", "c": "hush-c"}}


def name(value: str) -> str:
    return _seal.name_of(value.encode(), KEY)


def pod_document(**container: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "x", **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}


def reference(key: str) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": "s", "key": key}}}


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain", [("plain", "")]),
        ("", [("", "")]),
        (_seal.seal("a" * 32), [("", "a" * 32), ("", "")]),
        (f"x{_seal.seal('a' * 32)}y{_seal.seal('b' * 32)}", [("x", "a" * 32), ("y", "b" * 32), ("", "")]),
        ("\0secret:short\0", [("\0secret:short\0", "")]),
    ],
)
def test_pieces(text: str, pieces: list[tuple[str, str]]) -> None:
    assert _seal.pieces(text) == pieces


def test_names_depend_on_the_key_and_the_value() -> None:
    assert len({_seal.name_of(value, key) for value in (b"", b"a", b"b") for key in (b"1", b"2")}) == 6


def test_a_plan_names_what_it_leaves_out() -> None:
    env = [{"name": "A", **reference("a")}, {"name": "PLAIN", "value": "x"}, {"name": "URL", "value": "u:$(A)@$(PLAIN)"}, {"name": "B", **reference("b")}]
    [definition], objects = split([pod_document(env=env, command=["run", "--token=$(B)$(A)", "$(PLAIN)"]), SECRET])
    sealed, values = _sealed_objects.seal(objects, KEY)
    pod = parse(definition, sealed)
    plan = launch_plan(pod, {"c": IMAGE}, {IMAGE: ImageConfig()})
    [container] = plan.containers
    assert container.env == (("A", ""), ("PLAIN", "x"), ("URL", ""), ("B", ""))
    assert container.secret_env == (
        Joined(0, (Piece("A=", name("hush-a")),)),
        Joined(2, (Piece("URL=u:", name("hush-a")), Piece("@x"))),
        Joined(3, (Piece("B=", name("hush-b")),)),
    )
    assert container.argv == ("run", "-", "x")
    assert container.secret_argv == (Joined(1, (Piece("--token=", name("hush-b")), Piece("", name("hush-a")))),)
    assert plan.secrets
    assert pod.secrets == {name("hush-a"), name("hush-b")} < set(values)
    assert b"hush" not in _launch.encode(plan)


def test_a_pod_without_secrets_has_nothing_of_them() -> None:
    pods = [parse(pod_document()), parse(pod_document(env=[{"name": "A", **reference("a")}]), _sealed_objects.seal(split([SECRET])[1], KEY)[0])]
    plan = launch_plan(pods[0], {"c": IMAGE}, {IMAGE: ImageConfig(cmd=("a",))})
    assert (plan.secrets, plan.containers[0].secret_env, plan.containers[0].secret_argv) == (None, (), ())
    here = Path("/p")
    installed = Installed("1", here, here, here, "")
    made = [
        qemu_argv(
            guest(pod, {"c": IMAGE}, directory=here, volumes_dir=here, run_dir=here, installed=installed, kernel=here, initramfs=here, accelerator="tcg"),
            run_dir=here,
        )
        for pod in pods
    ]
    assert [any(str(SECRETS) in word for word in argv) for argv in made] == [False, True]
    # The other disks have the places that they had.
    assert [word for word in made[0] if "virtio-blk" in word] == [word for word in made[1] if "virtio-blk" in word][:-1]


def test_the_disk_of_values() -> None:
    values = {"one": b"\0\xff", "two": b"", "three": b"x" * 1000}
    assert decode(encode(values)) == values
    assert len(encode(values)) % 512 == 0
    assert _launch_secrets.is_encoded(encode({}))
    for damaged in (b"", encode(values)[:100], b"HYPERPLN" + encode(values)[8:]):
        with pytest.raises(Malformed):
            decode(damaged)
    with pytest.raises(SecretsTooLarge, match="at most 786432"):
        encode({"one": bytes(786432)})


def test_the_key_is_made_once_and_for_root_alone(tmp_path: Path) -> None:
    host = Host(tmp_path / "state", tmp_path / "run", "nobody")
    assert _digest_key.read(host) == _digest_key.read(host)
    assert not host.state_dir.exists()
    key = _digest_key.ensure(host)
    assert len(key) == 32
    assert key == _digest_key.ensure(host) == _digest_key.read(host)
    assert host.digest_key.stat().st_mode & 0o777 == 0o600


def test_a_record_never_holds_a_value(tmp_path: Path) -> None:
    host = Host(tmp_path / "state", tmp_path / "run", "nobody")
    host.pod_dir("web").mkdir(parents=True)
    key = _digest_key.ensure(host)
    definition = pod_document(env=[{"name": "A", **reference("a")}])
    _, objects = split([SECRET])
    sealed, values = _sealed_objects.seal(objects, key)
    secrets = [_seal.name_of(b"hush-a", key)]
    record = _record.Record(definition, {}, {}, 1.0, objects=(sealed["Secret", "s"].document,), secrets=secrets, values=values)
    assert "hush" not in repr(record)
    _record.write(host, "web", record)
    assert "hush" not in _record.path(host, "web").read_text()
    read = _record.require(host, "web")
    assert (read.values, read.secrets, read.pod) == (None, secrets, record.pod)

    # As a former version wrote it: the same pod, and its values are known until they are kept apart.
    former = {key: value for key, value in asdict(record).items() if key not in ("values", "secrets")}
    _record.path(host, "web").write_text(json.dumps({**former, "objects": [SECRET]}))
    read = _record.require(host, "web")
    assert (read.secrets, read.pod, read.objects) == (secrets, record.pod, [sealed["Secret", "s"].document])
    assert read.values == values
    assert _sealed_objects.shown(read.objects)[0]["stringData"]["a"] == f"hmac-sha256:{secrets[0][:12]}"


def test_what_is_no_secret_stays_as_it_is() -> None:
    documents = ["web", {"kind": "ConfigMap", "data": {"a": "b"}}, pod_document()]
    assert _sealed_objects.seal_documents(documents, KEY) == (documents, {})
    assert _sealed_objects.shown(documents) == documents
    assert not _sealed_objects.is_clear(documents)
