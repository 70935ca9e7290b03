"""Browsers on their way to a page, and where they may be sent.

Whether a request is a person's is told by what browsers say of each request, never by a User-Agent. Old installers ask
with `Accept: text/html` alone, newer ones name it beside other types, and none of them may get a login page for a 401. What
browsers accept besides, and no installer does, is XHTML.

Source: Fetch metadata request headers.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pywharf.web.headers import weights
from pywharf.web.request import Request

MAX_NEXT = 2000  # characters

_PLAIN = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # printable ASCII without spaces and backslashes


def is_navigation(request: Request) -> bool:
    """Whether a browser asks for a page that it will show."""
    return request.method in ("GET", "HEAD") and _navigates(request)


def is_from_browser(request: Request) -> bool:
    """Whether an answer will be shown to a person: a navigation, or a form that a page sent."""
    return request.method in ("GET", "HEAD", "POST") and _navigates(request)


def is_script_of_ours(request: Request) -> bool:
    """Whether a script on a page of ours asks, as the browser says of it: no person waits for a window in which to give a secret."""
    return (request.header("Sec-Fetch-Site"), request.header("Sec-Fetch-Dest")) == ("same-origin", "empty")


def _navigates(request: Request) -> bool:
    mode = request.header("Sec-Fetch-Mode")
    if mode is not None:
        return mode.strip().lower() == "navigate"
    accepted = weights(request.header("Accept") or "")
    return accepted.get("text/html", 0.0) > 0 and accepted.get("application/xhtml+xml", 0.0) > 0


def local_path(target: str) -> str:
    """Where to go after a login: `target` if that is a path of this server, else "/".

    Whatever could be taken for another host by anybody is none: "//", backslashes, control characters, a scheme.
    """
    if len(target) > MAX_NEXT or not _PLAIN.fullmatch(target):
        return "/"
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    return target if not parts.scheme and not parts.netloc and parts.path.startswith("/") else "/"
