# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``image_archive`` does: images to files and from files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _image_archive, _image_new, _image_push
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_changes import changed
from ansible_collections.hyper.pods.plugins.module_utils._image_config import digest_of
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage, ImageNotFound, Nameless, PullFailed, SourceForSeveral
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._images import change, facts, path_of, result_of, shown, teller
from ansible_collections.hyper.pods.plugins.module_utils._layer_stream import StreamError, decompressed


def apply(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Carry out the module's parameters; returns its result. Raises HyperError."""
    operation = {"saved": _saved, "loaded": _loaded, "imported": _imported}[module.params["state"]]
    return operation(module, ImageStore(host), Path(module.params["path"]))


def _names(module: AnsibleModule) -> list[str]:
    return list(dict.fromkeys(module.params["name"] or ()))


def _saved(module: AnsibleModule, store: ImageStore, path: Path) -> dict[str, Any]:
    images = [store.require(name) for name in _names(module)]
    same = _image_push.saved(path, _image_push.index(store, images))
    if not same and not module.check_mode:
        _image_push.save(store, images, path)
    listed = [image.reference for image in images]
    diff = {"before": {str(path): listed if same else None}, "after": {str(path): listed}}
    actions = [] if same else [f"save {', '.join(listed)} to {path}"]
    return {"changed": not same, "diff": diff, "images": [facts(image) for image in images], "actions": actions}


def _loaded(module: AnsibleModule, store: ImageStore, path: Path) -> dict[str, Any]:
    names = _names(module)
    if len(names) > 1:
        raise SourceForSeveral(len(names), "path")
    found = _image_archive.images(path, names[0] if names else None)
    before = {item.name: store.compare(item.name, policy="always", source=item.source) for item in found}
    lines = [f"load {comparison.name}" for comparison in before.values() if comparison.offer is not None]
    if module.check_mode:
        would = [
            (comparison.name, shown(comparison.stored), _offered(comparison.name, comparison.offer) if comparison.offer else shown(comparison.stored))
            for comparison in before.values()
        ]
        return result_of(would, images=[after for _, _, after in would], actions=lines)
    told, tell = teller(module, "load")
    changes = []
    for item in found:
        image, _ = store.ensure(
            item.name,
            policy="always",
            source=item.source,
            keep_source=False,
            signature_policy=path_of(module, "signature_policy"),
            progress=tell,
        )
        changes.append((image.reference, shown(before[item.name].stored), shown(image)))
    return result_of(changes, images=[after for _, _, after in changes], actions=told)


def _offered(name: str, offer: Any) -> dict[str, Any]:
    return {"reference": name, "id": offer.id, "digest": offer.digest, "source": "", "disk": None, "size": None, "architecture": None}


def _imported(module: AnsibleModule, store: ImageStore, path: Path) -> dict[str, Any]:
    names = _names(module)
    if len(names) != 1:
        raise Nameless(str(path), "a root filesystem has no name of its own", remedy="Give one name")
    name = _image_new.new_name(names[0])
    settings = changed({}, module.params["changes"] or [])
    before = store.resolve(name)
    before = before if before is not None and before.reference == name else None
    history = {"comment": "imported"}
    diff_id = _diff_id(name, path)
    config = _image_new.config_of(None, settings, diff_id, history)
    image_id = digest_of(config)
    if before is not None and before.id == image_id:
        return change(before, before, [])
    lines = [f"import {name} from {path}"]
    if module.check_mode:
        after = {
            "reference": name,
            "id": image_id,
            "digest": None,
            "source": "",
            "disk": None,
            "size": None,
            "architecture": json.loads(config)["architecture"],
        }
        return result_of([(name, shown(before), after)], images=[after], actions=lines)
    told, tell = teller(module, "import")
    with store.working() as (stage, blobs):
        tell(f"{name}: reading {path}")
        layer = _image_new.write_layer(stage, blobs, _chunks(name, path))
        config = _image_new.config_of(None, settings, layer.diff_id, history)
        image, _ = _image_new.add(store, stage, blobs, name, config, (), layer, tell)
    return change(before, image, told)


def _diff_id(name: str, path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(name, path):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _chunks(name: str, path: Path) -> Iterator[bytes]:
    try:
        yield from decompressed(path)
    except FileNotFoundError:
        raise ImageNotFound(name, f"there is no file {path}") from None
    except OSError as error:
        raise PullFailed(name, f"{path} cannot be read: {error.strerror}") from None
    except StreamError as error:
        raise BadImage(name, f"{path}: {error}") from None
