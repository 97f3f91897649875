# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the pods of a call need: each found, or pulled, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore, StoredImage
from ansible_collections.hyper.pods.plugins.module_utils._manifest import Pod
from ansible_collections.hyper.pods.plugins.module_utils._plan import LIVE, Action
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress

_PULLS_AT_ONCE = 4
_POLICIES = {"Always": "always", "IfNotPresent": "missing", "Never": "never"}


@dataclass(frozen=True)
class Found:
    """An image that a container names. id: None where only a pull would tell; image: as the store has it, None where it has yet to be pulled;
    pulled: the store was, or would be, changed.
    """

    id: str | None
    image: StoredImage | None
    pulled: bool


def find(
    store: ImageStore, wanted: Sequence[Pod], *, pull: str | None, check: bool, authfile: Path | None, tls_verify: bool, progress: Progress
) -> dict[str, Found]:
    """Every image of the pods once, by its reference, pulled side by side; in check mode only looked up.

    pull: missing, always, never, or None for each container's own imagePullPolicy. Raises what the store raises.
    """
    policies: dict[str, tuple[str, str]] = {}
    for pod in wanted:
        for _, reference, said in pod.image_uses:
            policy = pull or _POLICIES.get(said or "", "missing")
            if policies.get(reference, ("", ""))[1] != "always":
                policies[reference] = (pod.name, policy)

    def one(reference: str) -> Found:
        pod, policy = policies[reference]
        if check:
            comparison = store.compare(reference, policy=policy, authfile=authfile, tls_verify=tls_verify)
            if comparison.offer is not None:
                return Found(comparison.offer.id, None, True)
            return Found(comparison.stored.id if comparison.stored else None, comparison.stored, False)
        with progress.stage(pod, "images", reference):
            image, pulled = store.ensure(
                reference,
                policy=policy,
                authfile=authfile,
                tls_verify=tls_verify,
                progress=lambda message: progress.say(pod, "pull", message),
            )
        return Found(image.id, image, pulled)

    if len(policies) <= 1:
        return {reference: one(reference) for reference in policies}
    with ThreadPoolExecutor(max_workers=_PULLS_AT_ONCE) as pool:
        return dict(zip(policies, pool.map(one, policies)))


def pulls(pod: Pod, images: Mapping[str, Found]) -> Iterator[Action]:
    """The pulls that its images took, or would take."""
    for reference in dict.fromkeys(reference for _, reference, _ in pod.image_uses):
        if images[reference].pulled:
            yield Action(pod.name, "pull", LIVE, f"image {reference}")


def ids(pod: Pod, images: Mapping[str, Found]) -> dict[str, str]:
    """The ids of its images, as far as they are known, by what names them in the pod (Pod.image_uses)."""
    return {key: image_id for key, reference, _ in pod.image_uses if (image_id := images[reference].id) is not None}
