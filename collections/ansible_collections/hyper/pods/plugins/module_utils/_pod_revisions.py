# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on what a pod is defined as: tell its revisions, bring it back to one, change a part of it."""

from __future__ import annotations

from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _history,
    _manifest,
    _pod_files,
    _pod_images,
    _pod_status,
    _pods_call,
    _pods_converge,
    _record,
    _sealed_objects,
)
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import StoredImage
from ansible_collections.hyper.pods.plugins.module_utils._kubernetes_status import iso
from ansible_collections.hyper.pods.plugins.module_utils._pod_life import image_config
from ansible_collections.hyper.pods.plugins.module_utils._pod_patch import Patch, patched
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor


class ImageGone(HyperError):
    """An image of a former definition is not on the host any more."""


def history(host: Host, name: str) -> list[dict[str, Any]]:
    """The revisions of a pod, the oldest first; of Secrets digests only. Raises PodNotFound."""
    records = list(_history.revisions(host, name))
    return [
        {
            "pod": name,
            "revision": record.revision,
            "current": record is records[-1],
            "changedAt": iso(record.changed_at),
            "definition": _pods_converge.brief(record.pod, record.images),
        }
        for record in records
    ]


def roll_back(host: Host, name: str, number: int | None, options: _pods_call.Options) -> _pods_call.Outcome:
    """Bring a pod to the definition and the images of a former revision, None: of the one before. A pod that does not run is not started.

    Raises PodNotFound, NoRevision, ImageGone and what a change raises.
    """
    return _pods_converge.change(host, name, lambda _: _former(host, name, number), options)


def patch(host: Host, name: str, wanted: Patch, options: _pods_call.Options) -> _pods_call.Outcome:
    """Change a part of a pod's definition; its images stay as they are. A pod that does not run is not started.

    Raises PodNotFound, BadPort, LastContainer, InvalidManifest, ImageGone and what a change raises.
    """
    running = supervisor(host).pid(_pod_status.unit_name(name)) is not None

    def changed(record: _record.Record) -> tuple[list[object], dict[str, _pod_images.Found]]:
        objects = _sealed_objects.read(record.objects)
        made = patched(record.definition, objects, wanted, keep_size=running)
        return [made, *record.objects], _images(host, name, record, _manifest.parse(made, objects))

    return _pods_converge.change(host, name, changed, options)


def _former(host: Host, name: str, number: int | None) -> tuple[list[object], dict[str, _pod_images.Found]]:
    record = _history.revision(host, name, number)
    return [record.definition, *record.objects], _images(host, name, record, record.pod)


def _images(host: Host, name: str, record: _record.Record, pod: _manifest.Pod) -> dict[str, _pod_images.Found]:
    """The images of a pod that the record has all of."""
    return {reference: _held(host, name, record, key, reference) for key, reference, _ in pod.image_uses}


def _held(host: Host, name: str, record: _record.Record, key: str, reference: str) -> _pod_images.Found:
    image = record.images[key]
    disk = _pod_files.image_link(host, name, image)
    if not disk.exists():
        raise ImageGone(f"image {reference} of revision {record.revision} is not here any more", where=f"pod {name}", remedy="Run the pod from its definition")
    stored = StoredImage(reference, image, "", disk, disk.stat().st_size, image_config(record.configs[image]), "")
    return _pod_images.Found(image, stored, False)
