# SPDX-License-Identifier: GPL-3.0-or-later
"""All that an operator does, in one table: the command, the playbook that it runs, the module and its state. Tests hold these together."""

from __future__ import annotations

from dataclasses import dataclass

# What a playbook could not give.
LOOKS = "the command runs pull_image.yml in check mode, and writes the file itself"
DIRECT = "the command goes by the direct road; playbooks do the same where there is none, and from AWX"


@dataclass(frozen=True)
class Verb:
    """command: words of ``hyper``. example: a command line of it, in which FILE and NEW are files and DIR is a directory; "" where it is the command and a pod.
    playbook: without .yml. module: of the collection, with its state where it has several. only: why it has no playbook, or none of its own.
    """

    command: str
    playbook: str
    module: str
    state: str = ""
    example: str = ""
    only: str = ""


VERBS = (
    # Pods.
    Verb("run", "run_pod", "pod", "started", "run --name web nginx"),
    Verb("run --rm", "run_pod_once", "pod", "started", "run --rm --name web nginx"),
    Verb("create", "create_pod", "pod", "present", "create --name web nginx"),
    Verb("start", "start_pod", "pod", "started"),
    Verb("stop", "stop_pod", "pod", "stopped"),
    Verb("restart", "restart_pod", "pod", "restarted"),
    Verb("kill", "kill_pod", "pod", "killed", "kill -s HUP web"),
    Verb("pause", "pause_pod", "pod", "paused"),
    Verb("unpause", "unpause_pod", "pod", "started"),
    Verb("rm", "remove_pod", "pod", "absent", "rm --ignore web"),
    Verb("rm -c", "remove_container", "pod_patch", "", "rm web -c debug --ignore"),
    Verb("list", "list_pods", "pod_info", "", "list"),
    Verb("inspect", "inspect_pod", "pod_info"),
    Verb("wait", "wait_pod", "pod_wait"),
    Verb("rename", "rename_pod", "pod_rename", "", "rename web shop"),
    Verb("top", "pod_top", "pod_info"),
    Verb("stats", "pod_stats", "pod_info", "", "stats --no-stream web"),
    Verb("events", "pod_events", "pod_info"),
    Verb("port list", "list_ports", "pod_info"),
    Verb("port add", "publish_port", "pod_patch", "", "port add web 8080:80"),
    Verb("port rm", "unpublish_port", "pod_patch", "", "port rm web 8080"),
    Verb("label", "label_pod", "pod_patch", "", "label web a=1 b-"),
    Verb("history", "pod_history", "pod_history"),
    Verb("rollback", "rollback_pod", "pod_rollback"),
    Verb("convert", "", "", "", "convert FILE", only="it turns text into text on this machine; playbooks take the file as it is"),
    # Inside them.
    Verb("exec", "exec_pod", "pod_exec", "", "exec web -- ps"),
    Verb("exec --guest", "exec_pod", "pod_exec", "", "exec --guest web -- ps"),
    Verb("attach", "attach_pod", "pod_attach", "", "attach web"),
    Verb("logs", "pod_logs", "pod_info"),
    Verb("cp", "copy_into_pod", "pod_copy", "", "cp FILE web:/srv", only=DIRECT),
    Verb("cp", "copy_out_of_pod", "pod_copy", "", "cp web:/srv/file NEW", only=DIRECT),
    # Images.
    Verb("pull", "pull_image", "image", "present"),
    Verb("push", "push_image", "image", "pushed"),
    Verb("images", "list_images", "image", "", "images"),
    Verb("image inspect", "inspect_image", "image_info"),
    Verb("rmi", "remove_image", "image", "absent"),
    Verb("image prune", "prune_images", "image", "pruned", "image prune"),
    Verb("tag", "tag_image", "image", "tagged", "tag web shop"),
    Verb("save", "save_image", "image_archive", "saved", "save -o NEW web"),
    Verb("load", "load_image", "image_archive", "loaded", "load FILE"),
    Verb("import", "import_image", "image_archive", "imported", "import FILE web"),
    Verb("login", "login_registry", "registry_login", "present", "login -u shop --password-stdin r.example"),
    Verb("logout", "logout_registry", "registry_login", "absent", "logout r.example"),
    Verb("build", "build_image", "image_build", "", "build -t web DIR"),
    Verb("commit", "commit_pod", "image_commit", "", "commit web web:2"),
    Verb("lock", "lock_definition", "image", "present", "lock FILE", only=LOOKS),
    # Volumes.
    Verb("volume create", "create_volume", "volume", "present"),
    Verb("volume ls", "list_volumes", "volume", "", "volume ls"),
    Verb("volume inspect", "list_volumes", "volume", "", "volume inspect data", only="a list tells all that is known"),
    Verb("volume rm", "remove_volume", "volume", "absent"),
    Verb("volume prune", "prune_volumes", "volume", "", "volume prune"),
    Verb("volume snapshot", "create_volume", "volume", "present", "volume snapshot data copy", only="a volume is made of another one: volume_source"),
    Verb("volume export", "export_volume", "volume", "", "volume export data /srv/data.img"),
    Verb("volume import", "create_volume", "volume", "present", "volume import /srv/data.img data", only="a volume is made of a file: volume_source"),
    # Hosts.
    Verb("prepare", "prepare_host", "", "", "prepare", only="the playbook runs the roles kvm_host and hyperstart, which install packages too"),
    Verb("info", "host_info", "pod_info", "", "info"),
    Verb("df", "host_usage", "host_info", "", "df"),
    Verb("prune", "prune_host", "host_prune", "", "prune"),
    Verb("doctor", "check_host", "host_info", "", "doctor"),
)

# Modules that no verb runs, and why.
PARTS = {
    "hyperstart": "the role hyperstart, of prepare, runs it",
    "kvm_guest": "a guest without a pod: what tests and other collections build on",
}
