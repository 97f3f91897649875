# SPDX-License-Identifier: GPL-3.0-or-later
"""The launch plan's form: what goes in comes out, byte for byte the same each time; what cannot be written is refused."""

import contextlib
import dataclasses
import struct
import zlib

import pytest
from ansible_collections.hyper.pods.plugins.module_utils import _fields, _launch, _tags
from ansible_collections.hyper.pods.plugins.module_utils._fields import Malformed
from ansible_collections.hyper.pods.plugins.module_utils._launch import Container, Interface, LaunchPlan, Mount, PlanTooLarge, Volume, decode, encode
from ansible_collections.hyper.pods.plugins.module_utils._launch_life import Action, Probe
from ansible_collections.hyper.pods.plugins.module_utils._launch_secrets import Joined, Piece
from ansible_collections.hyper.pods.plugins.module_utils._ulimit import Ulimit
from hypothesis import given
from hypothesis import strategies as st

SMALL = LaunchPlan(hostname="web", containers=(Container("app", "0123456789abcdef0123", ("/bin/app",)),))
FULL = LaunchPlan(
    hostname="web",
    hosts=b"127.0.0.1 localhost\n",
    resolv_conf=b"nameserver 10.0.2.3\n",
    interfaces=(Interface("52:54:00:00:00:01", ("10.0.2.15/24", "fec0::15/64"), ("10.0.2.2",), 1400), Interface("52:54:00:00:00:02")),
    volumes=(
        Volume("data", "scratch", group=70),
        Volume("cache", "tmpfs", 1 << 20, None, (_launch.File("a/b", b"\0x", 0o400), _launch.File("empty"), _launch.File("key", b"", 0o400, "b"))),
    ),
    containers=(
        Container(
            name="app",
            rootfs="0123456789abcdef0123",
            argv=("/bin/app", "", "größe"),
            env=(("PATH", "/bin"), ("EMPTY", ""), ("EQUALS", "a=b")),
            workdir="/srv",
            user="app:staff",
            additional_groups=(4, 27),
            stop_signal=3,
            grace_period=0,
            restart_policy="OnFailure",
            mounts=(Mount("data", "/data", "sub/path", readonly=True, copy_up=True), Mount("cache", "/cache")),
            capabilities=(0, 40),
            readonly_rootfs=True,
            no_new_privileges=True,
            privileged=True,
            tty=True,
            stdin=True,
            init=True,
            startup_probe=Probe(Action("exec", ("sh", "-c", "")), 1, 2, 3, 4, 5, 6),
            liveness_probe=Probe(Action("http", address="10.0.2.15", port=80, request=b"GET / HTTP/1.1\r\n\r\n")),
            readiness_probe=Probe(Action("tcp", address="::1", port=65535)),
            post_start=Action("exec", ("true",)),
            pre_stop=Action("sleep", seconds=0),
            merge_groups=True,
            non_root=True,
            unmasked_proc=True,
            cpu_quota=50000,
            cpu_weight=20,
            memory_limit=1 << 26,
            storage_limit=1 << 30,
            ulimits=(Ulimit(7, 1024, 2**64 - 1),),
            group_names=("audio",),
            secret_argv=(Joined(1, (Piece("a", "b"), Piece("", "c"), Piece("d"))),),
            secret_env=(Joined(0, (Piece("PATH=", "b"),)),),
        ),
        Container("log", "dir:/srv/log", ("/bin/log",), capabilities=()),
    ),
    scratch=False,
    active_deadline=600,
    sysctls=(("net/ipv4/ip_forward", "1"),),
    secrets=True,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
FILLED_TEXT = TEXT.filter(bool)
NUMBER = st.integers(0, 2**64 - 1)


def tuples(members: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(members, max_size=3).map(tuple)


CONTAINERS = st.builds(
    Container,
    name=FILLED_TEXT,
    rootfs=FILLED_TEXT,
    argv=tuples(TEXT),
    env=tuples(st.tuples(FILLED_TEXT.filter(lambda name: "=" not in name), TEXT)),
    workdir=TEXT,
    user=TEXT,
    additional_groups=tuples(NUMBER),
    stop_signal=NUMBER,
    grace_period=NUMBER,
    restart_policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    mounts=tuples(st.builds(Mount, volume=FILLED_TEXT, target=FILLED_TEXT, subpath=TEXT, readonly=st.booleans(), copy_up=st.booleans())),
    capabilities=tuples(NUMBER),
    tty=st.booleans(),
)
PLANS = st.builds(
    LaunchPlan,
    hostname=FILLED_TEXT,
    hosts=st.binary(),
    interfaces=tuples(st.builds(Interface, mac=FILLED_TEXT, addresses=tuples(TEXT), gateways=tuples(TEXT), mtu=st.none() | NUMBER)),
    volumes=tuples(st.builds(Volume, name=FILLED_TEXT, kind=st.sampled_from(["scratch", "tmpfs"]), size=st.none() | NUMBER)),
    containers=tuples(CONTAINERS),
    scratch=st.booleans(),
)


@pytest.mark.parametrize("plan", [SMALL, FULL, LaunchPlan("empty")], ids=["small", "full", "empty"])
def test_a_plan_comes_back_as_it_went_in(plan: LaunchPlan) -> None:
    assert decode(encode(plan)) == plan


@given(PLANS)
def test_any_plan_comes_back_as_it_went_in(plan: LaunchPlan) -> None:
    assert decode(encode(plan)) == plan


def test_the_disk_has_the_described_header_and_whole_sectors() -> None:
    disk = encode(FULL)
    magic, version, length, checksum, reserved = struct.unpack_from("<8sIIII", disk)
    assert (magic, version, reserved) == (b"HYPERPLN", 1, 0)
    assert struct.calcsize("<8sIIII") == _tags.PLAN_HEADER_SIZE
    assert checksum == zlib.crc32(disk[24 : 24 + length])
    assert len(disk) % 512 == 0
    assert not any(disk[24 + length :])


def test_every_attribute_of_every_part_has_a_tag() -> None:
    for record, type_ in (
        (_launch._PLAN, LaunchPlan),
        (_launch._INTERFACE, Interface),
        (_launch._VOLUME, Volume),
        (_launch._MOUNT, Mount),
        (_launch._CONTAINER, Container),
    ):
        assert [part.attribute for part in record._parts] == [member.name for member in dataclasses.fields(type_)]


def test_arguments_that_are_not_utf8_arrive_unchanged() -> None:
    argv = ("/bin/app", b"caf\xe9".decode("utf-8", "surrogateescape"))
    plan = dataclasses.replace(SMALL, containers=(dataclasses.replace(SMALL.containers[0], argv=argv),))
    assert b"caf\xe9" in encode(plan)
    assert decode(encode(plan)) == plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"argv": ("/bin/app", "a\0b")}, "NUL"),
        ({"env": (("A", "b\0"),)}, "NUL"),
        ({"argv": ("\ud800",)}, "UTF-8"),
        ({"grace_period": -1}, "between 0 and"),
        ({"stop_signal": 2**64}, "between 0 and"),
    ],
)
def test_what_has_no_form_on_the_wire_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(Malformed, match=message):
        encode(dataclasses.replace(SMALL, containers=(dataclasses.replace(SMALL.containers[0], **change),)))


def test_a_plan_that_hyperstart_would_not_take_is_refused() -> None:
    container = dataclasses.replace(SMALL.containers[0], env=(("BIG", "x" * _tags.PLAN_MAX_SIZE),))
    with pytest.raises(PlanTooLarge, match="at most 16777216"):
        encode(dataclasses.replace(SMALL, containers=(container,)))


@pytest.mark.parametrize(
    ("disk", "message"),
    [
        (b"", "at least 24"),
        (bytes(512), "not a launch plan"),
        (encode(SMALL)[:8] + b"\2" + encode(SMALL)[9:], "version 2"),
        (encode(SMALL)[:60], "damaged"),
        (encode(SMALL)[:30] + b"\xff" + encode(SMALL)[31:], "damaged"),
    ],
)
def test_a_damaged_disk_is_told(disk: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        decode(disk)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\1\0\2", "cut off at byte 0 of 3"),
        (b"\1\0\2\0\0\0x", "claims 2 bytes, 1 are left"),
        (b"\1\0\xff\xff\xff\xff", "claims 4294967295 bytes"),
    ],
)
def test_fields_that_lead_out_of_their_data_are_told(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        list(_fields.fields(data))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_fail_otherwise(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        _launch._PLAN.decode(data)


def test_a_record_passes_over_unknown_tags_and_names_what_is_missing() -> None:
    assert _launch._VOLUME.decode(_fields.field(99, b"?") + _launch._VOLUME.encode(Volume("data", "tmpfs"))) == Volume("data", "tmpfs")
    with pytest.raises(Malformed, match="Volume lacks kind, name"):
        _launch._VOLUME.decode(b"")


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_number_has_eight_bytes(size: int) -> None:
    with pytest.raises(Malformed, match=f"a number has {size} bytes"):
        _fields.NUMBER.decode(bytes(size))
