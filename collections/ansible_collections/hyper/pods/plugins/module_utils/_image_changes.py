# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of an image's configuration, written as in a Containerfile: ``CMD ["/bin/web"]``, ``ENV A=1``. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadChange

_SHELL = ["/bin/sh", "-c"]


def changed(config: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """``config`` (of an OCI image configuration) after ``changes``, one after the other. Raises BadChange."""
    result = dict(config)
    for text in changes:
        word, _, rest = text.strip().partition(" ")
        change = _CHANGES.get(word.upper())
        if change is None:
            raise BadChange(text, f"{word or 'nothing'} is no change that can be made")
        try:
            change(result, rest.strip())
        except ValueError as error:
            raise BadChange(text, str(error) or "it is malformed") from None
    return result


def _command(key: str) -> Callable[[dict[str, Any], str], None]:
    def change(config: dict[str, Any], text: str) -> None:
        if text.startswith("["):
            words = json.loads(text)
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise ValueError("its list must hold texts")
            config[key] = words
        else:
            config[key] = [*_SHELL, _present(text)]

    return change


def _env(config: dict[str, Any], text: str) -> None:
    variables = dict(item.partition("=")[::2] for item in config.get("Env") or ())
    variables.update(_pairs(text))
    config["Env"] = [f"{name}={value}" for name, value in variables.items()]


def _label(config: dict[str, Any], text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **_pairs(text)}


def _expose(config: dict[str, Any], text: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in _present(text).split():
        number, _, protocol = word.partition("/")
        if not number.isdigit() or not 0 < int(number) < 65536 or protocol not in ("", "tcp", "udp", "sctp"):
            raise ValueError(f"{word} is no port")
        ports[f"{number}/{protocol or 'tcp'}"] = {}
    config["ExposedPorts"] = ports


def _volume(config: dict[str, Any], text: str) -> None:
    paths = json.loads(text) if text.startswith("[") else _present(text).split()
    if not isinstance(paths, list) or not all(isinstance(path, str) and path.startswith("/") for path in paths):
        raise ValueError("volumes are absolute paths")
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}


def _text(key: str) -> Callable[[dict[str, Any], str], None]:
    def change(config: dict[str, Any], text: str) -> None:
        config[key] = _present(text)

    return change


def _workdir(config: dict[str, Any], text: str) -> None:
    path = _present(text)
    config["WorkingDir"] = path if path.startswith("/") else f"{(config.get('WorkingDir') or '/').rstrip('/')}/{path}"


def _pairs(text: str) -> dict[str, str]:
    """``A=1 B="x y"``, or the old form ``A 1``."""
    name, _, rest = _present(text).partition(" ")
    if "=" not in name:
        if not rest.strip():
            raise ValueError(f"{name} has no value")
        return {name: rest.strip()}
    pairs = [word.partition("=") for word in shlex.split(text)]
    if not all(name and equals for name, equals, _ in pairs):
        raise ValueError("it must be NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _present(text: str) -> str:
    if not text or "\0" in text or "\n" in text:
        raise ValueError("it says nothing, or has characters that it must not have")
    return text


_CHANGES: Mapping[str, Callable[[dict[str, Any], str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "STOPSIGNAL": _text("StopSignal"),
    "USER": _text("User"),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
