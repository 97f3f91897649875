# SPDX-License-Identifier: GPL-3.0-or-later
"""``make run``: this machine prepared as a KVM host, and a first pod of four containers on it."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from pathlib import Path

from hyperstart import api, cli
from hyperstart._project import ROOT
from hyperstart._reporter import Reporter
from hyperstart.errors import HyperError
from hyperstart.samples import SAMPLES, make_samples

_PORT = os.environ.get("SAMPLE_PORT", "8080")


def main() -> int:
    """Prepare, make the sample images, run them; each part may have been done before. Returns an exit code."""
    _ask_for_sudo()
    _say("Preparing this machine")
    code = cli.main(["prepare"])
    if code:
        return code
    try:
        with Reporter(sys.stderr, what="making the sample images") as reporter:
            _provide_images(reporter)
    except HyperError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    names = [sample.name for sample in SAMPLES]
    words = ["run", "-p", *names, "--name", "sample", "--publish", f"{_PORT}:80"]
    _say(f"hyper {' '.join(words)}")
    code = cli.main(words)
    if code:
        return code
    print(f"""
Try it:
  export PATH="{Path(sys.executable).parent}:$PATH"
  curl http://127.0.0.1:{_PORT}/
  hyper list
  hyper logs sample cron
  hyper exec sample -c app -- ps
  hyper rm sample""")
    return 0


def _ask_for_sudo() -> None:
    """Ask once for the password of a user whose sudo wants one; the commands below find it in the environment."""
    if os.geteuid() == 0 or "HYPER_BECOME_PASSWORD" in os.environ:
        return
    if subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        os.environ["HYPER_BECOME_PASSWORD"] = getpass.getpass("sudo's password: ")


def _provide_images(reporter: Reporter) -> None:
    """The sample images in the host's store; an archive that is made anew has the same bytes, so it is pulled once."""
    held = {image.reference for image in api.list_images().images}
    archives = make_samples(directory=ROOT / "build/samples")
    for name, archive in archives.items():
        if f"localhost/{name}:latest" not in held:
            api.pull_images(names=[name], source=f"oci-archive:{archive}", on_progress=reporter.step)


def _say(text: str) -> None:
    """A heading, on stderr like all that is not the result."""
    print(f"==> {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
