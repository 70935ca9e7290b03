"""What the file's own core metadata must be, for the index and installers to rely on it.

Source: "Core metadata specifications"; PEP 427 and PEP 625 (a file is named after its metadata); PEP 440 (specifiers).
"""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

from pywharf.errors import UploadRejected
from pywharf.model.names import normalize_project, parse_version
from pywharf.repository.checks.candidate import Candidate

MAX_REQUIRES_PYTHON = 2_000  # characters: it is kept in the file's record, which has a size that cannot be passed


def metadata_can_be_read(candidate: Candidate) -> None:
    """There is METADATA or PKG-INFO, in UTF-8, with one valid name and version, in a known major version of the format."""
    _ = candidate.metadata


def metadata_agrees_on_name(candidate: Candidate) -> None:
    name = candidate.metadata.name
    if normalize_project(name) != candidate.name.project:
        raise UploadRejected(
            "content", f"{candidate.metadata_label} names the project {name!r}, the file's name {candidate.name.project!r}"
        )


def metadata_agrees_on_version(candidate: Candidate) -> None:
    version = candidate.metadata.version
    if parse_version(version) != candidate.name.version:
        label = candidate.metadata_label
        raise UploadRejected("content", f"{label} gives the version {version!r}, the file's name {str(candidate.name.version)!r}")


def requires_python_is_valid(candidate: Candidate) -> None:
    """Installers skip, or stop at, a file whose Requires-Python they cannot read."""
    specifier = candidate.metadata.requires_python
    if specifier is None:
        return
    if len(specifier) > MAX_REQUIRES_PYTHON:
        reason = f"has more than {MAX_REQUIRES_PYTHON} characters"
    elif not specifier.isprintable() or not _is_specifier(specifier):
        reason = f"is {specifier[:100]!r}, which is not a version specifier as in PEP 440"
    else:
        return
    raise UploadRejected("content", f"Requires-Python in {candidate.metadata_label} {reason}")


def _is_specifier(text: str) -> bool:
    try:
        SpecifierSet(text)
    except ValueError:
        return False
    return True
