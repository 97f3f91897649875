# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of plugin_utils/pins.py to Jinja."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.plugin_utils import pins


def open_images(text: str) -> list[str]:
    """See open_images.yml."""
    try:
        return pins.open_images(pins.images(text, where="pod_definition"))
    except HyperError as error:
        raise AnsibleFilterError(str(error)) from None


def pinned(text: str, images: Sequence[Mapping[str, Any]]) -> str:
    """See pinned.yml."""
    try:
        named = pins.images(text, where="pod_definition")
        asked = pins.open_images(named)
        return pins.pinned(text, named, pins.digests(asked, images if asked else []))
    except HyperError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filters hyper.pods.open_images and hyper.pods.pinned."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Their names."""
        return {"open_images": open_images, "pinned": pinned}
