# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a pod's guest as a copy of a template: QEMU loads its state, hyperstart is told what no two guests may have alike, and goes on as after a boot."""

from __future__ import annotations

import os
import time

from ansible_collections.hyper.pods.plugins.module_utils import _tags
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET
from ansible_collections.hyper.pods.plugins.module_utils._qmp import Qmp
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor, Unit
from ansible_collections.hyper.pods.plugins.module_utils._unit import incoming_file, run_dir_of

# A boot takes seconds, too: who waits longer than this for a copy would have done better without.
_LOAD_TIME = 20.0
_ANSWER_TIME = 10.0


class NotCloned(HyperError):
    """The guest could not be started from its template; it does not run, and can be booted."""


def start(supervisor: Supervisor, unit: Unit, template: int) -> None:
    """Start ``unit`` from the state that the descriptor ``template`` is open on. Raises NotCloned; QemuFailed, which a boot would raise as well."""
    supervisor.start(unit, incoming=True)
    try:
        with Qmp.connect(unit.run_dir / QMP_SOCKET, _LOAD_TIME) as qmp:
            qmp.send_file("state", template)
            qmp.execute("migrate-incoming", uri="fd:state")
            if not any(event["event"] == "RESUME" for event in qmp.events(_LOAD_TIME)):
                raise NotCloned("QEMU did not load the state", where=unit.name)
        with Control.connect(unit.run_dir, timeout=_LOAD_TIME, alive=lambda: supervisor.pid(unit.name) is not None) as control:
            control.begin(time.time_ns(), os.urandom(_tags.BEGIN_SEED_SIZE), timeout=_ANSWER_TIME)
    except HyperError as error:
        supervisor.stop(unit.name)
        raise NotCloned(error.message, where=unit.name) from error
    incoming_file(unit.run_dir).unlink(missing_ok=True)


def end_half_started(supervisor: Supervisor, name: str) -> None:
    """End what a run that was killed has left: a QEMU that waits for a state, or a guest for the word to go on. Whoever calls this holds the unit's lock."""
    if incoming_file(run_dir_of(supervisor.host, name)).exists() and supervisor.pid(name) is not None:
        supervisor.stop(name)
