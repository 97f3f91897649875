# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a command line and answers of a survey become Kubernetes v1 Pod manifests here, and nowhere else; texts do in ``forms.py``.

Everything is pure: text and plain values in, plain manifests (dicts that JSON can carry) out. What a manifest may say is checked where it
is used, on the KVM host (``module_utils/_manifest.py``); here only the words themselves are judged.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.hyper.pods.plugins.module_utils import _manifest_objects, _port_words
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError

Manifest = dict[str, Any]
Words = str | Iterable[str] | None

DEFAULT_RESTART_POLICY = "OnFailure"
RESTART_POLICIES = ("Always", "OnFailure", "Never")
LONGEST_LABEL = 63

_EXAMPLE = """for example -e pod_name=web -e '{"pod_images": ["nginx", "redis"]}', or -e pod_definition=pod.yaml"""
_MEMORY = re.compile(r"(?P<number>\d+)(?P<unit>[kmgt]?)(?:i?b?)", re.IGNORECASE)
_CPUS = re.compile(r"\d+(\.\d{1,3})?")
_VARIABLE = re.compile(r"[^=\s\0]+")


class BadDefinition(HyperError):
    """A word, a variable or a file from which no Pod manifest can be made; ``where`` names it."""


def text_list(value: Words, *, where: str) -> list[str]:
    """A list of words from a list, or from one string with commas, spaces or lines between them (a survey's answer)."""
    if value is None:
        return []
    words = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else list(value)
    for word in words:
        if not isinstance(word, str):
            raise BadDefinition(f"{word!r} is not text", where=where, remedy="Put it in quotes")
    return [word for word in words if word]


def arguments(value: Words) -> list[str]:
    """A command's words from a list, or from one string split as a shell splits it (a survey's answer)."""
    try:
        words = shlex.split(value) if isinstance(value, str) else list(value or ())
    except ValueError as error:
        raise BadDefinition(f"{value}: {error}".lower(), where="command", remedy="Give the command as a list") from None
    return [str(word) for word in words]


def container_name(image: str) -> str:
    """The name of a container made from an image reference: its last part, without registry, tag and digest, as a DNS label.

    ``docker.io/library/nginx:1.27`` → ``nginx``; ``oci-archive:/tmp/My_App.tar`` → ``my-app``.
    """
    path = image.partition("@")[0].rstrip("/")
    # The tag follows the last colon, unless that colon belongs to a registry's port or to a transport (oci:/path).
    head, slash, last = path.rpartition("/")
    if not slash and ":" in last:
        head, _colon, after = last.partition(":")
        last = after if head in {"oci", "oci-archive", "docker-archive", "aci", "dir"} else last
    base = last.partition(":")[0]
    base = re.sub(r"\.(tar|tgz|tar\.gz|aci)$", "", base)
    return re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-")[:LONGEST_LABEL].strip("-") or "container"


def container_names(images: Sequence[str]) -> list[str]:
    """A name for each image; the second of the same name gets ``-2``, the third ``-3``."""
    taken: set[str] = set()
    names = []
    for image in images:
        base = name = container_name(image)
        number = 1
        while name in taken:
            number += 1
            suffix = f"-{number}"
            name = base[: LONGEST_LABEL - len(suffix)] + suffix
        taken.add(name)
        names.append(name)
    return names


def pod_name(images: Sequence[str], suffix: str) -> str:
    """The name of a pod that was given none: its first container's name and a suffix that the caller chose at random."""
    return f"{container_name(images[0])[: LONGEST_LABEL - len(suffix) - 1].rstrip('-')}-{suffix}"


def port(text: str, *, where: str = "publish") -> dict[str, Any]:
    """``[IP:]HOST:CONTAINER[/udp]`` → a container port. Without an IP it is published on 127.0.0.1 alone; an IPv6 address stands in brackets."""
    try:
        return _port_words.published(text, where=where)
    except _port_words.BadPort as error:
        raise BadDefinition(error.message, where=where, remedy=error.remedy) from None


def memory(value: object, *, where: str = "memory") -> str:
    """``512M``, ``1g``, ``512Mi`` or bytes → a Kubernetes quantity. Units are powers of 1024 with or without the i, as docker and QEMU have them."""
    match = _MEMORY.fullmatch(str(value).strip())
    if match is None or int(match["number"]) == 0:
        raise BadDefinition(f"{value} is not an amount of memory", where=where, remedy="Write a number and a unit, for example 512M or 2G")
    unit = match["unit"].upper()
    return match["number"] + (f"{unit}i" if unit else "")


def cpus(value: object, *, where: str = "cpus") -> str:
    """``2`` or ``1.5`` → a Kubernetes quantity."""
    text = str(value).strip()
    if not _CPUS.fullmatch(text) or float(text) == 0:
        raise BadDefinition(f"{value} is not a number of CPUs", where=where, remedy="Write a number above 0, for example 2")
    return text


def pairs(value: Mapping[str, Any] | Words, *, where: str) -> dict[str, str]:
    """``{name: value}`` from a mapping or from a list of ``NAME=VALUE``. Numbers become text; true and false are refused: their spelling would be a guess."""
    if value is None or value == "":
        return {}
    if isinstance(value, Mapping):
        items = list(value.items())
    else:
        items = []
        for word in value.splitlines() if isinstance(value, str) else value:
            name, equals, content = str(word).partition("=")
            if not equals:
                raise BadDefinition(f"{word} has no value", where=where, remedy="Write NAME=VALUE")
            items.append((name, content))
    result = {}
    for name, content in items:
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise BadDefinition(f"{name!r} is not a name", where=where, remedy="Write NAME=VALUE")
        if isinstance(content, bool) or not isinstance(content, (str, int, float)):
            raise BadDefinition(f"the value of {name} is not text", where=where, remedy="Put it in quotes")
        result[name] = str(content)
    return result


def literal(word: str) -> str:
    """A word as a manifest must spell it so that nothing in it is expanded: Kubernetes takes ``$(NAME)`` for a variable and ``$$`` for one ``$``."""
    return word.replace("$", "$$")


def pod_manifest(
    *,
    name: str,
    images: Sequence[str],
    command: Sequence[str] = (),
    env: Mapping[str, Any] | Words = None,
    publish: Sequence[str] = (),
    labels: Mapping[str, Any] | Words = None,
    cpu_count: object = None,
    memory_size: object = None,
    restart_policy: str | None = None,
) -> Manifest:
    """One Pod manifest: a container for each image, named after it.

    command: the arguments of the only image, in place of its Cmd (its Entrypoint stays, as with docker). env: set in every container. Both are
    taken as they are; Kubernetes' ``$(NAME)`` needs a manifest. publish: ports of the
    first container; the network is one for the pod, so it does not matter which container listens. cpu_count, memory_size: of the whole pod.
    Raises BadDefinition.
    """
    if not images:
        raise BadDefinition("no image is named", where="images", remedy=f"Name at least one, {_EXAMPLE}")
    if command and len(images) > 1:
        raise BadDefinition("a command goes with one image only", where="command", remedy="Describe several containers with commands in a manifest")
    if restart_policy is not None and restart_policy not in RESTART_POLICIES:
        raise BadDefinition(f"{restart_policy} is not known", where="restart_policy", remedy=f"Choose one of {', '.join(RESTART_POLICIES)}")
    containers: list[dict[str, Any]] = [{"name": label, "image": image} for label, image in zip(container_names(images), images)]
    if command:
        containers[0]["args"] = [literal(word) for word in command]
    variables = pairs(env, where="env")
    if variables:
        for container in containers:
            container["env"] = [{"name": key, "value": literal(content)} for key, content in variables.items()]
    ports = [port(text) for text in publish]
    sockets = [(each["hostIP"], each["hostPort"], each["protocol"]) for each in ports]
    for socket in sockets:
        if sockets.count(socket) > 1:
            raise BadDefinition(f"port {socket[1]} of {socket[0]} is named twice", where="publish", remedy="Publish each port of the host once")
    if ports:
        containers[0]["ports"] = ports
    metadata: dict[str, Any] = {"name": name}
    marks = pairs(labels, where="labels")
    if marks:
        metadata["labels"] = marks
    spec: dict[str, Any] = {"restartPolicy": restart_policy or DEFAULT_RESTART_POLICY, "containers": containers}
    limits = _limits(cpu_count, memory_size)
    if limits:
        spec["resources"] = {"limits": limits}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def sized(manifests: Sequence[Manifest], cpu_count: object = None, memory_size: object = None) -> list[Manifest]:
    """The manifests, the guests of their Pods as large as is said here, whatever they say themselves. Raises BadDefinition."""
    limits = _limits(cpu_count, memory_size)
    return [_sized(manifest, limits) if limits and isinstance(manifest, Mapping) and manifest.get("kind") == "Pod" else manifest for manifest in manifests]


def _limits(cpu_count: object, memory_size: object) -> dict[str, str]:
    """As a manifest says the size of a pod; empty where nothing is said."""
    return {
        **({} if cpu_count in (None, "") else {"cpu": cpus(cpu_count)}),
        **({} if memory_size in (None, "") else {"memory": memory(memory_size)}),
    }


def _sized(manifest: Manifest, limits: Mapping[str, str]) -> Manifest:
    spec = manifest.get("spec")
    own = (spec.get("resources") or {}) if isinstance(spec, Mapping) else None
    sides = {side: own.get(side) or {} for side in ("limits", "requests")} if isinstance(own, Mapping) else {}
    # What is no mapping is left for the reader of manifests to refuse.
    if not isinstance(spec, Mapping) or not isinstance(own, Mapping) or not all(isinstance(side, Mapping) for side in sides.values()):
        return manifest
    requests = {name: value for name, value in sides["requests"].items() if name not in limits}
    resources = {**own, "limits": {**sides["limits"], **limits}, "requests": requests}
    return {**manifest, "spec": {**spec, "resources": {name: value for name, value in resources.items() if value}}}


def check_manifests(values: Sequence[Any], *, where: str) -> list[Manifest]:
    """The same values, if each is a mapping of kind Pod, ConfigMap or Secret. Raises BadDefinition."""
    for number, value in enumerate(values, 1):
        place = f"{where}, pod {number}" if len(values) > 1 else where
        if not isinstance(value, Mapping):
            raise BadDefinition(f"{value!r} is not a Pod manifest", where=place, remedy="Write a Kubernetes v1 Pod manifest: apiVersion, kind, metadata, spec")
        if value.get("kind") not in ("Pod", *_manifest_objects.KINDS):
            raise BadDefinition(f"the kind is {value.get('kind', 'missing')}", where=place, remedy="Only the kind Pod is run; take the Pod out of it")
    names = [value.get("metadata", {}).get("name") for value in values if value["kind"] == "Pod" and isinstance(value.get("metadata"), Mapping)]
    for name in names:
        if name is not None and names.count(name) > 1:
            raise BadDefinition(f"two pods are named {name}", where=where, remedy="Give each pod a name of its own")
    return list(values)


def requested_manifests(request: Mapping[str, Any]) -> list[Manifest]:
    """The Pod manifests that a playbook's variables ask for; keys that are absent, null or empty were not given.

    ``pods`` (a list of manifests), ``definition`` (the manifests of a file) and ``images`` with the words beside it (``name command env publish labels cpus
    memory restart_policy``) may stand together. Raises BadDefinition.
    """
    given = {key: value for key, value in request.items() if value not in (None, "", [], {})}
    manifests: list[Manifest] = []
    if "pods" in given:
        if not isinstance(given["pods"], (list, tuple)):
            raise BadDefinition("a list of Pod manifests is needed", where="pods", remedy="""Write -e '{"pods": [{"apiVersion": "v1", "kind": "Pod", …}]}'""")
        manifests += check_manifests(given["pods"], where="pods")
    if "definition" in given:
        manifests += check_manifests(given["definition"], where="pod_definition")
    if "images" in given:
        if "name" not in given:
            raise BadDefinition("the pod has no name", where="pod_name", remedy=f"Set pod_name, {_EXAMPLE}")
        manifests.append(
            pod_manifest(
                name=given["name"],
                images=text_list(given["images"], where="pod_images"),
                command=arguments(given.get("command")),
                env=given.get("env"),
                publish=text_list(given.get("publish"), where="pod_publish"),
                labels=given.get("labels"),
                cpu_count=given.get("cpus"),
                memory_size=given.get("memory"),
                restart_policy=given.get("restart_policy"),
            )
        )
    if not any(isinstance(manifest, Mapping) and manifest.get("kind") == "Pod" for manifest in manifests):
        raise BadDefinition("there is nothing to run", where="pod_images", remedy=f"Set pod_name and pod_images, or pod_definition, or pods, {_EXAMPLE}")
    return check_manifests(sized(manifests, given.get("cpus"), given.get("memory")), where="pods")
