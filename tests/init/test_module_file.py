# SPDX-License-Identifier: GPL-3.0-or-later
"""What hyperstart takes from a kernel module before it loads it, under ASan and UBSan: object files as the kernel's are built, and damaged ones."""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.init import SOURCES

Trim = Callable[[Sequence[bytes]], list[bytes]]

CC = os.environ.get("CC", "cc")
MARK = b"~Module signature appended~\n"
# Two functions, the sections that the kernel's macros make, and a main that a trimmed module can be run by.
MODULE = """
int answer(int number) { return number * 2; }
int twice(int number) { return answer(answer(number)); }
static const int call __attribute__((section(".static_call_sites"), used)) = 1;
static const int lock __attribute__((section(".smp_locks"), used)) = 2;
static const int jump __attribute__((section("__jump_table"), used)) = 3;
"""
# As the kernel does it (Makefile: CC_FLAGS_FTRACE).
FLAGS = ["-O2", "-fno-pic", "-fno-inline", "-mcmodel=kernel", "-pg", "-mfentry", "-mrecord-mcount", "-c"]
TRACED = re.compile(r"call +[0-9a-f]+ <.*\n.*R_X86_64_PLT32\s+__fentry__")


@pytest.fixture(scope="module")
def trim(tmp_path_factory: pytest.TempPathFactory) -> Trim:
    """Give files to the trimmer; what is left of each."""
    binary = tmp_path_factory.mktemp("trim") / "trim"
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-fno-strict-aliasing", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([CC, *flags, "-I", SOURCES, "-o", binary, Path(__file__).with_name("trim.c"), SOURCES / "module_file.c"], check=True)

    def run(inputs: Sequence[bytes]) -> list[bytes]:
        stdin = b"".join(struct.pack("<I", len(data)) + data for data in inputs)
        done = subprocess.run([binary], input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        answers, at = [], 0
        while at < len(done.stdout):
            (size,) = struct.unpack_from("<I", done.stdout, at)
            answers.append(done.stdout[at + 4 : at + 4 + size])
            at += 4 + size
        return answers

    return run


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An object file that each function of calls the tracer."""
    directory = tmp_path_factory.mktemp("module")
    (directory / "module.c").write_text(MODULE)
    subprocess.run([CC, *FLAGS, "-o", directory / "module.o", directory / "module.c"], check=True)
    return (directory / "module.o").read_bytes()


def signed(data: bytes, signature: bytes = b"signature" * 30) -> bytes:
    return data + signature + bytes(8) + struct.pack(">I", len(signature)) + MARK


def tool(name: str, *options: str, data: bytes, directory: Path) -> str:
    file = directory / "looked-at.o"
    file.write_bytes(data)
    return subprocess.run([name, *options, file], capture_output=True, text=True, check=True).stdout


def allocated(data: bytes, directory: Path) -> set[str]:
    """The sections that the kernel would find and load."""
    lines = tool("readelf", "-SW", data=data, directory=directory).splitlines()
    found = [re.match(r" +\[ *\d+\] (\S+) +\S+ +[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ +(\S*A\S*) ", line) for line in lines]
    return {match[1] for match in found if match}


def test_what_tracing_would_use_is_gone(trim: Trim, module: bytes, tmp_path: Path) -> None:
    [left] = trim([module])
    gone = {"__mcount_loc", ".static_call_sites", ".smp_locks"}
    before, after = allocated(module, tmp_path), allocated(left, tmp_path)
    assert gone < before
    assert after == before - gone
    assert "__jump_table" in after
    calls = [tool("objdump", "-dr", data=data, directory=tmp_path) for data in (module, left)]
    assert len(TRACED.findall(calls[0])) == 2
    assert "__fentry__" not in calls[1]
    assert calls[1].count("nopl   0x0(%rax,%rax,1)") - calls[0].count("nopl   0x0(%rax,%rax,1)") == 2


def test_what_is_left_does_the_same(trim: Trim, module: bytes, tmp_path: Path) -> None:
    (tmp_path / "trimmed.o").write_bytes(trim([module])[0])
    (tmp_path / "main.c").write_text("int twice(int); int main(void) { return twice(10); }")
    # Nothing is there that could trace: a call that was left would not be linked.
    subprocess.run([CC, "-no-pie", "-o", tmp_path / "run", tmp_path / "main.c", tmp_path / "trimmed.o"], check=True, capture_output=True)
    assert subprocess.run([tmp_path / "run"], check=False).returncode == 40


@pytest.mark.parametrize(
    ("name", "signature"),
    [("usual", b"signature" * 30), ("empty", b""), ("longer than the file", None)],
)
def test_a_signature(trim: Trim, module: bytes, name: str, signature: bytes | None) -> None:
    whole = signed(module, signature) if signature is not None else bytes(8) + struct.pack(">I", 2**31) + MARK
    expected = trim([module]) if signature is not None else [whole]
    assert trim([whole]) == expected, name


def test_damaged_files(trim: Trim, module: bytes) -> None:
    chance = random.Random(7)
    header = struct.unpack_from("<Q", module, 40)[0]
    cut = [module[:size] for size in range(0, len(module), 7)]
    flipped = []
    for number in range(3000):
        data = bytearray(module)
        # Its headers, where a byte tells most, and anywhere.
        at = chance.randrange(64) if number % 3 == 0 else chance.randrange(header, len(data)) if number % 3 == 1 else chance.randrange(len(data))
        data[at] = chance.randrange(256)
        flipped.append(bytes(data))
    for given, left in zip([*cut, *flipped], trim([*cut, *flipped]), strict=True):
        assert len(left) == len(given)


def test_a_file_for_another_processor(trim: Trim, module: bytes) -> None:
    other = module[:18] + struct.pack("<H", 183) + module[20:]
    assert trim([other]) == [other]
