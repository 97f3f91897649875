# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a container's processes are and what they may do, where the plan says more than the image."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._launch import Mount, Volume
from ansible_collections.hyper.pods.plugins.module_utils._ulimit import Ulimit

from tests.support.init import FAILED, SUCCEEDED, Init

IDS = "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort -n)"


@pytest.mark.parametrize(
    ("user", "merge", "wanted"),
    [
        ("many:adm", False, "1002 4 4 70"),
        ("many:adm", True, "1002 4 4 50 70"),
        ("1002:7", True, "1002 7 4 7 50 70"),
        ("4242:7", True, "4242 7 7 70"),
    ],
)
def test_groups_of_the_image_are_merged(init: Init, user: str, merge: bool, wanted: str) -> None:
    with init.pod(init.sh("app", IDS, user=user, merge_groups=merge, additional_groups=(70,))) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        assert pod.output("app").decode().split() == wanted.split()


def test_groups_by_name_and_limits(init: Init) -> None:
    limits = (Ulimit(7, 100, 200), Ulimit(4, 0, 0))
    script = f"{IDS}; ulimit -n; ulimit -Hn; ulimit -Hc"
    with init.pod(init.sh("app", script, user="app:staff", group_names=("adm", "77", "empty"), ulimits=limits)) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        assert pod.output("app").decode().split() == ["1000", "50", "4", "50", "60", "77", "100", "200", "0"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"group_names": ("nowhere",)}, b"group nowhere: not in the image's /etc/group"),
        ({"ulimits": (Ulimit(7, 1, 2**40),)}, b"ulimit 7: Operation not permitted"),
    ],
)
def test_groups_and_limits_that_cannot_be_had(init: Init, more: dict[str, Any], message: bytes) -> None:
    with init.pod(init.sh("app", "true", **more)) as pod:
        assert pod.wait() == FAILED
        assert message in pod.log.read_bytes()


@pytest.mark.parametrize(("user", "code"), [("", FAILED), ("root", FAILED), ("0:50", FAILED), ("app", SUCCEEDED), ("4242", SUCCEEDED)])
def test_root_is_not_started_where_that_is_forbidden(init: Init, user: str, code: int) -> None:
    with init.pod(init.sh("app", "true", user=user, non_root=True)) as pod:
        assert pod.wait() == code
        assert (b"runAsNonRoot" in pod.log.read_bytes()) == (code == FAILED)


def test_proc_is_masked_unless_the_plan_says_otherwise(init: Init) -> None:
    script = "grep -c ' /proc/' /proc/self/mountinfo"
    with init.pod(init.sh("masked", script), init.sh("open", script, unmasked_proc=True)) as pod:
        pod.wait()
        assert int(pod.output("masked")) > 3
        assert int(pod.output("open")) == 0


def test_sysctls_are_set_before_containers_start(init: Init) -> None:
    script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ip_local_port_range"
    with init.pod(init.sh("app", script), sysctls=(("net/ipv4/ip_forward", "1"), ("net/ipv4/ip_local_port_range", "2000 3000"))) as pod:
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        assert pod.output("app").split() == [b"1", b"2000", b"3000"]


def test_a_sysctl_that_does_not_exist_fails_the_pod(init: Init) -> None:
    with init.pod(init.sh("app", "true"), sysctls=(("net/no/such", "1"),)) as pod:
        assert pod.wait() == 2
        assert b"sysctl net/no/such" in pod.log.read_bytes()


@pytest.mark.parametrize("kind", ["scratch", "tmpfs"])
def test_a_volume_belongs_to_the_pods_group(init: Init, kind: str) -> None:
    script = "stat -c '%g %a' /data; touch /data/new; stat -c %g /data/new"
    container = init.sh("app", script, user="1000:1001", additional_groups=(70,), mounts=(Mount("data", "/data"),))
    with init.pod(container, volumes=(Volume("data", kind, group=70),)) as pod:  # type: ignore[arg-type]
        assert pod.wait() == SUCCEEDED, pod.log.read_text()
        assert pod.output("app").decode().split() == ["70", "2777", "70"]


@pytest.mark.parametrize(
    ("script", "more", "wanted"),
    [
        ("unshare -U true", {}, False),
        ("unshare -U true", {"filtered": False, "privileged": True}, True),
        ("hostname x", {"capabilities": (21,)}, True),
        ("hostname x", {"capabilities": (21,), "filtered": False}, True),
        ("mount -t tmpfs x /tmp", {"capabilities": (21,)}, True),
        ("chroot / true", {"capabilities": ()}, False),
        ("chroot / true", {}, True),
        ("(true) & wait; sh -c true | cat; sleep 0; id", {"user": "1000", "capabilities": ()}, True),
    ],
)
def test_a_filter_lets_through_what_goes_with_a_capability(init: Init, script: str, more: dict[str, Any], wanted: bool) -> None:
    options = {"filtered": True, **more}
    with init.pod(init.sh("app", f"{script} && grep Seccomp: /proc/self/status", **options)) as pod:
        code = pod.wait()
        assert (code == SUCCEEDED) == wanted, pod.output("app", "stderr")
        if wanted:
            assert pod.output("app").split()[-1] == (b"2" if options["filtered"] else b"0")


def test_a_command_of_exec_is_filtered_too(init: Init) -> None:
    with init.pod(init.sleeper("app", filtered=True)) as pod:
        pod.until(lambda status: status.containers[0].state == "running")
        assert pod.shell("app", "grep Seccomp: /proc/self/status").split()[-1] == "2"
        assert pod.exec("app", "unshare", "-U", "true").code != 0
