# SPDX-License-Identifier: GPL-3.0-or-later
"""Init containers and sidecars: who starts after whom, and who ends after whom."""

from __future__ import annotations

import time

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container

from tests.support.init import FAILED, SUCCEEDED, Init, Pod

# Says when it is told to end, and ends.
OBEDIENT = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.02; done"


def order(pod: Pod, *words: str) -> list[tuple[str, str]]:
    """The events of these words with their containers, in order."""
    return [(event.word, event.container) for event in pod.events() if event.word in words and event.container != "-"]


def sidecar(init: Init, name: str, script: str = OBEDIENT, **more: object) -> Container:
    return init.sh(name, script, init=True, restart_policy="Always", **more)


def test_init_containers_run_one_after_the_other_before_the_others(init: Init) -> None:
    with init.pod(init.sh("one", "sleep 0.1", init=True), init.sh("two", "true", init=True), init.sh("a", "true"), init.sh("b", "true")) as pod:
        assert pod.wait() == SUCCEEDED
        assert order(pod, "started", "exited")[:4] == [("started", "one"), ("exited", "one"), ("started", "two"), ("exited", "two")]
        assert pod.life().phase == "Succeeded"


def test_an_init_container_that_fails_for_good_fails_the_pod(init: Init) -> None:
    with init.pod(init.sh("one", "exit 3", init=True), init.sh("two", "true", init=True), init.sh("app", "true")) as pod:
        assert pod.wait() == FAILED
        assert order(pod, "started") == [("started", "one")]
        life = pod.life()
    assert (life.phase, life.cause) == ("Failed", "completed")
    assert {container.name: container.reason for container in life.containers} == {"one": "Error", "two": "NotStarted", "app": "NotStarted"}


def test_an_init_container_is_tried_again(init: Init) -> None:
    again = "test -e /second && exit 0; touch /second; exit 1"
    with init.pod(init.sh("one", again, init=True, restart_policy="OnFailure"), init.sh("app", "true")) as pod:
        assert pod.wait() == SUCCEEDED
        assert order(pod, "exited") == [("exited", "one"), ("exited", "one"), ("exited", "app")]
        assert pod.life().containers[0].restart_count == 1


def test_the_phase_is_pending_while_init_containers_run(init: Init) -> None:
    with init.pod(init.sleeper("one", init=True), init.sleeper("app")) as pod:
        status = pod.until(lambda status: status.containers[0].state == "running")
        assert (status.phase, status.containers[1].state) == ("Pending", "waiting")
        assert pod.stop() == FAILED


def test_sidecars_start_in_order_and_end_last_in_reverse(init: Init) -> None:
    with init.pod(
        sidecar(init, "first"),
        init.sh("prepare", "true", init=True),
        sidecar(init, "second"),
        init.sh("app", "sleep 0.3; echo done"),
    ) as pod:
        assert pod.wait() == SUCCEEDED
        assert order(pod, "started") == [("started", "first"), ("started", "prepare"), ("started", "second"), ("started", "app")]
        assert order(pod, "exited") == [("exited", "prepare"), ("exited", "app"), ("exited", "second"), ("exited", "first")]
        assert pod.output("first") == pod.output("second") == b"ready\nbye\n"
        assert pod.life().cause == "completed"


@pytest.mark.parametrize("code", [0, 4])
def test_a_sidecars_exit_code_does_not_matter(init: Init, code: int) -> None:
    with init.pod(sidecar(init, "side", f"trap 'exit {code}' TERM; echo ready; while :; do sleep 0.02; done"), init.sh("app", "sleep 0.3")) as pod:
        assert pod.wait() == SUCCEEDED


def test_a_sidecar_is_restarted_while_the_pod_runs(init: Init) -> None:
    again = "test -e /second || { touch /second; exit 0; }; " + OBEDIENT
    with init.pod(sidecar(init, "side", again), init.sleeper("app")) as pod:
        pod.until(lambda status: status.containers[0].restart_count == 1 and status.containers[0].state == "running")
        pod.until_said("side", b"ready")
        pod.stop()


def test_a_stop_ends_sidecars_after_the_others(init: Init) -> None:
    with init.pod(sidecar(init, "side"), init.sh("app", "trap 'sleep 0.5; exit 0' TERM; echo ready; while :; do sleep 0.02; done", grace_period=10)) as pod:
        pod.until_said("app", b"ready")
        pod.until_said("side", b"ready")
        assert pod.stop() == SUCCEEDED
        assert order(pod, "exited") == [("exited", "app"), ("exited", "side")]
        assert pod.output("side").endswith(b"bye\n")


def test_a_sidecar_whose_grace_period_the_others_used_up_is_still_told(init: Init) -> None:
    with init.pod(sidecar(init, "side", grace_period=1), init.sh("app", DEAF, grace_period=1)) as pod:
        pod.until_said("app", b"ready")
        pod.until_said("side", b"ready")
        began = time.monotonic()
        assert pod.stop() == FAILED
        assert time.monotonic() - began < 10
        assert pod.output("side").endswith(b"bye\n")


def test_without_a_grace_period_nobody_waits_for_a_turn(init: Init) -> None:
    with init.pod(sidecar(init, "side", DEAF, grace_period=60), init.sh("app", DEAF, grace_period=60)) as pod:
        pod.until_said("app", b"ready")
        began = time.monotonic()
        assert pod.stop(0) == FAILED
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("names", "message"),
    [(("app", "init"), "plan: the init container init stands behind others"), (("init",), "plan: there are only init containers")],
)
def test_plans_that_have_no_order(init: Init, names: tuple[str, ...], message: str) -> None:
    with init.pod(*(init.sh(name, "true", init=name == "init") for name in names)) as pod:
        assert pod.wait() == 2
        assert pod.life().failure == message
