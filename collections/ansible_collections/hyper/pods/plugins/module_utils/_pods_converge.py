# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring pods to their definitions: observe, plan, act, wait. Everything that can be refused is refused before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import (
    _host_paths,
    _manifest,
    _manifest_objects,
    _plan,
    _pod_images,
    _pod_life,
    _pod_status,
    _pod_update,
    _pods_call,
    _pods_preflight,
    _pods_secrets,
    _pods_storage,
    _pull_secrets,
    _record,
    _sealed_objects,
    _volume_plan,
    _volumes,
)
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._pod_errors import PodExists
from ansible_collections.hyper.pods.plugins.module_utils._pod_images import Found
from ansible_collections.hyper.pods.plugins.module_utils._pods_call import Options, Outcome
from ansible_collections.hyper.pods.plugins.module_utils._supervisor import Supervisor, supervisor
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest


class RestartNeeded(HyperError):
    """A change would restart a guest, which the call did not ask for."""


def converge(host: Host, definitions: Sequence[object], options: Options, *, start: bool) -> Outcome:
    """Bring pods to their definitions and, where ``start``, to run. Raises HyperError; InvalidManifest before anything is changed."""
    request = _read(host, definitions, options)
    with _pods_call.locks(host, [pod.name for pod in request.pods], check=options.check):
        outcome, life, awaited = _converge(host, request, options, start=start)
    if life is None or options.wait != "completed":
        return outcome
    _pods_call.wait_completed(life, awaited, options)
    # They were looked at while they ran.
    return replace(outcome, pods=_pods_call.infos(host, supervisor(host), [pod.name for pod in request.pods], options))


def change(host: Host, name: str, changed: Callable[[_record.Record], tuple[Sequence[object], Mapping[str, Found]]], options: Options) -> Outcome:
    """Bring a pod to what ``changed`` makes of its record: definitions, and the images by their references. A pod that does not run is not started.

    Nobody else changes the pod meanwhile. Raises PodNotFound and what converge raises.
    """
    _record.check_name(name)
    with _pods_call.locks(host, [name], check=options.check):
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


@dataclass(frozen=True)
class _Plan:
    """What a call found and is to do. images: by reference; volumes: changes of the host's; pods: each pod's actions; told: all, in order."""

    observed: Mapping[str, _plan.Observed]
    images: Mapping[str, Found]
    volumes: Sequence[_volume_plan.Change]
    pods: Mapping[str, tuple[_plan.Action, ...]]
    told: tuple[_plan.Action, ...]


def _converge(
    host: Host, request: _Request, options: Options, *, start: bool, found: Mapping[str, Found] | None = None
) -> tuple[Outcome, _pod_life.PodLife | None, Sequence[str]]:
    """The same for pods that are held; also returns whose end may be waited for. found: the images by their references, where they are not to be looked for."""
    names, supervision = [pod.name for pod in request.pods], supervisor(host)
    if any(pod.secrets for pod in request.pods):
        supervision.require_secrets()
    if not options.check:
        _pods_secrets.convert(host, supervision, names)
    plan = _look(host, supervision, request, options, start=start, found=found)
    before, after = _difference(host, request, plan)
    warnings = tuple(f"pod {pod.name}: without effect on a host: {', '.join(pod.noted)}" for pod in request.pods if pod.noted)
    if options.check:
        return Outcome(plan.told, _pods_call.infos(host, supervision, names, options), before, after, warnings), None, ()
    life, begun = _carry_out(host, supervision, request, plan, options)
    # A guest that a killed run, or one that did not wait, has started may still be booting.
    awaited = [name for name in names if name in begun or (start and plan.observed[name].running)]
    _pods_call.wait_running(life, awaited, options)
    life.make_templates()
    infos = _pods_call.infos(host, supervision, names, options, begun)
    return Outcome(plan.told, infos, before, after, (*warnings, *life.warnings)), life, awaited


def _look(host: Host, supervision: Supervisor, request: _Request, options: Options, *, start: bool, found: Mapping[str, Found] | None) -> _Plan:
    """Observe and plan; raises what is refused. Nothing but images comes to the host."""
    wanted = request.pods
    observed = {pod.name: _pod_status.observe(host, supervision, pod.name, wanted=pod) for pod in wanted}
    _refuse_conflicts(wanted, observed, options)
    volumes = _pods_storage.volume_changes(host, wanted, _manifest_objects.claims(request.objects))
    missing = _host_paths.missing(host, [pod for pod in wanted if _pods_storage.begins(pod, observed[pod.name])])
    if asking := [pod for pod in wanted if start or observed[pod.name].running]:
        _pods_preflight.check(host, supervision, asking, observed)
    images = found if found is not None else _find_images(host, request, options)
    plans = {pod.name: _plan.converge(_plan.Wanted(pod, _pod_images.ids(pod, images)), observed[pod.name], start=start) for pod in wanted}
    storage = (*_pods_storage.volume_actions(wanted, volumes), *_pods_storage.path_actions(missing if start else ()))
    told = (*storage, *(action for pod in wanted for action in (*_pod_images.pulls(pod, images), *plans[pod.name])))
    if not options.restart_guest:
        _refuse_restarts(told)
    return _Plan(observed, images, volumes, plans, told)


def _find_images(host: Host, request: _Request, options: Options) -> Mapping[str, Found]:
    """The images of all pods, pulled where that is due."""
    with _pull_secrets.auth_file(request.credentials, options.authfile) as authfile:
        return _pod_images.find(
            ImageStore(host), request.pods, pull=options.pull, check=options.check, authfile=authfile, tls_verify=options.tls_verify, progress=options.progress
        )


def _difference(host: Host, request: _Request, plan: _Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was and what is to be, by the names of pods and volumes."""
    before = {pod.name: brief(plan.observed[pod.name].pod, plan.observed[pod.name].images) for pod in request.pods}
    after = {pod.name: brief(pod, _pod_images.ids(pod, plan.images)) for pod in request.pods}
    former = _volumes.all_of(host) if plan.volumes else {}
    for name, volume in _volume_plan.after({}, plan.volumes).items():
        before[f"volume {name}"] = _volume_plan.brief(former.get(name))
        after[f"volume {name}"] = _volume_plan.brief(volume)
    return before, after


def _carry_out(host: Host, supervision: Supervisor, request: _Request, plan: _Plan, options: Options) -> tuple[_pod_life.PodLife, set[str]]:
    """Do what was planned, for all pods side by side. Also returns the pods whose guests were started."""
    records = {pod.name: _record_of(host, pod, definition, request, plan.images) for pod, definition in zip(request.pods, request.definitions)}
    disks = {item.image.id: item.image.disk for item in plan.images.values() if item.image is not None}
    with _volumes.changing(host):
        # Looked at anew: another run may have made them meanwhile.
        _volumes.carry_out(host, _pods_storage.volume_changes(host, request.pods, _manifest_objects.claims(request.objects)))
    updates = _pod_update.Policy(options.progress_deadline if options.rollback or options.wait != "none" else None, options.min_ready, options.rollback)
    life = _pod_life.PodLife(host, supervision, options.progress, options.grace_period, updates)
    _pods_call.each(list(records), lambda name: life.carry_out(plan.pods[name], name, records[name], disks))
    return life, {name for name in records if any(action.action == "start" or action.effect == _plan.RESTARTS_GUEST for action in plan.pods[name])}


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


def _record_of(host: Host, pod: _manifest.Pod, definition: object, request: _Request, images: Mapping[str, Found]) -> _record.Record:
    former = _record.read(host, pod.name)
    return _record.Record(
        definition=definition,
        images=_pod_images.ids(pod, images),
        configs={image.id: asdict(image.config) for _, reference, _ in pod.image_uses if (image := images[reference].image) is not None},
        created_at=former.created_at if former else _pod_status.now(),
        stopped=former.stopped if former else False,
        objects=tuple(request.objects[key].document for key in pod.uses),
        secrets=sorted(pod.secrets),
        values=request.values,
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
