# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of container images, each in a KVM guest of its own, run by Ansible: the Python API of the ``hyper`` command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperstart import _project as _project  # first of all: it makes the collection importable

if TYPE_CHECKING:
    from hyperstart._public import *  # noqa: F403


def __getattr__(name: str) -> object:
    # A command that a person waits for needs little of it, and all of it takes a sixth of a second to load.
    if name.startswith("_") and name != "__all__":
        raise AttributeError(name)
    from hyperstart import _public

    return getattr(_public, name)
