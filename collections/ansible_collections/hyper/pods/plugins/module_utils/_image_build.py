# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``image_build`` does: buildah makes an image of a Containerfile, in a store of its own that goes with the build."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hyper.pods.plugins.module_utils import _command, _image_push
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.module_utils._files import make_dir
from ansible_collections.hyper.pods.plugins.module_utils._host import Host
from ansible_collections.hyper.pods.plugins.module_utils._image_errors import BadReference, ImageError
from ansible_collections.hyper.pods.plugins.module_utils._image_new import new_name
from ansible_collections.hyper.pods.plugins.module_utils._image_store import ImageStore
from ansible_collections.hyper.pods.plugins.module_utils._images import change, path_of, result_of, shown, teller

_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE | re.MULTILINE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)(?:=(\S*))?\s*$", re.IGNORECASE | re.MULTILINE)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP \d+")


class NoContainerfile(HyperError):
    """There is nothing to build."""


class BuildFailed(ImageError):
    """buildah could not build the image; the message is its own."""

    remedy_text = "See what it says above; the Containerfile or what it needs must change"


def apply(module: AnsibleModule, host: Host) -> dict[str, Any]:
    """Carry out the module's parameters; returns its result. Raises HyperError."""
    store = ImageStore(host)
    name = new_name(module.params["name"])
    buildah = _command.find("buildah")
    file = _containerfile(Path(module.params["path"]), module.params["containerfile"])
    before = store.resolve(name)
    before = before if before is not None and before.reference == name else None
    if module.check_mode:
        # Only a build can tell what it makes.
        after = {"reference": name, "id": None, "digest": None, "source": "", "disk": None, "size": None, "architecture": None}
        return result_of([(name, shown(before), after)], images=[after], actions=[f"build {name}"])
    lines, tell = teller(module, "build")
    access = store.access(path_of(module, "authfile"), module.params["tls_verify"])
    policy = [] if access.signature_policy is None else ["--signature-policy", str(access.signature_policy)]
    store.require_root()
    make_dir(host.state_dir)
    with tempfile.TemporaryDirectory(prefix="build-", dir=host.state_dir) as text:
        work = Path(text)
        storage = ["--root", str(work / "root"), "--runroot", str(work / "runroot"), "--storage-driver", "vfs"]
        for reference in bases(file.read_text(errors="replace"), module.params["build_args"] or {}):
            _provide(store, reference, work, name, tell)
        arguments = [word for key, value in sorted((module.params["build_args"] or {}).items()) for word in ("--build-arg", f"{key}={value}")]
        argv = [
            buildah, *storage, "build-using-dockerfile", "--pull=false", "--timestamp", "0", "--format", "oci", "--file", str(file), "--tag", "localhost/built",
            *(["--isolation", "chroot"] if not _has_runtime() else []), *access.options(), *policy, *arguments,
            *(["--target", module.params["target"]] if module.params["target"] else []), module.params["path"],
        ]  # fmt: skip
        _run(name, argv, tell)
        archive, made_here = work / "image.tar", work / "policy.json"
        # What it starts from was judged as it came.
        made_here.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        _run(name, [buildah, *storage, "push", "--quiet", "--signature-policy", str(made_here), "localhost/built", f"oci-archive:{archive}:built"], tell)
        image, changed = store.ensure(name, policy="always", source=f"oci-archive:{archive}", keep_source=False, signature_policy=made_here, progress=tell)
    return change(before, image, lines if changed else [])


def _containerfile(context: Path, given: str | None) -> Path:
    for candidate in [given] if given else ["Containerfile", "Dockerfile"]:
        path = (context / candidate).resolve()
        if path.is_file() and context.resolve() in path.parents:
            return path
    raise NoContainerfile(f"has no {given or 'Containerfile'}", where=str(context), remedy="Name it, by its path within the directory (containerfile)")


def bases(text: str, build_args: Mapping[str, str]) -> list[str]:
    """The images, and stages, that a Containerfile starts from, with the values of the ARGs that stand before its first FROM."""
    first = _FROM.search(text)
    values = {name: build_args.get(name, value.strip("\"'")) for name, value in _ARG.findall(text, 0, first.start() if first else 0)}
    words = (_VARIABLE.sub(lambda found: values.get(found[1] or found[2]) or found[3] or "", word.strip("\"'")) for word in _FROM.findall(text))
    return [word for word in dict.fromkeys(words) if word and word != "scratch"]


def _provide(store: ImageStore, reference: str, work: Path, name: str, tell: Callable[[str], None]) -> None:
    """Give buildah an image that the host has; others it pulls."""
    try:
        image = store.resolve(reference)
    except BadReference:
        # The name of a stage.
        return
    if image is None or store.manifest(image) is None:
        return
    tell(f"{name}: from {image.reference}, which is here")
    with store.working() as (stage, _):
        _image_push.write_layout(store, [image], stage.layout)
        place = f"[vfs@{work / 'root'}+{work / 'runroot'}]"
        _run(
            name,
            [_command.find("skopeo"), "--insecure-policy", "copy", "--quiet", f"oci:{stage.layout}", f"containers-storage:{place}{_written(reference)}"],
            tell,
        )


def _written(reference: str) -> str:
    """The name by which buildah will look for it: a short one it finds under localhost/."""
    first, slash, _ = reference.partition("/")
    full = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return reference if full else f"localhost/{reference}"


def _has_runtime() -> bool:
    return any(shutil.which(program, path=_command.SEARCH_PATH) for program in ("crun", "runc"))


def _run(name: str, argv: Sequence[str], tell: Callable[[str], None]) -> None:
    last: list[str] = []
    with _process(argv) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe
        for line in process.stdout:
            last = [*last[-30:], line.rstrip()]
            if _STEP.match(line):
                tell(f"{name}: {line.strip()[:200]}")
    if process.returncode != 0:
        raise BuildFailed(name, "\n".join(last)[-2000:] or f"{Path(argv[0]).name} ended with code {process.returncode}")


@contextlib.contextmanager
def _process(argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        list(argv),
        env=_command.environment({"BUILDAH_FORMAT": "oci"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            yield process
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
