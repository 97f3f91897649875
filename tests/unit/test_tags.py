# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of the wire are written down twice, for the guest in C and for the host in Python: they must be the same."""

import ast
import re
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _tags

INIT = Path(__file__).parents[2] / "hyperstart" / "init"
DEFINE = re.compile(r'^#define (\w+) +("[^"]*"|0x[0-9A-Fa-f]+|\d+)', re.MULTILINE)


def in_c() -> dict[str, object]:
    return {name: ast.literal_eval(value) for header in ("plan.h", "control.h") for name, value in DEFINE.findall((INIT / header).read_text())}


def in_python() -> dict[str, object]:
    return {name: value for name, value in vars(_tags).items() if name.isupper()}


def test_c_and_python_agree_on_every_name_and_number() -> None:
    assert in_python() == in_c()


def test_no_two_tags_of_a_form_are_the_same() -> None:
    text = (INIT / "plan.h").read_text() + (INIT / "control.h").read_text()
    for block in text.split("\n\n"):
        # A block's first comment names its form; the tags of one form stand together.
        tags = [value for name, value in DEFINE.findall(block) if not name.endswith(("_SIZE", "_PAYLOAD", "_CREDIT", "_VERSION", "_MAGIC"))]
        assert len(tags) == len(set(tags)), block
