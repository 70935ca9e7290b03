"""Provenance objects (PEP 740): who attests what of a distribution file.

They may change, so they are asked for anew each time, with their digest as the tag.
Source: PEP 740; PyPI's own documentation of its Integrity API, for the address and the media type.
"""

from __future__ import annotations

import re

from pywharf.api.negotiation import negotiate_type
from pywharf.api.provenance import MAX_BYTES
from pywharf.backend.interface import FileRef
from pywharf.errors import BackendUnavailable, FileMissing
from pywharf.model.names import ProjectName
from pywharf.web.callers import Caller
from pywharf.web.errors import NotFound
from pywharf.web.files import read_whole
from pywharf.web.headers import none_match
from pywharf.web.request import Request
from pywharf.web.responses import Response, not_modified, redirect
from pywharf.web.simple import known_project_name

MEDIA_TYPES = ("application/vnd.pypi.integrity.v1+json", "application/json")
_VERSION = re.compile(r"[A-Za-z0-9._+!-]{1,200}")


def provenance(request: Request, caller: Caller, project: str, version: str, filename: str) -> Response:
    """`GET /integrity/<project>/<version>/<file>/provenance`."""
    name = known_project_name(project)
    if not _VERSION.fullmatch(version):
        raise NotFound("there is no such version")
    media_type = negotiate_type(request.header("Accept"), MEDIA_TYPES)
    file = _find(caller, name, version, filename)
    if project != name or request.raw_path.endswith("/"):
        return redirect(request, f"integrity/{name}/{version}/{filename}/provenance")
    etag = f'"sha256:{file.sha256}"'
    fields = [("Cache-Control", "private, no-cache"), ("Vary", "Accept, Authorization, Cookie")]
    if not none_match(request.header("If-None-Match"), etag):
        return not_modified(etag, fields)
    content = _read(caller, file)
    if content is None:  # replaced, since it was found, by one with more attestations
        file = _find(caller, name, version, filename)
        content, etag = _read(caller, file), f'"sha256:{file.sha256}"'
    if content is None:
        raise BackendUnavailable(f"{file.name} is not there, or too large", retry_after=60)
    fields += [("ETag", etag), ("Content-Type", media_type), ("X-Content-Type-Options", "nosniff")]
    return Response(200, content, fields)


def _find(caller: Caller, name: ProjectName, version: str, filename: str) -> FileRef:
    file = caller.repository.find_provenance(name, version, filename)
    if file is None:
        raise NotFound(f"repository {caller.repository.name} has no provenance of such a file")
    return file


def _read(caller: Caller, file: FileRef) -> bytes | None:
    try:
        return read_whole(caller, file, MAX_BYTES)
    except FileMissing:
        return None
