# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the arguments of the modules that change pods which may be running."""

from __future__ import annotations


class ModuleDocFragment:
    """How a change of a running pod is gone about (``module_utils/_change_arguments.py``)."""

    DOCUMENTATION = r"""
options:
  wait_timeout:
    description: Seconds to wait for O(wait).
    type: int
    default: 300
  progress_deadline:
    description: Seconds within which a container that is replaced or added in a running pod has to be ready. One that fails before that ends the wait at once.
    type: int
    default: 120
  min_ready_seconds:
    description:
      - Seconds that a container which is replaced or added in a running pod has to stay ready until it counts as such. A container without a readiness probe
        is ready as soon as it has been started.
    type: int
    default: 0
  rollback:
    description:
      - Whether a running pod returns to its former definition when a container that was replaced or added is not ready within O(progress_deadline), or fails.
        The task fails in either case.
    type: bool
    default: true
  progress:
    description: File on the host to which lines of JSON are appended while the module works, with C(pod), C(stage) and C(message).
    type: path
"""
