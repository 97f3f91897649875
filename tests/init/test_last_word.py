# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container says of its end: Kubernetes' termination message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.init import Init

FILE = "/dev/termination-log"
NASTY = 'one\\ntwo\\t\\"three\\" \\\\\\\\ = \\r.\\0\\377é'
READ = 'one\ntwo\t"three" \\ = \r.?\ufffdé'


@pytest.mark.parametrize(
    ("script", "more", "wanted"),
    [
        (f"printf 'disk full' > {FILE}; exit 3", {}, "disk full"),
        (f"printf 'all well' > {FILE}", {}, "all well"),
        ("echo nothing said; exit 3", {}, ""),
        (f"printf 'as a user' > {FILE}", {"user": "1000", "readonly_rootfs": True}, "as a user"),
        ("printf here > /tmp/a/last", {"last_word_path": "/tmp/a/last"}, "here"),
        (f"test -e {FILE} && printf there", {"last_word_path": "", "last_word_log": True}, ""),
        (f'printf "{NASTY}" > {FILE}', {}, READ),
        (f"yes abcdefg | head -c 5000 > {FILE}; printf end >> {FILE}", {}, ("abcdefg\n" * 625 + "end")[-4096:]),
        ("echo first; echo second >&2; exit 3", {"last_word_log": True}, "first\nsecond\n"),
        ("echo first; exit 0", {"last_word_log": True}, ""),
        (f"echo first; printf said > {FILE}; exit 3", {"last_word_log": True}, "said"),
        ("yes abcdefghijklmnopqrstuvwxyz12345 | head -n 1000; exit 3", {"last_word_log": True}, "abcdefghijklmnopqrstuvwxyz12345\n" * 64),
        ("yes abc | head -n 1000; exit 3", {"last_word_log": True}, "abc\n" * 80),
    ],
)
def test_it_is_known_while_the_pod_runs_and_afterwards(init: Init, script: str, more: dict[str, Any], wanted: str) -> None:
    with init.pod(init.sh("app", script, **{"last_word_path": FILE, **more}), init.sleeper("other")) as pod:
        told = pod.until(lambda status: status.containers[0].state == "terminated").containers[0]
        pod.stop()
        remembered = pod.life().containers[0]
    # Two pipes have no order between them.
    assert sorted(told.last_word.splitlines()) == sorted(wanted.splitlines()), pod.said()
    assert remembered.last_word == told.last_word
    assert (told.message, told.exit_code) == (remembered.message, remembered.exit_code)


def test_every_start_begins_with_an_empty_file(init: Init) -> None:
    script = f"test -s {FILE} && exit 7; printf x >> {FILE}; exit 3"
    with init.pod(init.sh("app", script, restart_policy="OnFailure", last_word_path=FILE)) as pod:
        status = pod.until(lambda status: status.containers[0].reason == "CrashLoopBackOff").containers[0]
        assert (status.exit_code, status.restart_count, status.last_word) == (3, 1, "x")


def test_all_together_have_their_limit(init: Init) -> None:
    script = f"yes | head -c 4096 > {FILE}"
    with init.pod(*(init.sh(f"app{number}", script, last_word_path=FILE) for number in range(12))) as pod:
        pod.wait()
        assert {len(container.last_word) for container in pod.life().containers} == {1024}
