# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``image_commit`` does: a container's changes become a layer on top of its image."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _image_new, _pod_status, _record
from ansible_collections.hyper.pods.plugins.module_utils._container_changes import Changes
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._ext4_reader import Ext4, Ext4Error, NotClean
from ansible_collections.hyper.pods.plugins.module_utils._files import locked
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_changes import changed
from ansible_collections.hyper.pods.plugins.module_utils._image_config import digest_of
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import ImageNotFound
from ansible_collections.hyper.pods.plugins.module_utils._image_files import StoredImage
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._images import change, result_of, shown, teller
from ansible_collections.hyper.pods.plugins.module_utils._layers import Limits
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodRuns
from ansible_collections.hyper.pods.plugins.module_utils._pod_guest import serial
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import supervisor


class ContainerUnclear(HyperError):
    """The pod has no such container, or several and none is named."""


class NothingWritten(HyperError):
    """The container has never run."""


class ScratchDamaged(HyperError):
    """The disk with what the containers wrote cannot be read."""


def apply(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Carry out the module's parameters; returns its result. Raises HyperError."""
    pod, store = module.params["pod"], ImageStore(host)
    name = _image_new.new_name(module.params["name"])
    with contextlib.nullcontext() if module.check_mode else locked(host.lock_path("pod", pod), what=f"pod {pod}"):
        base, container = _base(host, store, pod, module.params["container"])
        before = store.resolve(name)
        before = before if before is not None and before.reference == name else None
        document = json.loads(store.config(base))
        settings = changed(document.get("config") or {}, module.params["changes"] or [])
        below = _image_new.base_layers(store, base)

        def config_with(diff_id: str, newest: int) -> bytes:
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest // 10**9))
            told = {key: module.params[key] for key in ("author", "comment") if module.params[key]}
            return _image_new.config_of(document, settings, diff_id, {"created": created, "created_by": f"commit of container {container}", **told})

        if module.check_mode:
            with _changes(host, pod, container, base) as changes:
                digest = hashlib.sha256()
                for chunk in changes.tar():
                    digest.update(chunk)
            image_id = digest_of(config_with(f"sha256:{digest.hexdigest()}", changes.newest))
            if before is not None and before.id == image_id:
                return change(before, before, [])
            after = {"reference": name, "id": image_id, "digest": None, "source": "", "disk": None, "size": None, "architecture": base.config.architecture}
            return result_of([(name, shown(before), after)], images=[after], actions=[f"commit container {container} of pod {pod} as {name}"])
        lines, tell = teller(module, "commit")
        with store.working() as (stage, blobs), _changes(host, pod, container, base) as changes:
            tell(f"{name}: reading what {container} has changed")
            layer = _image_new.write_layer(stage, blobs, changes.tar())
            image, done = _image_new.add(store, stage, blobs, name, config_with(layer.diff_id, changes.newest), below, layer, tell)
    return change(before, image, lines if done else [])


def _base(host: Host, store: ImageStore, pod: str, container: str | None) -> tuple[StoredImage, str]:
    """The image that the container was made from, and the container's name."""
    record = _record.require(host, pod)
    where = f"pod {pod}"
    known = ", ".join(record.images)
    if container is None and len(record.images) != 1:
        raise ContainerUnclear("has several containers", where=where, remedy=f"Name one (--container): {known}")
    container = container or next(iter(record.images))
    if container not in record.images:
        raise ContainerUnclear(f"has no container {container}", where=where, remedy=f"Its containers: {known}")
    if supervisor(host).pid(_pod_status.unit_name(pod)) is not None:
        raise PodRuns("is running, and part of what it has written is in its memory alone", where=where, remedy=f"Stop it first: hyper stop {pod}")
    image_id = record.images[container]
    base = next((image for image in store.list() if image.id == image_id), None)
    if base is None:
        raise ImageNotFound(image_id[:19], f"is the image of container {container} and has left the store", remedy="Pull it again")
    return base, container


@contextlib.contextmanager
def _changes(host: Host, pod: str, container: str, base: StoredImage) -> Iterator[Changes]:
    limits = Limits()
    where = f"pod {pod}"
    try:
        with Ext4(host.pod_dir(pod) / "scratch.img") as disk:
            upper = disk.lookup(f"containers/{container}/{serial(base.id)}/upper")
            if upper is None:
                raise NothingWritten(f"container {container} has never run with this image", where=where, remedy=f"Run the pod first: hyper start {pod}")
            yield Changes(disk, upper, size=limits.size, files=limits.files)
    except FileNotFoundError:
        raise NothingWritten("has no scratch disk", where=where, remedy=f"Run the pod first: hyper start {pod}") from None
    except NotClean:
        raise ScratchDamaged(
            "was not shut down in order, and part of what it has written is in its disk's journal",
            where=where,
            remedy=f"Start and stop it: hyper restart {pod}; hyper stop {pod}",
        ) from None
    except Ext4Error as error:
        raise ScratchDamaged(f"its scratch disk cannot be read: {error}", where=where, remedy="Remove the pod and run it again") from None
