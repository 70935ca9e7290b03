"""Forms that our own pages send, and the proof that it was a page of ours that sent them.

A form of a session carries a token made of the session's id; the login form one made of a cookie that was set with it. Another
site can send a form, but knows neither. Where the browser says from which site a form comes, that has to be ours as well.

Sources: the URL standard (application/x-www-form-urlencoded), RFC 6454 (Origin), Fetch metadata (Sec-Fetch-Site).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from pywharf.web.errors import BodyTooLarge, FormNotOurs, MediaTypeNotTaken, RequestInvalid
from pywharf.web.request import Request

MOST_BYTES = 64 * 1024  # no more than the server waits for without a thread (FORM of web/server/connection.py)
MOST_FIELDS = 50
MEDIA_TYPE = "application/x-www-form-urlencoded"


def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form, each once. But for the login's, the caller has been found already; hence no form may hold up a thread.

    Raises BodyTooLarge and MediaTypeNotTaken before anything is read; RequestInvalid, LengthRequired, BodyCutShort.
    """
    if request.content_length() > MOST_BYTES:
        raise BodyTooLarge(MOST_BYTES)
    if request.header("Expect") is not None:
        raise RequestInvalid("A form is taken without Expect: send it at once")
    if (request.header("Content-Type") or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise MediaTypeNotTaken(MEDIA_TYPE)
    try:
        text = request.read_all().decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise RequestInvalid("The form is not readable: its fields are sent percent-encoded, as UTF-8") from error
    if len(pairs) != len({name for name, _ in pairs}):
        raise RequestInvalid("The form has the same field twice")
    return dict(pairs)


def check_origin(request: Request, public_url: str) -> None:
    """Refuse a form that another site sent. Raises FormNotOurs.

    public_url: where people reach this server, "" where that is not configured; then the Host they asked for is it.
    """
    origin = request.header("Origin")
    if origin is not None:
        if not _is_ours(origin, request, public_url):
            raise FormNotOurs
    elif (request.header("Sec-Fetch-Site") or "same-origin").strip().lower() not in ("same-origin", "none"):
        raise FormNotOurs


def _is_ours(origin: str, request: Request, public_url: str) -> bool:
    try:
        theirs = urlsplit(origin.strip())
        ours = urlsplit(public_url)
    except ValueError:
        return False
    if theirs.scheme not in ("http", "https") or not theirs.netloc:  # "null" too
        return False
    if theirs.netloc.lower() == ours.netloc.lower().removesuffix(":443"):
        return theirs.scheme == ours.scheme
    if theirs.scheme == "http" and request.scheme == "https":  # somebody on the way could have made that page
        return False
    # A proxy that ends TLS leaves us only the host to compare.
    return theirs.netloc.lower() == (request.header("Host") or "").strip().lower()
