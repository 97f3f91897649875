# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of real services, through a real registry."""

from __future__ import annotations

import json

from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.modules import run_module
from tests.support.registry import Registry
from tests.support.services import push_services, services_layout


def test_four_services_in_one_task(registry: Registry, host: Host, store: ImageStore) -> None:
    references = push_services(registry)
    hosts = {"state_dir": str(host.state_dir), "run_dir": str(host.run_dir), "qemu_user": host.qemu_user}
    result = run_module("image", {**hosts, "names": list(references.values()), "tls_verify": False})
    assert result["changed"]
    images = {name: store.resolve(reference) for name, reference in references.items()}
    nginx, redis, client = images["nginx"], images["redis"], images["client"]
    assert nginx is not None
    assert (nginx.config.cmd[0], nginx.config.stop_signal, nginx.config.exposed_ports) == ("nginx", "SIGQUIT", ("80/tcp",))
    assert redis is not None
    assert (redis.config.user, redis.config.working_dir) == ("redis", "/var/lib/redis")
    assert client is not None
    assert ("ROLE", "client") in client.config.env
    layout = services_layout()
    index = json.loads((layout / "index.json").read_bytes())
    manifests = [json.loads((layout / "blobs/sha256" / item["digest"][7:]).read_bytes()) for item in index["manifests"]]
    (base,) = {manifest["layers"][0]["digest"] for manifest in manifests}
    assert registry.fetches(base) == 1
