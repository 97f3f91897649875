#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run pods in KVM guests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod
short_description: Run pods in KVM guests
version_added: 0.1.0
author: The Hyper pods authors (@hyper-pods)
description:
  - Brings any number of pods to a state, in one task.
  - A pod is a group of containers that run in one KVM guest, its instance. Its definition is a Kubernetes v1 Pod manifest.
  - A pod that already is as it is wanted is left alone.
extends_documentation_fragment:
  - hyper.pods.change
  - hyper.pods.host
attributes:
  check_mode:
    description: Tells every action that the real run would do and touches nothing, not even the image store.
    support: full
  diff_mode:
    description: Shows the definitions before and after.
    support: full
options:
  pods:
    description:
      - For O(state=present) and O(state=started) a list of Kubernetes v1 Pod manifests, or of names of pods that are defined already.
      - For the other states a list of names; of a manifest only the name counts.
      - Manifests and names cannot be mixed in one task.
      - ConfigMaps and Secrets that the pods of the task take values from stand beside their manifests. Their values are kept with the pod, readable by root
        alone; those of Secrets are shown as digests only.
      - A field that cannot be honoured is refused by its path and changes nothing.
    type: list
    elements: raw
    required: true
  state:
    description:
      - V(present) puts the definition, the images and the disks in place and starts nothing. A pod that runs is brought to a changed definition, by as little
        as that takes - see RV(actions) for what each part of a change does.
      - V(started) also starts the guest and waits as O(wait) says. A pod that has completed is not run again, unless its definition changed or it is named
        instead of defined.
      - V(paused) holds the guest of a pod that runs, with its memory; V(started) lets it go on where it was.
      - V(stopped) ends the containers and the guest and keeps what they wrote.
      - V(killed) sends O(signal) to the main processes of the containers. A pod that is killed as a whole by V(SIGKILL) is stopped at once, and stays so;
        otherwise it is the restart policy's matter what follows.
      - V(restarted) ends the guest, if it runs, and starts it. With O(containers) only these are ended and started, and the others go on.
      - V(absent) leaves nothing of the pod.
    type: str
    choices: [present, started, paused, stopped, killed, restarted, absent]
    default: started
  containers:
    description: For O(state=restarted) and O(state=killed), only these containers of the pods. Their policy does not matter for a restart.
    type: list
    elements: str
    default: []
  signal:
    description: What O(state=killed) sends, by name or number.
    type: str
    default: SIGKILL
  pull:
    description:
      - When images are pulled. V(missing) when the host does not have them, V(always) to see whether a tag has moved, V(never).
      - Without it each container's C(imagePullPolicy) decides; where that is absent too, V(missing).
    type: str
    choices: [missing, always, never]
  conflict:
    description:
      - What to do when another definition holds the name. V(converge) changes the pod to the new one, V(refuse) fails.
    type: str
    choices: [converge, refuse]
    default: converge
  networks:
    description:
      - The NICs of every pod of the task, in order; the same as the annotation C(hyper.pods/network) of each, which may not say otherwise.
      - A word, V(user), V(nat), C(nat:NAME), or a mapping. V(user) is QEMU's own unprivileged network and the default. V(nat) is a network of the host for
        pods, which know each other by name on it. V(bridge) attaches the pod to a bridge that the host has.
      - Of a mapping C(kind) is required. C(name) is the name of a nat network, C(bridge) the host's interface, C(addresses) and C(gateways) are static ones,
        with prefixes on a bridge and without on a nat network; C(mac), C(mtu).
      - On a bridge C(vlan) is the VLAN, where the bridge filters them; C(dhcp), by default where no C(addresses) are given, has the network give an address
        of IPv4, and C(accept_ra) addresses of IPv6 from router advertisements.
    type: list
    elements: raw
  wait:
    description:
      - V(running) waits until every container has been started, V(ready) until every container is ready (its readiness probe says so, or it has none),
        V(completed) until all have ended and the guest is off, V(none) not at all.
    type: str
    choices: [ready, running, completed, none]
    default: running
  grace_period:
    description: Seconds that containers get to end before they are killed. Without it each pod's C(terminationGracePeriodSeconds).
    type: int
  authfile:
    description: File on the host with credentials of registries, as C(skopeo login --authfile) writes it.
    type: path
  tls_verify:
    description: Whether registries must prove who they are. V(false) also allows plain HTTP.
    type: bool
    default: true
seealso:
  - module: hyper.pods.pod_info
  - module: hyper.pods.pod_exec
"""

EXAMPLES = r"""
- name: Run a web server with a cache beside it
  hyper.pods.pod:
    pods:
      - apiVersion: v1
        kind: Pod
        metadata:
          name: shop
        spec:
          containers:
            - name: web
              image: nginx
              ports:
                - containerPort: 80
                  hostPort: 8080
            - name: cache
              image: redis

- name: Run a pod on a network of the host and on the office's bridge
  hyper.pods.pod:
    pods: "{{ lookup('ansible.builtin.file', 'shop.yml') | from_yaml_all | list }}"
    networks:
      - nat
      - kind: bridge
        bridge: br0
        addresses: [192.168.1.20/24]

- name: Stop two pods
  hyper.pods.pod:
    pods: [shop, mail]
    state: stopped

- name: Restart one container; its neighbours go on
  hyper.pods.pod:
    pods: [shop]
    state: restarted
    containers: [web]

- name: Have a server read its configuration again
  hyper.pods.pod:
    pods: [shop]
    state: killed
    signal: HUP
    containers: [web]

- name: Remove a pod and all that it wrote
  hyper.pods.pod:
    pods: [shop]
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in order.
  returned: success
  type: list
  elements: dict
  sample:
    - pod: shop
      action: update
      effect: restarts container web
      reason: "container web: env changed"
      container: web
pods:
  description: The pods afterwards, as M(hyper.pods.pod_info) reports them.
  returned: success
  type: list
  elements: dict
before:
  description: The definitions in brief before, by name; null where there was no pod.
  returned: success
  type: dict
after:
  description: The definitions in brief afterwards.
  returned: success
  type: dict
error:
  description: The kind of failure, such as C(ImageNotFound) or C(PortTaken).
  returned: failure
  type: str
where:
  description: The field, file or pod that the failure is about.
  returned: failure
  type: str
remedy:
  description: What to do about it.
  returned: failure
  type: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _digest_key, _manifest_network, _module, _plan_operate, _pods, _pods_call, _sealed_objects
from ansible_collections.hyper.pods.plugins.module_utils._change_arguments import CHANGE_ARGUMENTS, change_options
from ansible_collections.hyper.pods.plugins.module_utils._host import Host


def operate(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Bring the pods to the state."""
    params = dict(module.params)
    # What is told of the call afterwards, by Ansible itself too, holds no secret; not even when one cannot be read.
    module.params["pods"] = []
    module.params["pods"] = _sealed_objects.shown(_sealed_objects.seal_documents(params["pods"], _digest_key.read(host))[0])
    options = _pods_call.Options(
        **change_options(module),
        pull=params["pull"],
        refuse_conflict=params["conflict"] == "refuse",
        grace_period=params["grace_period"],
        containers=tuple(dict.fromkeys(params["containers"])),
        signal=_plan_operate.signal_name(params["signal"]),
        authfile=Path(params["authfile"]) if params["authfile"] else None,
        tls_verify=params["tls_verify"],
    )
    pods = _manifest_network.annotated(params["pods"], params["networks"])
    return _pods.bring(host, pods, params["state"], options).as_result()


class _Quiet(AnsibleModule):  # type: ignore[misc]
    """A module whose arguments, which may hold Secrets, are not written to the system's log."""

    def _log_invocation(self) -> None:
        pass


def main() -> None:
    """Run the module."""
    module = _Quiet(
        argument_spec={
            **_module.HOST_ARGUMENTS,
            **CHANGE_ARGUMENTS,
            **_module.REGISTRY_ARGUMENTS,
            "pods": {"type": "list", "elements": "raw", "required": True},
            "state": {"type": "str", "choices": ["present", "started", "paused", "stopped", "killed", "restarted", "absent"], "default": "started"},
            "containers": {"type": "list", "elements": "str", "default": []},
            "signal": {"type": "str", "default": "SIGKILL"},
            "pull": {"type": "str", "choices": ["missing", "always", "never"]},
            "networks": {"type": "list", "elements": "raw"},
            "conflict": {"type": "str", "choices": ["converge", "refuse"], "default": "converge"},
            "wait": {"type": "str", "choices": ["ready", "running", "completed", "none"], "default": "running"},
            "grace_period": {"type": "int"},
        },
        supports_check_mode=True,
    )
    _module.run(module, operate)


if __name__ == "__main__":
    main()
