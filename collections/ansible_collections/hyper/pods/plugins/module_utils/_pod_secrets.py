# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of a pod's secrets on its host: apart from its records, in a file for each set of values, for root alone and, where systemd is, encrypted.

Such a file is the disk that the guest is given. The records name the values by their digests, and by these the file is found.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import _digest_key, _history, _launch_secrets, _pod_files, _record
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir, write_atomic
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor

# What the guest is given when it is started next.
_CURRENT = "current"


class SecretsLost(HyperError):
    """The values of a pod's secrets are not on the host any more."""

    def __init__(self, name: str) -> None:
        super().__init__("the values of its secrets are not here any more", where=f"pod {name}", remedy="Run the pod from its definition: hyper run -f FILE")


def current(host: Host, name: str) -> Path:
    """What the guest is given when it is started next, where it has secrets."""
    return _directory(host, name) / _CURRENT


def keep(host: Host, supervisor: Supervisor, name: str, record: _record.Record) -> None:
    """Put a record's values beside it, where they are not there yet: those that it came with or, of a part of what the pod is now, those that this has.

    Raises SecretsLost.
    """
    wanted = record.secrets
    file = _file(host, name, wanted)
    if not wanted or file.exists():
        return
    values = record.values
    if values is None:
        present = _record.require(host, name)
        values = load(host, supervisor, name, present) if present.values is None else present.values
    if not set(wanted) <= set(values):
        raise SecretsLost(name)
    _write(host, supervisor, name, file, {each: values[each] for each in wanted})


def load(host: Host, supervisor: Supervisor, name: str, record: _record.Record) -> dict[str, bytes]:
    """A record's values by their names. Raises SecretsLost."""
    wanted = record.secrets
    if not wanted:
        return {}
    try:
        data = _file(host, name, wanted).read_bytes()
    except FileNotFoundError:
        raise SecretsLost(name) from None
    return _launch_secrets.decode(data if _launch_secrets.is_encoded(data) else supervisor.decrypt(data))


def serve(host: Host, name: str, record: _record.Record) -> None:
    """Have the guest given this record's values when it is started next. Raises SecretsLost."""
    if not record.secrets:
        current(host, name).unlink(missing_ok=True)
        return
    fresh = _directory(host, name) / f".{_CURRENT}"
    fresh.unlink(missing_ok=True)
    try:
        os.link(_file(host, name, record.secrets), fresh)
    except FileNotFoundError:
        raise SecretsLost(name) from None
    # Of two links of one file the kernel renames nothing.
    current(host, name).unlink(missing_ok=True)
    fresh.replace(current(host, name))


def serve_either(host: Host, supervisor: Supervisor, name: str, former: Mapping[str, bytes], latter: Mapping[str, bytes]) -> None:
    """Have the guest find what it needs, whichever of two plans counts when it is started next."""
    try:
        _write(host, supervisor, name, current(host, name), {**former, **latter})
    except _launch_secrets.SecretsTooLarge:
        _write(host, supervisor, name, current(host, name), latter)


def drop(host: Host, name: str, records: Iterable[_record.Record]) -> None:
    """Remove the values that none of these records names."""
    kept = {current(host, name), *(_file(host, name, record.secrets) for record in records)}
    if _directory(host, name).is_dir():
        for present in _directory(host, name).iterdir():
            if present not in kept:
                present.unlink()
        with contextlib.suppress(OSError):
            _directory(host, name).rmdir()


def convert(host: Host, supervisor: Supervisor, name: str, *, off: bool) -> None:
    """Take the values out of records that former versions wrote. off: the guest is off, and will not be started without this code: its plan goes too."""
    if not _record.path(host, name).exists() or all(record.values is None for record in _history.revisions(host, name)):
        return
    _digest_key.ensure(host)
    for record in list(_history.revisions(host, name)):
        if record.values is not None:
            keep(host, supervisor, name, record)
            _history.put(host, name, record)
    if off:
        _pod_files.plan_path(host, name).unlink(missing_ok=True)


def _write(host: Host, supervisor: Supervisor, name: str, file: Path, values: Mapping[str, bytes]) -> None:
    make_dir(_directory(host, name), mode=0o700)
    write_atomic(file, supervisor.encrypt(_launch_secrets.encode(values)), mode=0o600)


def _file(host: Host, name: str, wanted: Iterable[str]) -> Path:
    return _directory(host, name) / hashlib.sha256("\n".join(sorted(wanted)).encode()).hexdigest()[:32]


def _directory(host: Host, name: str) -> Path:
    return host.pod_dir(name) / "secrets"
