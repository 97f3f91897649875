# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands have in common that bring one pod to another definition."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from hyperstart._ansible import Options
from hyperstart._arguments import options_of
from hyperstart._output import actions_text, diffs_text
from hyperstart._reporter import Reporter
from hyperstart.results import PodsResult


def change(operation: Callable[[argparse.Namespace, Options], PodsResult], what: str = "changing {}") -> Callable[[argparse.Namespace], int]:
    """A command that changes the pod ``arguments.pod`` and says how. what: is done to it meanwhile."""

    def run(arguments: argparse.Namespace) -> int:
        with Reporter(sys.stderr, what=what.format(arguments.pod)) as reporter:
            result = operation(arguments, options_of(arguments, reporter))
        if arguments.json:
            print(json.dumps(result.as_json()))
            return 0
        print(actions_text([arguments.pod], result.actions, check=arguments.check), end="")
        if arguments.diff:
            print(diffs_text(result.diffs), end="")
        return 0

    return run
