# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for Ansible, so that the command line is tried by itself: what a playbook was called with, and what is printed of its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperstart import _ansible, _road, cli
from hyperstart.errors import HostFailure

POD = {
    "name": "web",
    "phase": "Running",
    "ip": "10.0.2.15",
    "accelerator": "tcg",
    "ports": ["127.0.0.1:8080->80/tcp"],
    "createdAt": "2026-01-01T00:00:00Z",
    "containers": [
        {"name": "nginx", "image": "nginx:1", "state": "running", "exitCode": None, "restartCount": 0, "ready": True},
        {"name": "job", "image": "busybox", "state": "terminated", "exitCode": 3, "restartCount": 2, "reason": "Error"},
    ],
    "timings": {"images": 0.21, "boot": 3.04},
}
# The same pod, nearly, in the other forms that files have.
PODFILE = '{\n\t"id": "web",\n\t"containers": [{"image": "nginx", "command": ["echo", "a\\nb"]}]}'
COMPOSE = "services: {web: {image: 'nginx:${CONVERT_TAG}', restart: always, healthcheck: {test: 'true'}}}"


class Stage:
    """Stands in for Ansible: keeps what a playbook was called with, gives back what a test wrote down."""

    def __init__(self) -> None:
        self.playbook = ""
        self.variables: dict[str, Any] = {}
        self.options: Mapping[str, Any] = {}
        self.calls: list[str] = []
        self.results: list[tuple[str, str, dict[str, Any]]] = []
        self.failures: list[HostFailure] = []

    def run(self, playbook: str, variables: Mapping[str, Any], options: Any) -> _ansible.Play:
        self.playbook, self.options = playbook, options
        self.variables = {key: value for key, value in variables.items() if value is not None}
        self.calls.append(playbook)
        return _ansible.Play(tuple(_ansible.HostValues(*result) for result in self.results), tuple(self.failures), ())


def no_road(**_options: Any) -> list[_road.Road]:
    raise _road.NoRoad("only Ansible can reach it", where="localhost")


def hyper(words: str | list[str]) -> int:
    try:
        return cli.main(words.split() if isinstance(words, str) else words)
    except SystemExit as end:
        return int(end.code or 0)


def pod_of(stage: Stage) -> dict[str, Any]:
    (pod,) = stage.variables["pods"]
    return dict(pod)
