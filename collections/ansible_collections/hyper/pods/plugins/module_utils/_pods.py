# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod operations, for any number of pods in one call. Pods start side by side; an error of one is told when the others are done."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _manifest_objects
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pods_by_name import by_name
from ansible_collections.hyper.pods.plugins.module_utils._pods_call import Options, Outcome
from ansible_collections.hyper.pods.plugins.module_utils._pods_converge import converge
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest


def bring(host: Host, pods: Sequence[object], state: str, options: Options) -> Outcome:
    """Bring pods to a state: present, started, paused, stopped, killed, restarted or absent. pods: manifests, or names, as the module takes them."""
    names = [pod for pod in pods if isinstance(pod, str)]
    if state in ("present", "started") and not names:
        return converge(host, pods, options, start=state == "started")
    if state == "present":
        raise InvalidManifest("needs manifests, not names", where="pods")
    if state == "started" and len(names) != len(pods):
        raise InvalidManifest("holds both names and manifests", where="pods", remedy="Use two tasks")
    return by_name(host, [pod if isinstance(pod, str) else _manifest.name_of(pod) for pod in pods if not _manifest_objects.is_object(pod)], state, options)
