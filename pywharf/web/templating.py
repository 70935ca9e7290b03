"""HTML for people: Bottle's templates, in one frame, with headers that let nothing run and nothing be fetched from elsewhere.

Everything in double braces is escaped. The two places that are not (the frame's content, and a README that was cleaned) have a
test that knows them.

Links in pages are relative to the page, as redirects are: right under any prefix, also one that a proxy takes off without a word.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import bottle

from pywharf import __version__
from pywharf.web.request import Request
from pywharf.web.responses import VARY, Response

if TYPE_CHECKING:
    from pywharf.web.callers import Caller

# `Referrer-Policy: same-origin` and not `no-referrer`: with the latter browsers send `Origin: null` with our own forms.
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
HTML_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    # With `no-cache` a browser would show the whole page again after a logout: "Back" asks nobody.
    ("Cache-Control", "private, no-store"),
    ("Vary", VARY),
]

_PART = re.compile(r"[^=@/]*(?:=+|@|/+|$)")
_FOLDER = files("pywharf.web")
_templates: dict[str, bottle.SimpleTemplate] = {}
_making = threading.Lock()


def page(
    request: Request,
    template: str,
    *,
    title: str,
    caller: Caller | None = None,
    status: int = 200,
    more: list[tuple[str, str]] | None = None,
    reason: str = "",
    with_script: bool = False,
    **values: Any,
) -> Response:
    """A page in the frame.

    template: e.g. "home.tpl". title: what the browser's tab says. caller: who is shown as logged in, and what they may do; None on
    pages for anybody. with_script: whether its template names one of our scripts; a browser runs no other, and lets it ask nobody but us.
    values: what the template names; each gets `root` (the way to the top of this application), `url`, `caller`,
    `title` and `status` besides.
    """
    nonce = secrets.token_urlsafe(18) if with_script else ""
    content = render(request, template, title=title, caller=caller, status=status, nonce=nonce, **values)
    headers = [
        (name, f"{value}; script-src 'nonce-{nonce}'; connect-src 'self'" if nonce and value == _POLICY else value)
        for name, value in HTML_HEADERS
    ]
    return Response(status, content.encode("utf-8", "replace"), [*headers, *(more or [])], reason)


def render(request: Request, template: str, **values: Any) -> str:
    """The page's text."""
    root = root_of(request)

    def url(path: str, **query: object) -> str:
        """A link to one of our own routes: segments quoted once, the query encoded."""
        fields = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in (None, ""))
        return (root + path_of(path) or "./") + (f"?{fields}" if fields else "")

    text: str = _template(template).render(
        {
            "root": root,
            "url": url,
            "static": lambda name: f"{root}static/{name}?v={static_tag(name)}",
            "pywharf_version": __version__,
            "parts_of": parts_of,
            **values,
        }
    )
    return text


def parts_of(word: str) -> list[str]:
    """A word of a command line, cut where a narrow screen may break it: behind "=", "@" and each step of an address."""
    return [part for part in _PART.findall(word) if part]


def path_of(path: str) -> str:
    """The path of one of our own routes as it stands in a link or a Location."""
    return quote(path, safe="/!+", errors="replace")


def root_of(request: Request) -> str:
    """The way from this request's path to the top of the application: "", "../", "../../", ..."""
    if "//" in request.raw_path:  # clients disagree about what is relative to an empty segment
        return quote(request.script_name, encoding="latin-1").rstrip("/") + "/"
    return "../" * (request.raw_path.count("/") - 1) or "./"


@cache
def static_bytes(name: str) -> bytes | None:
    """A file that is served to everybody; None where there is none of this name."""
    known = {file.name: file for file in (_FOLDER / "static").iterdir() if file.is_file()}
    return known[name].read_bytes() if name in known else None


@cache
def static_tag(name: str) -> str:
    """What tells this content of a static file from any other."""
    return hashlib.sha256(static_bytes(name) or b"").hexdigest()[:16]


def _template(name: str) -> bottle.SimpleTemplate:
    with _making:
        if name not in _templates:
            _templates[name] = bottle.SimpleTemplate(name=name, lookup=[str(_FOLDER / "templates")])
        return _templates[name]
