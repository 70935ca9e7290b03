"""What the form says about the file must be what the file's name says. Cheap: nothing is opened.

A field that is absent or empty contradicts nothing; which fields an upload needs is asked in `api/upload.py`.
Source: the upload API as PyPI describes it; names and versions are compared as PEP 503 and PEP 440 compare them.
"""

from __future__ import annotations

from pywharf.errors import InvalidName, UploadRejected
from pywharf.model.names import MAX_NAME_BYTES, normalize_project, parse_version
from pywharf.repository.checks.candidate import Candidate


def form_agrees_on_filetype(candidate: Candidate) -> None:
    filetype = candidate.form.one("filetype")
    if filetype not in ("", candidate.name.kind):
        raise UploadRejected("filetype", f"the form says {filetype[:40]!r}, the file's name says {candidate.name.kind!r}")


def form_agrees_on_name(candidate: Candidate) -> None:
    name = candidate.form.one("name").strip()
    if not name:
        return
    try:
        project = normalize_project(name)
    except InvalidName as error:
        raise UploadRejected("name", str(error)) from error
    if project != candidate.name.project:
        raise UploadRejected("name", f"the form says {name!r}, the file's name says {candidate.name.project!r}")


def form_agrees_on_version(candidate: Candidate) -> None:
    version = candidate.form.one("version").strip()
    if not version:
        return
    if len(version) > MAX_NAME_BYTES:
        raise UploadRejected("version", f"a version has at most {MAX_NAME_BYTES} characters")
    try:
        agrees = parse_version(version) == candidate.name.version
    except ValueError as error:
        raise UploadRejected("version", f"{version!r} is not a version as in PEP 440") from error
    if not agrees:
        raise UploadRejected("version", f"the form says {version!r}, the file's name says {str(candidate.name.version)!r}")
