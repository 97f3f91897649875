# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a definition is changed, and all else in it stays as it was written."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _port_words
from ansible_collections.hyper.pods.plugins.module_utils._pod_patch import LastContainer, Patch, patched
from ansible_collections.hyper.pods.plugins.module_utils._port_words import BadPort, Place


def definition(*containers: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    given = containers or ({"name": "web"}, {"name": "db"})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop", **metadata},
        "spec": {"containers": [{"image": "i", **container} for container in given]},
    }


def port(host: int | None, container: int = 80, **more: Any) -> dict[str, Any]:
    return {"containerPort": container, **({} if host is None else {"hostPort": host}), **more}


def ports(made: Any) -> list[list[dict[str, Any]]]:
    return [container.get("ports", []) for container in made["spec"]["containers"]]


def apply(given: dict[str, Any], patch: Patch, *, keep_size: bool = True) -> Any:
    before = copy.deepcopy(given)
    made = patched(given, {}, patch, keep_size=keep_size)
    assert given == before
    _manifest.parse(made)
    # What is as it is wanted is no change.
    assert patched(made, {}, patch, keep_size=keep_size) == made
    return made


@pytest.mark.parametrize(
    ("labels", "patch", "wanted"),
    [
        (None, Patch(labels={"a": "1"}), {"a": "1"}),
        ({"a": "1", "b": "2"}, Patch(labels={"a": "3"}), {"a": "3", "b": "2"}),
        ({"a": "1", "b": "2"}, Patch(remove_labels=["a", "nosuch"]), {"b": "2"}),
        ({"a": "1"}, Patch(labels={"b": "2"}, remove_labels=["a"]), {"b": "2"}),
        ({"a": "1"}, Patch(remove_labels=["a"]), {}),
        (None, Patch(remove_labels=["a"]), None),
        (None, Patch(), None),
    ],
)
def test_labels(labels: dict[str, str] | None, patch: Patch, wanted: dict[str, str] | None) -> None:
    given = definition(**({} if labels is None else {"labels": labels}))
    made = apply(given, patch)
    assert made["metadata"].get("labels") == wanted
    assert made["spec"] == given["spec"]


LOCAL = {"hostIP": "127.0.0.1", "protocol": "TCP"}


@pytest.mark.parametrize(
    ("given", "publish", "wanted"),
    [
        ([[], []], "8080:80", [[port(8080, **LOCAL)], []]),
        # Where it is declared.
        ([[], [port(None)]], "8080:80", [[], [port(8080, hostIP="127.0.0.1")]]),
        ([[], [port(None, protocol="UDP")]], "8080:80", [[port(8080, **LOCAL)], [port(None, protocol="UDP")]]),
        # Already so, written otherwise.
        ([[port(8080)], []], "8080:80", [[port(8080, hostIP="127.0.0.1")], []]),
        # Another address, another container port.
        ([[port(8080, name="http")], []], "0.0.0.0:8080:80", [[port(8080, name="http", hostIP="0.0.0.0")], []]),
        ([[port(8080, name="http")], []], "8080:81", [[port(None, name="http"), port(8080, 81, **LOCAL)], []]),
        ([[], [port(8080)]], "8080:81", [[port(8080, 81, **LOCAL)], []]),
        # A second place of the same port, and the same number of another protocol.
        ([[port(8080)], []], "9090:80", [[port(8080), port(9090, **LOCAL)], []]),
        ([[port(8080)], []], "8080:80/udp", [[port(8080), port(8080, hostIP="127.0.0.1", protocol="UDP")], []]),
    ],
)
def test_ports_are_published(given: list[list[dict[str, Any]]], publish: str, wanted: list[list[dict[str, Any]]]) -> None:
    made = apply(definition({"name": "web", "ports": given[0]}, {"name": "db", "ports": given[1]}), Patch(publish=[publish]))
    assert ports(made) == wanted


@pytest.mark.parametrize(
    ("given", "unpublish", "wanted"),
    [
        ([port(8080)], "8080", []),
        ([port(8080)], "8080:80", []),
        ([port(8080)], "127.0.0.1:8080:80/tcp", []),
        ([port(8080, name="http")], "8080", [port(None, name="http")]),
        ([port(8080), port(8080, protocol="UDP")], "8080/udp", [port(8080)]),
        ([port(8080, hostIP="::0")], "[::]:8080", []),
        # Not that one.
        ([port(8080)], "8081", [port(8080)]),
        ([port(8080)], "8080:81", [port(8080)]),
        ([port(8080)], "0.0.0.0:8080", [port(8080)]),
        ([port(None)], "80", [port(None)]),
    ],
)
def test_ports_are_taken_back(given: list[dict[str, Any]], unpublish: str, wanted: list[dict[str, Any]]) -> None:
    assert ports(apply(definition({"name": "web", "ports": given}), Patch(unpublish=[unpublish]))) == [wanted]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("8080", Place(8080)),
        ("8080/udp", Place(8080, "UDP")),
        ("8080:80", Place(8080, "TCP", None, 80)),
        ("10.0.0.1:8080", Place(8080, "TCP", "10.0.0.1")),
        ("[::1]:8080:80", Place(8080, "TCP", "::1", 80)),
    ],
)
def test_places(text: str, wanted: Place) -> None:
    assert _port_words.place(text) == wanted


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "8080:", ":80", "8080:80:1", "8080/sctp", "1:2:3:4", "-1", "8080 ", "8080:0"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(BadPort, match=r".") as caught:
        _port_words.place(text)
    assert caught.value.remedy


def test_a_container_goes_with_what_is_said_of_it() -> None:
    given = definition(
        {"name": "web"}, {"name": "db"}, annotations={"hyper.pods/ulimits.db": "core=0", "hyper.pods/ulimits.web": "core=0", "example.com/db": "stays"}
    )
    made = apply(given, Patch(remove_containers=["db", "nosuch"]))
    assert [container["name"] for container in made["spec"]["containers"]] == ["web"]
    assert made["metadata"]["annotations"] == {"hyper.pods/ulimits.web": "core=0", "example.com/db": "stays"}
    assert "resources" not in made["spec"]


@pytest.mark.parametrize("keep_size", [False, True])
def test_a_guest_that_runs_keeps_its_size(keep_size: bool) -> None:
    limits = {"resources": {"limits": {"cpu": "2", "memory": "300Mi"}}}
    given = definition({"name": "web", **limits}, {"name": "db", **limits})
    before, after = (_manifest.parse(each) for each in (given, apply(given, Patch(remove_containers=["db"]), keep_size=keep_size)))
    assert ((before.cpus, before.memory_mib) == (after.cpus, after.memory_mib)) is keep_size


def test_the_last_container_stays() -> None:
    with pytest.raises(LastContainer) as caught:
        patched(definition(), {}, Patch(remove_containers=["web", "db"]), keep_size=True)
    assert str(caught.value) == "pod shop: no container would be left. Remove the pod: hyper rm shop"
