# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes has no field for and a pod may say all the same: annotations ``hyper.pods/WORD.CONTAINER``, one of a container each;
those of the whole pod have no container.

Annotations of other prefixes are kept and shown; one of this prefix that nobody knows is refused, as an unknown field is.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.hyper.pods.plugins.module_utils import _log_limits, _ulimit
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.module_utils._ulimit import Ulimit

PREFIX = "hyper.pods/"
USER, GROUPS, ULIMITS, LABELS = "user", "groups", "ulimits", "labels"
WORDS: Mapping[str, str] = {
    USER: "who the container runs as, `app` or `app:staff`, in place of the image's User; names are resolved in the image. Not beside runAsUser or runAsGroup",
    GROUPS: "additional groups of the container's processes alone, `audio,44`; names are resolved in the image",
    ULIMITS: "limits of each of its processes, `nofile=1024:4096,core=0,memlock=unlimited`: soft and hard, by the names of setrlimit(2) in lower case",
    LABELS: 'labels of the container alone, `{"tier": "front"}`, JSON; shown with its state',
}
OF_POD: Mapping[str, str] = {
    "network": "the pod's NICs, [words or JSON](using.md#networks): `nat`, `nat:backend, user`",
    "published-from": "networks that may connect to published ports, `10.0.0.0/8, 2001:db8::/32`; on a nat network",
    _log_limits.SIZE: f"how large a file of the pod's log grows before the next one is begun, `10Mi` unless said, from {_log_limits.LEAST >> 10}Ki on",
    _log_limits.FILES: f"how many files of that size its log has, `5` unless said, from 2 to {_log_limits.MOST_FILES}; the oldest go",
}
# What useradd(8) lets a name be, and numbers.
_NAME = r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,62}\$?"


@dataclass(frozen=True)
class Own:
    """What annotations say of one container. user: "" is the image's; groups: names or numbers; labels: nothing of the container depends on them."""

    user: str = ""
    groups: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)


def key(word: str, container: str) -> str:
    """``hyper.pods/ulimits.web``."""
    return f"{PREFIX}{word}.{container}"


def owned(annotations: Mapping[str, str], containers: Mapping[str, bool], where: str) -> dict[str, Own]:
    """What is said of each container. containers: name → whether its securityContext says who it runs as. where: the path of the annotations.

    Raises InvalidManifest with the annotation's path.
    """
    result = {name: Own() for name in containers}
    for annotation, value in annotations.items():
        if not annotation.startswith(PREFIX) or annotation[len(PREFIX) :] in OF_POD:
            continue
        word, _, container = annotation[len(PREFIX) :].partition(".")
        path = f"{where}[{annotation}]"
        if word not in WORDS:
            known = {**{each: f"{PREFIX}{each}" for each in OF_POD}, **{each: key(each, container or "CONTAINER") for each in WORDS}}
            near = difflib.get_close_matches(word, known, n=1)
            raise InvalidManifest("unknown annotation", where=path, remedy=f"Did you mean {known[near[0]]}?" if near else None)
        if container not in containers:
            raise InvalidManifest(f"there is no container {container!r}", where=path, remedy=f"Containers of this pod: {', '.join(containers)}")
        if word == USER and containers[container]:
            raise InvalidManifest("stands beside runAsUser or runAsGroup", where=path, remedy="Keep one of the two")
        try:
            result[container] = _with(result[container], word, value)
        except ValueError as error:
            raise InvalidManifest(str(error), where=path) from None
    return result


def labels(values: Mapping[str, str]) -> str:
    """Labels as their annotation says them."""
    return json.dumps(dict(values), ensure_ascii=False)


def check_log(annotations: Mapping[str, str], where: str) -> None:
    """Refuse limits of the log that a pod cannot have. where: the path of the annotations. Raises InvalidManifest with the annotation's path."""
    for word in (_log_limits.SIZE, _log_limits.FILES):
        own = {name: value for name, value in annotations.items() if name == f"{PREFIX}{word}"}
        try:
            _log_limits.parse(own)
        except ValueError as error:
            raise InvalidManifest(str(error), where=f"{where}[{PREFIX}{word}]") from None


def check(word: str, value: str, where: str) -> None:
    """Refuse a value that an annotation cannot have; raises InvalidManifest about ``where``."""
    try:
        _with(Own(), word, value)
    except ValueError as error:
        raise InvalidManifest(str(error), where=where) from None


def _with(own: Own, word: str, value: str) -> Own:
    if word == ULIMITS:
        return replace(own, ulimits=_ulimit.parse(value))
    if word == LABELS:
        return replace(own, labels=_labels(value))
    if word == USER:
        if not re.fullmatch(f"{_NAME}(:{_NAME})?", value):
            raise ValueError(f"{value!r} is not of the form app or app:staff")
        return replace(own, user=value)
    groups = tuple(group.strip() for group in value.split(","))
    for group in groups:
        if not re.fullmatch(_NAME, group):
            raise ValueError(f"{group!r} is not a group")
    return replace(own, groups=groups)


def _labels(text: str) -> dict[str, str]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError('is not of the form {"name": "text"}')
    return values
