# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of an image says, file by file, what `umoci unpack` makes of the same image."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _layers
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadImage
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore

from tests.support.images import Layer, digest, write_layout
from tests.support.nasty import nasty_layers, random_layers
from tests.support.services import services_layout
from tests.support.tree import describe, differences, opened

# Directories that no layer describes: umoci gives them the time of the unpacking, we 1970.
IMPLIED = {"implied", "implied/parent", "ünïcode", "gnu", *("/".join(f"directory-number-{number:03}" for number in range(end)) for end in range(1, 180))}


def compare(store: ImageStore, layout: Path, tag: str, scratch: Path, implied: frozenset[str] = frozenset()) -> list[str]:
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:{tag}", str(scratch / "bundle")], capture_output=True, check=True)
    image, _ = store.ensure(tag, source=f"oci:{layout}:{tag}")
    with opened(image.disk, scratch / "disk") as content:
        ours, theirs = describe(content), describe(scratch / "bundle/rootfs")
    for path in implied:
        theirs[path]["mtime"] = 0
    # A whiteout in the root changes its time under umoci, though the layers say what it is.
    theirs["."]["mtime"] = ours["."]["mtime"]
    return differences(ours, theirs)


def test_an_image_with_everything_in_it(store: ImageStore, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", "nasty", nasty_layers(tmp_path / "scratch"))
    assert compare(store, tmp_path / "layout", "nasty", tmp_path, frozenset(IMPLIED)) == []
    image = store.resolve("nasty")
    assert image is not None
    with opened(image.disk, tmp_path / "disk") as content:
        assert content.stat().st_mtime == 1_500_000_000


def test_an_image_of_debian_packages(store: ImageStore, tmp_path: Path) -> None:
    assert compare(store, services_layout(), "nginx", tmp_path) == []


def test_layers_that_meet_at_random(tmp_path: Path) -> None:
    """Either both unpack them to the same tree, or both refuse them. (Times of directories aside: umoci's are those of the unpacking.)"""
    same = refused = 0
    for seed in range(120):
        scratch = tmp_path / str(seed)
        layers = [Layer.of(members, "none") for members in random_layers(seed)]
        write_layout(scratch / "layout", "x", layers)
        umoci = subprocess.run(["umoci", "unpack", "--image", f"{scratch}/layout:x", f"{scratch}/bundle"], capture_output=True, check=False)
        blobs = [_layers.Layer(scratch / "layout/blobs/sha256" / digest(layer.blob)[7:], layer.diff_id) for layer in layers]
        (scratch / "root").mkdir()
        try:
            _layers.flatten("x", blobs, scratch / "root", 1 << 30)
        except BadImage:
            assert umoci.returncode != 0, f"seed {seed}: umoci unpacks it"
            refused += 1
            continue
        assert umoci.returncode == 0, f"seed {seed}: umoci refuses it: {umoci.stderr.decode()}"
        ours, theirs = describe(scratch / "root"), describe(scratch / "bundle/rootfs")
        for path in [path for path, facts in theirs.items() if facts["type"] == "d" and path in ours]:
            ours[path]["mtime"] = theirs[path]["mtime"]
        assert differences(ours, theirs) == [], f"seed {seed}"
        same += 1
    assert same > 50
    assert refused > 20
