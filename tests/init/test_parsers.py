# SPDX-License-Identifier: GPL-3.0-or-later
"""The init's parsers alone, under ASan and UBSan: every damage of a plan, and streams of frames read as Python reads them."""

from __future__ import annotations

import ipaddress
import os
import random
import struct
import subprocess
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hyper.pods.plugins.module_utils._frames import Decoder, Frame, encode
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container, File, Interface, LaunchPlan, Mount, Volume
from ansible_collections.hyper.pods.plugins.module_utils._launch_life import Action, Probe
from ansible_collections.hyper.pods.plugins.module_utils._launch_secrets import Joined, Piece
from ansible_collections.hyper.pods.plugins.module_utils._launch_secrets import encode as encode_secrets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.init import SOURCES
from tests.support.plans import BODIES, body_of, disk

Parse = Callable[[str, Sequence[bytes]], list[str]]

PLAN = LaunchPlan(
    "pod",
    b"127.0.0.1 localhost\n",
    b"nameserver 10.0.2.3\n",
    (Interface("52:54:00:00:00:01", ("10.0.2.15/24", "fec0::15/64"), ("10.0.2.2", "fec0::2"), 1500),),
    (Volume("data", "scratch"), Volume("mem", "tmpfs", 4096, files=(File("plain", b"x"), File("secret", secret="5ec")))),
    (
        Container(
            "app",
            "0123456789abcdef0123",
            ("/bin/app", "x"),
            (("A", "b"), ("S", "")),
            "/srv",
            "app:app",
            (4,),
            mounts=(
                Mount("data", "/d", "s", readonly=True),
                Mount("mem", "/m", copy_up=True),
            ),
            secret_argv=(Joined(1, (Piece("--token=", "5ec"), Piece("/", "7ec"), Piece("."))),),
            secret_env=(Joined(1, (Piece("S=", "7ec"),)),),
        ),
        Container(
            "probed",
            "dir:/probed",
            ("app",),
            startup_probe=Probe(Action("exec", ("true",)), 1, 2, 3, 4, 5, 6),
            liveness_probe=Probe(Action("http", address="10.0.2.15", port=80, request=b"GET /")),
            readiness_probe=Probe(Action("tcp", address="::1", port=1)),
            post_start=Action("exec", ("true",)),
            pre_stop=Action("sleep", seconds=0),
        ),
        Container("log", "dir:/log", ("log",), capabilities=(0,), restart_policy="OnFailure", tty=True),
    ),
    secrets=True,
)
VALUES = {"5ec": b"value", "7ec": b"other", "more": b"\0"}


@pytest.fixture(scope="module")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Parse:
    """Give inputs to the parser of plans or of frames; a line of answer for each."""
    binary = tmp_path_factory.mktemp("parse") / "parse"
    sources = [
        Path(__file__).with_name("parse.c"),
        *(SOURCES / f"{name}.c" for name in ("error", "fields", "frame", "launch_plan", "life_plan", "address", "dhcp_message", "secrets")),
    ]
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-fno-strict-aliasing", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-I", SOURCES, "-o", binary, *sources], check=True)

    def run(kind: str, inputs: Sequence[bytes]) -> list[str]:
        stdin = b"".join(struct.pack("<I", len(data)) + data for data in inputs)
        done = subprocess.run([binary, kind], input=stdin, capture_output=True, check=False)
        answers = done.stdout.decode(errors="replace").split("\n")[:-1]
        assert done.returncode == 0, (done.stderr.decode(), inputs[len(answers)])
        assert len(answers) == len(inputs)
        return answers

    return run


def test_a_good_plan(parse: Parse) -> None:
    assert parse("plan", [disk(body_of(PLAN))]) == ["ok"]


def test_a_plan_cut_off_at_every_byte(parse: Parse) -> None:
    body = body_of(replace(PLAN, secrets=None))
    answers = parse("plan", [disk(body[:size]) for size in range(len(body))])
    # Between two fields only a required one can be missed, and the last one is.
    assert "ok" not in answers
    begins = ("plan: ", "container", "interface", "volume: ", "mount", "probe: ", "action: ", "file: ", "joined: ", "part: ")
    assert all(answer.startswith(begins) for answer in answers), set(answers)
    assert set(parse("plan", [disk(body)[:size] for size in range(24 + len(body))])) == {"shorter than a header", "shorter than it says"}


@pytest.mark.slow
def test_every_bit_of_a_plan_flipped(parse: Parse) -> None:
    body = body_of(PLAN)
    answers = parse("plan", [disk(body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]) for at in range(len(body)) for bit in range(8)])
    assert 0 < answers.count("ok") < len(answers)
    whole = disk(body)
    answers = parse("plan", [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at in range(24 + len(body)) for bit in range(8)])
    assert "ok" not in answers


@pytest.mark.slow
def test_every_length_of_a_plan_made_hostile(parse: Parse) -> None:
    """Four bytes anywhere as a length of any size: whatever is a length is among them."""
    body = body_of(PLAN)
    lengths = [struct.pack("<I", value) for value in (0, 1, 5, 6, 7, 255, len(body), 0x7FFFFFFF, 0x80000000, 0xFFFFFFF9, 0xFFFFFFFF)]
    parse("plan", [disk(body[:at] + length + body[at + 4 :]) for at in range(len(body) - 3) for length in lengths])


def test_pieces_of_plans_put_together_at_random(parse: Parse) -> None:
    body = body_of(PLAN)
    chance = random.Random(1)

    def mutant() -> bytes:
        pieces = []
        for _ in range(chance.randrange(1, 6)):
            begin = chance.randrange(len(body))
            pieces.append(body[begin : begin + chance.choice((6, 14, 60, len(body)))])
        return b"".join(pieces)

    parse("plan", [disk(mutant()) for _ in range(20000)])


@pytest.mark.slow
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(BODIES, max_size=5))
def test_any_fields(parse: Parse, bodies: list[bytes]) -> None:
    assert "ok" not in parse("plan", [disk(body) for body in bodies])


def secrets_of(values: dict[str, bytes]) -> tuple[bytes, bytes]:
    """The header of their disk, and the fields."""
    data = encode_secrets(values)
    size = int.from_bytes(data[12:16], "little")
    return data[:24], data[24 : 24 + size]


def sealed(body: bytes) -> bytes:
    """A disk of secrets with any body."""
    return disk(body, magic=b"HYPERSEC")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (VALUES, "ok"),
        ({**VALUES, "5ec": b""}, "ok"),
        ({"5ec": b"value"}, 'secrets: there is none called "7ec"'),
        ({}, 'secrets: there is none called "5ec"'),
        ({**VALUES, "7ec": b"a\0b"}, 'secrets: "7ec" holds a NUL'),
    ],
)
def test_secrets(parse: Parse, values: dict[str, bytes], message: str) -> None:
    assert parse("secrets", [disk(body_of(PLAN)), encode_secrets(values)])[1:] == [message]


def test_a_plan_that_puts_secrets_where_nothing_is(parse: Parse) -> None:
    app = PLAN.containers[0]
    for change, message in (
        ({"secret_env": (Joined(2, (Piece("B=", "5ec"),)),)}, "secrets: there is no text 2 to take the place of"),
        ({"secret_env": (Joined(1, (Piece("", "5ec"),)),)}, "container app: a variable with secrets is not NAME=value"),
        ({"secret_argv": (Joined(0, (Piece("", "empty"),)),)}, "container app: the command is empty"),
    ):
        plan = replace(PLAN, containers=(replace(app, **change),))
        assert parse("secrets", [disk(body_of(plan)), encode_secrets({**VALUES, "empty": b""})])[1:] == [message]


def test_one_secret_said_again_and_again(parse: Parse) -> None:
    """What is small on the wire must not fill the guest's memory."""
    words = tuple(Joined(1, (Piece("", "5ec"),) * 5000) for _ in range(2))
    plan = replace(PLAN, containers=(replace(PLAN.containers[0], secret_argv=words),))
    assert parse("secrets", [disk(body_of(plan)), encode_secrets({**VALUES, "5ec": b"x" * 5000})])[1:] == ["secrets: what is made of them is too long"]


def test_every_damage_of_secrets(parse: Parse) -> None:
    plan = disk(body_of(PLAN))
    head, body = secrets_of(VALUES)
    whole = head + body
    cut = parse("secrets", [plan, *(whole[:size] for size in range(len(whole)))])[1:]
    assert set(cut) == {"secrets: shorter than a header", "secrets: shorter than they say"}
    flipped = parse("secrets", [plan, *(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in range(8))])[1:]
    assert "ok" not in flipped
    damaged = [sealed(body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]) for at in range(len(body)) for bit in range(8)]
    assert 0 < parse("secrets", [plan, *damaged]).count("ok") < len(damaged)
    lengths = [struct.pack("<I", value) for value in (0, 1, 5, 6, 7, 255, len(body), 0x7FFFFFFF, 0x80000000, 0xFFFFFFF9, 0xFFFFFFFF)]
    parse("secrets", [plan, *(sealed(body[:at] + length + body[at + 4 :]) for at in range(len(body) - 3) for length in lengths)])


def as_c_says(frames: Sequence[Frame]) -> str:
    return "".join(f"{frame.type}:{frame.id}:{len(frame.payload)}:{zlib.crc32(frame.payload):08x} " for frame in frames)


FRAMES = st.builds(lambda kind, number, payload: encode(Frame(kind, number, payload)), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=60))
HEADERS = st.builds(lambda length, rest: b"HP\6\0\1\0\0\0" + struct.pack("<I", length) + rest, st.integers(0, 70), st.binary(max_size=20))
STREAMS = st.lists(st.one_of(FRAMES, HEADERS, st.binary(max_size=30), st.sampled_from([b"H", b"P", b"HP", bytes(16)])), max_size=8).map(b"".join)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams=st.lists(STREAMS, max_size=5))
def test_c_and_python_find_the_same_frames(parse: Parse, streams: list[bytes]) -> None:
    assert parse("frames", streams) == [as_c_says(list(Decoder().feed(stream))) for stream in streams]


def option(code: int, data: bytes) -> bytes:
    return bytes([code, len(data)]) + data


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def reply(*options: bytes, own: str = "192.0.2.50", file: bytes = b"", sname: bytes = b"", head: bytes = b"\x02\x01\x06\x00\x12\x34\x56\x78") -> bytes:
    """An answer of DHCP (RFC 2131, 2)."""
    fixed = head + bytes(8) + address(own) + bytes(8) + bytes.fromhex("525400000001") + bytes(10) + sname.ljust(64, b"\0") + file.ljust(128, b"\0")
    return fixed + bytes.fromhex("63825363") + b"".join(options)


OFFER, ACK, NAK = (option(53, bytes([number])) for number in (2, 5, 6))
SERVER, MASK, TIME = option(54, address("192.0.2.1")), option(1, address("255.255.255.0")), option(51, (3600).to_bytes(4, "big"))
FULL = (
    *(ACK, SERVER, MASK, TIME, option(3, address("192.0.2.1")), option(6, address("192.0.2.2") + address("192.0.2.3")), option(15, b"lan.example\0")),
    *(option(26, b"\x05\x78"), option(58, (100).to_bytes(4, "big")), option(59, (200).to_bytes(4, "big")), b"\xff"),
)
PLAINLY = "192.0.2.50/24 by 192.0.2.1 via 0.0.0.0 in - mtu 0 for 1800 3150 3600"


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (reply(*FULL), "5 192.0.2.50/24 by 192.0.2.1 via 192.0.2.1 dns 192.0.2.2 dns 192.0.2.3 in lan.example mtu 1400 for 100 200 3600"),
        (reply(OFFER, SERVER, MASK, TIME), f"2 {PLAINLY}"),
        (reply(NAK, SERVER), "6"),
        # Options may go on in the fields for file names.
        (reply(OFFER, option(52, b"\x03"), b"\xff", file=SERVER + MASK + b"\xff", sname=TIME), f"2 {PLAINLY}"),
        (
            reply(OFFER, b"\0\0", SERVER, MASK, TIME, option(3, address("192.0.2.50")), option(26, b"\x02\x00"), option(15, b"a\nnameserver 6.6.6.6")),
            f"2 {PLAINLY}",
        ),
        (reply(OFFER, SERVER, MASK, TIME, option(3, address("127.0.0.1")), option(6, address("0.0.0.0")), option(58, b"\xff" * 4)), f"2 {PLAINLY}"),
        (reply(OFFER, SERVER, option(1, address("255.255.255.255")), TIME), f"2 {PLAINLY.replace('/24', '/32')}"),
        (reply(OFFER, SERVER, TIME, own="10.0.0.5"), f"2 {PLAINLY.replace('192.0.2.50/24', '10.0.0.5/8')}"),
        (reply(OFFER, SERVER, MASK, option(51, b"\0\0\0\1")), f"2 {PLAINLY.replace('1800 3150 3600', '5 8 10')}"),
        (reply(OFFER, SERVER, MASK, option(51, b"\xff" * 4)), f"2 {PLAINLY.replace('1800 3150 3600', '4294967295 4294967295 4294967295')}"),
        # What nobody could use, or was not asked for.
        (reply(OFFER, SERVER, MASK), "0"),
        (reply(OFFER, MASK, TIME), "0"),
        (reply(SERVER, MASK, TIME), "0"),
        (reply(option(53, b"\x01"), SERVER, MASK, TIME), "0"),
        (reply(OFFER, option(54, address("0.0.0.0")), MASK, TIME), "0"),
        (reply(OFFER, SERVER, option(1, address("255.0.255.0")), TIME), "0"),
        (reply(OFFER, SERVER, option(1, address("0.0.0.0")), TIME), "0"),
        (reply(*FULL, head=b"\x01\x01\x06\x00\x12\x34\x56\x78"), "0"),
        (reply(*FULL, head=b"\x02\x01\x06\x00\x12\x34\x56\x79"), "0"),
        *((reply(OFFER, SERVER, MASK, TIME, own=own), "0") for own in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.0", "192.0.2.255")),
    ],
)
def test_answers_of_dhcp(parse: Parse, message: bytes, meaning: str) -> None:
    assert parse("dhcp", [message]) == [meaning]


@pytest.mark.slow
def test_damaged_answers_of_dhcp(parse: Parse) -> None:
    """Cut off at every byte, every bit flipped, put together at random: never read beyond, and never believed in part."""
    whole = reply(*FULL)
    parse("dhcp", [whole[:size] for size in range(len(whole))])
    parse("dhcp", [whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in range(8)])
    chance = random.Random(1)
    parse("dhcp", [whole[:240] + bytes(chance.choice((*whole[240:], 0, 1, 4, 255)) for _ in range(chance.randrange(80))) for _ in range(20000)])


def test_every_bit_of_a_frame_flipped(parse: Parse) -> None:
    frame = encode(Frame(6, 7, b"payload"))
    streams = [frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :] + frame + bytes(70000) for at in range(len(frame)) for bit in range(8)]
    assert set(parse("frames", streams)) == {as_c_says([Frame(6, 7, b"payload")])}
