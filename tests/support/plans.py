# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch plans made by hand, to be wrong in every way."""

from __future__ import annotations

import struct
import zlib

from ansible_collections.hyper.pods.plugins.module_utils import _launch
from ansible_collections.hyper.pods.plugins.module_utils._fields import NUMBER, field
from ansible_collections.hyper.pods.plugins.module_utils._launch import LaunchPlan
from hypothesis import strategies as st


def disk(body: bytes, *, length: int | None = None, checksum: int | None = None, version: int = 1, magic: bytes = b"HYPERPLN") -> bytes:
    """A plan's disk with the header of one's choice; by default a right one."""
    head = struct.pack("<8sIIII", magic, version, len(body) if length is None else length, zlib.crc32(body) if checksum is None else checksum, 0)
    return head + body + bytes(-(len(head) + len(body)) % 512)


def body_of(plan: LaunchPlan) -> bytes:
    """The fields of a plan, without a header."""
    return _launch._PLAN.encode(plan)


def _fields(members: st.SearchStrategy[bytes], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.tuples(st.integers(0, 40), members), max_size=most).map(lambda pairs: b"".join(field(*pair) for pair in pairs))


_NUMBERS = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1)).map(NUMBER.encode)
_WORDS = st.sampled_from([b"app", b"/x", b"dir:/x", b"Never", b"scratch", b"A=b", b"52:54:00:00:00:01"])
# Fields nested at random, with the tags of the wire and some others.
BODIES = _fields(st.recursive(st.one_of(st.binary(max_size=12), _NUMBERS, _WORDS), lambda inner: _fields(inner, 6)), 8)
