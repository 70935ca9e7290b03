"""Errors as the one who gets them can read them: a page in a browser, one plain sentence everywhere else.

Who has no session and wants to see a page is led to the login instead.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from pywharf.web import responses
from pywharf.web.errors import NotAuthenticated
from pywharf.web.navigation import is_from_browser, is_navigation, is_script_of_ours, local_path
from pywharf.web.request import Request
from pywharf.web.responses import Response
from pywharf.web.templating import HTML_HEADERS, render

_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Not allowed",
    404: "Not found",
    405: "Not in this way",
    406: "Not in this form",
    409: "Conflict",
    411: "Without a length",
    413: "Too large",
    415: "Of another kind",
    416: "Out of range",
    429: "Too many attempts",
    500: "An error",
    503: "Not now",
}


def refusal(request: Request, error: Exception) -> Response:
    """An error of the table of statuses as the response to a request.

    A browser that sent an Authorization header is not led anywhere: it would go on sending it, and only a 401 makes it ask again.
    """
    is_stranger = isinstance(error, NotAuthenticated) and error.scheme == "Basic" and request.header("Authorization") is None
    if is_stranger and is_navigation(request):
        here = quote(request.raw_path, safe="/", encoding="latin-1") + request.query_suffix()
        wanted = local_path(here)
        return responses.see_other(request, "/login/" if wanted == "/" else f"/login/?next={quote(wanted, safe='/')}")
    plain = responses.refusal(request, error)
    if is_stranger and is_script_of_ours(request):
        plain.headers = [header for header in plain.headers if header[0] != "WWW-Authenticate"] + [responses.CHALLENGE_OF_PAGES]
    return _shown(request, plain)


def failure(request: Request, reference: str) -> Response:
    """500, without detail. reference: what the log calls it."""
    return _shown(request, responses.failure(request, reference))


def _shown(request: Request, plain: Response) -> Response:
    """The same answer as a page, where a person sees it."""
    is_sentence = ("Content-Type", "text/plain; charset=utf-8") in plain.headers
    if not is_sentence or not isinstance(plain.body, bytes) or not is_from_browser(request):
        return plain
    sentence = plain.body.decode("utf-8", "replace")
    title = _TITLES.get(plain.status, HTTPStatus(plain.status).phrase)
    begin, colon, rest = sentence.partition(": ")
    if colon and begin == title:  # it stands above
        sentence = rest[:1].upper() + rest[1:]
    text = render(request, "error.tpl", title=title, caller=request.caller, status=plain.status, sentence=sentence)
    own = {name.lower() for name, _ in HTML_HEADERS}
    kept = [(name, value) for name, value in plain.headers if name.lower() not in own]
    return Response(plain.status, text.encode("utf-8", "replace"), [*HTML_HEADERS, *kept], plain.reason)
