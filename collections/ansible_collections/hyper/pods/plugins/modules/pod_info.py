#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what the pods of a host do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_info
short_description: Tell what the pods of a host do
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Reports the pods of a host with their containers and, when asked, their logs, the images of the host and the host itself.
  - Changes nothing.
extends_documentation_fragment:
  - hyper.pods.host
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
options:
  names:
    description: The pods to report. Without it, all. A name that is not defined is an error.
    type: list
    elements: str
  details:
    description: Also return the pods' definitions, the ConfigMaps and Secrets that they use, and facts of their guests.
    type: bool
    default: false
  logs:
    description: Also return the output of the containers.
    type: bool
    default: false
  container:
    description: Only the output, or the events, of this container.
    type: str
  tail:
    description: Only so many of the last lines.
    type: int
  usage:
    description: Also return what the pods use, which have to run. It takes a second, in which their share of CPU time is measured.
    type: bool
    default: false
  processes:
    description: Also return the processes of the pods' containers, which have to run.
    type: bool
    default: false
  events:
    description: Also return what became of the pods and their containers.
    type: bool
    default: false
  images:
    description: Also return the images that the host has.
    type: bool
    default: false
  host_info:
    description: Also return what the host has to offer.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See all pods
  hyper.pods.pod_info:
  register: found

- name: All that is known of one pod
  hyper.pods.pod_info:
    names: [shop]
    details: true

- name: The last lines of one container
  hyper.pods.pod_info:
    names: [shop]
    logs: true
    container: web
    tail: 20
"""

RETURN = r"""
pods:
  description: The pods, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The pod's name.
      type: str
    uid:
      description: What tells the pod from every other one, of its name before it too.
      type: str
    phase:
      description: V(Pending), V(Running), V(Succeeded), V(Failed) as Kubernetes has them, or V(Stopped) when the guest was ended on request.
      type: str
    message:
      description: Why the pod is in that phase, where there is more to say.
      type: str
    ip:
      description: The guest's address while it runs.
      type: str
    accelerator:
      description: V(kvm) or V(tcg) while it runs.
      type: str
    ports:
      description: The published ports, as people write them.
      type: list
      elements: str
    publishedPorts:
      description: >-
        The same with C(hostIP), C(hostPort), C(containerPort), C(protocol), and the C(container) that declares it under its C(name), which may be empty.
      type: list
      elements: dict
    createdAt:
      description: When the pod was defined, ISO 8601 in UTC.
      type: str
    containers:
      description: >-
        The containers with C(name), C(image), C(imageID), C(state) (V(waiting), V(running) or V(terminated)), C(reason), C(message), C(exitCode),
        C(restartCount), C(ready), C(startedAt), C(finishedAt), and C(labels) of their own (annotation C(hyper.pods/labels.CONTAINER)).
      type: list
      elements: dict
    status:
      description: >-
        The same in Kubernetes' own form: C(phase), C(conditions), C(reason), C(message), C(startTime), C(podIP), C(initContainerStatuses) and
        C(containerStatuses), whose C(state) and C(lastState) say how a container fares, C(ready) what its readiness probe says, and C(restartCount)
        how often it was restarted.
      type: dict
    definition:
      description: The manifest as it was given.
      returned: when O(details) is set
      type: dict
    objects:
      description: The ConfigMaps and Secrets that the pod takes values from. Of a Secret digests are shown in the place of the values.
      returned: when O(details) is set
      type: list
      elements: dict
    guest:
      description: >-
        The guest: C(running), C(pid), C(accelerator), C(cpus), C(memoryMiB), C(ips), C(hyperstart) (the version that it booted last), C(unit),
        C(stateDir) and C(runDir).
      returned: when O(details) is set
      type: dict
logs:
  description: The output by pod, with C(time), C(stream), C(container) and C(message) of each line.
  returned: when O(logs) is set
  type: list
  elements: dict
usage:
  description: >-
    An item a pod, with C(memory) and C(memoryTotal) of the guest, C(blockRead), C(blockWritten), C(netReceived) and C(netSent) since its start, all in bytes,
    and C(containers), each with C(cpuPercent) of one CPU, C(cpuSeconds), C(memory) in bytes and C(processes), threads counted.
  returned: when O(usage) is set
  type: list
  elements: dict
processes:
  description: >-
    The processes, with C(pod), C(container), C(pid), C(parent), C(uid), C(state), C(threads), C(cpu) in seconds, C(memory) in bytes, C(age) in seconds and
    C(command).
  returned: when O(processes) is set
  type: list
  elements: dict
events:
  description: >-
    What happened, in order, with C(pod), C(container) (empty for the pod itself), C(time), C(event) and C(values) such as an exit code and its reason.
  returned: when O(events) is set
  type: list
  elements: dict
images:
  description: The images of the host.
  returned: when O(images) is set
  type: list
  elements: dict
host:
  description: Kernel, QEMU, hyperstart, acceleration, memory and disk of the host.
  returned: when O(host_info) is set
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _info, _module, _usage
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Collect what was asked for."""
    params = module.params
    names = _info.chosen(host, params["names"])
    result: dict[str, Any] = {"changed": False, "pods": _info.pods(host, names, details=params["details"])}
    if params["logs"]:
        result["logs"] = [_info.logs(host, name, container=params["container"], tail=params["tail"]) for name in names]
    if params["usage"]:
        result["usage"] = _usage.usages(host, names)
    if params["processes"]:
        result["processes"] = _usage.all_processes(host, names)
    if params["events"]:
        result["events"] = [event for name in names for event in _usage.events(host, name, params["container"])]
    if params["images"]:
        result["images"] = _info.images(host)
    if params["host_info"]:
        result["host"] = _info.host_facts(host)
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            "names": {"type": "list", "elements": "str"},
            "details": {"type": "bool", "default": False},
            "logs": {"type": "bool", "default": False},
            "container": {"type": "str"},
            "tail": {"type": "int"},
            "usage": {"type": "bool", "default": False},
            "processes": {"type": "bool", "default": False},
            "events": {"type": "bool", "default": False},
            "images": {"type": "bool", "default": False},
            "host_info": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
