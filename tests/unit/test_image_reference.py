# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadReference
from ansible_collections.hyper.pods.plugins.module_utils._image_reference import Registry, parse

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "whole", "skopeo"),
    [
        ("nginx", "docker.io/library/nginx:latest", "docker://docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25", "docker://docker.io/library/nginx:1.25"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "docker://docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest", "docker://docker.io/library/nginx:latest"),
        ("docker://nginx", "docker.io/library/nginx:latest", "docker://docker.io/library/nginx:latest"),
        ("team/app", "docker.io/team/app:latest", "docker://docker.io/team/app:latest"),
        ("localhost/app", "localhost/app:latest", "docker://localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "docker://localhost:5000/app:latest"),
        ("reg:5000/app", "reg:5000/app:latest", "docker://reg:5000/app:latest"),
        ("reg:5000/a/b/c:v1", "reg:5000/a/b/c:v1", "docker://reg:5000/a/b/c:v1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "docker://[::1]:5000/app:latest"),
        ("REG/app", "REG/app:latest", "docker://REG/app:latest"),
        ("a.b-c.d/x__y/z-_tail".replace("-_", "-"), "a.b-c.d/x__y/z-tail:latest", "docker://a.b-c.d/x__y/z-tail:latest"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}", f"docker://docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1@{DIGEST}", f"docker.io/library/nginx:1@{DIGEST}", f"docker://docker.io/library/nginx@{DIGEST}"),
        ("oci:/srv/images", "oci:/srv/images", "oci:/srv/images"),
        ("oci:/srv/images:web", "oci:/srv/images:web", "oci:/srv/images:web"),
        ("oci-archive:/srv/web.tar", "oci-archive:/srv/web.tar", "oci-archive:/srv/web.tar"),
        ("docker-archive:/srv/web.tar:web:1", "docker-archive:/srv/web.tar:web:1", "docker-archive:/srv/web.tar:web:1"),
        ("aci:/srv/web.aci", "aci:/srv/web.aci", "aci:/srv/web.aci"),
    ],
)
def test_references_are_completed(text: str, whole: str, skopeo: str) -> None:
    parsed = parse(text)
    assert (str(parsed), parsed.skopeo) == (whole, skopeo)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" nginx", "blanks"),
        ("ngi\nnx", "control"),
        ("Nginx", "lower case"),
        ("docker.io/Nginx", "lower case"),
        ("nginx:", "tag"),
        ("nginx:-x", "tag"),
        ("nginx:" + "x" * 129, "tag"),
        ("nginx@sha256:abc", "digest"),
        ("nginx@md5:" + "a" * 32, "digest"),
        ("nginx@" + DIGEST.upper(), "digest"),
        ("a//b", "format"),
        ("-nginx", "format"),
        ("a_-b", "format"),
        ("reg:port/app", "format"),
        ("--authfile=/etc/shadow", "format"),
        ("../etc", "format"),
        ("a" * 64, "ID"),
        ("x/" * 130 + "y", "255"),
        ("oci:images:web", "absolute"),
        ("docker-daemon:web", "not supported"),
        ("containers-storage:web", "not supported"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadReference) as caught:
        parse(text)
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("text", "short", "local"),
    [
        ("web", True, "localhost/web:latest"),
        ("team/web:2", True, "localhost/team/web:2"),
        ("library/web", True, "localhost/web:latest"),
        ("docker.io/web", False, None),
        ("quay.io/web", False, None),
    ],
)
def test_short_names_have_a_name_in_the_local_store(text: str, short: bool, local: str | None) -> None:
    parsed = parse(text)
    assert isinstance(parsed, Registry)
    assert parsed.short == short
    assert local is None or str(parsed.local) == local
