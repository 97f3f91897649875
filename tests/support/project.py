# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the project whose modules only report what they were asked and answer what a test wrote down: for the control node's own tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("image", "pod", "pod_exec", "pod_info", "pod_wait")

# state_dir, which every module takes, is where the test's answers lie and where the module leaves what it was asked.
_MODULE = """#!/usr/bin/python
import json, os, time
from pathlib import Path
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils import basic

NAME = "@NAME@"


def main():
    args = json.loads(basic._ANSIBLE_ARGS.decode())["ANSIBLE_MODULE_ARGS"]
    module = AnsibleModule(argument_spec={key: {"type": "raw"} for key in args if not key.startswith("_ansible")}, supports_check_mode=True)
    place = Path(module.params["state_dir"])
    asked = {**module.params, "check": module.check_mode, "pid": os.getpid()}
    with (place / (NAME + ".asked")).open("a") as file:
        file.write(json.dumps(asked) + "\\n")
    answer = json.loads((place / (NAME + ".answer")).read_text())
    for step in answer.pop("progress", []):
        with open(module.params["progress"], "a") as file:
            file.write(json.dumps(step) + "\\n")
    if "sleep" in answer:
        time.sleep(answer.pop("sleep"))
    if "fail" in answer:
        module.fail_json(**answer["fail"])
    module.exit_json(**answer)


main()
"""


class FakeProject:
    """Its directories; ``answer`` says what a module returns, ``asked`` what it was called with."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state_dir = root / "state"
        self.state_dir.mkdir(parents=True)
        (root / "playbooks").symlink_to(ROOT / "playbooks")
        (root / "inventories").symlink_to(ROOT / "inventories")
        (root / "ansible.cfg").write_text((ROOT / "ansible.cfg").read_text())
        collection = root / "collections/ansible_collections/hyper/pods"
        (collection / "plugins/modules").mkdir(parents=True)
        real = ROOT / "collections/ansible_collections/hyper/pods"
        for name in ("galaxy.yml", "meta"):
            (collection / name).symlink_to(real / name)
        for plugins in ("doc_fragments", "filter", "lookup", "module_utils", "plugin_utils"):
            (collection / "plugins" / plugins).symlink_to(real / "plugins" / plugins)
        for name in MODULES:
            (collection / f"plugins/modules/{name}.py").write_text(_MODULE.replace("@NAME@", name))

    def answer(self, module: str, values: Mapping[str, Any]) -> None:
        """What ``module`` returns; ``fail``: its fail_json, ``progress``: its steps, ``sleep``: seconds before it ends."""
        (self.state_dir / f"{module}.answer").write_text(json.dumps(values))

    def asked(self, module: str) -> list[dict[str, Any]]:
        """The parameters of each call of ``module``; empty before the first."""
        path = self.state_dir / f"{module}.asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
