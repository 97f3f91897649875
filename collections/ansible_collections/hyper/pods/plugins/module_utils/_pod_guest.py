# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pod to its guest: which disks, ports and network QEMU gets, and what the launch plan says. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils import (
    _guest,
    _image_resources,
    _kernel,
    _launch,
    _manifest,
    _manifest_env,
    _manifest_security,
    _manifest_values,
    _network,
    _pod_guest_life,
    _pod_guest_secrets,
    _quantity,
    _seal,
)
from ansible_collections.hyper.pods.plugins.module_utils._hyperstart import Installed
from ansible_collections.hyper.pods.plugins.module_utils._image_config import ImageConfig
from ansible_collections.hyper.pods.plugins.module_utils._manifest_container import Container, RestartPolicy
from ansible_collections.hyper.pods.plugins.module_utils._manifest_env import HOST_IP, NODE_NAME, POD_IP, POD_IPS, POD_UID
from ansible_collections.hyper.pods.plugins.module_utils._manifest_files import File, FileVolume
from ansible_collections.hyper.pods.plugins.module_utils._manifest_network import Nic
from ansible_collections.hyper.pods.plugins.module_utils._manifest_resources import Resources
from ansible_collections.hyper.pods.plugins.module_utils._manifest_volumes import ClaimVolume, EmptyDir, HostPath, ImageVolume, LimitedDir, NfsVolume, PodVolume
from ansible_collections.hyper.pods.plugins.module_utils._network import Link
from ansible_collections.hyper.pods.plugins.module_utils._pod_machine import machine
from ansible_collections.hyper.pods.plugins.module_utils._tags import PLAN_OWN_ADDRESS
from ansible_collections.hyper.pods.plugins.module_utils._tree import InvalidManifest

# A limit is part of the name: a volume with another one is another volume.
OWN_DISKS = "volume-*.img"
PLAN_SERIAL = "hyper-plan"
SCRATCH_SERIAL = "hyper-scratch"
SECRETS_SERIAL = "hyper-secrets"


def serial(image_id: str) -> str:
    """The serial of an image's disk: as much of the config digest as virtio-blk's 20 bytes take."""
    return image_id.rpartition(":")[2][:20]


def volume_serial(name: str) -> str:
    """The serial of the disk of a pod's volume."""
    return f"vol-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def volume_disk(volumes_dir: Path, claim: str) -> Path:
    """Where the disk of a volume of the host lies."""
    return volumes_dir / claim / "disk.img"


def own_disks(pod: _manifest.Pod, directory: Path) -> list[tuple[LimitedDir, Path]]:
    """The volumes of the pod's own that have a disk each, and where these lie in its directory."""
    return [(item, directory / OWN_DISKS.replace("*", f"{item.name}-{item.size}")) for item in pod.volumes if isinstance(item, LimitedDir)]


def volume_disks(pod: _manifest.Pod, directory: Path, volumes_dir: Path) -> tuple[_guest.Disk, ...]:
    """The disks of the pod's volumes: those of its own, which lie in its directory, and those that it claims."""
    return (
        *(_guest.Disk(file, volume_serial(item.name), removable=True) for item, file in own_disks(pod, directory)),
        # A filesystem's journal may have to be replayed, so only what has none can be kept from being written.
        *(
            _guest.Disk(volume_disk(volumes_dir, item.claim), volume_serial(item.name), readonly=item.read_only and item.block, removable=True)
            for item in pod.claims
        ),
    )


def guest(
    pod: _manifest.Pod,
    images: Mapping[str, str],
    *,
    directory: Path,
    volumes_dir: Path,
    run_dir: Path,
    installed: Installed,
    kernel: Path,
    initramfs: Path,
    accelerator: str,
    links: Sequence[Link] = (),
    share: Path | None = None,
    secrets: bool | None = None,
) -> _guest.Guest:
    """The guest of a pod whose files lie in ``directory``, the host's volumes in ``volumes_dir``. images: container name → image id. links: the NICs that it
    was given. share: the socket by which it has files of the host. secrets: whether it has the disk of secrets, None: where it needs that."""
    serials = sorted({serial(image) for image in images.values()})
    disks = [
        _guest.Disk(directory / "plan.img", PLAN_SERIAL, readonly=True),
        _guest.Disk(directory / "scratch.img", SCRATCH_SERIAL),
        *(_guest.Disk(directory / "images" / f"{name}.erofs", name, readonly=True) for name in serials),
        *volume_disks(pod, directory, volumes_dir),
    ]
    if pod.secrets if secrets is None else secrets:
        # The last, so that no other disk has another place for it.
        disks.append(_guest.Disk(_guest.SECRETS, SECRETS_SERIAL, readonly=True))
    forwards = tuple(
        _guest.Forward(port.protocol.lower(), port.host_ip, port.host_port, port.container_port) for port in pod.published_ports if port.host_port is not None
    )
    links = links or _user_links(pod)
    # Ports that a nat network publishes are no business of QEMU's.
    published = pod.network.publisher is not None and pod.network.publisher.kind == "nat"
    return replace(
        machine(
            pod.name,
            pod.size,
            directory=directory,
            run_dir=run_dir,
            installed=installed,
            kernel=kernel,
            initramfs=initramfs,
            accelerator=accelerator,
        ),
        disks=tuple(disks),
        nics=tuple(_guest.Nic(link.mac, tap=link.tap) if link.tap else _guest.Nic(link.mac, () if published else forwards) for link in links),
        share=share,
        own_initramfs=bool(kernel_extras(pod)),
    )


def kernel_extras(pod: _manifest.Pod) -> tuple[str, ...]:
    """What of the kernel its guest needs beyond that which all need."""
    return (*((_kernel.VIRTIOFS,) if pod.host_paths else ()), *((_kernel.NFS,) if pod.exports else ()))


def launch_plan(
    pod: _manifest.Pod,
    images: Mapping[str, str],
    configs: Mapping[str, ImageConfig],
    links: Sequence[Link] = (),
    *,
    uid: str = "",
    node: str = "",
    servers: Mapping[str, str] = {},
) -> _launch.LaunchPlan:
    """What hyperstart is told. configs: image id → its configuration. links: the NICs that the pod was given. uid: the pod's; node: its host's name.
    servers: their names → addresses."""
    links = links or _user_links(pod)
    own = (*((PLAN_OWN_ADDRESS,) if links[0].dhcp else ()), *links[0].bare)
    address = own[0]
    places = {POD_IP: address, POD_IPS: ",".join(own), HOST_IP: _network.host_address(links), NODE_NAME: node, POD_UID: uid}
    volumes = [_volume(volume, images, pod.security.fs_group, places, servers, regroup=pod.security.regroup) for volume in pod.volumes]
    fixed = {
        volume.name
        for volume in pod.volumes
        if isinstance(volume, (FileVolume, ImageVolume)) or (isinstance(volume, (ClaimVolume, NfsVolume)) and volume.read_only)
    }
    fs_group = () if pod.security.fs_group is None else (pod.security.fs_group,)
    groups = tuple(dict.fromkeys((*pod.security.groups, *fs_group)))
    containers = []
    for path, container in zip(pod.paths, pod.all_containers):
        config, security = configs[images[container.name]], container.security
        resources = _resources(container, config, pod.memory_mib, path)
        mounts = [
            _launch.Mount(mount.name, mount.mount_path, mount.sub_path, mount.read_only or mount.name in fixed, propagation=mount.propagation)
            for mount in container.mounts
        ]
        taken = {mount.mount_path.rstrip("/") for mount in container.mounts}
        for target in config.volumes:
            if target.rstrip("/") in taken or not target.startswith("/"):
                continue
            # A volume that the image declares begins with what the image has there, and is the container's own.
            name = f"{container.name}.{hashlib.sha256(target.encode()).hexdigest()[:12]}"
            volumes.append(_launch.Volume(name, "scratch", None))
            mounts.append(_launch.Mount(name, target, "", False, True))
        argv, secret_argv = _pod_guest_secrets.parted(_manifest_env.filled(word, places) for word in _argv(container, config, path))
        env, secret_env = _pod_guest_secrets.parted_pairs(
            (name, _manifest_env.filled(value, places)) for name, value in _environment(container, config).items()
        )
        containers.append(
            _launch.Container(
                name=container.name,
                rootfs=serial(images[container.name]),
                argv=argv,
                env=env,
                workdir=container.working_dir or config.working_dir or "/",
                user=_user(container, config, path),
                additional_groups=groups,
                stop_signal=container.lifecycle.stop_signal or _stop_signal(config, path),
                grace_period=pod.grace_period,
                restart_policy=_restart_policy(pod, container),
                mounts=tuple(sorted(mounts, key=lambda mount: mount.target)),
                capabilities=security.capabilities(_launch.DEFAULT_CAPABILITIES),
                readonly_rootfs=security.read_only_root,
                no_new_privileges=security.no_new_privileges,
                privileged=security.privileged,
                tty=container.tty,
                stdin=container.stdin,
                stdin_once=container.stdin and container.stdin_once,
                init=container.init,
                startup_probe=_pod_guest_life.probe(container.startup_probe, address),
                liveness_probe=_pod_guest_life.probe(container.liveness_probe, address),
                readiness_probe=_pod_guest_life.probe(container.readiness_probe, address),
                post_start=_pod_guest_life.hook(container.lifecycle.post_start, address),
                pre_stop=_pod_guest_life.hook(container.lifecycle.pre_stop, address),
                merge_groups=security.run_as_group is not None,
                non_root=security.run_as_non_root,
                unmasked_proc=security.unmasked_proc,
                devices=tuple(_launch.Device(device.name, device.path) for device in container.devices),
                cpu_quota=resources.cpu_quota_us,
                cpu_weight=resources.cpu_weight,
                memory_limit=resources.memory_limit,
                storage_limit=resources.storage_limit,
                ulimits=container.annotations.ulimits,
                group_names=container.annotations.groups,
                last_word_path=container.termination_message_path,
                last_word_log=container.termination_message_log,
                filtered=security.filtered and not security.privileged,
                secret_argv=secret_argv,
                secret_env=secret_env,
            )
        )
    own_names = " ".join(dict.fromkeys((pod.full_name, pod.hostname)))
    own_lines = "".join(f"{each}\t{own_names}\n" for each in links[0].bare)
    hosts = f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{own_lines}{pod.names.hosts()}"
    resolver = next((link for link in links if link.network), next((link for link in links if link.name_server or link.dhcp), links[0]))
    return _launch.LaunchPlan(
        hostname=pod.full_name if pod.full_hostname else pod.hostname,
        hosts=hosts.encode(),
        resolv_conf=pod.names.resolv_conf(resolver.name_server, _network.DOMAIN if resolver.network else "").encode(),
        interfaces=tuple(
            _launch.Interface(
                *(link.mac, link.addresses, link.gateways, link.mtu, link.dhcp, link.accept_ra, link.routed),
                resolver=link.dhcp and link is resolver and not pod.names.own_servers,
                names=own_names if link.dhcp and link is links[0] else "",
            )
            for link in links
        ),
        volumes=tuple(volumes),
        containers=tuple(containers),
        active_deadline=pod.active_deadline,
        sysctls=tuple((_manifest_security.sysctl_path(name), value) for name, value in pod.security.sysctls),
        secrets=bool(pod.secrets) or None,
    )


def _user_links(pod: _manifest.Pod) -> tuple[Link, ...]:
    """Those of a pod that was given none of its own."""
    return _network.links(pod.name, (Nic(),), {}, {})


def _volume(
    volume: PodVolume, images: Mapping[str, str], group: int | None, places: Mapping[str, str], servers: Mapping[str, str], *, regroup: bool
) -> _launch.Volume:
    if isinstance(volume, NfsVolume):
        return _launch.Volume(volume.name, "nfs", server=servers.get(volume.server, volume.server), path=volume.path)
    if isinstance(volume, HostPath):
        return _launch.Volume(volume.name, "host")
    if isinstance(volume, ImageVolume):
        return _launch.Volume(volume.name, "image", serial=serial(images[volume.key]))
    if isinstance(volume, ClaimVolume):
        # What nobody may write is not given to others either.
        regroup = regroup and group is not None and not volume.read_only
        return _launch.Volume(volume.name, "block" if volume.block else "disk", None, group, serial=volume_serial(volume.name), regroup=regroup)
    if isinstance(volume, LimitedDir):
        return _launch.Volume(volume.name, "disk", None, group, serial=volume_serial(volume.name))
    if isinstance(volume, EmptyDir):
        return _launch.Volume(volume.name, "tmpfs" if volume.memory else "scratch", volume.size, group)
    return _launch.Volume(volume.name, "tmpfs", None, group, tuple(_file(file, group, places) for file in volume.files))


def _file(file: File, group: int | None, places: Mapping[str, str]) -> _launch.File:
    # The group that owns a volume may read its files.
    mode = file.mode | (0 if group is None else 0o040)
    if file.secret:
        [name] = _seal.names(file.data.decode())
        return _launch.File(file.path, b"", mode, name)
    return _launch.File(file.path, _filled(file.data, places), mode)


def _filled(data: bytes, places: Mapping[str, str]) -> bytes:
    for place, value in places.items():
        data = data.replace(place.encode(), value.encode())
    return data


def _resources(container: Container, config: ImageConfig, memory_mib: int, path: str) -> Resources:
    labels = dict(config.labels)
    try:
        resources = _image_resources.merged(container.resources, labels)
    except ValueError as error:
        raise InvalidManifest(f"image {container.image}: its own limits: {error}", where=f"{path}.image") from None
    # A limit of the image is no promise, what it asks for is; the size of the guest is the definition's to say.
    asked = resources.memory_request if container.resources.memory is None and _image_resources.label("requests", "memory") in labels else None
    if (asked or 0) > memory_mib * _quantity.MIB:
        raise InvalidManifest(
            f"image {container.image} asks for {_quantity.human(asked or 0)}, and the guest has {memory_mib} MiB",
            where=f"{path}.resources",
            remedy="Give the container this memory",
        )
    return resources


def _user(container: Container, config: ImageConfig, path: str) -> str:
    user = container.security.user(container.annotations.user or config.user)
    if container.security.run_as_non_root and user.partition(":")[0] in ("", "0", "root"):
        raise InvalidManifest(
            f"image {container.image} runs as root, and runAsNonRoot is true", where=f"{path}.securityContext.runAsUser", remedy="Give the container a user"
        )
    return user


def _environment(container: Container, config: ImageConfig) -> dict[str, str]:
    """The image's environment, then the container's, whose values may name variables that were defined before them."""
    return {**dict(config.env), **_manifest_env.expanded(container.env)}


def _argv(container: Container, config: ImageConfig, path: str) -> tuple[str, ...]:
    """Kubernetes, "Define a command and arguments": command replaces Entrypoint and Cmd, args replaces Cmd."""
    own = _manifest_env.expanded(container.env)
    command = tuple(_manifest_env.expand(word, own) for word in container.command or ())
    args = None if container.args is None else tuple(_manifest_env.expand(word, own) for word in container.args)
    argv = command + (args or ()) if command else config.entrypoint + (config.cmd if args is None else args)
    if not argv:
        raise InvalidManifest(f"image {container.image} says no command to run", where=f"{path}.command", remedy="Give the container a command")
    return argv


def _restart_policy(pod: _manifest.Pod, container: Container) -> RestartPolicy:
    """An init container has done its work when it succeeds once: "Always" means "until then", unless it says so itself and is a sidecar."""
    if container.restart_policy is not None:
        return container.restart_policy
    return "OnFailure" if container.init and pod.restart_policy == "Always" else pod.restart_policy


def _stop_signal(config: ImageConfig, path: str) -> int:
    try:
        return _manifest_values.signal_number(config.stop_signal or "SIGTERM")
    except ValueError as error:
        raise InvalidManifest(f"the image's StopSignal: {error}", where=f"{path}.image") from None
