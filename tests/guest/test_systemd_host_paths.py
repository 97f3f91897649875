# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host under a real systemd: served by a service of their own, confined, at a boot of the host by nobody else; and they go without a trace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from hyperstart.samples import make_samples
from tests.support.guests import wait_for
from tests.support.nspawn import SystemdHost
from tests.support.pods import manifest, sh

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.xdist_group("systemd-host")]


def definition(directory: Path, name: str, path: str) -> str:
    container = {
        "name": "app",
        "image": "app",
        "command": sh("date +%s%N >> /data/starts; exec sleep infinity"),
        "volumeMounts": [{"name": "v", "mountPath": "/data"}],
    }
    volumes = [{"name": "v", "hostPath": {"path": path, "type": "DirectoryOrCreate"}}]
    pod = manifest(name, container, restartPolicy="Always", volumes=volumes, resources={"limits": {"memory": "128Mi"}})
    file = directory / f"{name}.yml"
    file.write_text(yaml.safe_dump(pod))
    return str(file)


def test_files_of_the_host(prepared_host: SystemdHost, tmp_path: Path) -> None:
    host = prepared_host
    assert host.shell("cat /var/lib/hyper/host-paths; stat -c '%a %U' /srv/pods").split() == ["/srv/pods", "700", "root"]

    def starts(place: str) -> int:
        return len(host.shell(f"cat /srv/pods/{place}/starts 2>/dev/null || :").split())

    make_samples(directory=host.root / "srv/images")
    host.play("pull_image.yml", image_names="app", image_source="oci-archive:/srv/images/app.tar")
    try:
        for name, path in (("files", "/srv/pods/files"), ("linked", "/srv/pods/a/b")):
            done = host.hyper("run", "--file", definition(tmp_path, name, path))
            assert done.returncode == 0, done.stdout + done.stderr + host.shell("journalctl -b -u 'hyper-*' --no-pager | tail -n 60")
        wait_for(lambda: (starts("files"), starts("a/b")) == (1, 1), "both to write")
        said = host.shell("systemd-analyze security --no-pager hyper-share@files.service | tail -n 1")
        level = re.search(r"exposure level for \S+: ([\d.]+)", said)
        assert level, said
        assert float(level[1]) <= 4.5, said

        # Who serves them dies: the guest would hang, so it is started anew.
        host.shell("kill -KILL $(pgrep --parent $(systemctl show --property=MainPID --value hyper-share@files.service))")
        wait_for(lambda: starts("files") == 2, "a new guest", timeout=120)

        # At a boot nobody of ours looks at the path, and the kernel follows no link.
        host.shell("mv /srv/pods/a /srv/pods/away; ln -s /srv/pods/away /srv/pods/a")
        host.reboot()
        wait_for(lambda: starts("files") == 3, "the guest after the boot", timeout=120)
        wait_for(lambda: host.shell("systemctl is-active hyper-pod@linked.service || :") == "failed", "the other one to give up", timeout=120)
        assert starts("away/b") == 1
        assert "symbolic links" in host.shell("journalctl -b -u hyper-share@linked.service --no-pager -o cat")
    finally:
        done = host.hyper("rm", "--ignore", "files", "linked")
    assert done.returncode == 0, done.stdout + done.stderr
    left = host.shell(
        "systemctl list-units --all --no-legend 'hyper-share@*' 'hyper-pod@*'; find /etc/systemd/system /run/systemd -name 'hyper-share*';"
        " ls /run/hyper/shares; pgrep -a virtiofsd || :"
    )
    assert left == ""
