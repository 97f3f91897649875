# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that the plan leaves out come from a disk of their own or with an update, and are joined with it in memory."""

from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._control import RequestRefused
from ansible_collections.hyper.pods.plugins.module_utils._frames import Frame
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container, File, Mount, Volume
from ansible_collections.hyper.pods.plugins.module_utils._launch_secrets import Joined, Piece, encode

from tests.support.init import NOT_CARRIED_OUT, SUCCEEDED, Init

VOLUMES = (Volume("keys", "tmpfs", files=(File("key", secret="a", mode=0o400), File("plain", b"plain"))),)


def app(init: Init, script: str) -> Container:
    return init.container(
        "app",
        *("/bin/sh", "-c", script, "-"),
        env=(("FIRST", "1"), ("URL", ""), ("LAST", "2")),
        mounts=(Mount("keys", "/keys", readonly=True),),
        secret_argv=(Joined(3, (Piece("x", "b"), Piece("y"))),),
        secret_env=(Joined(1, (Piece("URL=http://", "b"), Piece(":", "b"))),),
    )


SHOW = "cat /keys/key /keys/plain; echo; echo $0 $FIRST $URL $LAST"


def test_values_of_a_disk(sanitized: Init) -> None:
    values = encode({"a": b"hush-a", "b": b"hush-b", "binary": bytes(range(256)) * 2000})
    with sanitized.pod(app(sanitized, SHOW), volumes=VOLUMES, secrets=True, values=values) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        assert pod.output("app").decode().splitlines() == ["hush-aplain", "xhush-by 1 http://hush-b:hush-b 2"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (encode({"a": b"1"}), 'there is none called \\"b\\"'),
        (b"HYPERPLN" + encode({})[8:], "does not begin with HYPERSEC"),
        (encode({"a": b"1", "b": b"2"})[:60], "shorter than it says"),
    ],
)
def test_values_that_are_not_there(init: Init, values: bytes, message: str) -> None:
    with init.pod(app(init, SHOW), volumes=VOLUMES, secrets=True, values=values) as pod:
        assert pod.wait() == NOT_CARRIED_OUT
        assert message in pod.log.read_text()


def test_values_of_an_update(sanitized: Init) -> None:
    """More than a frame holds, into a pod that had none; and again, others."""
    web = sanitized.sleeper("web")
    with sanitized.pod(web) as pod:
        pod.until_running()
        stay = app(sanitized, f"{SHOW}; sleep 1000")
        for value in (b"x" * 200000, b"y" * 700000):
            pod.update(web, stay, replace=["app"] if value[:1] == b"y" else [], volumes=VOLUMES, secrets=True, values=encode({"a": value, "b": b"hush"}))
            pod.until(lambda status: len(status.containers) == 2 and status.containers[1].ready)
            assert pod.shell("app", "wc -c < /keys/key; head -c 1 /keys/key") == f"{len(value)}\n{value[:1].decode()}"
        # Without them, or with too much, it is refused and nothing is changed; what another request brought does not count.
        for values in (b"", b"HYPERSEC" + bytes(tag.SECRETS_MAX_SIZE)):
            with pytest.raises(RequestRefused, match="did not come"):
                pod.update(web, stay, volumes=VOLUMES, secrets=True, values=values)
        with pod.control() as control:
            control._channel.send(Frame(tag.FRAME_SECRETS, 77, encode({"a": b"1", "b": b"2"})))
            with pytest.raises(RequestRefused, match="did not come"):
                control.update()
        with pytest.raises(RequestRefused, match="none called"):
            pod.update(web, stay, volumes=VOLUMES, secrets=True, values=encode({"a": b"1"}))
        assert pod.shell("app", "head -c 1 /keys/key") == "y"
        said = [line for line in pod.log.read_bytes().splitlines() if b" event " in line]
        assert said
        assert not [line for line in said if b"hush" in line]
