# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames come out as they went in, in pieces of any size and from among any rubbish."""

import zlib

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _tags
from ansible_collections.hyper.pods.plugins.module_utils._frames import Decoder, Frame, encode
from hypothesis import given
from hypothesis import strategies as st

FRAMES = st.builds(Frame, type=st.integers(0, 255), id=st.integers(0, 2**32 - 1), payload=st.binary(max_size=300))
# Rubbish that cannot be taken for the beginning of a frame; what can be is the subject of tests of its own.
RUBBISH = st.binary(max_size=50).map(lambda data: data.replace(b"H", b"h"))


def test_a_frame_has_the_described_header() -> None:
    data = encode(Frame(_tags.FRAME_STDOUT, 7, b"hello"))
    assert data[:12] == b"HP" + bytes([6, 0, 7, 0, 0, 0, 5, 0, 0, 0])
    assert int.from_bytes(data[12:16], "little") == zlib.crc32(data[2:12] + b"hello")
    assert data[16:] == b"hello"
    assert len(data) == _tags.FRAME_HEADER_SIZE + 5


def test_a_payload_that_is_too_long_is_refused() -> None:
    assert len(encode(Frame(1, 1, bytes(65536)))) == 65552
    with pytest.raises(ValueError, match="65537 bytes exceeds 65536"):
        encode(Frame(1, 1, bytes(65537)))


@given(st.lists(FRAMES, max_size=5), st.integers(1, 40))
def test_frames_come_out_of_pieces_of_any_size(frames: list[Frame], size: int) -> None:
    data = b"".join(map(encode, frames))
    decoder = Decoder()
    assert [frame for start in range(0, len(data), size) for frame in decoder.feed(data[start : start + size])] == frames


@given(st.lists(st.tuples(RUBBISH, FRAMES), max_size=5), st.integers(1, 40))
def test_frames_come_out_from_among_rubbish(pairs: list[tuple[bytes, Frame]], size: int) -> None:
    data = b"".join(rubbish + encode(frame) for rubbish, frame in pairs)
    decoder = Decoder()
    assert [frame for start in range(0, len(data), size) for frame in decoder.feed(data[start : start + size])] == [frame for _, frame in pairs]


GOOD = Frame(_tags.FRAME_OK, 1, b"good")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"H",
        b"HH",
        b"HP",
        b"HPHP",
        encode(Frame(_tags.FRAME_STDOUT, 1, b"damaged"))[:-1] + b"!",
        b"HP\x06\0\1\0\0\0\1\0\1\0" + bytes(4),  # length 65537
        b"HP\x06\1\1\0\0\0\0\0\0\0" + bytes(4),  # flags
        encode(Frame(_tags.FRAME_STDOUT, 1, b"cut off"))[:-3],
    ],
)
def test_a_good_frame_is_found_behind_what_looks_like_one(rubbish: bytes) -> None:
    decoder = Decoder()
    assert list(decoder.feed(rubbish + encode(GOOD) + bytes(64))) == [GOOD]


def test_half_a_long_frame_is_overcome_by_as_many_zeros_as_it_can_lack() -> None:
    decoder = Decoder()
    half = encode(Frame(_tags.FRAME_STDIN, 1, b"x" * 65536))[:100]
    assert list(decoder.feed(half + encode(GOOD))) == []
    assert list(decoder.feed(bytes(65536))) == [GOOD]
    assert list(decoder.feed(encode(GOOD))) == [GOOD]


@given(st.binary(max_size=2000))
def test_no_bytes_make_the_decoder_fail(data: bytes) -> None:
    list(Decoder().feed(data))
