"""Responses, and the one table that says which error has which status.

Every error is told as one plain sentence: in the body, in the reason phrase (twine prints nothing else), and as a problem
document where JSON was asked for. Nothing of it is HTML, and nothing leaves here that an error did not say on purpose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from pywharf.api.core_metadata import CoreMetadataInvalid
from pywharf.api.negotiation import NotAcceptable
from pywharf.errors import (
    AccessDenied,
    AuditUnavailable,
    BackendUnavailable,
    ChangeRejected,
    ConfigInvalid,
    FileConflict,
    FileMissing,
    FileTooLarge,
    IndexNotReady,
    InvalidName,
    Moved,
    NotRecorded,
    PluginUnusable,
    ProjectClosed,
    ReleaseMissing,
    TooBusy,
    UploadRejected,
)
from pywharf.web import errors, headers
from pywharf.web.request import Request
from pywharf.web.server.sending import FilePart

STATUS: Mapping[type[Exception], int] = {
    ChangeRejected: 400,
    ConfigInvalid: 400,
    CoreMetadataInvalid: 400,
    InvalidName: 400,
    PluginUnusable: 400,
    UploadRejected: 400,
    errors.BodyCutShort: 400,
    errors.BodyTooSlow: 408,
    errors.RequestInvalid: 400,
    errors.NotAuthenticated: 401,
    AccessDenied: 403,
    errors.FormNotOurs: 403,
    errors.LoginNeeded: 403,
    ProjectClosed: 403,  # never 409, which twine's --skip-existing takes for "already there"
    FileMissing: 404,
    ReleaseMissing: 404,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    NotAcceptable: 406,
    FileConflict: 409,
    errors.LengthRequired: 411,
    FileTooLarge: 413,
    errors.BodyTooLarge: 413,
    errors.MediaTypeNotTaken: 415,
    errors.RangeNotSatisfiable: 416,
    errors.Throttled: 429,
    AuditUnavailable: 503,
    BackendUnavailable: 503,
    IndexNotReady: 503,
    Moved: 503,
    NotRecorded: 503,
    TooBusy: 503,
}
MAX_REASON = 200  # characters in the reason phrase; the body has the full text
REALM = "pywharf"
# 401 has to name a scheme. With any that browsers know they would ask in a window of their own, on top of the page.
CHALLENGE_OF_PAGES = ("WWW-Authenticate", f'Cookie realm="{REALM}"')
VARY = "Accept, Authorization, Cookie, Sec-Fetch-Mode"  # what decides about an answer that may be a page, or an error

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Body(Protocol):
    """A body that is sent piece by piece; closed whatever happens."""

    def __iter__(self) -> Iterator[bytes]: ...

    def file_part(self, on_sent: Callable[[int], None]) -> FilePart | None:
        """Which part of an open file it is, where it is one. on_sent: is told how many bytes went out."""
        ...

    def close(self) -> None: ...


@dataclass
class Response:
    """What is sent. A body of bytes gets its Content-Length by itself; any other says it in `headers`."""

    status: int
    body: bytes | Body = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    reason: str = ""  # the reason phrase where it is not the usual one; made safe here

    @property
    def status_line(self) -> str:
        """Such as "404 Not Found"; ASCII, one line."""
        if not self.reason:
            return _STATUS_LINES[self.status]
        return f"{self.status} {one_line(self.reason)[:MAX_REASON].strip() or HTTPStatus(self.status).phrase}"

    @property
    def header_list(self) -> list[tuple[str, str]]:
        """All header fields, as WSGI takes them."""
        if not isinstance(self.body, bytes) or self.status == 304:
            return self.headers
        return [*self.headers, ("Content-Length", str(len(self.body)))]


def text(status: int, sentence: str, more: list[tuple[str, str]] | None = None, *, reason: str = "") -> Response:
    """A plain sentence. Control characters are taken out of it."""
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "private, no-cache"),
        *(more or []),
    ]
    if not any(name == "Vary" for name, _ in fields):
        fields.append(("Vary", VARY))
    return Response(status, printable(sentence).encode("utf-8", "replace"), fields, reason)


def not_modified(etag: str, more: list[tuple[str, str]]) -> Response:
    """304: what the client has under this tag is still right."""
    return Response(304, b"", [("ETag", etag), *more])


def not_kept(response: Response) -> Response:
    """The same for a browser, which would otherwise show it again after a logout: "Back" asks nobody for a page that may be kept."""
    response.headers = [(name, "private, no-store" if name == "Cache-Control" else value) for name, value in response.headers]
    return response


def redirect(request: Request, target: str) -> Response:
    """301 to another route, the query kept.

    target: a path below the place the application is mounted at, e.g. "simple/demo/"; made of routes and checked names only.
    The Location is a path relative to the request's own (RFC 9110, 10.2.2), so it is right under any prefix: one that
    arrives as SCRIPT_NAME, and one that a proxy takes off without saying so.
    """
    steps = request.raw_path.count("/") - 1
    if _begins_at_the_host(request) or steps < 0:
        location = quote(request.script_name, encoding="latin-1").rstrip("/") + "/" + target
    else:
        location = "../" * steps + target
    return _moved(301, location + request.query_suffix())


def redirect_away(request: Request, url: str) -> Response:
    """302 to another server, the query kept."""
    return _moved(302, url + request.query_suffix())


def see_other(request: Request, path: str) -> Response:
    """303 to a route, after a form.

    path: from the place the application is mounted at, e.g. "/projects/?q=a"; quoted already.
    """
    location = quote(request.script_name, encoding="latin-1").rstrip("/") + path
    if not _begins_at_the_host(request):
        location = ("../" * (request.raw_path.count("/") - 1) or "./") + path.removeprefix("/")
    return Response(303, b"", [("Location", location), ("Cache-Control", "no-store"), ("Referrer-Policy", "same-origin")])


def _begins_at_the_host(request: Request) -> bool:
    """Whether a path from the host on is surer than a relative one: clients disagree about what is relative to an empty segment.

    A proxy that takes off a prefix may have made one slash of two, so that we do not see what the client starts from.
    """
    return "//" in request.raw_path or (request.is_from_trusted_proxy and bool(request.script_name))


def _moved(status: int, location: str) -> Response:
    more = [("Location", location), ("Vary", "Accept, Accept-Encoding, Authorization, Cookie"), ("Referrer-Policy", "no-referrer")]
    return text(status, f"See {location}", more, reason=HTTPStatus(status).phrase)


def status_of(error: Exception) -> int:
    """The status that tells of an error; 500 for one that is in no table: it is no fault of the caller's and says nothing to it."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def refusal(request: Request, error: Exception) -> Response:
    """An error of the table as the response to a request."""
    return _tell(request, status_of(error), str(error), error_headers(error), getattr(error, "field", ""))


def failure(request: Request, reference: str) -> Response:
    """500, without detail. reference: what the log calls it."""
    sentence = f"The server met an error that it did not expect; its log has the details under {reference}"
    return _tell(request, 500, sentence, [], "")


def _tell(request: Request, status: int, sentence: str, more: list[tuple[str, str]], fault: str) -> Response:
    if not headers.wants_problem(request.header("Accept")):
        return text(status, sentence, more, reason=sentence)
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": printable(sentence)}
    if fault:
        problem["field"] = printable(fault)
    response = text(status, json.dumps(problem), more, reason=sentence)
    response.headers[0] = ("Content-Type", "application/problem+json")
    return response


def error_headers(error: Exception) -> list[tuple[str, str]]:
    """The header fields that belong to an error: Retry-After, Allow, and such."""
    if isinstance(error, errors.NotAuthenticated):
        return [("WWW-Authenticate", f'{error.scheme} realm="{REALM}"')]
    if isinstance(error, (errors.Throttled, AuditUnavailable, BackendUnavailable, IndexNotReady, NotRecorded, TooBusy)):
        return [("Retry-After", str(error.retry_after))]
    if isinstance(error, errors.MethodNotAllowed):
        return [("Allow", ", ".join(error.allowed))]
    if isinstance(error, errors.RangeNotSatisfiable):
        return [("Content-Range", f"bytes */{error.size}")]
    if isinstance(error, Moved):
        return [("Retry-After", "1")]
    return []


def printable(sentence: str) -> str:
    """The sentence on one line, its control characters gone."""
    return _CONTROL.sub(" ", sentence).strip()


def one_line(sentence: str) -> str:
    """The sentence as a reason phrase can carry it: ASCII, one line."""
    return printable(sentence).encode("ascii", "replace").decode("ascii")
