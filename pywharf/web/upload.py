"""The legacy upload: `POST` a form with one distribution file.

By the time this is called the caller is known to be a writer, and not a byte of the body has been read.
"""

from __future__ import annotations

from pywharf.api.upload import UploadLimits, check_form, parse_upload
from pywharf.counting import Counting
from pywharf.errors import FileTooLarge, UploadRejected, WharfError
from pywharf.repository.audit import Requester
from pywharf.repository.changes import Uploaded
from pywharf.web.callers import Caller
from pywharf.web.metrics.series import UPLOADS, UPLOADS_REFUSED
from pywharf.web.request import Request
from pywharf.web.responses import Response, text


class Uploads:
    """`POST /simple/`, `/`, `/legacy/`. Shared between threads."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting

    def __call__(self, request: Request, caller: Caller) -> Response:
        """200 also where the same bytes are there already."""
        name = caller.repository.name
        try:
            uploaded = _take(request, caller)
        except WharfError as error:
            check = error.rule if isinstance(error, UploadRejected) else ""
            self._counting.count(UPLOADS_REFUSED, name, check or type(error).__name__)
            raise
        self._counting.count(UPLOADS, name, "created" if uploaded.created else "present")
        done = "is published" if uploaded.created else "was already here, with the same bytes"
        warnings = "".join(f". Warning: {warning}" for warning in uploaded.warnings)
        return text(200, f"OK: {uploaded.record.filename} {done}{warnings}", reason="OK")


def _take(request: Request, caller: Caller) -> Uploaded:
    """Receive, admit and store it."""
    repository = caller.repository
    length = request.content_length()
    limits = UploadLimits(repository.config.max_file_bytes)
    if length > limits.max_file_bytes + limits.max_form_bytes:
        raise FileTooLarge(limits.max_file_bytes)  # unread
    with repository.receiving() as incoming:
        form = parse_upload(request.read, request.header("Content-Type") or "", length, incoming, limits)
        check_form(form)
        return repository.upload(caller.secret, form, incoming, requester=Requester(request.peer))
