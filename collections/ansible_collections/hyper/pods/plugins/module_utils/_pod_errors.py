# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a pod that is named, apart from the parts that find it out, so that a quick road need not load those."""

from __future__ import annotations

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError


class PodNotFound(HyperError):
    """No pod of that name is defined on this host."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"there is no pod {name}", remedy=f"Pods of this host: {', '.join(known) or 'none'}")


class BadName(HyperError):
    """A name that no pod can have; as a path it could lead anywhere."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not a pod's name", remedy="A name has at most 63 lower-case letters, digits and '-'; see them all: hyper list")


class BrokenRecord(HyperError):
    """A pod's record cannot be read."""


class ContainerNotFound(HyperError):
    """The pod has no container of that name."""

    def __init__(self, pod: str, container: str, known: list[str]) -> None:
        super().__init__(f"has no container {container}", where=f"pod {pod}", remedy=f"Its containers: {', '.join(known)}")


class PodNotRunning(HyperError):
    """The pod's guest is off."""

    def __init__(self, pod: str) -> None:
        super().__init__("is not running", where=f"pod {pod}", remedy=f"Start it: hyper start {pod}")


class PodPaused(HyperError):
    """The pod's guest is held, so it cannot answer."""

    def __init__(self, name: str) -> None:
        super().__init__("is paused", where=f"pod {name}", remedy=f"Let it go on: hyper unpause {name}")


class PodRuns(HyperError):
    """A pod runs, and has to be off for what was asked."""


class PodExists(HyperError):
    """Another pod holds the name."""
