# SPDX-License-Identifier: GPL-3.0-or-later
"""Annotations that the project honours, and those that it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _ulimit
from ansible_collections.hyper.pods.plugins.module_utils._manifest import parse
from ansible_collections.hyper.pods.plugins.module_utils._manifest_annotations import Own
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.module_utils._ulimit import UNLIMITED, Ulimit


def annotated(annotations: dict[str, str], **container: Any) -> dict[str, Any]:
    """A manifest with annotations; fields of its container."""
    metadata = {"name": "web", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "web", "image": "nginx", **container}]}}


def test_what_they_say_of_a_container() -> None:
    words = {"hyper.pods/user.web": "app:staff", "hyper.pods/groups.web": "audio, 44", "hyper.pods/ulimits.web": "core=0", "example.org/other.web": "kept"}
    pod = parse(annotated(words))
    assert pod.containers[0].annotations == Own("app:staff", ("audio", "44"), (Ulimit(4, 0, 0),))
    assert pod.annotations == words


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("nofile=1024", (Ulimit(7, 1024, 1024),)),
        ("nproc = 5:unlimited, core=-1", (Ulimit(4, UNLIMITED, UNLIMITED), Ulimit(6, 5, UNLIMITED))),
    ],
)
def test_limits(text: str, limits: tuple[Ulimit, ...]) -> None:
    assert _ulimit.parse(text) == limits


@pytest.mark.parametrize(
    ("annotations", "container", "message"),
    [
        ({"hyper.pods/ulimit.web": "core=0"}, {}, "metadata.annotations[hyper.pods/ulimit.web]: unknown annotation. Did you mean hyper.pods/ulimits.web?"),
        ({"hyper.pods/surprise": ""}, {}, "metadata.annotations[hyper.pods/surprise]: unknown annotation"),
        ({"hyper.pods/user.app": "a"}, {}, "metadata.annotations[hyper.pods/user.app]: there is no container 'app'. Containers of this pod: web"),
        ({"hyper.pods/user.web": "a"}, {"securityContext": {"runAsUser": 1}}, "[hyper.pods/user.web]: stands beside runAsUser or runAsGroup"),
        ({"hyper.pods/user.web": "a b"}, {}, "[hyper.pods/user.web]: 'a b' is not of the form app or app:staff"),
        ({"hyper.pods/groups.web": ""}, {}, "[hyper.pods/groups.web]: '' is not a group"),
        ({"hyper.pods/ulimits.web": "core"}, {}, "[hyper.pods/ulimits.web]: 'core' is not of the form nofile=1024:4096"),
        ({"hyper.pods/ulimits.web": "nofiles=1"}, {}, "'nofiles' is not a limit; did you mean nofile?"),
        ({"hyper.pods/ulimits.web": "core=1,core=2"}, {}, "core stands twice"),
        ({"hyper.pods/ulimits.web": "core=2:1"}, {}, "the soft limit of core is above the hard one"),
        ({"hyper.pods/labels.web": "tier=front"}, {}, "[hyper.pods/labels.web]: is not JSON: "),
        ({"hyper.pods/labels.web": '{"a": 1}'}, {}, '[hyper.pods/labels.web]: is not of the form {"name": "text"}'),
        ({"hyper.pods/ulimits.web": "core=1k"}, {}, "'1k' is neither a whole number nor unlimited"),
    ],
)
def test_refusals(annotations: dict[str, str], container: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse(annotated(annotations, **container))
    assert message in str(caught.value)
