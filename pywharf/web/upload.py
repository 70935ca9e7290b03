"""The legacy upload: `POST` a form with one distribution file.

By the time this is called the caller is known to be a writer, and not a byte of the body has been read.
"""

from __future__ import annotations

from pywharf.api.upload import UploadLimits, check_form, parse_upload
from pywharf.errors import FileTooLarge
from pywharf.repository.audit import Requester
from pywharf.web.callers import Caller
from pywharf.web.request import Request
from pywharf.web.responses import Response, text


def upload(request: Request, caller: Caller) -> Response:
    """`POST /simple/`, `/`, `/legacy/`. 200 also where the same bytes are there already."""
    repository = caller.repository
    length = request.content_length()
    limits = UploadLimits(repository.config.max_file_bytes)
    if length > limits.max_file_bytes + limits.max_form_bytes:
        raise FileTooLarge(limits.max_file_bytes)  # unread
    with repository.receiving() as incoming:
        form = parse_upload(request.read, request.header("Content-Type") or "", length, incoming.write, limits)
        check_form(form)
        uploaded = repository.upload(caller.secret, form, incoming, requester=Requester(request.peer))
    done = "is published" if uploaded.created else "was already here, with the same bytes"
    warnings = "".join(f". Warning: {warning}" for warning in uploaded.warnings)
    return text(200, f"OK: {uploaded.record.filename} {done}{warnings}", reason="OK")
