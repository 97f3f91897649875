# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods of container images, each in a KVM guest of its own, run by Ansible: the Python API of the ``hyper`` command."""

from hyperstart import _project  # noqa: F401  first of all: it makes the collection importable

# isort: split
from hyperstart._ansible import Options, Progress
from hyperstart._manifests import read_manifests
from hyperstart.api import (
    exec_pod,
    generated_name,
    host_info,
    list_images,
    list_pods,
    pod_logs,
    pod_manifest,
    prepare_hosts,
    pull_images,
    remove_pods,
    restart_pods,
    run_pod,
    run_pods,
    run_pods_once,
    start_pods,
    stop_pods,
)
from hyperstart.errors import AnsibleFailed, BadDefinition, Cancelled, HostFailure, HostUnreachable, HyperError, NoHosts, OperationFailed, ProjectMissing
from hyperstart.host_api import check_hosts, host_usage, prune_hosts
from hyperstart.image_api import inspect_images, prune_images, remove_images, tag_image
from hyperstart.results import (
    Action,
    CompletedResult,
    ContainerState,
    ExecResult,
    HostsResult,
    ImageDetailsResult,
    ImagesResult,
    ImageState,
    LogLine,
    LogsResult,
    PodsResult,
    PodState,
)

__all__ = [
    "Action",
    "AnsibleFailed",
    "BadDefinition",
    "Cancelled",
    "CompletedResult",
    "ContainerState",
    "ExecResult",
    "HostFailure",
    "HostUnreachable",
    "HostsResult",
    "HyperError",
    "ImageDetailsResult",
    "ImageState",
    "ImagesResult",
    "LogLine",
    "LogsResult",
    "NoHosts",
    "OperationFailed",
    "Options",
    "PodState",
    "PodsResult",
    "Progress",
    "ProjectMissing",
    "check_hosts",
    "exec_pod",
    "generated_name",
    "host_info",
    "host_usage",
    "inspect_images",
    "list_images",
    "list_pods",
    "pod_logs",
    "pod_manifest",
    "prepare_hosts",
    "prune_hosts",
    "prune_images",
    "pull_images",
    "read_manifests",
    "remove_images",
    "remove_pods",
    "restart_pods",
    "run_pod",
    "run_pods",
    "run_pods_once",
    "start_pods",
    "stop_pods",
    "tag_image",
]
