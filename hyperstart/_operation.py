# SPDX-License-Identifier: GPL-3.0-or-later
"""One operation: a playbook is run, what its hosts said becomes a result, and what failed is raised. All parts of the API are made of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from ansible_collections.hyper.pods.plugins.module_utils import _manifest, _manifest_objects, _pull_secrets
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions

from hyperstart._ansible import HostValues, Options, Play, run_playbook
from hyperstart.errors import BadDefinition, HostUnreachable, OperationFailed
from hyperstart.results import Action, PodsResult, PodState

Manifest = Mapping[str, Any]
Pull = Literal["missing", "always", "never"]
Conflict = Literal["converge", "refuse"]
Wait = Literal["ready", "running", "completed", "none"]

R = TypeVar("R")
T = TypeVar("T")


def perform(playbook: str, variables: Mapping[str, Any], options: Options, make: Callable[[Play], R]) -> R:
    """Run a playbook and make its result; raise what failed.

    A pod that is not on a host is a failure only where no host has it, since one name is on one host of many.
    """
    play = run_playbook(playbook, variables, options)
    failed = {failure.host for failure in play.failures}
    well = any(result.host not in failed for result in play.results)
    if failed and (not well or any(failure.kind != "PodNotFound" for failure in play.failures)):
        kind = HostUnreachable if not well and any(failure.unreachable for failure in play.failures) else OperationFailed
        raise kind(play.failures, make(play) if well else None)
    return make(play)


def by_name(playbook: str, names: Sequence[str], variables: Mapping[str, Any], options: Options) -> PodsResult:
    """The same with pods that are named."""
    if not names:
        raise BadDefinition("no pod is named", where="names", remedy="Name at least one; see them all: hyper list")
    return perform(playbook, {"pod_names": list(names), **variables}, options, pods_result)


def run_variables(manifests: Sequence[Manifest], pull: Pull | None, authfile: str | os.PathLike[str] | None, tls_verify: bool | None) -> dict[str, Any]:
    """The variables of the playbooks that run pods. What a host would refuse is refused here already, before Ansible starts."""
    given = definitions.requested_manifests({"pods": list(manifests)})
    pods, objects = _manifest_objects.split(given)
    for number, manifest in enumerate(pods):
        try:
            _pull_secrets.credentials(_manifest.parse(manifest, objects), objects)
        except InvalidManifest as error:
            if len(pods) == 1:
                raise
            raise type(error)(error.message, where=f"pods[{number}].{error.where}", remedy=error.remedy) from None
    return {"pods": given, "pod_pull": pull, **registry_variables(authfile, tls_verify)}


def registry_variables(authfile: str | os.PathLike[str] | None, tls_verify: bool | None) -> dict[str, Any]:
    """The variables that say how registries are talked to."""
    return {"pod_authfile": os.fspath(authfile) if authfile else None, "pod_tls_verify": tls_verify}


def base(play: Play) -> tuple[bool, tuple[str, ...], tuple[Mapping[str, Any], ...]]:
    """What every Result begins with: whether anything changed, warnings, Ansible's events."""
    changed = any(result.values.get("changed") for result in play.results)
    warnings = [str(warning) for result in play.results for warning in result.values.get("warnings") or ()]
    return changed, tuple(dict.fromkeys(warnings)), play.events


def pods_result(play: Play) -> PodsResult:
    """The result of a play whose modules return pods."""
    results = [result for result in play.results if "pods" in result.values]
    return PodsResult(
        *base(play),
        pods=collect(results, "pods", PodState.of),
        actions=collect(results, "actions", Action.of),
        diffs=tuple(result.values["diff"] for result in results if result.values.get("diff")),
    )


def collect(results: Iterable[HostValues], key: str, make: Callable[[str, Mapping[str, Any]], T]) -> tuple[T, ...]:
    """What modules returned under a key, as values of the API. make: of a host and an item."""
    return tuple(make(result.host, item) for result in results for item in result.values.get(key) or () if item)
