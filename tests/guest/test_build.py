# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Containerfile to a pod: ``hyper build``, ``push``, ``lock`` and ``run``, with real programs all along."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.hyper import Hyper
from tests.support.pods import PodHost
from tests.support.registry import running

pytestmark = pytest.mark.guest

# Each line of RUN leaves something behind that only a program that ran in the image's own files, as its root, can make.
CONTAINERFILE = """\
ARG BASE=tools
FROM $BASE AS builder
ARG VERSION=none
WORKDIR /work
COPY --chown=1000:50 pages/ ./pages/
RUN set -e; sed "s/VERSION/$VERSION/" pages/template > index.html; test "$(cat /data/seed)" = "from the image"; id -u > uid; pwd > place
RUN ["/bin/sh", "-c", "chmod 4755 uid; ln uid same; ln -s uid link; mkdir -p deep/er; chown 1000:50 deep/er; stat -c %u:%g pages > owner"]

FROM tools
COPY --from=builder /work/index.html /srv/index.html
COPY --from=builder /work /built
RUN rm -r /data && mkfifo /built/pipe && echo done > /built/late
ENV GREETING="hello you"
USER app:staff
CMD ["httpd", "-f", "-p", "8000", "-h", "/srv"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    (context / "pages").mkdir(parents=True)
    (context / "pages/template").write_text("this is VERSION\n")
    (context / "Containerfile").write_text(CONTAINERFILE)
    return context


def test_from_a_containerfile_to_a_pod(pods: PodHost, context: Path, tmp_path: Path) -> None:
    hyper = Hyper(pods)
    with running(tmp_path / "registry") as registry:
        name = f"{registry.address}/site:7"
        try:
            built = hyper("build", "-t", name, "--build-arg", "VERSION=7", str(context))
            assert "STEP" in built.stderr, built.stderr
            assert "Nothing to do" in hyper("build", "-t", name, "--build-arg", "VERSION=7", str(context)).stdout, "the same files give the same image"
            hyper("push", "--tls-verify", "false", name)
            file = tmp_path / "site.yaml"
            file.write_text(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: site}}\nspec:\n  containers:\n    - name: web\n      image: {name}  # the site\n")
            hyper("lock", "--in-place", "--tls-verify", "false", str(file))
            digest = ImageStore(pods.host).require(name).digest
            assert f"image: {name}@{digest}  # the site\n" in file.read_text()
            hyper("run", "-f", str(file), "--tls-verify", "false", "--wait", "ready")
            files = (
                "cat /srv/index.html /built/uid /built/place /built/owner; stat -c '%a %h %u:%g' /built/uid /built/deep/er; readlink /built/link; ! ls -d /data"
            )
            script = f"{files}; id -un; id -gn; echo $GREETING; wget -qO- 127.0.0.1:8000; stat -c %F /built/pipe"
            said = hyper("exec", "site", "--", "sh", "-c", script).stdout.split("\n")
            assert said == [
                *("this is 7", "0", "/work", "1000:50", "4755 2 0:0", "755 2 1000:50", "uid", "app", "staff", "hello you", "this is 7", "fifo", ""),
            ]
        finally:
            pods.pod("site", state="absent", grace_period=0)
            pods.module("image", name=[name], state="absent", force=True)
    assert str(pods.host.state_dir) not in Path("/proc/self/mounts").read_text(), "a build leaves no mount"
    assert [path.name for path in pods.host.state_dir.iterdir() if path.name.startswith("build-")] == []


def test_a_command_that_fails(pods: PodHost, context: Path) -> None:
    """What it said is told, and nothing is left of the build."""
    (context / "Containerfile").write_text("FROM tools\nRUN echo so far so good; echo not any further >&2; exit 3\n")
    failed = Hyper(pods)("build", "-t", "never:1", str(context), code=1)
    assert "not any further" in failed.stderr
    assert "exit status 3" in failed.stderr
    assert ImageStore(pods.host).resolve("never:1") is None
    assert [path.name for path in pods.host.state_dir.iterdir() if path.name.startswith("build-")] == []
