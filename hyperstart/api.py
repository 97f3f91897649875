# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on pods, as functions. Each runs one playbook, prints nothing, and raises an exception of hyperstart.errors.

All arguments are by keyword; beside its own each function takes those of ``Options`` (inventory, limit, check, diff, on_event, on_progress, …).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Unpack

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_network
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions

from hyperstart._ansible import HostValues, Options, Play
from hyperstart._operation import Conflict, Manifest, Pull, Wait, base, by_name, collect, perform, pods_result, registry_variables, run_variables
from hyperstart.errors import BadDefinition
from hyperstart.results import Action, CompletedResult, HostsResult, InspectResult, LogLine, LogsResult, PodDetails, PodsResult, PodState
from hyperstart.store_results import ImagesResult, ImageState

# Easily told apart, and no vowels: no words by chance. As Kubernetes does.
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
# "For as long as it takes", in seconds: poll(2) counts milliseconds in 31 bits, which is 24 days.
_FOREVER = 20 * 24 * 3600


def generated_name(images: Sequence[str]) -> str:
    """A name for a pod that was given none: its first container's and five random characters, such as ``nginx-x7k2b``."""
    return definitions.pod_name(images, "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX_LENGTH)))


def pod_manifest(
    *,
    images: Sequence[str],
    name: str | None = None,
    command: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    publish: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    cpus: float | str | None = None,
    memory: str | int | None = None,
    restart_policy: Literal["Always", "OnFailure", "Never"] | None = None,
    networks: Sequence[str | Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The Kubernetes v1 Pod manifest of a pod with a container for each image.

    name: chosen by ``generated_name`` unless given. command: in place of the Cmd of the only image. env: of every container. publish:
    ``[IP:]HOST:CONTAINER[/udp]``. memory: bytes, or a text such as ``512M``. restart_policy: OnFailure unless given, since what was started by
    hand and ended well is done. networks: as the module pod takes them. Raises BadDefinition, InvalidManifest.
    """
    if not images:
        raise BadDefinition("no image is named", where="images", remedy="Name at least one")
    manifest = definitions.pod_manifest(
        name=name or generated_name(images),
        images=images,
        command=command,
        env=env,
        publish=publish,
        labels=labels,
        cpu_count=cpus,
        memory_size=memory,
        restart_policy=restart_policy,
    )
    [networked] = _manifest_network.annotated([manifest], networks)
    return networked


def run_pod(
    *,
    images: Sequence[str],
    name: str | None = None,
    command: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    publish: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    cpus: float | str | None = None,
    memory: str | int | None = None,
    restart_policy: Literal["Always", "OnFailure", "Never"] | None = None,
    networks: Sequence[str | Mapping[str, Any]] = (),
    pull: Pull | None = None,
    conflict: Conflict | None = None,
    wait: Wait | None = None,
    wait_timeout: int | None = None,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    **options: Unpack[Options],
) -> PodsResult:
    """Run one pod with a container for each image; see ``pod_manifest`` and ``run_pods``."""
    manifest = pod_manifest(
        images=images,
        name=name,
        command=command,
        env=env,
        publish=publish,
        labels=labels,
        cpus=cpus,
        memory=memory,
        restart_policy=restart_policy,
        networks=networks,
    )
    return run_pods(
        manifests=[manifest],
        pull=pull,
        conflict=conflict,
        wait=wait,
        wait_timeout=wait_timeout,
        authfile=authfile,
        tls_verify=tls_verify,
        **options,
    )


def run_pods(
    *,
    manifests: Sequence[Manifest],
    pull: Pull | None = None,
    conflict: Conflict | None = None,
    wait: Wait | None = None,
    wait_timeout: int | None = None,
    rollback: bool | None = None,
    progress_deadline: int | None = None,
    min_ready_seconds: int | None = None,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    **options: Unpack[Options],
) -> PodsResult:
    """Bring pods to their definitions: what is not there is created, what differs is changed, the rest stays as it is.

    pull: whether images come from a registry although the host has them (always), when it has not (missing), or not at all (never); otherwise each
    container's imagePullPolicy. conflict: ``refuse`` fails when another definition holds a name. wait: until containers run (the default), are
    ready, have ended, or not at all, for at most wait_timeout seconds. rollback: whether a running pod returns to its former definition (the default) when a
    container that begins in it is not ready within progress_deadline seconds, or does not stay so for min_ready_seconds. authfile: of registries, on the host.
    Raises InvalidManifest, OperationFailed, NoHosts, AnsibleFailed.
    """
    variables = run_variables(manifests, pull, authfile, tls_verify)
    variables |= {"pod_conflict": conflict, "pod_wait": wait, "pod_wait_timeout": wait_timeout}
    variables |= {"pod_rollback": rollback, "pod_progress_deadline": progress_deadline, "pod_min_ready_seconds": min_ready_seconds}
    return perform("run_pod.yml", variables, options, pods_result)


def run_pods_once(
    *,
    manifests: Sequence[Manifest],
    pull: Pull | None = None,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    logs: bool = True,
    **options: Unpack[Options],
) -> CompletedResult:
    """Run pods to their end and remove them, also when they could not be started. A pod that already has one of the names is an error.

    logs: whether the result holds what the containers wrote. Raises as ``run_pods``.
    """
    variables = run_variables(manifests, pull, authfile, tls_verify)
    return perform("run_pod_once.yml", {**variables, "pod_wait_timeout": _FOREVER, "pod_logs": logs}, options, _completed_result)


def start_pods(*, names: Sequence[str], wait: Wait | None = None, wait_timeout: int | None = None, **options: Unpack[Options]) -> PodsResult:
    """Start pods that were stopped, or have ended, as they were defined."""
    return by_name("start_pod.yml", names, {"pod_wait": wait, "pod_wait_timeout": wait_timeout}, options)


def stop_pods(*, names: Sequence[str], grace_period: int | None = None, **options: Unpack[Options]) -> PodsResult:
    """Stop pods; what they wrote stays. grace_period: seconds, in place of the pods' own."""
    return by_name("stop_pod.yml", names, {"pod_grace_period": grace_period}, options)


def restart_pods(
    *,
    names: Sequence[str],
    containers: Sequence[str] = (),
    grace_period: int | None = None,
    wait: Wait | None = None,
    wait_timeout: int | None = None,
    **options: Unpack[Options],
) -> PodsResult:
    """Stop pods and start them again. containers: only these; the others go on."""
    variables = {
        "pod_containers": list(containers) or None,
        "pod_grace_period": grace_period,
        "pod_wait": wait,
        "pod_wait_timeout": wait_timeout,
    }
    return by_name("restart_pod.yml", names, variables, options)


def remove_pods(*, names: Sequence[str], grace_period: int | None = None, **options: Unpack[Options]) -> PodsResult:
    """Stop pods and remove all that is theirs. A name that no pod has changes nothing."""
    return by_name("remove_pod.yml", names, {"pod_grace_period": grace_period}, options)


def list_pods(*, names: Sequence[str] | None = None, **options: Unpack[Options]) -> PodsResult:
    """The pods of the hosts, all or those that are named. Raises OperationFailed when no host has a pod of one of the names."""
    return perform("list_pods.yml", {"pod_names": list(names) if names is not None else None}, options, pods_result)


def inspect_pods(*, names: Sequence[str], **options: Unpack[Options]) -> InspectResult:
    """All that is known of pods. Raises OperationFailed when no host has a pod of one of the names."""
    if not names:
        raise BadDefinition("no pod is named", where="names", remedy="Name at least one; see them all: hyper list")
    return perform("inspect_pod.yml", {"pod_names": list(names)}, options, _inspect_result)


def pod_logs(*, pod: str, container: str | None = None, tail: int | None = None, **options: Unpack[Options]) -> LogsResult:
    """What a pod's containers wrote, also when it has ended. tail: only so many of the last lines."""
    variables = {"pod_name": pod, "pod_container": container, "pod_tail": tail}
    return perform("pod_logs.yml", variables, options, lambda play: LogsResult(*base(play), _log_lines(play.of("pod_info"))))


def pull_images(
    *,
    names: Sequence[str],
    source: str | None = None,
    pull: Literal["missing", "always"] | None = None,
    signature_policy: str | os.PathLike[str] | None = None,
    authfile: str | os.PathLike[str] | None = None,
    tls_verify: bool | None = None,
    **options: Unpack[Options],
) -> ImagesResult:
    """Pull images, so that pods start without a registry.

    source: where to take a single image from, when not from where its name says, such as ``oci-archive:/srv/web.tar`` on the host.
    pull: ``always`` asks whether the source has another image now; ``missing``, the default, does not. signature_policy: a file on the host.
    """
    if not names:
        raise BadDefinition("no image is named", where="images", remedy="Name at least one")
    variables = {
        "image_names": list(names),
        "image_source": source,
        "image_pull": pull,
        "image_signature_policy": os.fspath(signature_policy) if signature_policy else None,
        **registry_variables(authfile, tls_verify),
    }
    return perform("pull_image.yml", variables, options, _images_result)


def list_images(**options: Unpack[Options]) -> ImagesResult:
    """The images of the hosts' stores."""
    return perform("list_images.yml", {}, options, _images_result)


def host_info(**options: Unpack[Options]) -> HostsResult:
    """What the hosts are made of: kernel, QEMU, hyperstart, whether KVM can be used and why not, disk, memory."""
    return perform("host_info.yml", {}, options, _hosts_result)


def prepare_hosts(*, variables: Mapping[str, Any] | None = None, **options: Unpack[Options]) -> HostsResult:
    """Install what a KVM host needs (``playbooks/prepare_host.yml``). variables: of the roles that do it."""
    return perform("prepare_host.yml", dict(variables or {}), options, _prepared_result)


def _inspect_result(play: Play) -> InspectResult:
    return InspectResult(*base(play), pods=collect(play.of("pod_info"), "pods", PodDetails.of))


def _completed_result(play: Play) -> CompletedResult:
    ran = [result for result in play.of("pod") if any(action.get("action") == "create" for action in result.values.get("actions") or ())]
    return CompletedResult(
        *base(play),
        pods=collect(ran, "pods", PodState.of),
        actions=collect(play.of("pod"), "actions", Action.of),
        diffs=(),
        lines=_log_lines(play.of("pod_info")),
    )


def _images_result(play: Play) -> ImagesResult:
    return ImagesResult(*base(play), collect(play.results, "images", ImageState.of))


def _hosts_result(play: Play) -> HostsResult:
    return HostsResult(*base(play), {result.host: result.values.get("host") or {} for result in play.results})


def _prepared_result(play: Play) -> HostsResult:
    """Most of that playbook's tasks are Ansible's own; so are the counts."""
    counts: Mapping[str, Any] = next((event["event_data"] for event in reversed(play.events) if event["event"] == "playbook_on_stats"), {})
    return HostsResult(bool(counts.get("changed")), (), play.events, {host: {} for host in counts.get("processed", {})})


def _log_lines(results: Iterable[HostValues]) -> tuple[LogLine, ...]:
    return tuple(
        LogLine(result.host, log["pod"], line["container"], line["time"], line["stream"], line["message"])
        for result in results
        for log in result.values.get("logs") or ()
        for line in log["lines"]
    )
