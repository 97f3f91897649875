# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``image`` does: one decision for check mode and for real."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import SourceForSeveral, TagsForSeveral
from ansible_collections.hyper.pods.plugins.module_utils._image_store import Comparison, ImageStore, StoredImage
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress


def apply(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Carry out the module's parameters; returns its result. Raises HyperError."""
    store = ImageStore(host)
    # One image asked for twice, under one text, is one image.
    names = list(dict.fromkeys(module.params["name"] or ()))
    if module.params["state"] == "pruned":
        return _pruned(store, every=module.params["all"], layers=module.params["layers"], check=module.check_mode)
    if module.params["name"] is None:
        return result_of((), images=[shown(image) for image in store.list()])
    if module.params["source"] is not None and len(names) != 1:
        raise SourceForSeveral(len(names))
    if module.params["state"] == "absent":
        return _absent(store, names, force=module.params["force"], check=module.check_mode)
    if module.params["state"] == "pushed":
        return _pushed(module, store, names)
    if module.params["state"] == "tagged":
        return _tagged(store, names, module.params["tags"], check=module.check_mode)
    return _present(module, store, names)


def _present(module: AnsibleModule, store: ImageStore, names: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "policy": module.params["pull"],
        "source": module.params["source"],
        "authfile": path_of(module, "authfile"),
        "tls_verify": module.params["tls_verify"],
    }
    if module.check_mode:
        comparisons = {name: store.compare(name, **options) for name in names}
        pulled = [item for item in comparisons.values() if item.offer is not None]
        return result_of(
            ((item.name, shown(item.stored), _expected(item)) for item in comparisons.values()),
            images=[_expected(item) for item in comparisons.values()],
            actions=[f"pull {item.name} from {item.offer.origin}" for item in pulled if item.offer is not None],
        )
    lines, tell = teller(module, "pull")
    options["signature_policy"] = path_of(module, "signature_policy")
    changes = []
    for name in names:
        before = store.resolve(name)
        image, _ = store.ensure(name, **options, progress=tell)
        changes.append((image.reference, shown(before if before and before.reference == image.reference else None), shown(image)))
    return result_of(changes, images=[after for _, _, after in changes], actions=lines)


def path_of(module: AnsibleModule, parameter: str) -> Path | None:
    """A parameter that is a path, or None."""
    return Path(module.params[parameter]) if module.params[parameter] else None


def teller(module: AnsibleModule, stage: str) -> tuple[list[str], Callable[[str], None]]:
    """A list of lines, and what puts a line there and tells it to whoever watches."""
    lines: list[str] = []
    watched = Progress(path_of(module, "progress"))

    def tell(line: str) -> None:
        lines.append(line)
        watched.say("", stage, line)

    return lines, tell


def _pushed(module: AnsibleModule, store: ImageStore, names: list[str]) -> dict[str, Any]:
    from ansible_collections.hyper.pods.plugins.module_utils import _image_push

    destination = module.params["destination"]
    if destination is not None and len(names) != 1:
        raise SourceForSeveral(len(names), "destination")
    access = store.access(path_of(module, "authfile"), module.params["tls_verify"])
    items = [_image_push.compare(store, name, destination, access) for name in names]
    lines = [f"push {item.image.reference} to {item.target}" for item in items if item.due]
    if not module.check_mode:
        lines, tell = teller(module, "push")
        for item in items:
            if item.due:
                _image_push.push(store, item, access, tell)
    images = [{**facts(item.image), "reference": str(item.target), "digest": item.digest} for item in items]
    diff = {
        "before": {str(item.target): item.before and {"digest": item.before} for item in items},
        "after": {str(item.target): {"digest": item.digest} for item in items},
    }
    return {"changed": any(item.due for item in items), "diff": diff, "images": images, "actions": lines}


def _absent(store: ImageStore, names: list[str], *, force: bool, check: bool) -> dict[str, Any]:
    # All are looked at before the first is removed, so that one in use stops the task with nothing done.
    found = {image.reference: image for image in (store.removable(name, force=force) for name in names) if image is not None}
    if not check:
        for reference in found:
            store.remove(reference, force=force)
    return result_of(
        ((reference, shown(image), None) for reference, image in found.items()),
        images=[facts(image) for image in found.values()],
        actions=[f"remove {reference}" for reference in found],
    )


def _tagged(store: ImageStore, names: list[str], tags: list[str], *, check: bool) -> dict[str, Any]:
    if len(names) != 1:
        raise TagsForSeveral(len(names))
    # All are looked at before the first is given, so that one that cannot be stops the task with nothing done.
    pairs = [store.tagged(names[0], tag) for tag in tags]
    if not check:
        for tag in tags:
            store.tag(names[0], tag)
    return result_of(
        ((new.reference, shown(before), shown(new)) for new, before in pairs),
        images=[shown(new) for new, _ in pairs],
        actions=[f"tag {names[0]} as {new.reference}" for new, before in pairs if new != before],
    )


def _pruned(store: ImageStore, *, every: bool, layers: bool, check: bool) -> dict[str, Any]:
    size = store.size()
    left = [path for path in store.leftovers() if check]
    gone, freed = store.prunable(every=every), 0
    if not check:
        gone = store.prune(every=every, layers=layers)
        freed = size - store.size()
    dropped = store.layers_size() if check and layers else 0
    result = result_of(
        ((image.reference, shown(image), None) for image in gone),
        images=[shown(image) for image in gone],
        actions=[f"remove {image.reference}" for image in gone] + [f"remove {path}" for path in left] + (["drop the layers"] if dropped else []),
    )
    return {**result, "changed": bool(gone or left or freed or dropped), "freed": freed}


def change(before: StoredImage | None, after: StoredImage, actions: list[str]) -> dict[str, Any]:
    """The result of making one image."""
    return result_of([(after.reference, shown(before), shown(after))], images=[facts(after)], actions=actions)


def result_of(changes: Iterable[tuple[str, Any, Any]], *, images: list[Any], actions: Iterable[str] = ()) -> dict[str, Any]:
    """What a module returns. changes: reference, before, after, as ``shown`` shows them."""
    listed = list(changes)
    before = {reference: _identity(image) for reference, image, _ in listed}
    after = {reference: _identity(image) for reference, _, image in listed}
    return {"changed": before != after, "diff": {"before": before, "after": after}, "images": images, "actions": list(actions)}


def shown(image: StoredImage | None) -> dict[str, Any] | None:
    """An image as modules return it."""
    return None if image is None else facts(image)


def facts(image: StoredImage) -> dict[str, Any]:
    """An image as modules return it."""
    return {
        "reference": image.reference,
        "id": image.id,
        "digest": image.digest,
        "source": image.source,
        "disk": str(image.disk),
        "size": image.size,
        "architecture": image.config.architecture,
    }


def _expected(comparison: Comparison) -> dict[str, Any] | None:
    """What ``_shown`` would show after a pull, as far as the offer tells."""
    offer = comparison.offer
    if offer is None:
        return shown(comparison.stored)
    told = {"reference": comparison.name, "id": offer.id, "digest": offer.digest, "source": str(comparison.source)}
    return {**told, "disk": None, "size": None, "architecture": None}


def _identity(image: dict[str, Any] | None) -> dict[str, Any] | None:
    return image and {key: image[key] for key in ("id", "digest", "source")}
