# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge of plugin_utils/definitions.py to Jinja."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions


def pod_manifests(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """See pod_manifests.yml."""
    try:
        return definitions.requested_manifests(request)
    except HyperError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filter hyper.pods.pod_manifests."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Its name."""
        return {"pod_manifests": pod_manifests}
