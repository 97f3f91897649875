# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz hyperstart's parsers of plans, frames, requests, DHCP and secrets with libFuzzer: ``python -m tools.fuzz [SECONDS]``, ten minutes for plans
unless given, and a fifth of that for each of the others.

What is found lies in build/fuzz afterwards, and the exit code is not 0.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from ansible_collections.hyper.pods.plugins.module_utils import _fields, _frames, _launch, _launch_secrets, _manifest, _pod_guest  # noqa: E402
from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag  # noqa: E402
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig  # noqa: E402

from tests.support.manifests import FULL  # noqa: E402

BUILD = ROOT / "build"
TEN_MINUTES = 600
IMAGE = f"sha256:{'a' * 64}"
# What fuzz_control.c takes for an entry of a tree of files.
ENTRY = 255

_ATTRIBUTE = ((tag.ATTRIBUTE_NAME, "user.a"), (tag.ATTRIBUTE_VALUE, "b"))
_NAMES = ((tag.ENTRY_PATH, "a/b"), (tag.ENTRY_SIZE, 5), (tag.ENTRY_TARGET, "/x"), (tag.ENTRY_SAME, "c"), (tag.ENTRY_DEVICE, 1), (tag.ENTRY_LEAVE, 1))
_STAT = ((tag.ENTRY_MODE, 0o100644), (tag.ENTRY_UID, 0), (tag.ENTRY_GID, 0), (tag.ENTRY_TIME, 1))
# Every kind of request with all that it can say: type → (tag, value).
REQUESTS: dict[int, tuple[tuple[int, str | int | bytes], ...]] = {
    tag.FRAME_EXEC: (
        *((tag.EXEC_CONTAINER, "app"), (tag.EXEC_ARGV, "sh"), (tag.EXEC_ARGV, "-c"), (tag.EXEC_ENV, "A=b"), (tag.EXEC_WORKDIR, "/srv"), (tag.EXEC_USER, "0:0")),
        *((tag.EXEC_STDIN, 1), (tag.EXEC_ROWS, 24), (tag.EXEC_COLUMNS, 80), (tag.EXEC_DETACHED, 0), (tag.EXEC_TREE, 0), (tag.EXEC_ATTACH, 0)),
    ),
    tag.FRAME_STOP: ((tag.STOP_GRACE_PERIOD, 5),),
    tag.FRAME_SIGNAL: ((tag.SIGNAL_NUMBER, 15),),
    tag.FRAME_RESIZE: ((tag.RESIZE_ROWS, 24), (tag.RESIZE_COLUMNS, 80)),
    tag.FRAME_KILL: ((tag.KILL_CONTAINER, "app"), (tag.KILL_SIGNAL, 15)),
    tag.FRAME_RESTART: ((tag.RESTART_CONTAINER, "app"), (tag.RESTART_GRACE_PERIOD, 5)),
    tag.FRAME_UPDATE: ((tag.UPDATE_REPLACE, "app"), (tag.UPDATE_RETUNE, "log"), (tag.UPDATE_ROLLBACK, 1)),
    tag.FRAME_HELLO: (),
    tag.FRAME_STATUS: (),
    tag.FRAME_WATCH: (),
    tag.FRAME_STDIN: (),
    tag.FRAME_SECRETS: ((tag.SECRETS_SECRET, b""),),
    ENTRY: (*_NAMES, *_STAT, (tag.ENTRY_ATTRIBUTE, b"".join(_fields.field(number, text.encode()) for number, text in _ATTRIBUTE))),
}


def request(kind: int, said: tuple[tuple[int, str | int | bytes], ...]) -> bytes:
    """A request as fuzz_control.c reads it."""
    values = (
        (number, _fields.NUMBER.encode(value) if isinstance(value, int) else value.encode() if isinstance(value, str) else value) for number, value in said
    )
    payload = b"".join(_fields.field(number, value) for number, value in values)
    return struct.pack("<BBH", kind, 7, len(payload)) + payload


def seeds() -> dict[str, list[bytes]]:
    """What each target begins with: a plan that says everything, with its header and without, a frame of each type, every request, an answer of DHCP."""
    pod = _manifest.parse(FULL)
    images = {key: IMAGE for key, _, _ in pod.image_uses}
    plan = _launch.encode(_pod_guest.launch_plan(pod, images, {IMAGE: ImageConfig(cmd=("sleep", "1"), volumes=("/data/x",))}))
    frames = [_frames.encode(_frames.Frame(kind, 1, _fields.field(1, b"app"))) for kind in range(1, tag.FRAME_SIGNAL + 1)]
    requests = [request(kind, said) for kind, said in REQUESTS.items()]
    # An ACK with a lease, mask, router, name server, MTU and both times (RFC 2131, 2132).
    options = "6382536335010536040a0000013304000000640104ffffff0003040a00000106040a0000010f036c616e1a0205783a04000000053b0400000009ff"
    answer = bytes([2, 1, 6, 0]) + bytes(12) + bytes([10, 0, 0, 5]) + bytes(216) + bytes.fromhex(options)
    return {
        "plan": [plan, plan[tag.PLAN_HEADER_SIZE :].rstrip(b"\0")],
        "frame": frames,
        "control": [*requests, b"".join(requests)],
        "dhcp": [answer],
        "secrets": [_with_secrets()],
    }


def _with_secrets() -> bytes:
    """A plan that leaves values out, and these."""
    joined = (_launch_secrets.Joined(0, (_launch_secrets.Piece("A=", "s"),)),)
    container = _launch.Container("a", "dir:/a", ("a",), (("A", ""),), secret_env=joined, secret_argv=joined)
    volume = _launch.Volume("v", "tmpfs", files=(_launch.File("f", b"", 0o644, "s"),))
    parts = [
        _body(_launch.encode(_launch.LaunchPlan("a", volumes=(volume,), containers=(container,), secrets=True))),
        _body(_launch_secrets.encode({"s": b"v"})),
    ]
    return len(parts[0]).to_bytes(2, "little") + b"".join(parts)


def _body(disk: bytes) -> bytes:
    return disk[tag.PLAN_HEADER_SIZE :][: int.from_bytes(disk[12:16], "little")]


def run(seconds: int) -> int:
    """The exit code: 0 where nothing was found."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "hyperstart/init"), "fuzz"], check=True)
    worst = 0
    times = {"plan": seconds, **dict.fromkeys(("frame", "control", "dhcp", "secrets"), max(1, seconds // 5))}
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
