# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of a host with a real systemd, and what it says of their services."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _log

from tests.support.guests import wait_for
from tests.support.nspawn import SystemdHost

# That the host has beside its own, and where a pod's page is published.
ADDRESS, PORT = "10.77.0.3", 8080


@dataclass(frozen=True)
class Pods:
    """Pods of one host, seen from the control node (listed) and from the host itself (the rest)."""

    host: SystemdHost

    def listed(self) -> dict[str, dict[str, Any]]:
        """All pods by name, as ``hyper list`` has them."""
        return {pod["name"]: pod for pod in self.hyper_json("list")}

    def hyper(self, *arguments: str) -> str:
        """What the command printed, which succeeded."""
        done = self.host.hyper(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def hyper_json(self, command: str, *arguments: str) -> Any:
        return json.loads(self.hyper(command, "--json", *arguments))

    def unit(self, name: str) -> dict[str, str]:
        """What systemd says of a pod's service; AtBoot: whether it is started then, as the disk has it."""
        service = f"hyper-pod@{name}.service"
        show = f"systemctl show --property=ActiveState,MainPID,NRestarts,Result {service}; echo AtBoot=$(systemctl is-enabled {service})"
        return dict(line.split("=", 1) for line in self.host.shell(show, user="admin").splitlines())

    def life(self, name: str) -> _log.Life:
        """The last life of a pod's guest."""
        life = _log.last_life(self._log(name))
        assert life is not None
        return life

    def events(self, name: str) -> list[str]:
        """The words of the pod's own events, all lives."""
        return [line.message.decode() for line in _log.read(self._log(name), container="-", events=True)]

    def wait_running(self, name: str, *, after: float) -> None:
        """Wait until a guest that booted after a time has all its containers running."""
        wait_for(lambda: self.life(name).started_at > after and self.life(name).phase == "Running", f"pod {name} to run", timeout=120)

    def wait_over(self, name: str) -> None:
        """Wait until the pod's service has ended, by itself and for good."""
        wait_for(lambda: self.unit(name)["ActiveState"] in ("inactive", "failed"), f"the end of pod {name}", timeout=120)

    @contextlib.contextmanager
    def held_back(self, name: str) -> Iterator[None]:
        """While it lasts, systemd comes no further than to the start of a pod's QEMU: what is short otherwise can be looked at."""
        drop_in = f"/run/systemd/system/hyper-pod@{name}.service.d"
        hold = "[Service]\\nExecStartPre=sh -c 'while [ -e /run/hold ]; do sleep 0.1; done'\\n"
        self.host.shell(f'touch /run/hold; mkdir -p {drop_in}; printf "{hold}" > {drop_in}/hold.conf; systemctl daemon-reload')
        yield
        self.host.shell(f"rm -r /run/hold {drop_in}; systemctl daemon-reload")

    def page(self, port: int = PORT) -> str:
        """What a pod (web, unless the port is another's) answers to the control node."""
        script = f"import urllib.request; print(urllib.request.urlopen('http://{ADDRESS}:{port}/cgi-bin/index.cgi', timeout=20).read().decode())"
        return self.host.from_control("python3", "-c", script).stdout

    def makes_templates(self) -> bool:
        """Whether the host boots a guest to save it."""
        return "/template-" in self.host.shell("pgrep -a qemu || :")

    def _log(self, name: str) -> Path:
        return self.host.root / f"var/lib/hyper/pods/{name}/log"
