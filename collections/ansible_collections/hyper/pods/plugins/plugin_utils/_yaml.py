# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as Kubernetes reads it: no key twice, and a date is text."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


class ManifestLoader(yaml.SafeLoader):
    """A safe loader that refuses a mapping with the same key twice, where PyYAML would drop the first."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node; merge keys (``<<``) may be overridden, since that is what they are for."""
        seen: set[Hashable] = set()
        for key_node, _value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
