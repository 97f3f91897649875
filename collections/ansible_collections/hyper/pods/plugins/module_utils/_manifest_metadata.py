# SPDX-License-Identifier: GPL-3.0-or-later
"""What every object of Kubernetes begins with: its version, and the metadata."""

from __future__ import annotations

from ansible_collections.hyper.pods.plugins.module_utils._tree import Node, NotSupported


def metadata_of(root: Node) -> Node:
    """The metadata of a v1 object. Raises InvalidManifest."""
    if root.required_string("apiVersion") != "v1":
        raise root.fail("apiVersion", "must be v1")
    metadata = root.node("metadata")
    if metadata is None:
        raise root.fail("metadata", "is required")
    return metadata


def refuse_namespace(metadata: Node) -> None:
    """A host has none. Raises NotSupported."""
    if metadata.string("namespace") not in (None, "default"):
        raise NotSupported(metadata.at("namespace"), "a host has no namespaces", "Remove the field")
