# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that runs is brought to a newer plan: what the plan leaves alone goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._control import RequestRefused, Status
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container, File, Mount, Volume
from ansible_collections.hyper.pods.plugins.module_utils._launch_life import Action, Probe
from ansible_collections.hyper.pods.plugins.module_utils._tags import PLAN_PLACE_SIZE

from tests.support.guests import wait_for
from tests.support.init import SUCCEEDED, Init, Pod


def pids(status: Status) -> dict[str, int | None]:
    return {container.name: container.pid for container in status.containers}


def ready(pod: Pod, *names: str) -> Status:
    """The status when just these containers are there, and ready."""
    return pod.until(lambda status: [item.name for item in status.containers] == [*names] and all(item.ready for item in status.containers))


def test_add_replace_and_remove(sanitized: Init) -> None:
    web, app, log = (sanitized.sleeper(name) for name in ("web", "app", "log"))
    with sanitized.pod(web, app) as pod:
        before = pids(ready(pod, "web", "app"))
        pod.shell("app", "echo kept > /data/file")
        pod.update(log, web, replace(app, env=(("A", "1"),)), replace=["app"])
        after = pids(ready(pod, "log", "web", "app"))
        assert after["web"] == before["web"]
        assert after["app"] != before["app"]
        assert pod.shell("app", "echo $A; cat /data/file") == "1\nkept\n"
        pod.update(web)
        assert pids(ready(pod, "web")) == {"web": before["web"]}
        assert pod.exec("web", "true").code == 0
        with pytest.raises(Exception, match="no container"):
            pod.exec("app", "true")
        words = [(event.word, event.container) for event in pod.events()]
        assert words.count(("removed", "app")) == words.count(("removed", "log")) == 1
        assert [container.name for container in pod.life().containers] == ["web"]
        assert pod.stop() == SUCCEEDED


def test_many_updates_in_a_row(sanitized: Init) -> None:
    web, app = sanitized.sleeper("web"), sanitized.sleeper("app", restart_policy="Always")
    with sanitized.pod(web, app) as pod:
        before = pids(ready(pod, "web", "app"))["web"]
        for number in range(8):
            pod.update(web, replace(app, env=(("A", str(number)),)), replace=["app"])
            status = ready(pod, "web", "app")
            assert status.containers[1].restart_count == 0
            assert (pids(status)["web"], pod.shell("app", "echo $A")) == (before, f"{number}\n")


@pytest.mark.parametrize("script", ["exit 3", "sleep 1000", "exec /nosuch"])
def test_whatever_it_does_it_can_be_replaced(sanitized: Init, script: str) -> None:
    """Ended for good, in its back-off, ignoring its stop signal, or never started."""
    web = sanitized.sleeper("web")
    for policy in ("Never", "Always"):
        with sanitized.pod(web, sanitized.sh("app", script, restart_policy=policy)) as pod:
            pod.until_running()
            pod.update(web, sanitized.sleeper("app"), replace=["app"])
            assert ready(pod, "web", "app").containers[1].restart_count == 0


def test_a_new_container_that_cannot_be_started_is_told(init: Init) -> None:
    web = init.sleeper("web")
    with init.pod(web) as pod:
        before = pids(ready(pod, "web"))
        pod.update(web, init.container("app", "/nosuch", restart_policy="Always"))
        status = pod.until(lambda status: len(status.containers) == 2 and status.containers[1].last_reason == "StartError")
        assert pids(status)["web"] == before["web"]
        pod.update(web, rollback=True)
        assert pids(ready(pod, "web")) == before


def test_restart_policy_and_grace_period_change_live(sanitized: Init) -> None:
    deaf = sanitized.sh("app", "trap '' TERM; while :; do sleep 1; done", grace_period=3600)
    web = sanitized.sleeper("web")
    with sanitized.pod(web, deaf) as pod:
        before = pids(ready(pod, "web", "app"))
        pod.update(web, replace(deaf, grace_period=0, restart_policy="Always"), retune=["app"])
        assert pids(ready(pod, "web", "app")) == before
        pod.shell("web", f"kill -9 {before['app']}")
        pod.until(lambda status: status.containers[1].restart_count == 1 and status.containers[1].ready)
        pod.stop()


def test_files_of_a_volume_are_exchanged_under_a_running_container(sanitized: Init) -> None:
    mounts = (Mount("config", "/data", readonly=True), Mount("config", "/one", "a", readonly=True), Mount("config", "/part", "deep", readonly=True))
    reader = sanitized.sleeper("app", mounts=mounts)

    def volume(*files: File) -> dict[str, tuple[Volume, ...]]:
        return {"volumes": (Volume("config", "tmpfs", files=files),)}

    with sanitized.pod(reader, **volume(File("a", b"one"), File("b", b"same"), File("deep/x", b"old"), File("gone", b""))) as pod:
        before = pids(ready(pod, "app"))
        assert pod.shell("app", "cd /data; cat a b deep/x; ls; readlink a; readlink deep") == "onesameolda\nb\ndeep\ngone\n..data/a\n..data/deep\n"
        same = pod.shell("app", "readlink /data/..data")
        pod.update(reader, **volume(File("deep/x", b"old"), File("b", b"same"), File("gone", b""), File("a", b"one")))
        assert pod.shell("app", "readlink /data/..data") == same
        pod.update(reader, **volume(File("a", b"two", 0o600), File("b", b"same"), File("deep/c", b"three")))
        assert pod.shell("app", "cd /data; cat a b deep/c; stat -Lc %a a; ls") == "twosamethree600\na\nb\ndeep\n"
        # Parts of a volume that are mounted are what they were, as in Kubernetes.
        assert pod.shell("app", "cat /one; cat /part/x") == "oneold"
        pod.update(reader, **volume())
        assert pod.shell("app", "ls /data") == ""
        pod.update(reader, **volume(File("again")))
        assert pod.shell("app", "ls /data") == "again\n"
        assert pids(ready(pod, "app")) == before


def test_files_of_a_volume_change_all_at_once(sanitized: Init) -> None:
    """Whoever goes by what the link leads to sees all of one state, or that it is gone."""
    look = 'd=$(readlink /data/..data); one=$(cat /data/$d/a) && two=$(cat /data/$d/deep/b) && { [ "$one" = "$two" ] && echo whole$one || echo TORN; }'
    reader = sanitized.sh("app", f"while :; do {look}; done 2> /dev/null", mounts=(Mount("config", "/data", readonly=True),))

    def volume(number: int) -> dict[str, tuple[Volume, ...]]:
        text = str(number).encode() * 5000
        return {"volumes": (Volume("config", "tmpfs", files=(File("a", text), File("deep/b", text))),)}

    with sanitized.pod(reader, **volume(1)) as pod:
        for number in range(2, 10):
            pod.until_said("app", f"whole{number - 1}".encode())
            pod.update(reader, **volume(number))
        pod.until_said("app", b"whole9")
        assert b"TORN" not in pod.output("app")


def test_files_that_find_no_room_refuse_the_change(sanitized: Init) -> None:
    reader = sanitized.sleeper("app", mounts=(Mount("config", "/data", readonly=True),))

    def volume(size: int) -> dict[str, tuple[Volume, ...]]:
        return {"volumes": (Volume("config", "tmpfs", 65536, files=(File("a", b"x" * size), File("b", b"y"))),)}

    with sanitized.pod(reader, **volume(10)) as pod:
        ready(pod, "app")
        with pytest.raises(RequestRefused, match=r"volume config: a: No space left on device"):
            pod.update(reader, **volume(100000))
        assert pod.shell("app", "cat /data/a; ls -d /data/..* | wc -l") == "xxxxxxxxxx3\n"
        pod.update(reader, **volume(5))
        assert pod.shell("app", "cat /data/a") == "xxxxx"


def test_a_volume_that_comes_back_begins_empty(sanitized: Init) -> None:
    plain = sanitized.sleeper("web")
    with_volumes = sanitized.sleeper("app", mounts=(Mount("disk", "/disk"), Mount("memory", "/memory")))
    volumes = (Volume("disk", "scratch"), Volume("memory", "tmpfs"))
    with sanitized.pod(plain) as pod:
        ready(pod, "web")
        for _ in range(2):
            pod.update(plain, with_volumes, volumes=volumes)
            ready(pod, "web", "app")
            assert pod.shell("app", "ls /disk /memory; touch /disk/x /memory/x") == "/disk:\n\n/memory:\n"
            pod.update(plain)
            ready(pod, "web")


def test_what_is_refused_changes_nothing(sanitized: Init) -> None:
    web, first = sanitized.sleeper("web"), sanitized.sh("first", "true", init=True)
    other: list[tuple[tuple[Container, ...], dict[str, object], str]] = [
        ((web,), {}, "init container is missing"),
        ((sanitized.sh("second", "true", init=True), first, web), {}, "would be another"),
        ((first, web), {"replace": ["first"]}, "would be another"),
        ((first, web), {"replace": ["nosuch"]}, "not in both plans"),
        ((first, web), {"volumes": (Volume("v", "tmpfs", 4096),)}, "would be another"),
        ((first, replace(web, rootfs="nodisk")), {"replace": ["web"]}, "waiting for the disk"),
    ]
    with sanitized.pod(first, web, volumes=(Volume("v", "tmpfs"),)) as pod:
        before = pids(ready(pod, "first", "web"))
        for containers, more, message in other:
            with pytest.raises(RequestRefused, match=message):
                pod.update(*containers, **{"volumes": (Volume("v", "tmpfs"),), **more})  # type: ignore[arg-type]
        with pod.control() as control, pytest.raises(RequestRefused, match="not in both"):
            control.update(replace=["x"])
        assert pids(ready(pod, "first", "web")) == before


def test_a_plan_that_is_half_written_does_not_count(init: Init) -> None:
    web = init.sleeper("web")
    with init.pod(web) as pod:
        ready(pod, "web")
        pod.write_plan(web, init.sleeper("app"))
        with pod.plan.open("r+b") as disk:
            disk.seek(PLAN_PLACE_SIZE + 100)
            disk.write(b"?")
        with pod.control() as control, pytest.raises(RequestRefused, match="no newer plan"):
            control.update()


def found(name: str, **more: int) -> Probe:
    """Whether a file is there, asked once a second; the first answer counts."""
    return Probe(Action("exec", ("/bin/sh", "-c", f"test -e /{name}")), **{"period": 1, "failure_threshold": 1, **more})


def test_probes_change_under_a_running_container(sanitized: Init) -> None:
    web = sanitized.sleeper("web", restart_policy="Always")
    with sanitized.pod(web) as pod:
        before = pids(ready(pod, "web"))

        def change(ready_then: bool, **probes: Probe) -> None:
            pod.update(replace(web, **probes), retune=["web"])  # type: ignore[arg-type]
            status = pod.until(lambda status: status.containers[0].ready == ready_then)
            assert (pids(status), status.containers[0].restart_count) == (before, 0)

        change(False, readiness_probe=found("a"))
        pod.shell("web", "touch /a")
        ready(pod, "web")
        # The log is written a moment after the status is told.
        wait_for(lambda: pod.events()[-1].word == "ready", "the log")
        # What is the same keeps what it found; a startup probe is for the next start.
        told = len(pod.events())
        change(True, readiness_probe=found("a"), liveness_probe=found("a"), startup_probe=found("nosuch", failure_threshold=1000))
        wait_for(lambda: [event.word for event in pod.events()[told:]] == ["update"], "the update")
        change(False, readiness_probe=found("b"))
        change(True)
        # That one is heeded from now on, too.
        pod.update(replace(web, liveness_probe=found("c"), startup_probe=found("d", failure_threshold=1000)), retune=["web"])
        status = pod.until(lambda status: status.containers[0].restart_count == 1 and status.containers[0].state == "running")
        assert not status.containers[0].started
        # Taken away while it is being asked, it holds up nobody any more.
        pod.update(web, retune=["web"])
        assert ready(pod, "web").containers[0].started


def test_probes_begin_anew_with_the_container(init: Init) -> None:
    web = init.sleeper("web")
    probe = Probe(Action("exec", ("/bin/sh", "-c", "test -e /data/ready")), period=1)
    with init.pod(web) as pod:
        ready(pod, "web")
        pod.update(replace(web, readiness_probe=probe), replace=["web"])
        pod.until(lambda status: status.containers[0].state == "running" and not status.containers[0].ready)
        pod.shell("web", "touch /data/ready")
        ready(pod, "web")
