# SPDX-License-Identifier: GPL-3.0-or-later
from ansible_collections.hyper.pods.plugins.module_utils._initramfs import Module, build

MODULES = [Module("b.ko", b"bb"), Module("a.ko", b"a" * 1001)]


def read(archive: bytes) -> dict[str, tuple[int, tuple[int, int], bytes]]:
    """The entries of a newc archive: mode, device, content."""
    entries, position = {}, 0
    while True:
        fields = [int(archive[start : start + 8], 16) for start in range(position + 6, position + 110, 8)]
        assert archive[position : position + 6] == b"070701"
        name = archive[position + 110 : position + 110 + fields[11] - 1].decode()
        start = (position + 110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            return entries
        entries[name] = (fields[1], (fields[9], fields[10]), archive[start : start + fields[6]])
        position = (start + fields[6] + 3) // 4 * 4


def test_what_was_built_is_read_back() -> None:
    assert read(build(b"#!init", MODULES)) == {
        "dev": (0o040755, (0, 0), b""),
        "dev/console": (0o020600, (5, 1), b""),
        "init": (0o100755, (0, 0), b"#!init"),
        "modules": (0o040755, (0, 0), b""),
        "modules/order": (0o100644, (0, 0), b"b.ko\na.ko\n\n"),
        "modules/b.ko": (0o100644, (0, 0), b"bb"),
        "modules/a.ko": (0o100644, (0, 0), b"a" * 1001),
    }


def test_the_same_input_gives_the_same_bytes() -> None:
    assert build(b"x", MODULES) == build(b"x", list(MODULES))
    assert build(b"x", MODULES) != build(b"y", MODULES)


def test_the_modules_that_can_wait_come_after_an_empty_line() -> None:
    names = ["virtio.ko", "button.ko", "evdev.ko"]
    assert read(build(b"", [Module(name, b"") for name in names]))["modules/order"][2] == b"virtio.ko\n\nbutton.ko\nevdev.ko\n"
