# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``hyper``: its words go to the Python API, results and errors become text, and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

from hyperstart import _cli_convert, _cli_hosts, _cli_images, _cli_pods, _cli_run
from hyperstart.errors import BadDefinition, Cancelled, HyperError, OperationFailed

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


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    result = argparse.ArgumentParser(
        prog="hyper",
        description="Run pods: groups of container images, each in a KVM guest of its own.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subparsers = result.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (_cli_run, _cli_pods, _cli_convert, _cli_images, _cli_hosts):
        group.add(subparsers)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` without the program's name. Returns the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        arguments = parser().parse_args(argv)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except (BadDefinition, InvalidManifest) as error:
        return _fail(error, USAGE)
    except OperationFailed as error:
        return _fail(error, FAILURE)
    except Cancelled:
        return INTERRUPTED
    except HyperError as error:
        return _fail(error, FAILURE)
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


def _fail(error: HyperError, code: int) -> int:
    text = str(error)
    if isinstance(error, OperationFailed) and len(error.failures) == 1 and error.failures[0].host == "localhost":
        text = error.failures[0].message
    print(f"hyper: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
