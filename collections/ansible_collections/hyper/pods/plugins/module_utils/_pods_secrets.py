# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operations on pods do about secrets: they are sealed on the way in, looked at before anything is changed, and taken out of old records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.hyper.pods.plugins.module_utils import (
    _digest_key,
    _launch_secrets,
    _manifest,
    _manifest_objects,
    _pod_secrets,
    _pod_status,
    _seal,
    _sealed_objects,
)
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest


def seal(host: Host, objects: _manifest_objects.Objects, *, check: bool) -> tuple[_manifest_objects.Objects, dict[str, bytes]]:
    """The objects with the Secrets' values sealed by the host's key, and these values. check: nothing is written, not even a key."""
    secret = any(kind == "Secret" for kind, _ in objects)
    return _sealed_objects.seal(objects, _digest_key.ensure(host) if secret and not check else _digest_key.read(host))


def check(pods: Sequence[_manifest.Pod], values: Mapping[str, bytes]) -> None:
    """Raises SecretsTooLarge, InvalidManifest for what no guest can be given."""
    for pod in pods:
        for path, container in zip(pod.paths, pod.all_containers):
            for index, mount in enumerate(container.mounts):
                if _seal.names(mount.sub_path):
                    raise InvalidManifest(
                        "names a variable that comes from a Secret, and a path shows it to everybody",
                        where=f"{path}.volumeMounts[{index}].subPathExpr",
                        remedy="Name another variable",
                    )
        try:
            _launch_secrets.encode({name: values[name] for name in pod.secrets})
        except _launch_secrets.SecretsTooLarge as error:
            raise _launch_secrets.SecretsTooLarge(error.message, where=f"pod {pod.name}", remedy=error.remedy) from None


def convert(host: Host, supervisor: Supervisor, names: Sequence[str]) -> None:
    """Have the pods' secrets where they are kept today."""
    for name in names:
        unit = _pod_status.unit_name(name)
        _pod_secrets.convert(host, supervisor, name, off=supervisor.pid(unit) is None and not supervisor.due(unit))
