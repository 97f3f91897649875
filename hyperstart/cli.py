# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``hyper``: its words go to the Python API, results and errors become text, and an exit code."""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

# Commands that a person waits for, and the one module that each needs: the others take a fifth of a second to load.
_QUICK = {
    "exec": "_cli_inside",
    "attach": "_cli_inside",
    "logs": "_cli_logs",
    "cp": "_cli_copy",
}
# The modules of the commands, in the order of the help.
_GROUPS = (
    "_cli_run",
    "_cli_pods",
    "_cli_history",
    "_cli_patch",
    "_cli_inside",
    "_cli_logs",
    "_cli_copy",
    "_cli_life",
    "_cli_watch",
    "_cli_convert",
    "_cli_images",
    "_cli_exchange",
    "_cli_build",
    "_cli_volumes",
    "_cli_hosts",
)
FAILURE, USAGE, INTERRUPTED, TERMINATED = 1, 2, 130, 143

_EPILOG = """\
examples:
  hyper run -p nginx rails logstash cronjob
  hyper list
  hyper exec web -- ps

exit codes: 0; 1 the operation failed; 2 the command line or a definition is wrong and nothing was done; 130 interrupted; 143 terminated;
`exec` and `run --rm` exit with the code of what they ran.

HYPER_STATE_DIR, HYPER_RUN_DIR and HYPER_QEMU_USER stand for /var/lib/hyper, /run/hyper and hyper-qemu on the hosts."""


class _Terminated(BaseException):
    """SIGTERM came."""


@functools.cache
def parser(groups: tuple[str, ...] = _GROUPS) -> argparse.ArgumentParser:
    """The command line, or that of some groups of commands."""
    result = argparse.ArgumentParser(
        prog="hyper",
        description="Run pods: groups of container images, each in a KVM guest of its own.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subparsers = result.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in groups:
        importlib.import_module(f"hyperstart.{group}").add(subparsers)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` without the program's name. Returns the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        quick = _QUICK.get(words[0]) if words else None
        arguments = parser((quick,) if quick else _GROUPS).parse_args(words)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except HyperError as error:
        return _fail(error)
    except KeyboardInterrupt:
        print("hyper: interrupted", file=sys.stderr)
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _fail(error: HyperError) -> int:
    from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

    from hyperstart.errors import BadDefinition, Cancelled, OperationFailed

    if isinstance(error, Cancelled):
        return INTERRUPTED
    text = str(error)
    if isinstance(error, OperationFailed) and len(error.failures) == 1 and error.failures[0].host == "localhost":
        text = error.failures[0].message
    print(f"hyper: {text}", file=sys.stderr)
    return USAGE if isinstance(error, (BadDefinition, InvalidManifest)) else FAILURE


if __name__ == "__main__":
    sys.exit(main())
