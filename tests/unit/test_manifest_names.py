# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a pod's processes find: /etc/hosts and resolv.conf."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_names import Names
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

from tests.support.pods import manifest


def names(**spec: Any) -> Names:
    """The names of a pod whose spec has these fields."""
    return parse(manifest("web", {"name": "a"}, **spec)).names


def test_aliases_are_lines_of_hosts() -> None:
    aliases = [{"ip": "127.0.0.1", "hostnames": ["db", "cache.example.org"]}, {"ip": "fd00::1", "hostnames": ["six"]}]
    assert names(hostAliases=aliases).hosts() == "127.0.0.1\tdb\tcache.example.org\nfd00::1\tsix\n"
    assert names().hosts() == ""


CONFIG = {"nameservers": ["10.0.0.1"], "searches": ["example.org", "b."], "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, "nameserver 10.0.2.3\n"),
        ({"dnsPolicy": "Default"}, "nameserver 10.0.2.3\n"),
        ({"dnsConfig": CONFIG}, "nameserver 10.0.2.3\nnameserver 10.0.0.1\nsearch example.org b.\noptions ndots:2 rotate\n"),
        ({"dnsPolicy": "None", "dnsConfig": CONFIG}, "nameserver 10.0.0.1\nsearch example.org b.\noptions ndots:2 rotate\n"),
    ],
)
def test_resolv_conf(spec: dict[str, Any], text: str) -> None:
    assert names(**spec).resolv_conf("10.0.2.3") == text


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hostAliases": [{"ip": "db", "hostnames": ["a"]}]}, "spec.hostAliases[0].ip: 'db' is not an IP address"),
        ({"hostAliases": [{"ip": "fe80::1%eth0"}]}, "spec.hostAliases[0].ip: 'fe80::1%eth0' has a zone"),
        ({"hostAliases": [{"hostnames": ["a"]}]}, "spec.hostAliases[0].ip: is required"),
        ({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a\nb"]}]}, "spec.hostAliases[0].hostnames[0]: 'a\\nb' is not a domain name"),
        ({"dnsPolicy": "None"}, "spec.dnsConfig: needs a name server, since dnsPolicy is None"),
        ({"dnsPolicy": "Never"}, "spec.dnsPolicy: must be one of ClusterFirst, ClusterFirstWithHostNet, Default, None, not 'Never'"),
        ({"dnsConfig": {"nameservers": ["10.0.0.1"] * 3}}, "spec.dnsConfig.nameservers: has 3 items; a resolver takes 3, the host's own among them"),
        ({"dnsConfig": {"nameservers": ["x"]}}, "spec.dnsConfig.nameservers[0]: 'x' is not an IP address"),
        ({"dnsConfig": {"searches": ["a b"]}}, "spec.dnsConfig.searches[0]: 'a b' is not a domain name"),
        ({"dnsConfig": {"options": [{"name": "a b"}]}}, "spec.dnsConfig.options[0].name: 'a b' is no word"),
        ({"dnsConfig": {"options": [{"name": "ndots", "vale": "2"}]}}, "spec.dnsConfig.options[0].vale: unknown field. Did you mean value?"),
    ],
)
def test_refusals(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        names(**spec)
    assert message in str(caught.value)
