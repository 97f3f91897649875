# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/manifest.md from the table of fields: ``python -m tools.manifest_doc``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.hyper.pods.plugins.module_utils import _kubernetes, _manifest_annotations, _manifest_claims  # noqa: E402

DOCUMENT = ROOT / "docs/manifest.md"
_HEAD = """# What a pod definition may say

A pod definition is a Kubernetes v1 Pod manifest. Every field of it is **honoured**; or **noted**: it means something to a cluster only, is accepted and
named in a warning; or **refused** by its path, because the pod would not be what was asked for. An unknown field is refused with the name that was probably
meant. Nothing is dropped in silence.

This page is made from the table that the parser goes by (`make docs`).
"""
_ANNOTATIONS = """
## Annotations

What Kubernetes has no field for is said by an annotation, of one container each or of the pod. Another one that begins with `hyper.pods/` is refused;
all others are kept and shown.

| annotation | |
|---|---|
"""
_TAIL = """
## The image's configuration

Of it Entrypoint, Cmd, Env, WorkingDir, User (names are resolved in the image), StopSignal and Volumes are honoured.
"""


def document() -> str:
    """The whole page."""
    pod = "".join(f"\n{section}" for section in _sections(_kubernetes.FORMS, "The manifest", ""))
    claim = "".join(f"\n{section}" for section in _sections(_kubernetes.CLAIM_FORMS, "A PersistentVolumeClaim beside it", "PersistentVolumeClaim: "))
    return _HEAD + pod + claim + _annotations() + _TAIL


def _annotations() -> str:
    rows = "".join(f"| `{_manifest_annotations.key(word, 'CONTAINER')}` | {text} |\n" for word, text in _manifest_annotations.WORDS.items())
    rows += "".join(f"| `{_manifest_annotations.PREFIX}{word}` | {text} |\n" for word, text in _manifest_annotations.OF_POD.items())
    rows += "".join(f"| `{name}` of a PersistentVolumeClaim | {text} |\n" for name, text in _manifest_claims.ANNOTATIONS.items())
    return f"{_ANNOTATIONS}{rows}"


def _sections(forms: tuple[tuple[str, str, Mapping[str, _kubernetes.Field]], ...], title: str, prefix: str) -> Iterator[str]:
    """title: of the document itself; prefix: before the paths of its parts."""
    for path, _, fields in forms:
        lines = [f"## {f'{prefix}`{path}`' if path else title}", "", "| field | | |", "|---|---|---|"]
        for fate in ("honoured", "noted", "refused"):
            grouped: dict[str, list[str]] = {}
            for name, field in fields.items():
                if field.fate == fate:
                    # What shares a reason shares a line; what is honoured has one of its own.
                    grouped.setdefault(field.text if fate != "honoured" else name, []).append(name)
            for names in grouped.values():
                lines.append(f"| {' '.join(f'`{name}`' for name in names)} | {fate} | {fields[names[0]].text} |")
        yield "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
