"""Trusted publishers: the machine identities whose signatures a repository takes, as a configuration spells them.

Source: PEP 740, "Provenance objects"; the keys of a publisher's JSON object are those that PyPI writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from pywharf.errors import InvalidName

PublisherKind = Literal["GitHub", "GitLab", "Google"]

MAX_PUBLISHER_CHARACTERS = 500

_FORMS: dict[PublisherKind, re.Pattern[str]] = {
    "GitHub": re.compile(r"github:([A-Za-z0-9-]+/[A-Za-z0-9._-]+)/([A-Za-z0-9._-]+\.ya?ml)"),
    "GitLab": re.compile(r"gitlab:((?:[A-Za-z0-9._-]+/)+[A-Za-z0-9._-]+)//([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*)"),
    "Google": re.compile(r"google:([^\s@/]+@[^\s@/]+)()"),
}


@dataclass(frozen=True)
class TrustedPublisher:
    """One identity that may sign."""

    kind: PublisherKind
    source: str  # the repository as its host spells it, e.g. "acme/wheels"; for Google the service account's e-mail address
    workflow: str  # GitHub: the workflow's file name; GitLab: the path of the CI configuration; Google: ""

    def as_json(self) -> dict[str, Any]:
        """The publisher object of a provenance object. What was not asked of the signer, such as the environment, is null."""
        if self.kind == "Google":
            return {"kind": self.kind, "claims": {}, "email": self.source}
        workflow = "workflow" if self.kind == "GitHub" else "workflow_filepath"
        return {"kind": self.kind, "claims": {}, "repository": self.source, workflow: self.workflow, "environment": None}


def parse_publisher(text: str) -> TrustedPublisher:
    """Read an identity: "github:OWNER/REPOSITORY/WORKFLOW.yml", "gitlab:GROUP/PROJECT//.gitlab-ci.yml", "google:E-MAIL".

    Raises InvalidName.
    """
    if len(text) <= MAX_PUBLISHER_CHARACTERS:
        for kind, form in _FORMS.items():
            match = form.fullmatch(text)
            if match:
                return TrustedPublisher(kind, match.group(1), match.group(2))
    raise InvalidName(
        text,
        'a publisher is "github:OWNER/REPOSITORY/WORKFLOW.yml", "gitlab:GROUP/PROJECT//.gitlab-ci.yml" or "google:E-MAIL"',
    )
