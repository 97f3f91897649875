# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of Pod manifests, read on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pod_definition
author: The Hyper pods authors (@hyper)
version_added: 0.1.0
short_description: Read Pod manifests from a file
description:
  - Reads one or several Kubernetes v1 Pod manifests, YAML documents or JSON, from files on the control node.
  - A Hyper podfile or a Compose file is turned into a manifest. Neither variables of the control node nor files that a podfile names by C(uri) are read.
  - A relative path is sought in the current directory, then beside the playbook.
options:
  _terms:
    description:
      - Paths of files.
      - A text of several lines is taken as the manifest itself, and a mapping as one manifest, so that a survey's answer serves as well.
    required: true
"""

EXAMPLES = r"""
- name: Run the pods of a file
  hyper.pods.pod:
    state: started
    pods: "{{ lookup('hyper.pods.pod_definition', 'web.yaml') }}"
"""

RETURN = r"""
_list:
  description: One list of manifests.
  type: list
  elements: list
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.hyper.pods.plugins.module_utils._errors import HyperError
from ansible_collections.hyper.pods.plugins.plugin_utils import definitions, forms


def manifests_of(term: Any, directories: Iterable[Path]) -> list[definitions.Manifest]:
    """The manifests of one term. directories: where a relative path is sought, in order. Raises BadDefinition."""
    if isinstance(term, Mapping):
        return forms.pods([term], where="pod_definition")
    if "\n" in str(term).strip():
        return forms.load_manifests(str(term), where="pod_definition")
    path = Path(str(term)).expanduser()
    places = list(dict.fromkeys(directory / path for directory in directories))
    for place in places:
        if place.is_file():
            try:
                return forms.load_manifests(place.read_text(encoding="utf-8"), where=str(term), name=forms.project_name(place))
            except UnicodeDecodeError:
                raise definitions.BadDefinition("not text in UTF-8", where=str(term)) from None
            except OSError as error:
                raise definitions.BadDefinition(f"cannot be read: {error.strerror}", where=str(term)) from None
    sought = ", ".join(str(place) for place in places)
    raise definitions.BadDefinition("there is no such file", where="pod_definition", remedy=f"Give an absolute path; sought {sought}")


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup hyper.pods.pod_definition."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[list[definitions.Manifest]]:
        """One list of manifests for all terms."""
        self.set_options(var_options=variables, direct=kwargs)
        directories = [Path.cwd()]
        if variables and "playbook_dir" in variables:
            directories.append(Path(variables["playbook_dir"]))
        try:
            return [[manifest for term in terms for manifest in manifests_of(term, directories)]]
        except HyperError as error:
            raise AnsibleLookupError(str(error)) from None
