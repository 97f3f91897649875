# SPDX-License-Identifier: GPL-3.0-or-later
"""The template of the size that pods have whose definitions say none: made when a host is prepared, so that already the first of them is a copy."""

from __future__ import annotations

from ansible_collections.hyper.pods.plugins.module_utils._detached import detached
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed
from ansible_collections.hyper.pods.plugins.module_utils._manifest_resources import DEFAULT_SIZE
from ansible_collections.hyper.pods.plugins.module_utils._pod_machine import machine
from ansible_collections.hyper.pods.plugins.module_utils._templates import Templates


def provide(host: Host, init: Installed, accelerator: str) -> None:
    """Have it made, where the host keeps templates and lacks it; nobody waits for it. accelerator: what guests are run with."""
    templates = Templates(host, init)
    guest = machine(
        "template",
        DEFAULT_SIZE,
        directory=host.run_dir,
        run_dir=host.run_dir,
        installed=init,
        kernel=init.kernel,
        initramfs=init.initramfs,
        accelerator=accelerator,
    )
    if templates.serves(guest) and not templates.path(guest).exists():
        detached(lambda: templates.make(guest))
