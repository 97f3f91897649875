# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb of the command on a host with a real systemd that is reached over SSH, and logs that are rotated there by systemd alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyperstart.samples import make_samples
from tests.support.guests import wait_for
from tests.support.nspawn import NAME, SystemdHost
from tests.support.pods import manifest, sh

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.xdist_group("systemd-host")]

POD, LINES = "verbs", 5000
LOG_LIMITS = {"hyper.pods/log-max-size": "64Ki"}
CHATTY = sh(f"trap 'echo hung up' HUP; trap 'exit 7' TERM; seq 1 {LINES}; echo kept > /kept; while :; do sleep 1 & wait $!; done")


@pytest.fixture(scope="module")
def host(prepared_host: SystemdHost) -> Iterator[SystemdHost]:
    make_samples(directory=prepared_host.root / "srv/images")
    yield prepared_host
    prepared_host.play("remove_pod.yml", pod_names=[POD], pod_grace_period=0)
    prepared_host.play("prune_volumes.yml")


def write(path: Path, version: str) -> None:
    app = {"name": "app", "image": "app", "command": CHATTY, "resources": {"limits": {"memory": "64Mi"}}}
    definition = manifest(POD, app, {"name": "side", "image": "app", "command": ["sleep", "infinity"], "resources": {"limits": {"memory": "64Mi"}}})
    definition["metadata"].update(annotations=LOG_LIMITS, labels={"version": version})
    path.write_text(yaml.safe_dump(definition))


def test_verbs_over_ssh(host: SystemdHost, tmp_path: Path) -> None:
    """One after the other, on one pod: each ends as it should, and its JSON tells so."""
    first, second, archive = tmp_path / "first.yml", tmp_path / "second.yml", tmp_path / "saved.tar"
    write(first, "1")
    write(second, "2")

    def hyper(words: str, code: int = 0) -> Any:
        done = host.hyper(*words.split(), "--json")
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def pods(of: str) -> Callable[[Any], Any]:
        return lambda said: [pod[of] for pod in said["pods"]]

    def each(of: str) -> Callable[[Any], Any]:
        return lambda said: [item[of] for item in said]

    def effects(said: Any) -> Any:
        return [action["effect"] for action in said["actions"]]

    def changed(said: Any) -> Any:
        return said["changed"]

    # The words, what is looked at in what they say, what that has to be, and the exit code.
    steps: list[tuple[str, Callable[[Any], Any], Any, int]] = [
        ("pull --source oci-archive:/srv/images/app.tar app", each("reference"), ["localhost/app:latest"], 0),
        (f"run --file {first}", pods("phase"), ["Running"], 0),
        ("list", each("name"), [POD], 0),
        (f"inspect {POD}", lambda said: said[0]["guest"]["running"], True, 0),
        (f"top {POD}", lambda said: {process["container"] for process in said}, {"app", "side"}, 0),
        (f"stats --no-stream {POD}", each("pod"), [POD], 0),
        (f"run --file {second}", effects, ["live"], 0),
        (f"history {POD}", each("revision"), [1, 2], 0),
        (f"rollback {POD}", effects, ["live"], 0),
        (f"label {POD} tier=front", effects, ["live"], 0),
        (f"port add {POD} 18080:80", effects, ["live"], 0),
        (f"port rm {POD} 18080", effects, ["live"], 0),
        (f"attach --no-stdin --timeout 1 {POD} app", lambda said: said["exitCode"], None, 0),
        (f"kill --signal HUP -c app {POD}", changed, True, 0),
        (f"pause {POD}", pods("phase"), ["Paused"], 0),
        (f"unpause {POD}", pods("phase"), ["Running"], 0),
        (f"restart -c side {POD}", effects, ["restarts container side"], 0),
        (f"wait --for ready {POD}", pods("phase"), ["Running"], 0),
        # What the container wrote lies in more than one file, and is one log.
        (f"logs {POD} app", lambda said: [line["message"] for line in said], [*map(str, range(1, LINES + 1)), "hung up"], 0),
        (f"events {POD} side", each("event"), ["created", "started", "restarting", "exited", "created", "started"], 0),
        (f"stop {POD}", pods("phase"), ["Stopped"], 0),
        (f"commit --container app {POD} saved:1", changed, True, 0),
        ("tag saved:1 saved:2", changed, True, 0),
        (f"save --output {archive} saved:2", lambda said: said["file"], str(archive), 0),
        ("rmi saved:1 saved:2", changed, True, 0),
        (f"load {archive}", lambda said: said["images"][0]["reference"], "localhost/saved:2", 0),
        ("image inspect saved:2", lambda said: len(said[0]["layers"]), 2, 0),
        ("images", lambda said: {"localhost/app:latest", "localhost/saved:2"} <= {image["reference"] for image in said}, True, 0),
        (f"rename {POD} other", changed, True, 0),
        ("list", each("name"), ["other"], 0),
        (f"rename other {POD}", changed, True, 0),
        (f"start {POD}", pods("phase"), ["Running"], 0),
        (f"kill {POD}", pods("phase"), ["Stopped"], 0),
        (f"wait {POD}", lambda said: {container["exitCode"] for container in said["pods"][0]["containers"]}, {137}, 137),
        (f"rm {POD} -c side", effects, ["live"], 0),
        ("volume create --size 16Mi data", changed, True, 0),
        ("volume snapshot data before", changed, True, 0),
        ("volume export data /srv/data.img", changed, True, 0),
        ("volume import /srv/data.img after", changed, True, 0),
        ("volume ls", each("name"), ["after", "before", "data"], 0),
        ("volume inspect data", each("name"), ["data"], 0),
        ("volume rm data", changed, True, 0),
        ("volume prune", lambda said: len(said["volumes"]), 2, 0),
        ("info", list, [NAME], 0),
        ("df", list, [NAME], 0),
        ("doctor", lambda said: [check for check in said[NAME] if check["level"] == "error"], [], 0),
        ("prune --check", changed, False, 0),
        (f"rm {POD}", effects, ["live"], 0),
        ("rmi saved:2", changed, True, 0),
    ]
    log = host.root / f"var/lib/hyper/pods/{POD}/log.1"
    for words, part, wanted, code in steps:
        if words.startswith("logs"):
            # Nothing of ours runs on the host but what a timer of systemd starts, as long as there is a pod.
            wait_for(log.exists, "systemd to have the log rotated")
            assert host.shell("systemctl is-active hyper-logs.timer; systemctl show --value -p Result hyper-logs.service") == "active\nsuccess"
        said = hyper(words, code)
        assert part(said) == wanted, (words, said)
    assert host.shell("systemctl list-units --all --no-legend 'hyper-logs*'; find /etc/systemd/system -name 'hyper-logs*'") == ""
