# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one of the project's playbooks through ansible-runner and return what its hosts said.

Nothing is printed. Variables travel in a file of mode 0600 within a directory of mode 0700, since they may hold secrets, and are never read
as templates; the directory, with Ansible's artifacts, is removed when the run ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from hyperstart import _project
from hyperstart.errors import AnsibleFailed, Cancelled, HostFailure, NoHosts, ProjectMissing

Event = Mapping[str, Any]

POLL_SECONDS = 0.1
_END_SECONDS = 0.005
# How long Ansible may take to end its workers after SIGTERM before it is killed.
CANCEL_SECONDS = 10.0


@dataclass(frozen=True)
class Progress:
    """One step of a pod or an image on a host. stage: one word, such as ``pull``; message: for people."""

    pod: str
    stage: str
    message: str


class Options(TypedDict, total=False):
    """What every operation takes beside its own arguments.

    inventory: as Ansible's ``--inventory``, one or several; without it Ansible's own setting, which is this machine. limit: as Ansible's
    ``--limit``. check: say what would change and change nothing. diff: have the changes in the result. state_dir, run_dir, qemu_user: as the
    collection's modules have them; without them HYPER_STATE_DIR, HYPER_RUN_DIR and HYPER_QEMU_USER from the environment, then the modules' defaults.
    become_password: of the user on the hosts, where sudo asks for one; without it HYPER_BECOME_PASSWORD from the environment.
    on_event: called with each of Ansible's events. on_progress: called with each step, where the host is this machine.
    """

    inventory: str | Sequence[str]
    limit: str
    check: bool
    diff: bool
    state_dir: str | os.PathLike[str]
    run_dir: str | os.PathLike[str]
    qemu_user: str
    become_password: str
    on_event: Callable[[Event], None]
    on_progress: Callable[[Progress], None]


@dataclass(frozen=True)
class HostValues:
    """What one module of the collection returned on one host. module: its name without the collection."""

    host: str
    module: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Play:
    """A playbook's run: what the modules returned, in order, and all of Ansible's events."""

    results: tuple[HostValues, ...]
    failures: tuple[HostFailure, ...]
    events: tuple[Event, ...]

    def of(self, module: str) -> list[HostValues]:
        """The results of one module."""
        return [result for result in self.results if result.module == module]


def is_local(options: Options) -> bool:
    """Whether the hosts of an operation are this machine alone, as far as the options say."""
    return not options.get("inventory") and "ANSIBLE_INVENTORY" not in os.environ


def run_playbook(name: str, variables: Mapping[str, Any], options: Options) -> Play:
    """Run ``playbooks/NAME`` and return its Play, in which hosts may have failed.

    variables: extra vars; None values are left out. Raises ProjectMissing, NoHosts, AnsibleFailed, Cancelled; KeyboardInterrupt, and whatever
    a callback raises, ends Ansible and its modules on this machine before it goes on.
    """
    playbook = _project.PLAYBOOKS / name
    if not playbook.is_file():
        raise ProjectMissing("the playbooks are not there", where=str(playbook), remedy="Install from the project's tree: pip install --editable TREE")
    run = _Run(playbook, variables, options)
    try:
        return run.play()
    finally:
        run.clean()


class _Run:
    """One run of ansible-runner in a thread of its own, so that the caller's thread reports progress and can cancel."""

    def __init__(self, playbook: Path, variables: Mapping[str, Any], options: Options) -> None:
        self.playbook = playbook
        self.options = options
        self.events: list[Event] = []
        self.seen = 0
        self.pid: int | None = None
        self.stats = False
        self.cancelled = threading.Event()
        self.crash: BaseException | None = None
        self.status = ""
        self.thread: threading.Thread | None = None
        self.progress_read = 0
        self.inventories = _inventories(options.get("inventory") or ())
        self.variables = {**variables, **_host_variables(options), "pod_show": False}
        # Nothing above leaves anything behind when it fails.
        self.directory = Path(tempfile.mkdtemp(prefix="hyper-"))
        self.progress = self.directory / "progress"
        if options.get("on_progress") and is_local(options):
            self.variables["pod_progress"] = str(self.progress)

    def play(self) -> Play:
        _write_private(self.directory / "variables.json", json.dumps(unsafe({key: value for key, value in self.variables.items() if value is not None})))
        # Looked at for a cancellation so often, in seconds; ansible-runner takes settings from this file alone.
        _write_private(self.directory / "env" / "settings", json.dumps({"pexpect_timeout": 1, "suppress_output_file": True}))
        _write_private(self.progress, "")
        self.thread = thread = threading.Thread(target=self._run, name="ansible-runner", daemon=True)
        thread.start()
        try:
            while thread.is_alive() and not self._is_over():
                thread.join(_END_SECONDS if self.stats else POLL_SECONDS)
                self._report()
            self._report()
        except BaseException:
            self._cancel(thread)
            raise
        if self.crash is not None:
            raise self.crash
        return self._outcome()

    def clean(self) -> None:
        """Remove the directory, in which ansible-runner may still write its last files."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.directory.exists():
            if self.thread is not None:
                self.thread.join(CANCEL_SECONDS)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _is_over(self) -> bool:
        """Whether Ansible has told its statistics and ended: what its runner still does, a tenth of a second of waiting, changes nothing."""
        if not self.stats or self.pid is None:
            return False
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:
                ended = file.read().rpartition(")")[2].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            ended = True
        if ended:
            self.status = "successful"
        return ended

    def _run(self) -> None:
        # Imported late: it takes a tenth of a second, which `hyper --help` need not pay.
        import ansible_runner

        flags = [flag for flag, wanted in (("--check", self.options.get("check")), ("--diff", self.options.get("diff"))) if wanted]
        try:
            runner = ansible_runner.run(
                private_data_dir=str(self.directory),
                project_dir=str(_project.ROOT),
                playbook=str(self.playbook),
                inventory=self.inventories or None,
                limit=_limit(self.options.get("limit")),
                extravars="variables.json",
                cmdline=" ".join(flags) or None,
                envvars=_environment(),
                fact_cache_type="memory",
                quiet=True,
                suppress_env_files=True,
                event_handler=self._on_event,
                cancel_callback=self.cancelled.is_set,
            )
            self.status = runner.status
        except BaseException as error:  # handed to the caller's thread, which raises it
            self.crash = error

    def _on_event(self, event: Event) -> bool:
        if self.pid is None and isinstance(event.get("pid"), int):
            self.pid = event["pid"]
        if "event" in event and event["event"] != "EOF":
            self.events.append(dict(event))
            self.stats = self.stats or event["event"] == "playbook_on_stats"
        return False  # no copy of it in the artifacts

    def _report(self) -> None:
        """Call the callbacks with what is new."""
        on_event, on_progress = self.options.get("on_event"), self.options.get("on_progress")
        while self.seen < len(self.events):
            self.seen += 1
            if on_event:
                on_event(self.events[self.seen - 1])
        if on_progress:
            data = self.progress.read_bytes()[self.progress_read :]
            whole = data[: data.rfind(b"\n") + 1]
            self.progress_read += len(whole)
            for line in whole.splitlines():
                step = json.loads(line)
                on_progress(Progress(str(step.get("pod", "")), str(step.get("stage", "")), str(step.get("message", ""))))

    def _cancel(self, thread: threading.Thread) -> None:
        # Ansible's workers lead process groups of their own: only Ansible can end them, and with
        # them the modules they run. ansible-runner's own way is SIGKILL, which leaves both behind.
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            thread.join(CANCEL_SECONDS)
        self.cancelled.set()
        thread.join(CANCEL_SECONDS)

    def _outcome(self) -> Play:
        results: list[HostValues] = []
        failures: list[HostFailure] = []
        for event in self.events:
            data = event.get("event_data", {})
            host, values = data.get("host", ""), data.get("res") or {}
            kind = event["event"]
            # A command in a container that ended with a code other than 0 is a failed task to Ansible, and a result to us.
            if kind == "runner_on_ok" or (kind == "runner_on_failed" and "stdout_base64" in values):
                if not str(data.get("task_action", "")).startswith("hyper.pods."):
                    continue
                results.append(HostValues(host, data["task_action"].rpartition(".")[2], values))
            elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
                failures.append(_failure(host, values, unreachable=kind == "runner_on_unreachable"))
            elif kind == "playbook_on_no_hosts_matched":
                raise self._no_hosts()
        if self.status == "canceled":
            raise Cancelled("the operation was cancelled", remedy="Run it again: it goes on from what is there")
        if self.status != "successful" and not failures and not results:
            words = _last_words(self.events)
            if "no hosts to target" in words:
                raise self._no_hosts()
            raise AnsibleFailed(words, where=self.playbook.name)
        return Play(tuple(results), tuple(failures), tuple(self.events))

    def _no_hosts(self) -> NoHosts:
        inventory = self.options.get("inventory") or os.environ.get("ANSIBLE_INVENTORY") or "inventories/localhost.yml"
        where = f"inventory {inventory if isinstance(inventory, str) else ', '.join(inventory)}"
        if self.options.get("limit"):
            where += f", limit {self.options['limit']}"
        return NoHosts("no host matches", where=where, remedy="Put hosts in the group kvm_hosts of the inventory, or change the limit")


def unsafe(value: Any) -> Any:
    """The same value with each text marked so that Ansible never takes it for a template."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {str(key): unsafe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unsafe(item) for item in value]
    return value


def _host_variables(options: Options) -> dict[str, Any]:
    """The playbooks' variables that say where things lie on a host."""
    state_dir = options.get("state_dir") or os.environ.get("HYPER_STATE_DIR")
    run_dir = options.get("run_dir") or os.environ.get("HYPER_RUN_DIR")
    inventory = options.get("inventory")
    # A list of hosts (host1,host2) has no groups.
    listed = bool(inventory) and all("," in source for source in _inventories(inventory or ()))
    return {
        "hyper_state_dir": os.fspath(state_dir) if state_dir else None,
        "hyper_run_dir": os.fspath(run_dir) if run_dir else None,
        "hyper_qemu_user": options.get("qemu_user") or os.environ.get("HYPER_QEMU_USER"),
        "pod_hosts": "all" if listed else None,
        "ansible_become_password": options.get("become_password") or os.environ.get("HYPER_BECOME_PASSWORD"),
    }


def _inventories(inventory: str | Sequence[str]) -> list[str]:
    """Absolute paths of inventory files; lists of hosts as they are. Ansible runs in the project's directory, not in the caller's."""
    sources = [inventory] if isinstance(inventory, str) else list(inventory)
    for source in sources:
        if "," not in source and not os.path.exists(source):
            raise NoHosts("there is no such inventory", where=source, remedy="Give a file, or hosts with commas: host1,host2 (one host: host1,)")
    return [source if "," in source else os.path.abspath(source) for source in sources]


def _limit(limit: str | None) -> str | None:
    """The same limit; of ``@FILE`` an absolute path."""
    return f"@{os.path.abspath(limit[1:])}" if limit and limit.startswith("@") else limit


def _environment() -> dict[str, str]:
    return {
        # The ansible-playbook beside this Python, also when its directory is not on PATH.
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
        "ANSIBLE_CONFIG": str(_project.CONFIGURATION),
        "ANSIBLE_NOCOLOR": "1",
        # ansible-runner would turn it off.
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
    }


def _failure(host: str, values: Mapping[str, Any], *, unreachable: bool) -> HostFailure:
    message = str(values.get("msg") or "the task failed without a word").strip()
    # ansible-core puts its own sentence before a plugin's or a connection's.
    message = message.rpartition("Task failed: ")[2] if message.startswith("Task failed: ") else message
    return HostFailure(host, message, str(values.get("error") or ""), values.get("where"), values.get("remedy"), unreachable, values)


def _last_words(events: Sequence[Event]) -> str:
    """What Ansible printed last, where no task failed: a syntax error, an inventory that cannot be read."""
    lines = [str(event.get("stdout", "")).strip() for event in events if event.get("event") in {"verbose", "error", "warning", "system_warning"}]
    return "\n".join(line for line in lines if line)[-2000:] or "Ansible ended in error and said nothing"


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
