# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of each action on one pod: its files written, its guest started, stopped, waited for, removed."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _clone,
    _command,
    _detached,
    _guest_size,
    _history,
    _host_paths,
    _kvm,
    _launch,
    _launch_secrets,
    _log,
    _log_rotation,
    _network_host,
    _pod_disks,
    _pod_files,
    _pod_guest,
    _pod_operate,
    _pod_secrets,
    _pod_status,
    _pod_update,
    _record,
    _server_name,
    _wait,
)
from ansible_collections.hyper.pods.plugins.module_utils._channel import AllPortsBusy, GuestTimeout, GuestUnreachable
from ansible_collections.hyper.pods.plugins.module_utils._control import Control
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir
from ansible_collections.hyper.pods.plugins.module_utils._guest import QMP_SOCKET, SECRETS, Guest, qemu_argv
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import installed
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import Network
from ansible_collections.hyper.pods.plugins.module_utils._manifest_values import signal_number
from ansible_collections.hyper.pods.plugins.module_utils._network import Link
from ansible_collections.hyper.pods.plugins.module_utils._plan import RESTARTS_GUEST, Action
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress
from ansible_collections.hyper.pods.plugins.module_utils._qmp import is_paused
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor, Unit
from ansible_collections.hyper.pods.plugins.module_utils._templates import Templates

# Beyond the containers' grace period: unmounting and powering off, under emulation too.
_POWER_OFF_TIME = 15.0
_STOP_ANSWER_TIME = 5.0


def require_prepared(host: Host, networks: Iterable[Network] = ()) -> None:
    """Raises CommandMissing, NotPrepared or NoNetwork where a pod could not be started on this host. networks: those of the pods that are to be."""
    _command.find("qemu-system-x86_64")
    installed(host)
    host.qemu_ids()
    for network in networks:
        _network_host.require(host, network)


class PodLife:
    """Carries out actions on pods of one host. grace_period: seconds, or None for each pod's own."""

    def __init__(self, host: Host, supervisor: Supervisor, progress: Progress, grace_period: int | None, updates: _pod_update.Policy | None = None) -> None:
        self._host = host
        self._supervisor = supervisor
        self._progress = progress
        self._grace_period = grace_period
        self._updates = updates or _pod_update.Policy()
        # What wait_running waits for: pod → container → how often it had been restarted before.
        self._restarted: dict[str, dict[str, int]] = {}
        # Guests that were booted, since there was no template of them.
        self._booted: list[tuple[Templates, Guest]] = []
        self.warnings: list[str] = []

    def carry_out(self, actions: Sequence[Action], name: str, record: _record.Record | None, disks: Mapping[str, Path]) -> None:
        """Do what was planned, in its order. record: what the pod is to be; disks: image id → disk in the store, empty where images stay."""
        updates = [action for action in actions if action.action == "update"]
        if record is not None and (updates or record.values is not None) and _record.path(self._host, name).exists():
            # Also where nothing is to be done: what was lost comes back.
            _pod_secrets.keep(self._host, self._supervisor, name, record)
        pid = self._supervisor.pid(_pod_status.unit_name(name)) if updates else None
        if any(action.action == "resume" for action in actions):
            self._hold(name, "resume")
        if updates and record is not None and pid is not None and not any(action.effect == RESTARTS_GUEST for action in updates):
            self._update(name, record, updates, disks, pid)
            return
        for action in actions:
            if action.action in ("create", "update") and record is not None:
                felt = action.effect == RESTARTS_GUEST
                if felt:
                    self.stop(name)
                self._define(name, record, disks)
                if felt:
                    self.start(name)
            elif action.action == "start":
                self.start(name)
            elif action.action == "pause":
                self._hold(name, "pause")
            elif action.action == "kill" and action.signal:
                with self._progress.stage(name, "kill", f"sending {action.signal}"):
                    alive = _pod_status.alive(self._supervisor, name)
                    _pod_operate.kill(self._host, name, action.container or None, signal_number(action.signal), alive)
            elif action.action == "kill":
                self.stop(name, on_request=True, grace_period=0)
            elif action.action == "restart" and action.container:
                self._restart_container(name, action.container)
            elif action.action == "restart":
                self.stop(name)
                self.start(name)
            elif action.action == "stop":
                self.stop(name, on_request=True)
            elif action.action == "delete":
                self.remove(name)

    def _define(self, name: str, record: _record.Record, disks: Mapping[str, Path]) -> None:
        """Put the definition and all that it needs into the pod's directory; the record comes last."""
        with self._progress.stage(name, "define"), _network_host.assigned(self._host, record.pod) as assignment:
            # Made before anything is written: a definition that cannot be launched changes nothing.
            plan = _plan_of(record, assignment.links)
            _pod_files.prepare(self._host, name)
            _network_host.keep(self._host, record.pod, assignment)
            _pod_files.link_images(self._host, name, {image: disks[image] for image in record.images.values()})
            _pod_files.ensure_scratch(self._host, name)
            _pod_files.ensure_volumes(self._host, record.pod)
            _pod_files.write_plan(self._host, name, plan)
            _pod_secrets.keep(self._host, self._supervisor, name, record)
            self._succeed(name, record)
        self._forget_networks()

    def _update(self, name: str, record: _record.Record, actions: Sequence[Action], disks: Mapping[str, Path], pid: int) -> None:
        """Bring a pod to its definition while its guest runs; the record comes last."""
        host = self._host
        with self._progress.stage(name, "update", "changing the pod"):
            former = _record.require(host, name)
            # Other networks restart the guest.
            links = _network_host.links(host, name)
            plans = (_launch_plan_of(former, links), _launch_plan_of(record, links))
            _launch.encode(plans[1])
            values = (_pod_secrets.load(host, self._supervisor, name, former), _pod_secrets.load(host, self._supervisor, name, record))
            if values[1]:
                # Should the guest end meanwhile and be started again, by the one plan or by the other, it finds what that leaves out.
                _pod_secrets.serve_either(host, self._supervisor, name, *values)
                self._supervisor.define(self._unit(former, self._guest(former, links, secrets=True)))
            _pod_files.link_images(host, name, {image: disks[image] for image in record.images.values()})
            running = _pod_update.Running(host, name, pid, _pod_status.alive(self._supervisor, name), lambda text: self._progress.say(name, "update", text))
            if former.pod.size != record.pod.size:
                _guest_size.grow(host.pod_run_dir(name), *record.pod.size)
            with _pod_disks.exchanged(host, former.pod, record.pod):
                failure = _pod_update.carry_out(running, actions, former, record, plans=plans, secrets=_encoded(values), disks=disks, policy=self._updates)
                if plans[0] != plans[1] or former.pod.published_ports != record.pod.published_ports or former.pod.size != record.pod.size:
                    self._supervisor.define(self._unit(record, self._guest(record, links)))
                self._succeed(name, record)
            if failure is not None:
                raise failure

    def _succeed(self, name: str, record: _record.Record) -> None:
        """From now on the pod is this. Only then what it was is given up, as far as no former definition needs it: until then it can be started."""
        _record.write(self._host, name, _history.succeed(self._host, name, record, now=_pod_status.now()))
        _pod_files.drop_images(self._host, name, {*record.images.values(), *_history.images(self._host, name)})
        _pod_secrets.serve(self._host, name, record)
        _pod_secrets.drop(self._host, name, _history.revisions(self._host, name))

    def _guest(self, record: _record.Record, links: Sequence[Link], *, secrets: bool | None = None) -> Guest:
        """The guest of a pod whose directory is prepared. links: the NICs that the pod was given; secrets: whether it gets a disk of secrets, None: if it
        needs one."""
        host, name = self._host, record.pod.name
        init = installed(host)
        kernel, initramfs = _pod_files.init_paths(host, name)
        share = _host_paths.share(host, record.pod)
        return _pod_guest.guest(
            record.pod,
            record.images,
            directory=host.pod_dir(name),
            volumes_dir=host.volumes_dir,
            run_dir=host.pod_run_dir(name),
            installed=init,
            kernel=kernel,
            initramfs=initramfs,
            accelerator=_kvm.accelerator(host, init).accelerator,
            links=links,
            share=share.socket if share is not None else None,
            secrets=secrets,
        )

    def _unit(self, record: _record.Record, guest: Guest) -> Unit:
        """QEMU's command for a pod's guest, and what goes on around it."""
        host, name = self._host, record.pod.name
        run_dir = host.pod_run_dir(name)
        ends = _network_host.ends(host, name)
        return Unit(
            name=_pod_status.unit_name(name),
            description=f"Pod {name}",
            argv=qemu_argv(guest, run_dir=run_dir),
            state_dir=host.pod_dir(name),
            run_dir=run_dir,
            user=host.qemu_user,
            paths=tuple(_pod_guest.volume_disk(host.volumes_dir, volume.claim) for volume in record.pod.claims),
            grace_period=record.pod.grace_period + int(_POWER_OFF_TIME),
            before=ends.before,
            after=ends.after,
            networks=ends.networks,
            share=_host_paths.share(host, record.pod),
            secrets=_pod_secrets.current(host, name) if any(disk.path == SECRETS for disk in guest.disks) else None,
            rotates=True,
        )

    def rename(self, name: str, new: str) -> None:
        """Give a pod that does not run another name. Killed in between it has either, and settle() does what is left."""
        with self._progress.stage(name, "rename"):
            self.settle(name)
            self._supervisor.undefine(_pod_status.unit_name(name))
            _pod_files.rename(self._host, name, new)
            self.settle(new)

    def settle(self, name: str) -> None:
        """What a pod that was renamed has on the host under its name: its place on networks, and last of all its record."""
        if _record.settled(self._host, name):
            return
        record = _record.require(self._host, name)
        _pod_files.prepare(self._host, name)
        with _network_host.assigned(self._host, record.pod) as assignment:
            _network_host.keep(self._host, record.pod, assignment)
            _pod_secrets.keep(self._host, self._supervisor, name, record)
            _record.write(self._host, name, record)

    def start(self, name: str) -> None:
        """Start the guest of a pod that is defined and not running."""
        host = self._host
        self.settle(name)
        with self._progress.stage(name, "spawn", "starting the guest"):
            record = replace(_record.require(host, name), stopped=False)
            _pod_files.prepare(host, name)
            _pod_files.drop_images(host, name, {*record.images.values(), *_history.images(host, name)})
            _pod_files.drop_volumes(host, record.pod)
            _host_paths.provide(host, record.pod)
            links = _network_host.links(host, name)
            _pod_files.write_plan(host, name, _plan_of(record, links))
            _pod_secrets.serve(host, name, record)
            _pod_files.link_init(host, name, installed(host), _pod_guest.kernel_extras(record.pod))
            run_dir = host.pod_run_dir(name)
            make_dir(run_dir, mode=0o750, owner=host.qemu_ids())
            guest = self._guest(record, links)
            unit = self._unit(record, guest)
            _record.write(host, name, record)
            _log_rotation.rotate_ended(host, name)
            self._supervisor.define(unit)
            self._spawn(unit, guest)

    def _spawn(self, unit: Unit, guest: Guest) -> None:
        """Start the guest as a copy of its template, or boot it where there is none."""
        templates, log = Templates(self._host, installed(self._host)), unit.state_dir / "log"
        _log.mark_start(log)
        template = templates.open(guest)
        if template is not None:
            try:
                _clone.start(self._supervisor, unit, template)
            except _clone.NotCloned as error:
                templates.drop(guest)
                self.warnings.append(f"pod {guest.name}: booted, since it could not be copied from its template, which is made anew: {error.message}")
                _log.mark_start(log)
            else:
                return
            finally:
                os.close(template)
        self._supervisor.start(unit)
        self._booted.append((templates, guest))

    def make_templates(self) -> None:
        """Have templates made of the guests that were booted, so that the next ones are copies; nobody waits for it."""
        wanted = {templates.path(guest): (templates, guest) for templates, guest in self._booted if templates.serves(guest)}

        def make() -> None:
            for templates, guest in wanted.values():
                templates.make(guest)

        if wanted:
            _detached.detached(make)

    def stop(self, name: str, *, on_request: bool = False, grace_period: int | None = None) -> None:
        """End the guest in order, or by force when it does not end within its grace period."""
        host = self._host
        try:
            record = _record.read(host, name)
        except _record.BrokenRecord:
            # Its guest can be ended all the same, and with it the pod removed.
            record = None
        wanted = self._grace_period if grace_period is None else grace_period
        grace = wanted if wanted is not None else (record.pod.grace_period if record else 0)
        with self._progress.stage(name, "stop", "stopping the containers"):
            if record is not None and on_request:
                _record.write(host, name, replace(record, stopped=True))
            if is_paused(host.pod_run_dir(name) / QMP_SOCKET):
                _pod_operate.resume(host, name)
            try:
                with Control.connect(host.pod_run_dir(name), timeout=_STOP_ANSWER_TIME, alive=_pod_status.alive(self._supervisor, name)) as control:
                    control.stop(wanted)
                patience = grace + _POWER_OFF_TIME
            except (GuestTimeout, AllPortsBusy, GuestUnreachable):
                # A guest that does not answer will not power off either.
                patience = 0.0
            self._supervisor.stop(_pod_status.unit_name(name), timeout=patience)

    def _hold(self, name: str, action: str) -> None:
        with self._progress.stage(name, action):
            {"pause": _pod_operate.pause, "resume": _pod_operate.resume}[action](self._host, name)

    def _restart_container(self, name: str, container: str) -> None:
        with self._progress.stage(name, "restart", f"restarting {container}"):
            former = _pod_operate.restart_container(self._host, name, container, self._grace_period, _pod_status.alive(self._supervisor, name))
            self._restarted.setdefault(name, {})[container] = former

    def remove(self, name: str) -> None:
        """Leave nothing of a pod."""
        if self._supervisor.pid(_pod_status.unit_name(name)) is not None:
            self.stop(name)
        with self._progress.stage(name, "remove"):
            self._supervisor.undefine(_pod_status.unit_name(name))
            _pod_files.remove(self._host, name)
            self._forget_networks()

    def _forget_networks(self) -> None:
        """Leave nothing of networks that no pod is on."""
        with _network_host.unused(self._host) as networks:
            for network in networks:
                self._supervisor.undefine_network(network)

    def wait_running(self, name: str, timeout: float, *, ready: bool = False) -> None:
        """Wait until the containers run, or also are ready."""
        with self._progress.stage(name, "boot", "booting the guest"):
            alive, restarted = _pod_status.alive(self._supervisor, name), self._restarted.get(name)
            if restarted or not ready:
                _wait.until_running(
                    self._host, name, timeout=timeout, alive=alive, say=lambda text: self._progress.say(name, "boot", text), restarted=restarted
                )
            if ready:
                _wait.until_ready(self._host, name, timeout=timeout, alive=alive, say=lambda text: self._progress.say(name, "boot", text))

    def wait_completed(self, name: str, timeout: float) -> None:
        """Wait until the containers have ended and the guest is off."""
        with self._progress.stage(name, "complete", "waiting for the containers to end"):
            _wait.until_completed(
                self._host, name, timeout=timeout, alive=_pod_status.alive(self._supervisor, name), say=lambda text: self._progress.say(name, "run", text)
            )


def _plan_of(record: _record.Record, links: Sequence[Link]) -> bytes:
    return _launch.encode(_launch_plan_of(record, links))


def _launch_plan_of(record: _record.Record, links: Sequence[Link]) -> _launch.LaunchPlan:
    configs = {image: image_config(config) for image, config in record.configs.items()}
    return _pod_guest.launch_plan(
        record.pod,
        record.images,
        configs,
        links,
        uid=record.uid,
        node=platform.node(),
        servers={volume.server: _server_name.address(volume.server) for volume in record.pod.exports},
    )


def _encoded(values: tuple[Mapping[str, bytes], Mapping[str, bytes]]) -> tuple[bytes, bytes]:
    """As the guest is given them; nothing where there are none."""
    former, latter = (_launch_secrets.encode(each) if each else b"" for each in values)
    return former, latter


def image_config(data: Mapping[str, Any]) -> ImageConfig:
    """An image's configuration as a record keeps it."""
    return ImageConfig(**{key: _tuples(value) for key, value in data.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
