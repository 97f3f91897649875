# SPDX-License-Identifier: GPL-3.0-or-later
"""From a container's probes and hooks to what hyperstart is told of them. Pure."""

from __future__ import annotations

from urllib.parse import quote

from ansible_collections.hyper.pods.plugins.module_utils import _launch_life, _manifest_life
from ansible_collections.hyper.pods.plugins.module_utils._manifest_life import Exec, Handler, HttpGet, Sleep, TcpSocket

# What a URL's path and query may hold as it is; the rest is written in %.
_SAFE = "/?%:@!$&'()*+,;=-._~[]"
# What the kubelet says of itself; servers know it.
_HEADERS = {"User-Agent": "kube-probe/1.34", "Accept": "*/*", "Connection": "close"}


def probe(wanted: _manifest_life.Probe | None, address: str) -> _launch_life.Probe | None:
    """address: the pod's own, to which probes go that name no other."""
    if wanted is None:
        return None
    return _launch_life.Probe(
        action(wanted.handler, address),
        wanted.initial_delay,
        wanted.period,
        wanted.timeout,
        wanted.success_threshold,
        wanted.failure_threshold,
        wanted.grace_period,
    )


def hook(wanted: Handler | None, address: str) -> _launch_life.Action | None:
    """address: the pod's own."""
    return None if wanted is None else action(wanted, address)


def action(handler: Handler, address: str) -> _launch_life.Action:
    """address: the pod's own."""
    if isinstance(handler, Exec):
        return _launch_life.Action("exec", handler.command)
    if isinstance(handler, Sleep):
        return _launch_life.Action("sleep", seconds=handler.seconds)
    host = handler.host or address
    if isinstance(handler, TcpSocket):
        return _launch_life.Action("tcp", address=host, port=handler.port)
    return _launch_life.Action("http", address=host, port=handler.port, request=_request(handler, host))


def _request(get: HttpGet, host: str) -> bytes:
    """A GET whose own headers win over those that are added, as the kubelet sends it."""
    path = quote(get.path.partition("#")[0], safe=_SAFE)
    own = {name.lower() for name, _ in get.headers}
    added = {"Host": f"[{host}]:{get.port}" if ":" in host else f"{host}:{get.port}", **_HEADERS}
    headers = [*((name, value) for name, value in added.items() if name.lower() not in own), *get.headers]
    head = f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{head}\r\n".encode()
