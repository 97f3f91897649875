# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between the name of an image and its disk: one class per kind of failure, each with its remedy."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError


class BadReference(HyperError):
    """The text is no reference to an image."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(
            f"{text!r} is no reference to an image: {reason}",
            remedy="Write [REGISTRY/]NAME[:TAG][@DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG] or aci:FILE",
        )


class ImageError(HyperError):
    """A failure that concerns one image; ``image`` is its reference."""

    remedy_text: str | None = None

    def __init__(self, image: str, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, where=f"image {image}", remedy=remedy or self.remedy_text)
        self.image = image


class ImageNotFound(ImageError):
    """The registry, the directory or the file does not hold this image."""

    remedy_text = "Check its name and tag; for a private repository give credentials (authfile)"


class RegistryUnavailable(ImageError):
    """The registry does not answer: its name is unknown, it refuses connections, or it fails."""

    remedy_text = "Check the registry's name and port, that it runs, and the host's network and proxy"


class AuthenticationFailed(ImageError):
    """The registry wants credentials, or refuses those that it got."""

    remedy_text = "Give a credentials file that names this registry (authfile), as `podman login --authfile FILE REGISTRY` or `docker login` writes it"


class TlsFailed(ImageError):
    """The registry speaks no TLS, or its certificate is not trusted."""

    remedy_text = (
        "Put the registry's CA certificate into /etc/containers/certs.d/REGISTRY/ca.crt on the host; "
        "for a registry without TLS that you trust set tls_verify to false"
    )


class UnsupportedPlatform(ImageError):
    """The image is not made for this host's processor."""

    def __init__(self, image: str, wanted: str, offered: Sequence[str]) -> None:
        super().__init__(
            image,
            f"is made for {', '.join(sorted(set(offered))) or 'no known platform'}, and this host is {wanted}",
            remedy=f"Take an image that is built for {wanted}",
        )


class BadImage(ImageError):
    """The image is malformed or hostile. Nothing of it is kept."""

    remedy_text = "Build the image anew, or take it from a source that you trust"


class UnsupportedImage(ImageError):
    """The image asks for what a pod's container cannot be given."""

    remedy_text = "Build the image without it"


class NoSpace(ImageError):
    """The host has no room for the image."""

    remedy_text = "Remove images that are not used (state: absent), or give the file system more room"


class PullFailed(ImageError):
    """skopeo failed for a reason that has no class of its own; the message is skopeo's."""


class CredentialsMissing(HyperError):
    """The credentials file cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"credentials file cannot be read: {reason}", where=path, remedy="Give the path of a file on the KVM host")


class ImageInUse(ImageError):
    """Pods hold the image's disk."""

    def __init__(self, image: str, holders: Sequence[str]) -> None:
        named = f"by {', '.join(holders)}" if holders else "by a hard link outside the directory of the pods"
        super().__init__(image, f"is in use {named}", remedy="Remove these pods first, or remove the image with force: they keep their own link of its disk")
        self.holders = tuple(holders)


class RootNeeded(HyperError):
    """Owners, devices and attributes of an image can be written by root only."""

    def __init__(self) -> None:
        super().__init__("images can be added to the store by root only", remedy="Run the task with become: true")


class SourceForSeveral(HyperError):
    """A source, or a destination, is one image's; the names are none or several."""

    def __init__(self, count: int, parameter: str = "source") -> None:
        super().__init__(
            f"{parameter} needs exactly one name, not {count}", where=parameter, remedy=f"Use a task for each image that has a {parameter} of its own"
        )


class TagsForSeveral(HyperError):
    """New names are one image's; the images are none or several."""

    def __init__(self, count: int) -> None:
        super().__init__(f"new names need exactly one image, not {count}", where="name", remedy="Use a task for each image")


class SignatureRefused(ImageError):
    """The signature policy does not let the image in."""

    remedy_text = "Take an image that is signed as the policy asks, or change the policy (containers-policy.json(5))"


class LayersMissing(ImageError):
    """The layers that an image was made from are not kept on the host."""

    remedy_text = "Remove the image and pull it again: its layers were pruned, or it came from an AppContainer image, which has none of OCI's form"


class LocalName(ImageError):
    """The name means something on this host only."""

    remedy_text = "Name the registry's repository too: hyper push IMAGE REGISTRY/NAME[:TAG]"


class Nameless(ImageError):
    """A file has an image and does not say what it is called."""

    remedy_text = "Give the name: hyper load --name NAME FILE"


class BadChange(HyperError):
    """A change of an image's configuration that cannot be made."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(
            f"{text!r}: {reason}",
            where="changes",
            remedy="Write it as in a Containerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR",
        )


class PolicyMissing(HyperError):
    """The signature policy cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"signature policy cannot be read: {reason}", where=path, remedy="Give the path of a file on the KVM host")
