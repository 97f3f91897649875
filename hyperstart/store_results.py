# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operations on images and volumes return; see ``results``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from hyperstart.results import Result


@dataclass(frozen=True)
class ImageState:
    """An image in a host's store. id: the digest of its configuration; source: where it came from; size: bytes on the host's disk.

    With ``check``, id and size of an image that would be pulled are empty where only the pull can tell.
    """

    host: str
    reference: str
    id: str
    digest: str
    source: str
    size: int

    @classmethod
    def of(cls, host: str, values: Mapping[str, Any]) -> ImageState:
        """From a module's result."""
        return cls(host, values["reference"], values.get("id") or "", values.get("digest") or "", values.get("source") or "", int(values.get("size") or 0))

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {"host": self.host, "reference": self.reference, "id": self.id, "digest": self.digest, "source": self.source, "size": self.size}


@dataclass(frozen=True)
class VolumeState:
    """A volume of a host. size: bytes; allocated: of these on the host's disk, None where it is gone or has yet to be made; pods: that are defined with it."""

    host: str
    name: str
    size: int
    allocated: int | None
    mode: str
    labels: Mapping[str, str]
    created_at: str | None
    pods: tuple[str, ...]
    disk: str

    @classmethod
    def of(cls, host: str, values: Mapping[str, Any]) -> VolumeState:
        """From a module's result."""
        return cls(
            host=host,
            name=values["name"],
            size=values["size"],
            allocated=values["allocated"],
            mode=values["mode"],
            labels=values["labels"],
            created_at=values["createdAt"],
            pods=tuple(values["pods"]),
            disk=values["disk"],
        )

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        names = {"created_at": "createdAt"}
        return {names.get(item.name, item.name): list(value) if isinstance(value := getattr(self, item.name), tuple) else value for item in fields(self)}


@dataclass(frozen=True)
class ImagesResult(Result):
    """images: of the stores of all hosts, or those that were pulled, removed or named. actions: what was done, or would be, a line each, with its host.

    freed: bytes that pruning gave back.
    """

    images: tuple[ImageState, ...]
    actions: tuple[tuple[str, str], ...] = ()
    freed: int = 0

    def as_json(self) -> dict[str, Any]:
        """The form of ``--json`` of what changes images."""
        return {
            "changed": self.changed,
            "images": [image.as_json() for image in self.images],
            "actions": [{"host": host, "action": action} for host, action in self.actions],
            "freed": self.freed,
        }


@dataclass(frozen=True)
class ImageDetailsResult(Result):
    """images: in full, as the module hyper.pods.image_info returns them, each with its ``host``."""

    images: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class VolumesResult(Result):
    """volumes: all of the hosts, or those that were asked for. actions: what was done, or with ``check`` would be, in words."""

    volumes: tuple[VolumeState, ...]
    actions: tuple[str, ...]
