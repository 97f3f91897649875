# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz hyperstart's parsers of plans and frames with libFuzzer: ``python -m tools.fuzz [SECONDS]``, ten minutes for plans unless given, and a
fifth of that for frames.

What is found lies in build/fuzz afterwards, and the exit code is not 0.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from ansible_collections.hyper.pods.plugins.module_utils import _fields, _frames, _launch, _manifest, _pod_guest, _tags  # noqa: E402
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig  # noqa: E402

from tests.support.manifests import FULL  # noqa: E402

BUILD = ROOT / "build"
TEN_MINUTES = 600
IMAGE = f"sha256:{'a' * 64}"


def seeds() -> dict[str, list[bytes]]:
    """What each target begins with: a plan that says everything, with its header and without, and a frame of each type."""
    pod = _manifest.parse(FULL)
    images = {key: IMAGE for key, _, _ in pod.image_uses}
    plan = _launch.encode(_pod_guest.launch_plan(pod, images, {IMAGE: ImageConfig(cmd=("sleep", "1"), volumes=("/data/x",))}))
    frames = [_frames.encode(_frames.Frame(kind, 1, _fields.field(1, b"app"))) for kind in range(1, _tags.FRAME_SIGNAL + 1)]
    return {"plan": [plan, plan[_tags.PLAN_HEADER_SIZE :].rstrip(b"\0")], "frame": frames}


def run(seconds: int) -> int:
    """The exit code: 0 where nothing was found."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "hyperstart/init"), "fuzz"], check=True)
    worst = 0
    times = {"plan": seconds, "frame": max(1, seconds // 5)}
    for target, inputs in seeds().items():
        place = BUILD / "fuzz" / target
        corpus = place / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (corpus / f"seed-{number}").write_bytes(data)
        options = [f"-max_total_time={times[target]}", "-max_len=65536", "-timeout=10", "-print_final_stats=1", f"-artifact_prefix={place}/"]
        worst |= subprocess.run([str(BUILD / f"fuzz-{target}"), *options, str(corpus)], check=False).returncode
    return worst


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]) if len(sys.argv) > 1 else TEN_MINUTES))
