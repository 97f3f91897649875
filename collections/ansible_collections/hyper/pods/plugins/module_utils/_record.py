# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a pod: the one file that makes its directory a pod. Written last and whole, so a pod is defined or it is not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _digest_key, _manifest, _sealed_objects
from ansible_collections.hyper.pods.plugins.module_utils._files import write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import BadName, BrokenRecord, PodNotFound
from ansible_collections.hyper.pods.plugins.module_utils._tree import DNS_LABEL

__all__ = ["NAME", "BadName", "BrokenRecord", "PodNotFound", "Record", "check_name", "names", "path", "read", "require", "write"]

NAME = "pod.json"


@dataclass(frozen=True)
class Record:
    """What the host remembers of a pod.

    definition: the manifest as the user gave it, under the name that the pod has. objects: the documents of ConfigMaps and Secrets that it uses, the latter
    sealed. images: container name, or an image volume's key, → image id.
    configs: image id → the image's configuration, so that the pod can be started when its images have left the store. created_at: seconds since the epoch.
    revision: counts the definitions that the pod has had; changed_at: when it got this one.
    stopped: the user asked for the guest's end, so its phase is Stopped. former_name: what the pod was called before it was renamed.
    secrets: the names of the sealed values that the pod is made with.
    values: what was sealed, by the names of the seals, as long as it is not kept apart (_pod_secrets); never part of the file.
    """

    definition: object
    images: Mapping[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    created_at: float
    stopped: bool = False
    objects: Sequence[object] = ()
    revision: int = 1
    changed_at: float = 0.0
    former_name: str = ""
    secrets: Sequence[str] = ()
    values: Mapping[str, bytes] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def pod(self) -> _manifest.Pod:
        """What the definition means."""
        return _manifest.parse(self.definition, _sealed_objects.read(self.objects))

    @property
    def uid(self) -> str:
        """What tells it from every other pod, of its name before it too. Made of what is kept, so that it stays."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{_manifest.name_of(self.definition)}/{self.created_at!r}"))


def check_name(name: str) -> None:
    """Raises BadName. Names that were not read from a manifest come from the user as they are."""
    if not DNS_LABEL.fullmatch(name):
        raise BadName(name)


def path(host: Host, name: str) -> Path:
    """Where a pod's record lies. Raises BadName."""
    check_name(name)
    return host.pod_dir(name) / NAME


def read(host: Host, name: str) -> Record | None:
    """The record of a pod, or None. Raises BadName, BrokenRecord."""
    return read_from(host, path(host, name), name)


def settled(host: Host, name: str) -> bool:
    """Whether a pod's record says the name that its directory has, which is the name that counts: a pod that was renamed is written down anew afterwards."""
    try:
        return _name_in(json.loads(path(host, name).read_bytes())["definition"]) in (name, None)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return True


def read_from(host: Host, file: Path, name: str) -> Record | None:
    """The record of the pod ``name`` that a file holds, or None. Raises BrokenRecord.

    Where a former version of Hyper wrote the values of Secrets into it, they are sealed now, and the record has them as its values.
    """
    try:
        data = json.loads(file.read_bytes())
        created, definition = data["created_at"], data["definition"]
        objects, values, secrets = data.get("objects", ()), None, data.get("secrets", ())
        if _sealed_objects.is_clear(objects):
            objects, values = _sealed_objects.seal_documents(objects, _digest_key.read(host))
            secrets = sorted(_manifest.parse(definition, _sealed_objects.read(objects)).secrets)
        said = _name_in(definition)
        renamed = said not in (name, None)
        return Record(
            {**definition, "metadata": {**definition["metadata"], "name": name}} if renamed else definition,
            data["images"],
            data["configs"],
            created,
            data["stopped"],
            objects,
            data.get("revision", 1),
            data.get("changed_at", created),
            str(said) if renamed else data.get("former_name", ""),
            secrets,
            values,
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenRecord(f"cannot be read: {error}", where=str(file), remedy=f"Remove the pod and run it again: hyper rm {name}") from None


def _name_in(definition: object) -> object:
    metadata = definition.get("metadata") if isinstance(definition, dict) else None
    return metadata.get("name") if isinstance(metadata, dict) else None


def require(host: Host, name: str) -> Record:
    """The record of a pod. Raises BadName, PodNotFound."""
    record = read(host, name)
    if record is None:
        raise PodNotFound(name, names(host))
    return record


def write(host: Host, name: str, record: Record) -> None:
    """Keep a record, without its values; readable by root alone all the same, since a definition may have secrets of its own making in its environment."""
    write_to(path(host, name), record)


def write_to(file: Path, record: Record) -> None:
    """Likewise, in a file of one's own."""
    data = asdict(replace(record, values=None))
    del data["values"]
    write_atomic(file, json.dumps(data, indent=1, ensure_ascii=False).encode(), mode=0o600)


def names(host: Host) -> list[str]:
    """The names of all pods that are defined on the host, sorted."""
    return sorted(file.parent.name for file in (host.state_dir / "pods").glob(f"[!.]*/{NAME}"))
