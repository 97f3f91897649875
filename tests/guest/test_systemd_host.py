# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods on a host with a real systemd, managed over SSH by a user with sudo: services that are hardened, outlive crashes and reboots, and go without a trace."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hyperstart.samples import make_samples
from tests.support import leaks
from tests.support.guests import wait_for
from tests.support.manifests import claim, used
from tests.support.nspawn import NAME, SystemdHost, systemd_host
from tests.support.pods import manifest, sh
from tests.support.systemd_pods import ADDRESS, PORT, Pods

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.xdist_group("systemd-host")]

LOW_PORT = 80
# The host has the address only some time after its boot, as from DHCP; after that, its network is online.
LATE_ADDRESS = f"""
[Unit]
Before=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c 'ip address show dev host0 | grep -q {ADDRESS} || {{ sleep 7; ip address add {ADDRESS}/24 dev host0; }}'
ExecStop=ip address delete {ADDRESS}/24 dev host0
[Install]
WantedBy=multi-user.target
"""
WEB = {"pod_name": "web", "pod_images": ["web", "app"], "pod_publish": [f"{ADDRESS}:{PORT}:80"], "pod_memory": "128M"}
# Of systemd-analyze(1), security: 0 is best, 10 no protection at all. QEMU needs the network, /dev/kvm and memory that it can both write and execute.
EXPOSURE = 2.0


@pytest.fixture(scope="module")
def pods(prepared_host: SystemdHost) -> Iterator[Pods]:
    """The host with images, which were copied to it as archives, and with its late address."""
    (prepared_host.root / "etc/systemd/system/late-address.service").write_text(LATE_ADDRESS)
    prepared_host.shell("systemctl daemon-reload; systemctl enable --now late-address.service")
    make_samples(directory=prepared_host.root / "srv/images")
    for image in WEB["pod_images"]:
        prepared_host.play("pull_image.yml", image_names=image, image_source=f"oci-archive:/srv/images/{image}.tar")
    yield Pods(prepared_host)
    prepared_host.play("remove_pod.yml", pod_names=["web", "job", "shop", "changed"], pod_grace_period=0)
    prepared_host.play("prune_volumes.yml")
    prepared_host.shell("systemctl disable --now late-address.service; rm /etc/systemd/system/late-address.service")


@pytest.fixture(scope="module")
def web(pods: Pods) -> str:
    """A pod that goes on for ever."""
    assert pods.host.play("run_pod.yml", **WEB)
    return "web"


@pytest.fixture(scope="module")
def job(pods: Pods, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pod that has ended by itself, and left something in a volume."""
    definition = tmp_path_factory.mktemp("job") / "job.yml"
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "job-data"}, "spec": {"resources": {"requests": {"storage": "64Mi"}}}}
    work = {"name": "work", "image": "app", "command": sh("echo kept > /data/file && echo done"), "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "job-data"}}
    definition.write_text(yaml.safe_dump_all([claim, manifest("job", work, restartPolicy="OnFailure", volumes=[volume])]))
    pods.hyper("run", "--file", str(definition))
    pods.wait_over("job")
    return "job"


@pytest.fixture(scope="module")
def shop(pods: Pods) -> str:
    """A pod that was run and stopped by command from the control node."""
    [pod] = pods.hyper_json("run", "--name", "shop", "--memory", "128M", "--publish", f"{ADDRESS}:{LOW_PORT}:8000", "app")["pods"]
    assert (pod["host"], pod["phase"]) == (NAME, "Running")
    wait_for(lambda: "processes in the pod" in pods.page(LOW_PORT), "the pod's page")
    assert pods.unit("shop")["AtBoot"] == "enabled"
    pods.hyper("stop", "shop")
    return "shop"


@dataclass(frozen=True)
class Changed:
    """A pod that is changed while it runs, with a Secret."""

    pods: Pods
    file: Path

    def run(self, image: str, port: int, host_port: int, token: str, *, claimed: bool = False) -> list[str]:
        """What of it was felt. claimed: with a volume."""
        server = {
            "name": "server",
            "image": image,
            "ports": [{"containerPort": port, "hostPort": host_port, "hostIP": ADDRESS}],
            "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}],
        }
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": token}}
        volumes = [used("data", "changed-data")] if claimed else []
        mounts = [{"name": "data", "mountPath": "/kept"}] if claimed else []
        pod = manifest("changed", {**server, "volumeMounts": mounts}, restartPolicy="Always", resources={"limits": {"memory": "128Mi"}}, volumes=volumes)
        self.file.write_text(yaml.safe_dump_all([pod, secret, claim("changed-data", "32Mi")]))
        return [action["effect"] for action in self.pods.hyper_json("run", "--file", str(self.file))["actions"]]

    def token(self) -> str:
        """What its container was given."""
        return self.pods.hyper("exec", "changed", "--", "sh", "-c", "echo $TOKEN").strip()


@pytest.fixture(scope="module")
def changed(pods: Pods, tmp_path_factory: pytest.TempPathFactory) -> Changed:
    made = Changed(pods, tmp_path_factory.mktemp("changed") / "changed.yml")
    made.run("web", 80, PORT + 1, "hush-one")
    return made


def test_a_pod_of_a_service_writes_its_volume(pods: Pods, job: str) -> None:
    assert [(container.name, container.exit_code) for container in pods.life(job).containers] == [("work", 0)]
    disk = (pods.host.root / "var/lib/hyper/volumes/job-data/disk.img").read_bytes()
    assert (len(disk), b"kept\n" in disk) == (64 << 20, True)


def test_a_bare_host_is_refused_and_not_touched() -> None:
    with systemd_host() as bare:
        done = bare.hyper("run", "--name", "early", "web")
        assert done.returncode == 1
        assert "playbooks/prepare_host.yml" in done.stderr
        done = bare.hyper("prepare", "--check")
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (bare.root / "var/lib/hyper").exists()


def test_a_prepared_host_is_left_as_it_is(prepared_host: SystemdHost) -> None:
    assert not prepared_host.play("prepare_host.yml")


def test_a_pod_is_a_service(pods: Pods, web: str) -> None:
    assert pods.unit(web).items() >= {"ActiveState": "active", "AtBoot": "enabled", "NRestarts": "0"}.items()
    pod = pods.listed()[web]
    assert (pod["host"], pod["phase"], [(one["name"], one["state"]) for one in pod["containers"]]) == (
        NAME,
        "Running",
        [("web", "running"), ("app", "running")],
    )
    assert "Hello from pod web" in pods.page()
    assert not pods.host.play("run_pod.yml", **WEB), "a second run changed something"


def test_the_service_is_confined(pods: Pods, web: str) -> None:
    # As the host's administrator sees it; the unit itself may be read by everyone.
    said = pods.host.shell(f"systemd-analyze security --no-pager hyper-pod@{web}.service | tail -n 1", user="admin")
    level = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert level, said
    assert float(level[1]) <= EXPOSURE
    pid = pods.unit(web)["MainPID"]
    status = dict(line.split(":\t", 1) for line in pods.host.shell(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    account = pods.host.shell("id -u hyper-qemu; id -g hyper-qemu").split()
    assert [status["Uid"].split(), status["Gid"].split()] == [[account[0]] * 4, [account[1]] * 4]
    assert {key: status[key] for key in ("NoNewPrivs", "Seccomp", "CapEff", "CapPrm", "CapBnd")} == {
        "NoNewPrivs": "1",
        "Seccomp": "2",
        **dict.fromkeys(("CapEff", "CapPrm", "CapBnd"), "0" * 16),
    }
    # What QEMU sees: all read-only but its own directory, and no one's home.
    inside = f"nsenter --mount=/proc/{pid}/ns/mnt --"
    for place in ("/", "/var/lib/hyper", "/etc", "/usr"):
        assert "ro" in pods.host.shell(f"{inside} findmnt -n -o OPTIONS --target {place}").split(",")
    assert "rw" in pods.host.shell(f"{inside} findmnt -n -o OPTIONS --target /var/lib/hyper/pods/{web}").split(",")
    assert pods.host.shell(f"{inside} ls -A /home /root") == "/home:\n\n/root:"


def test_a_guest_that_is_killed_is_seen_and_started_again(pods: Pods, web: str) -> None:
    before, life = pods.unit(web)["MainPID"], pods.life(web)
    with pods.held_back(web):
        pods.host.shell(f"kill -KILL {before}")
        pod = pods.listed()[web]
        assert (pod["phase"], {one["state"] for one in pod["containers"]}) == ("Failed", {"terminated"})
        assert "QEMU was killed" in pod["message"]
    pods.wait_running(web, after=life.started_at)
    unit = pods.unit(web)
    assert (unit["ActiveState"], unit["NRestarts"]) == ("active", "1")
    assert unit["MainPID"] != before
    assert "Hello from pod web" in pods.page()


def test_a_copy_of_a_template_is_booted_when_it_is_started_again(pods: Pods, web: str) -> None:
    def is_copy() -> bool:
        return pods.hyper("exec", web, "-c", "app", "--", "cat", "/proc/cmdline").endswith(" template\n")

    # Made since the pod was first run, at the lowest priority.
    wait_for(lambda: pods.host.shell("ls /var/lib/hyper/templates") != "" and not pods.makes_templates(), "the templates", timeout=240)
    assert pods.host.play("restart_pod.yml", pod_name=web)
    assert is_copy()
    assert "Hello from pod web" in pods.page()
    before, life = pods.unit(web)["MainPID"], pods.life(web)
    pods.host.shell(f"kill -KILL {before}")
    pods.wait_running(web, after=life.started_at)
    assert not is_copy()


def test_a_pod_that_was_changed_while_it_ran_comes_up_as_it_was_changed(pods: Pods, changed: Changed) -> None:
    """With an image that its QEMU was not started with, on a port that it did not publish, and with another secret: what is confined is given all of it."""
    before, life = pods.unit("changed")["MainPID"], pods.life("changed")
    assert changed.token() == "hush-one"
    assert changed.run("app", 8000, PORT + 2, "hush-two") == ["restarts container server"]
    wait_for(lambda: "processes in the pod" in pods.page(PORT + 2), "the other image's page")
    assert pods.unit("changed")["MainPID"] == before
    assert changed.token() == "hush-two"
    pods.host.shell(f"kill -KILL {before}")
    pods.wait_running("changed", after=life.started_at)
    wait_for(lambda: "processes in the pod" in pods.page(PORT + 2), "the page, after a crash")
    assert changed.token() == "hush-two"

    # A disk that its confined QEMU could not open comes to it, and is its own when it is started again.
    assert changed.run("app", 8000, PORT + 2, "hush-two", claimed=True) == ["live", "restarts container server"]
    pods.hyper("exec", "changed", "--", "sh", "-c", "echo kept > /kept/file; sync")
    now, life = pods.unit("changed")["MainPID"], pods.life("changed")
    pods.host.shell(f"kill -KILL {now}")
    pods.wait_running("changed", after=life.started_at)
    assert pods.hyper("exec", "changed", "--", "cat", "/kept/file") == "kept\n"
    now = pods.unit("changed")["MainPID"]
    assert changed.run("app", 8000, PORT + 2, "hush-two") == ["live", "restarts container server"]
    assert pods.unit("changed")["MainPID"] == now
    assert pods.hyper_json("rollback", "changed", "1")["actions"]
    assert changed.token() == "hush-one"


def test_secrets_lie_on_the_host_encrypted(pods: Pods, changed: Changed) -> None:
    """For systemd alone, which gives them to the unit in memory that others do not see."""
    assert changed.token().startswith("hush-")
    root = pods.host.root
    assert not leaks.holders(*(root / place for place in ("var/lib/hyper", "var/log", "etc", "root", "home", "tmp")), values=(b"hush-one", b"hush-two"))
    directory = root / "var/lib/hyper/pods/changed/secrets"
    assert {file.stat().st_mode & 0o7777 for file in directory.iterdir()} == {0o600}
    unit = (root / "etc/systemd/system/hyper-pod@changed.service").read_text()
    assert "LoadCredentialEncrypted=hyper-secrets:/var/lib/hyper/pods/changed/secrets/current\n" in unit
    pid = pods.unit("changed")["MainPID"]
    inside = pods.host.shell(f"nsenter --mount=/proc/{pid}/ns/mnt -- sh -c 'stat -f -c %T /run/credentials/*; ls /run/credentials'").split()
    assert inside[0] in ("ramfs", "tmpfs")
    assert inside[1:] == ["hyper-pod@changed.service"]
    assert "hush" not in pods.hyper("inspect", "changed") + pods.hyper("history", "changed", "--json")


def test_a_guest_that_is_about_to_be_started_again_can_be_stopped(pods: Pods, web: str) -> None:
    with pods.held_back(web):
        pods.host.shell(f"kill -KILL {pods.unit(web)['MainPID']}")
        assert pods.host.play("stop_pod.yml", pod_name=web)
        assert not pods.host.play("stop_pod.yml", pod_name=web)
        assert pods.listed()[web]["phase"] == "Stopped"
        assert pods.unit(web).items() >= {"ActiveState": "inactive", "AtBoot": "disabled"}.items()
    assert pods.host.play("start_pod.yml", pod_name=web)
    assert pods.unit(web).items() >= {"ActiveState": "active", "AtBoot": "enabled"}.items()


def test_a_pod_that_ended_by_itself_is_not_started_again(pods: Pods, job: str) -> None:
    assert pods.unit(job).items() >= {"ActiveState": "inactive", "Result": "success", "NRestarts": "0", "AtBoot": "disabled"}.items()
    pod = pods.listed()[job]
    assert (pod["phase"], pod["containers"][0]["exitCode"]) == ("Succeeded", 0)
    assert "done" in pods.hyper("logs", job)


def test_a_person_works_inside_a_pod_over_ssh(pods: Pods, web: str, tmp_path: Path) -> None:
    """With the inventory's own settings for ssh, and sudo there. script(1) gives the command a terminal."""
    (tmp_path / "file").write_text("over ssh")
    pods.hyper("cp", str(tmp_path / "file"), f"{web}/app:/root/copied")
    pods.hyper("cp", f"{web}/app:/root/copied", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "over ssh"
    words = [sys.executable, "-m", "hyperstart", "exec", "--inventory", str(pods.host.inventory), "-it", web, "-c", "app"]
    command = shlex.join([*words, "--", "sh", "-c", "tty; stty size; cat /root/copied; exit 5"])
    done = pods.host.from_control("script", "--quiet", "--return", "--command", f"stty rows 31 cols 99; {command}", "/dev/null")
    assert done.returncode == 5, done
    assert re.search(r"/dev/pts/\d+\S*\s+31 99\s+over ssh", done.stdout)


def test_a_stopped_pod_is_not_started_at_boot(pods: Pods, shop: str) -> None:
    assert pods.unit(shop).items() >= {"ActiveState": "inactive", "Result": "success", "AtBoot": "disabled"}.items()
    assert pods.listed()[shop]["phase"] == "Stopped"


def test_a_reboot_of_the_host(pods: Pods, web: str, job: str, shop: str, changed: Changed) -> None:
    pods.hyper("exec", web, "-c", "app", "--", "sh", "-c", "echo kept > /root/file")
    lives, of_changed, token = {name: pods.life(name) for name in (web, job, shop)}, pods.life("changed"), changed.token()
    seen = len(pods.events(web))
    pods.host.reboot()
    pods.wait_running(web, after=lives[web].started_at)

    # The guest was told by its power button, and ended in order.
    assert [words.partition(" version")[0] for words in pods.events(web)[seen:]] == [
        "stopping cause=power-button",
        "poweroff phase=Succeeded",
        "boot",
        "running",
    ]
    # Nobody but systemd has started it again; its files are there.
    listed = pods.listed()
    assert (listed[web]["phase"], {one["state"] for one in listed[web]["containers"]}) == ("Running", {"running"})
    assert pods.hyper("exec", web, "-c", "app", "--", "cat", "/root/file") == "kept\n"
    assert "Hello from pod web" in pods.page()
    pods.wait_running("changed", after=of_changed.started_at)
    assert changed.token() == token != ""
    # What had ended by itself, or was stopped, stays so.
    assert {name: pods.life(name) for name in (job, shop)} == {name: lives[name] for name in (job, shop)}
    assert [pods.unit(name)["ActiveState"] for name in (job, shop)] == ["inactive", "inactive"]
    assert [listed[name]["phase"] for name in (job, shop)] == ["Succeeded", "Stopped"]


def test_a_power_cut_of_the_host(pods: Pods, web: str) -> None:
    pods.hyper("exec", web, "-c", "app", "--", "sh", "-c", "echo synced > /root/file; sync")
    life = pods.life(web)
    pods.host.kill()
    pods.host.boot()
    pods.wait_running(web, after=life.started_at)
    assert pods.hyper("exec", web, "-c", "app", "--", "cat", "/root/file") == "synced\n"
    assert not pods.host.play("run_pod.yml", **WEB)


def test_a_stopped_pod_that_is_started_is_started_at_boot_again(pods: Pods, shop: str) -> None:
    assert pods.host.play("start_pod.yml", pod_name=shop)
    assert pods.unit(shop).items() >= {"ActiveState": "active", "AtBoot": "enabled"}.items()


def test_pods_that_are_removed_leave_nothing(pods: Pods, web: str, job: str, shop: str, changed: Changed) -> None:
    assert changed.token()
    names = [web, job, shop, "changed"]
    assert pods.host.play("remove_pod.yml", pod_names=names)
    wait_for(lambda: not pods.makes_templates(), "the templates", timeout=240)
    left = pods.host.shell(
        "systemctl list-units --all --no-legend 'hyper-pod@*'; systemctl list-unit-files --no-legend 'hyper-pod@*';"
        " find /etc/systemd/system /run/systemd -name 'hyper-pod*' -o -name 'hyper-logs*';"
        " find /var/lib/hyper/pods /run/hyper -mindepth 1 -not -path '/run/hyper/locks/*';"
        f" pgrep -a qemu; ss -Hltn 'sport = :{PORT} or sport = :{LOW_PORT}'"
    )
    # Directories of no pod; guests is there when a test of guests used this host too.
    assert set(left.split()) - {"/run/hyper/guests"} == {"/run/hyper/locks", "/run/hyper/pods"}
    assert pods.listed() == {}
    assert not pods.host.play("remove_pod.yml", pod_names=names)
