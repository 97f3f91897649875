# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod operations, for any number of pods in one call: observe, plan, act, wait.

Everything that can be refused is refused before anything is changed. Pods start side by side; an error of one is told when the others are done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _clone,
    _host_paths,
    _manifest,
    _manifest_claims,
    _manifest_objects,
    _plan,
    _plan_operate,
    _pod_exec,
    _pod_images,
    _pod_life,
    _pod_status,
    _pod_update,
    _pods_preflight,
    _pods_secrets,
    _pull_secrets,
    _record,
    _sealed_objects,
    _volume_plan,
    _volume_sources,
    _volumes,
)
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import locked
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodExists, PodPaused
from ansible_collections.hyper.pods.plugins.module_utils._pod_images import Found
from ansible_collections.hyper.pods.plugins.module_utils._progress import Progress
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor, supervisor
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest


class RestartNeeded(HyperError):
    """A change would restart a guest, which the call did not ask for."""


class SeveralFailed(HyperError):
    """More than one pod of the call failed."""


@dataclass(frozen=True)
class Options:
    """How an operation goes about its work.

    pull: missing, always, never, or None for each container's own imagePullPolicy. wait: ready, running, completed, none; wait_timeout: seconds.
    progress_deadline: seconds within which containers that begin in a running pod have to be ready, and stay so for
    min_ready seconds; rollback: else its former definition returns. restart_guest: whether a change that a guest cannot take while it runs restarts it;
    otherwise it is an error.
    grace_period: seconds, or None for each pod's own. refuse_conflict: a name that another definition holds is an error.
    containers: only these, of what is restarted or killed; signal: such as SIGHUP, of what is killed.
    """

    check: bool = False
    pull: str | None = None
    refuse_conflict: bool = False
    wait: str = "running"
    wait_timeout: float = 300.0
    grace_period: int | None = None
    containers: tuple[str, ...] = ()
    signal: str = _plan_operate.KILL
    authfile: Path | None = None
    tls_verify: bool = True
    progress_deadline: float = 120.0
    min_ready: float = 0.0
    rollback: bool = False
    restart_guest: bool = True
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be. pods: as pod_info reports them; before, after: the definitions in brief by name, None where there is no pod."""

    actions: tuple[_plan.Action, ...]
    pods: tuple[dict[str, Any], ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def as_result(self) -> dict[str, Any]:
        """The form that a module returns."""
        return {
            "changed": bool(self.actions),
            "actions": [action.as_dict() for action in self.actions],
            "pods": list(self.pods),
            "before": dict(self.before),
            "after": dict(self.after),
            "diff": {"before": dict(self.before), "after": dict(self.after)},
            "warnings": list(self.warnings),
        }


def bring(host: Host, pods: Sequence[object], state: str, options: Options) -> Outcome:
    """Bring pods to a state: present, started, paused, stopped, killed, restarted or absent. pods: manifests, or names, as the module takes them."""
    names = [pod for pod in pods if isinstance(pod, str)]
    if state in ("present", "started") and not names:
        return converge(host, pods, options, start=state == "started")
    if state == "present":
        raise InvalidManifest("needs manifests, not names", where="pods")
    if state == "started" and len(names) != len(pods):
        raise InvalidManifest("holds both names and manifests", where="pods", remedy="Use two tasks")
    return by_name(host, [pod if isinstance(pod, str) else _manifest.name_of(pod) for pod in pods if not _manifest_objects.is_object(pod)], state, options)


def converge(host: Host, definitions: Sequence[object], options: Options, *, start: bool) -> Outcome:
    """Bring pods to their definitions and, where ``start``, to run. Raises HyperError; InvalidManifest before anything is changed."""
    request = _read(host, definitions, options)
    with locks(host, [pod.name for pod in request.pods], check=options.check):
        outcome, life, awaited = _converge(host, request, options, start=start)
    if life is None or options.wait != "completed":
        return outcome
    _wait_completed(life, awaited, options)
    # They were looked at while they ran.
    return replace(outcome, pods=_infos(host, supervisor(host), [pod.name for pod in request.pods], options))


def change(host: Host, name: str, changed: Callable[[_record.Record], tuple[Sequence[object], Mapping[str, Found]]], options: Options) -> Outcome:
    """Bring a pod to what ``changed`` makes of its record: definitions, and the images by their references. A pod that does not run is not started.

    Nobody else changes the pod meanwhile. Raises PodNotFound and what converge raises.
    """
    _record.check_name(name)
    with locks(host, [name], check=options.check):
        if not options.check:
            _pods_secrets.convert(host, supervisor(host), [name])
        definitions, found = changed(_record.require(host, name))
        return _converge(host, _kept(definitions), options, start=False, found=found)[0]


@dataclass(frozen=True)
class _Request:
    """Definitions, and what they say. objects: sealed. values: of the seals, None where they are kept with the pods. credentials: for pulls, of each pod."""

    definitions: Sequence[object]
    objects: _manifest_objects.Objects
    pods: Sequence[_manifest.Pod]
    values: Mapping[str, bytes] | None = None
    credentials: Sequence[_pull_secrets.Credentials] = ()


def _read(host: Host, definitions: Sequence[object], options: Options) -> _Request:
    """What a user gave."""
    definitions, objects = _manifest_objects.split(definitions)
    sealed, values = _pods_secrets.seal(host, objects, check=options.check)
    pods = _parse_all(definitions, sealed)
    _pods_secrets.check(pods, values)
    return _Request(definitions, sealed, pods, values, [_pull_secrets.credentials(pod, objects) for pod in pods])


def _kept(documents: Sequence[object]) -> _Request:
    """What a record has. Its images are on the host, so that it needs no credentials, which are not kept either."""
    definitions = [document for document in documents if not _manifest_objects.is_object(document)]
    objects = _sealed_objects.read(document for document in documents if _manifest_objects.is_object(document))
    return _Request(definitions, objects, _parse_all(definitions, objects))


def _converge(
    host: Host, request: _Request, options: Options, *, start: bool, found: Mapping[str, Found] | None = None
) -> tuple[Outcome, _pod_life.PodLife | None, Sequence[str]]:
    """The same for pods that are held; also returns whose end may be waited for. found: the images by their references, where they are not to be looked for."""
    wanted, objects = request.pods, request.objects
    names = [pod.name for pod in wanted]
    warnings = tuple(f"pod {pod.name}: without effect on a host: {', '.join(pod.noted)}" for pod in wanted if pod.noted)
    supervision, store = supervisor(host), ImageStore(host)
    if any(pod.secrets for pod in wanted):
        supervision.require_secrets()
    if not options.check:
        _pods_secrets.convert(host, supervision, names)
    observed = {pod.name: _pod_status.observe(host, supervision, pod.name, wanted=pod) for pod in wanted}
    _refuse_conflicts(wanted, observed, options)
    claims = _manifest_objects.claims(objects)
    volumes = _volume_changes(host, wanted, claims)
    missing = _host_paths.missing(host, [pod for pod in wanted if _begins(pod, observed[pod.name])])
    if asking := [pod for pod in wanted if start or observed[pod.name].running]:
        _pods_preflight.check(host, supervision, asking, observed)
    with _pull_secrets.auth_file(request.credentials, options.authfile) as authfile:
        images = (
            found
            if found is not None
            else _pod_images.find(
                store, wanted, pull=options.pull, check=options.check, authfile=authfile, tls_verify=options.tls_verify, progress=options.progress
            )
        )
    plans = {pod.name: _plan.converge(_plan.Wanted(pod, _pod_images.ids(pod, images)), observed[pod.name], start=start) for pod in wanted}
    of_volumes = (*_volume_actions(wanted, volumes), *_path_actions(missing if start else ()))
    actions = (*of_volumes, *(action for pod in wanted for action in (*_pod_images.pulls(pod, images), *plans[pod.name])))
    if not options.restart_guest:
        _refuse_restarts(actions)
    before = {pod.name: brief(observed[pod.name].pod, observed[pod.name].images) for pod in wanted}
    after = {pod.name: brief(pod, _pod_images.ids(pod, images)) for pod in wanted}
    former = _volumes.all_of(host) if volumes else {}
    for name, volume in _volume_plan.after({}, volumes).items():
        before[f"volume {name}"] = _volume_plan.brief(former.get(name))
        after[f"volume {name}"] = _volume_plan.brief(volume)
    if options.check:
        return Outcome(actions, _infos(host, supervision, names, options), before, after, warnings), None, ()
    records = {pod.name: _record_of(host, pod, definition, objects, request.values, images) for pod, definition in zip(wanted, request.definitions)}
    disks = {item.image.id: item.image.disk for item in images.values() if item.image is not None}
    with _volumes.changing(host):
        # Looked at anew: another run may have made them meanwhile.
        _volumes.carry_out(host, _volume_changes(host, wanted, claims))
    updates = _pod_update.Policy(options.progress_deadline if options.rollback or options.wait != "none" else None, options.min_ready, options.rollback)
    life = _pod_life.PodLife(host, supervision, options.progress, options.grace_period, updates)
    _each(names, lambda name: life.carry_out(plans[name], name, records[name], disks))
    begun = {name for name in names if any(action.action == "start" or action.effect == _plan.RESTARTS_GUEST for action in plans[name])}
    # A guest that a killed run, or one that did not wait, has started may still be booting.
    awaited = [name for name in names if name in begun or (start and observed[name].running)]
    _wait_running(life, awaited, options)
    life.make_templates()
    return Outcome(actions, _infos(host, supervision, names, options, begun), before, after, (*warnings, *life.warnings)), life, awaited


def by_name(host: Host, names: Sequence[str], state: str, options: Options) -> Outcome:
    """Bring pods that are defined to a state: started, paused, stopped, killed, restarted, absent. Raises PodNotFound, PodNotRunning and others."""
    supervision = supervisor(host)
    unique = list(dict.fromkeys(names))
    for name in unique:
        _record.check_name(name)
    with locks(host, unique, check=options.check):
        if state != "absent" and not options.check:
            _pods_secrets.convert(host, supervision, unique)
        observed = {name: _pod_status.observe(host, supervision, name, damaged=state == "absent") for name in unique}
        if state != "absent":
            for name in unique:
                _record.require(host, name)
        _require_running(host, unique, observed, state, options)
        plans = {name: _decide(state, name, observed[name], options) for name in unique}
        missing: tuple[_host_paths.Missing, ...] = ()
        if state in ("started", "restarted"):
            pods = [pod for name in unique if (pod := observed[name].pod) is not None]
            _volume_changes(host, pods, {})
            missing = _host_paths.missing(host, [pod for pod in pods if plans[pod.name] and not observed[pod.name].paused and not options.containers])
            _pods_preflight.check(host, supervision, pods, observed)
        actions = (*_path_actions(missing), *(action for plan in plans.values() for action in plan))
        before = {name: _stated(observed[name], observed[name].running or observed[name].due, paused=observed[name].paused) for name in unique}
        ends = state == "stopped" or (state == "killed" and not options.containers and options.signal == _plan_operate.KILL)
        after = {name: None if state == "absent" else _stated(observed[name], not ends, paused=state == "paused") for name in unique}
        left = [] if state == "absent" else unique
        if options.check:
            return Outcome(actions, _infos(host, supervision, [name for name in unique if observed[name].pod is not None], options), before, after)
        life = _pod_life.PodLife(host, supervision, options.progress, options.grace_period)
        _each(unique, lambda name: life.carry_out(plans[name], name, None if state == "absent" else _record.require(host, name), {}))
        awaited = unique if state in ("started", "restarted") else []
        _wait_running(life, awaited, options)
        life.make_templates()
    _wait_completed(life, awaited, options)
    return Outcome(actions, _infos(host, supervision, left, options, {action.pod for action in actions}), before, after, tuple(life.warnings))


def _decide(state: str, name: str, observed: _plan.Observed, options: Options) -> tuple[_plan.Action, ...]:
    """What brings a pod that is defined to a state."""
    if state == "killed":
        return _plan_operate.kill(name, observed, options.containers, options.signal)
    if state == "restarted" and options.containers:
        return _plan_operate.restart_containers(name, observed, options.containers)
    plans = {"started": _plan.start, "stopped": _plan.stop, "restarted": _plan.restart, "absent": _plan.remove, "paused": _plan_operate.pause}
    return plans[state](name, observed)


def _parse_all(definitions: Sequence[object], objects: _manifest_objects.Objects) -> list[_manifest.Pod]:
    pods: list[_manifest.Pod] = []
    for index, definition in enumerate(definitions):
        try:
            pod = _manifest.parse(definition, objects)
        except InvalidManifest as error:
            if len(definitions) == 1:
                raise
            raise InvalidManifest(error.message, where=f"pods[{index}].{error.where}", remedy=error.remedy) from None
        if any(other.name == pod.name for other in pods):
            raise InvalidManifest(f"pod {pod.name} is defined twice", where=f"pods[{index}].metadata.name")
        pods.append(pod)
    return pods


@contextmanager
def locks(host: Host, names: Sequence[str], *, check: bool) -> Iterator[None]:
    """Hold every pod of the call, in one order everywhere so that two calls cannot wait for each other. A check writes nothing, not even a lock.

    What a run that was killed has left half started is ended: it would never come to run.
    """
    with ExitStack() as stack:
        if not check:
            for name in sorted(names):
                stack.enter_context(locked(host.lock_path("pod", name), what=f"pod {name}"))
                _clone.end_half_started(supervisor(host), _pod_status.unit_name(name))
        yield


def _refuse_conflicts(wanted: Sequence[_manifest.Pod], observed: Mapping[str, _plan.Observed], options: Options) -> None:
    for pod in wanted:
        former = observed[pod.name].pod
        if options.refuse_conflict and former is not None and former != pod:
            raise PodExists(
                "there is a pod of this name with another definition",
                where=f"pod {pod.name}",
                remedy=f"Replace it with --replace (conflict: converge), choose another --name, or remove it: hyper rm {pod.name}",
            )


def _refuse_restarts(actions: Sequence[_plan.Action]) -> None:
    for action in actions:
        if action.effect == _plan.RESTARTS_GUEST:
            raise RestartNeeded(
                f"this cannot be changed while the guest runs: {action.reason}",
                where=f"pod {action.pod}",
                remedy=f"Have the guest restarted with --restart (restart: true), or stop the pod first: hyper stop {action.pod}",
            )


def _require_running(host: Host, names: Sequence[str], observed: Mapping[str, _plan.Observed], state: str, options: Options) -> None:
    """Refuse what only a guest that runs, and is not held, can be asked for. Raises PodNotRunning, ContainerNotFound, PodPaused."""
    heard = state == "killed" and (options.containers or options.signal != _plan_operate.KILL)
    if not (heard or state == "paused" or (state == "restarted" and options.containers)):
        return
    for name in names:
        for container in options.containers or (None,):
            _pod_exec.find(host, name, container)
        if heard and observed[name].paused:
            raise PodPaused(name)


def _volume_changes(host: Host, wanted: Sequence[_manifest.Pod], claims: Mapping[str, _manifest_claims.Claim]) -> tuple[_volume_plan.Change, ...]:
    """What becomes of the host's volumes. Raises VolumeNotFound, VolumeDiffers."""
    if not claims and not any(pod.claims for pod in wanted):
        return ()
    existing = _volumes.all_of(host)
    changes = _volume_plan.converge(claims.values(), existing, _pod_status.now(), _volume_sources.sizes(host, claims.values(), existing))
    _volume_plan.check_pods(wanted, _volume_plan.after(existing, changes))
    return changes


def _volume_actions(wanted: Sequence[_manifest.Pod], changes: Sequence[_volume_plan.Change]) -> Iterator[_plan.Action]:
    """They are told of with the first pod that uses the volume, or the first of all."""
    for change in changes:
        name = change.volume.name
        pod = next((pod for pod in wanted if any(claim.claim == name for claim in pod.claims)), wanted[0])
        yield _plan.Action(pod.name, f"{change.action} volume", _plan.LIVE, change.reason if name in change.reason else f"volume {name}: {change.reason}")


def _begins(pod: _manifest.Pod, observed: _plan.Observed) -> bool:
    """Whether its paths of the host are looked at anew: a guest that runs has them."""
    if observed.running:
        return observed.pod is None or observed.pod.host_paths != pod.host_paths
    return observed.pod != pod or not observed.completed


def _path_actions(missing: Sequence[_host_paths.Missing]) -> Iterator[_plan.Action]:
    for item in missing:
        yield _plan.Action(item.pod, f"create {item.kind}", _plan.LIVE, f"volume {item.volume}: there is no {item.path}")


def _record_of(
    host: Host,
    pod: _manifest.Pod,
    definition: object,
    objects: _manifest_objects.Objects,
    values: Mapping[str, bytes] | None,
    images: Mapping[str, Found],
) -> _record.Record:
    former = _record.read(host, pod.name)
    return _record.Record(
        definition=definition,
        images=_pod_images.ids(pod, images),
        configs={image.id: asdict(image.config) for _, reference, _ in pod.image_uses if (image := images[reference].image) is not None},
        created_at=former.created_at if former else _pod_status.now(),
        stopped=former.stopped if former else False,
        objects=tuple(objects[key].document for key in pod.uses),
        secrets=sorted(pod.secrets),
        values=values,
    )


def brief(pod: _manifest.Pod | None, images: Mapping[str, str] | None) -> dict[str, Any] | None:
    """A pod's definition as ``--diff`` shows it, with the ids of its images."""
    if pod is None:
        return None
    made = _manifest.document(pod)
    for container in [*made.get("initContainers", ()), *made["containers"]]:
        container["imageID"] = (images or {}).get(container["name"], "")
    if of_volumes := {key.partition("/")[2]: image for key, image in (images or {}).items() if "/" in key}:
        made["volumeImages"] = of_volumes
    return made


def _stated(observed: _plan.Observed, running: bool, *, paused: bool = False) -> dict[str, Any] | None:
    """A pod in brief for an operation that leaves its definition alone."""
    return None if observed.pod is None else {"name": observed.pod.name, "running": running, **({"paused": True} if paused else {})}


def _infos(host: Host, supervision: Supervisor, names: Sequence[str], options: Options, begun: Collection[str] = ()) -> tuple[dict[str, Any], ...]:
    """begun: the pods whose guests were started by this call; when nobody waited for them, they cannot answer yet."""
    looks = _pod_status.look_all(host, supervision, list(names), unasked=begun if options.wait == "none" else ())
    return tuple(_pod_status.info(look, options.progress.timings.get(look.name)) for look in looks)


def _wait_running(life: _pod_life.PodLife, names: Sequence[str], options: Options) -> None:
    if options.wait != "none":
        _each(names, lambda name: life.wait_running(name, options.wait_timeout, ready=options.wait == "ready"))


def _wait_completed(life: _pod_life.PodLife, names: Sequence[str], options: Options) -> None:
    """Outside the locks: a pod that takes its time may be stopped by another run."""
    if options.wait == "completed":
        _each(names, lambda name: life.wait_completed(name, options.wait_timeout))


def _each(names: Sequence[str], work: Callable[[str], None]) -> None:
    """Do the work for every pod, side by side, and tell of all that failed."""

    def attempt(name: str) -> HyperError | None:
        try:
            work(name)
        except HyperError as error:
            return error
        return None

    if len(names) <= 1:
        for name in names:
            work(name)
        return
    with ThreadPoolExecutor(max_workers=min(16, len(names))) as pool:
        failures = [error for error in pool.map(attempt, names) if error is not None]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise SeveralFailed("; ".join(str(failure) for failure in failures))
