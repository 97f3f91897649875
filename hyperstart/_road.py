# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct roads to the hosts of pods, for what a person waits for: in this process where it may touch the pods, else through sudo or ssh.

Ansible's inventory says how a host is reached. Only the standard library and Ansible's own command are used, and a host needs nothing but Python.
"""

from __future__ import annotations

import abc
import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ansible_collections.hyper.pods.plugins.module_utils import _inside
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import RUN_DIR, STATE_DIR, Host
from ansible_collections.hyper.pods.plugins.module_utils._inside import Port
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodNotFound

if TYPE_CHECKING:
    from ansible_collections.hyper.pods.plugins.module_utils._inside_log import Log, Wanted


class Closable(Protocol):
    """What a road gives."""

    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)
_PACKAGE = "ansible_collections.hyper.pods.plugins.module_utils"
_MARK = "hyper-inside"
_CHUNK = 1 << 18
# What a host's Python runs: it reads the sources after their mark (sudo may have left a password before it), makes modules of them, and goes on.
_LOADER = f"""
import json, os, sys, types, zlib
def take(count):
    data = b""
    while len(data) < count:
        more = os.read(0, count - len(data))
        if not more:
            sys.exit(1)
        data += more
    return data
line = b""
while not line.startswith(b"{_MARK} "):
    line = b""
    while not line.endswith(b"\\n"):
        line += take(1)
sent = json.loads(zlib.decompress(take(int(line.split()[1]))))
package = sys.modules["{_PACKAGE}"] = types.ModuleType("{_PACKAGE}")
for name, source in sent["modules"]:
    full = "{_PACKAGE}." + name
    module = sys.modules[full] = types.ModuleType(full)
    setattr(package, name, module)
    exec(compile(source, full, "exec"), module.__dict__)
module.serve(sent["request"])
"""


class NoRoad(HyperError):
    """The inventory tells of a host in a way that only Ansible understands; a play still reaches it."""


class RoadFailed(HyperError):
    """A host could not be reached, or its Python could not be run."""


class SeveralPods(HyperError):
    """More than one host has a pod of this name."""


class Road(abc.ABC):
    """A way to one host. name: the inventory's."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abc.abstractmethod
    def port(self, pod: str, container: str | None) -> Port:
        """A control port of a pod. Raises as ``_inside.port``, RoadFailed."""

    @abc.abstractmethod
    def log(self, pod: str, wanted: Wanted) -> Log:
        """A pod's log. Raises as ``_inside_log.open_log``, RoadFailed."""


class Here(Road):
    """This machine, whose pods this process may touch."""

    def __init__(self, name: str, host: Host) -> None:
        super().__init__(name)
        self._host = host

    def port(self, pod: str, container: str | None) -> Port:
        with _told():
            return _inside.port(self._host, pod, container)

    def log(self, pod: str, wanted: Wanted) -> Log:
        from ansible_collections.hyper.pods.plugins.module_utils import _inside_log

        with _told():
            return _inside_log.open_log(self._host, pod, wanted)


class There(Road):
    """A host, or another user of this one, by a command that runs Python there. password: what sudo asks for."""

    def __init__(self, name: str, host: Host, command: Sequence[str], password: str | None = None) -> None:
        super().__init__(name)
        self._host = host
        self._command = command
        self._password = password

    def port(self, pod: str, container: str | None) -> Port:
        connection, values = self._open(_inside.SOURCES, {"pod": pod, "container": container})
        return Port(str(values["container"]), connection, tty=bool(values["tty"]), stdin=bool(values["stdin"]))

    def log(self, pod: str, wanted: Wanted) -> Log:
        from ansible_collections.hyper.pods.plugins.module_utils import _inside_log

        connection, values = self._open(_inside_log.SOURCES, {"pod": pod, "wanted": asdict(wanted)})
        return _inside_log.Log(tuple(values["containers"]), _blocks(connection))

    def _open(self, sources: Sequence[str], request: Mapping[str, object]) -> tuple[socket.socket, Mapping[str, Any]]:
        """A connection to the host's end, which has answered."""
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as said:
            process = subprocess.Popen(self._command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=said)
            theirs.close()
            try:
                return ours, self._ask(ours, sources, request)
            except (EOFError, ConnectionError):
                ours.close()
                code = process.wait()
                said.seek(0)
                words = said.read().decode(errors="replace").strip()[-2000:]
                raise RoadFailed(words or f"{self._command[0]} ended with code {code}", where=self.name) from None
            except BaseException:
                ours.close()
                process.terminate()
                process.wait()
                raise

    def _ask(self, connection: socket.socket, sources: Sequence[str], request: Mapping[str, object]) -> Mapping[str, Any]:
        request = {**request, "state_dir": str(self._host.state_dir), "run_dir": str(self._host.run_dir)}
        modules = [(name, Path(_inside.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")) for name in sources]
        sent = zlib.compress(json.dumps({"modules": modules, "request": request}).encode())
        password = f"{self._password}\n".encode() if self._password is not None else b""
        connection.sendall(password + f"{_MARK} {len(sent)}\n".encode() + sent)
        answer = b""
        while not answer.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                raise EOFError
            answer += byte
        values: dict[str, Any] = json.loads(answer)
        if "error" in values:
            raise _error(values)
        return values


def roads(*, inventory: Sequence[str] = (), limit: str | None = None, become_password: str | None = None) -> list[Road]:
    """The ways to the hosts that an operation is about. Raises NoRoad, NoHosts."""
    password = become_password or os.environ.get("HYPER_BECOME_PASSWORD")
    if not inventory and "ANSIBLE_INVENTORY" not in os.environ and limit in (None, "localhost", "kvm_hosts", "all"):
        return [_local("localhost", {}, password)]
    return [road(name, values, password) for name, values in _hosts(inventory, limit).items()]


def road(name: str, values: Mapping[str, Any], password: str | None) -> Road:
    """The way to one host. values: its variables in the inventory. Raises NoRoad."""
    for variable, value in values.items():
        if variable.startswith(("ansible_", "hyper_")) and isinstance(value, str) and ("{{" in value or "{%" in value):
            raise NoRoad(f"{variable} is a template, which only Ansible can read", where=name)
    password = password or values.get("ansible_become_password") or values.get("ansible_become_pass")
    connection = values.get("ansible_connection", "ssh")
    if connection == "local":
        return _local(name, values, password)
    if connection not in ("ssh", "smart", "ansible.builtin.ssh") or "ansible_password" in values or "ansible_ssh_pass" in values:
        raise NoRoad(f"the connection {connection}{' with a password' if connection == 'ssh' else ''} is Ansible's own", where=name)
    words = [*_ssh(name, values), "--", str(values.get("ansible_host", name)), shlex.join(_python(values, str(values.get("ansible_user", "")), password))]
    return There(name, _host(values), words, password)


def find(ways: Sequence[Road], pod: str, ask: Callable[[Road], T]) -> tuple[Road, T]:
    """The one host that has a pod of this name, and what it answers, a Port or a Log. Raises SeveralPods, and what ``ask`` raises."""
    if len(ways) == 1:
        return ways[0], ask(ways[0])

    def attempt(way: Road) -> T | HyperError:
        try:
            return ask(way)
        except HyperError as error:
            return error

    with ThreadPoolExecutor(len(ways)) as pool:
        answers = list(zip(ways, pool.map(attempt, ways), strict=True))
    found = [(way, answer) for way, answer in answers if not isinstance(answer, HyperError)]
    if len(found) > 1:
        for _, answer in found:
            answer.close()
        hosts = ", ".join(way.name for way, _ in found)
        raise SeveralPods(f"several hosts have a pod {pod}: {hosts}", remedy="Choose one with --limit")
    if found:
        return found[0]
    errors = [answer for _, answer in answers if isinstance(answer, HyperError)]
    # A host that has such a pod, and another trouble with it, knows more than those that have none.
    raise next((error for error in errors if not isinstance(error, PodNotFound)), errors[0])


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turns what the system says into an error of ours."""
    try:
        yield
    except OSError as error:
        raise RoadFailed((error.strerror or str(error)).lower(), where=error.filename and str(error.filename)) from None


def _blocks(connection: socket.socket) -> Iterator[bytes]:
    """What comes, cut where lines end."""
    rest = b""
    with connection:
        while data := connection.recv(_CHUNK):
            head, newline, tail = data.rpartition(b"\n")
            if newline:
                yield rest + head + newline
                rest = tail
            else:
                rest += tail


def _local(name: str, values: Mapping[str, Any], password: str | None) -> Road:
    host = _host(values)
    if os.geteuid() == 0:
        return Here(name, host)
    return There(name, host, _python({"ansible_python_interpreter": sys.executable, **values}, "", password), password)


def _host(values: Mapping[str, Any]) -> Host:
    state_dir = os.environ.get("HYPER_STATE_DIR") or values.get("hyper_state_dir") or STATE_DIR
    return Host(Path(state_dir), Path(os.environ.get("HYPER_RUN_DIR") or values.get("hyper_run_dir") or RUN_DIR))


def _ssh(name: str, values: Mapping[str, Any]) -> list[str]:
    """ssh with what the inventory says of a host, in the order that Ansible gives its options."""
    kept = "-C -o ControlMaster=auto -o ControlPersist=60s -o ControlPath=~/.ssh/hyper-%C"
    words = [str(values.get("ansible_ssh_executable", "ssh")), "-T", "-e", "none"]
    own = values.get("ansible_ssh_args") or os.environ.get("ANSIBLE_SSH_ARGS")
    if not own:
        # ssh ends in error where the directory of its socket is missing.
        Path("~/.ssh").expanduser().mkdir(mode=0o700, exist_ok=True)
    words += shlex.split(str(own or kept))
    if str(values.get("ansible_host_key_checking", os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"))).lower() in ("false", "no", "0"):
        words += ["-o", "StrictHostKeyChecking=no"]
    for option, variables in (("-p", ("ansible_port", "ansible_ssh_port")), ("-l", ("ansible_user", "ansible_ssh_user"))):
        value = next((values[variable] for variable in variables if variable in values), None)
        words += [option, str(value)] if value is not None else []
    key = values.get("ansible_ssh_private_key_file") or values.get("ansible_private_key_file")
    words += ["-i", os.path.expanduser(str(key))] if key else []
    for variable in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        words += shlex.split(str(values.get(variable, "")))
    if name.startswith("-") or str(values.get("ansible_host", "")).startswith("-"):
        raise NoRoad("is not the name of a host", where=name)
    return words


def _python(values: Mapping[str, Any], user: str, password: str | None) -> list[str]:
    """The command that runs the loader as root on a host."""
    interpreter = str(values.get("ansible_python_interpreter", "python3"))
    python = [interpreter if "auto" not in interpreter else "python3", "-c", f"exec(bytes.fromhex('{_LOADER.encode().hex()}').decode())"]
    if user == "root" or values.get("ansible_become") in (False, "false", "no"):
        return python
    method = values.get("ansible_become_method", "sudo")
    if method not in ("sudo", "ansible.builtin.sudo"):
        raise NoRoad(f"the become method {method} is Ansible's own")
    become = str(values.get("ansible_become_user", "root"))
    return [str(values.get("ansible_become_exe", "sudo")), *(["-S", "-p", ""] if password is not None else ["-n"]), "-H", "-u", become, "--", *python]


def _hosts(inventory: Sequence[str], limit: str | None) -> dict[str, Mapping[str, Any]]:
    """The hosts of the inventory that plays on pods would run on, with their variables."""
    from hyperstart import _ansible
    from hyperstart.errors import AnsibleFailed

    sources = _ansible._inventories(inventory)
    words = [word for source in sources for word in ("--inventory", source)] + (["--limit", _ansible._limit(limit) or limit] if limit else [])
    program = Path(sys.executable).with_name("ansible-inventory")
    environment = {**os.environ, **_ansible._environment()}
    done = subprocess.run([program if program.exists() else program.name, "--list", *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AnsibleFailed(done.stderr.strip(), where="ansible-inventory")
    listed = bool(sources) and all("," in source for source in sources)
    return hosts_of(json.loads(done.stdout), "all" if listed else "kvm_hosts") or _no_hosts(sources, limit)


def hosts_of(tree: Mapping[str, Any], group: str) -> dict[str, Mapping[str, Any]]:
    """The hosts of a group and of those below it, with their variables. tree: as ``ansible-inventory --list`` prints it."""
    names: dict[str, None] = {}
    groups = [group]
    for each in groups:
        names.update(dict.fromkeys(tree.get(each, {}).get("hosts", ())))
        groups += [child for child in tree.get(each, {}).get("children", ()) if child not in groups]
    return {name: tree["_meta"]["hostvars"].get(name, {}) for name in names}


def _no_hosts(sources: Sequence[str], limit: str | None) -> dict[str, Mapping[str, Any]]:
    from hyperstart.errors import NoHosts

    where = f"inventory {', '.join(sources)}" + (f", limit {limit}" if limit else "")
    raise NoHosts("no host matches", where=where, remedy="Put hosts in the group kvm_hosts of the inventory, or change the limit")


def _error(values: Mapping[str, Any]) -> HyperError:
    """The error that a host told."""
    message, where, remedy = str(values["message"]), values.get("where"), values.get("remedy")
    if values["error"] == "PodNotFound":
        error: HyperError = PodNotFound("", [])
        error.message, error.where, error.remedy = message, where, remedy
        return error
    return HyperError(message, where=where, remedy=remedy)
