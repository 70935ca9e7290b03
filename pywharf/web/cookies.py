"""The two cookies: the session's, and the one that a login form is tied to before there is a session.

Under https they have the prefix `__Host-`, with which browsers let nobody but this very host set them; behind a path of its own,
where that is not possible, `__Secure-`. Several servers behind one host do not see each other's.
Source: RFC 6265bis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from pywharf.web.request import Request

SESSION = "pywharf"
LOGIN = "pywharf-login"
LOGIN_LASTS = 3600  # seconds a login form can be sent after it was shown

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+=:@%-]+)*")


@dataclass(frozen=True)
class CookieScope:
    """Where browsers send our cookies. path: of the application, as they see it: "/" or e.g. "/wharf"."""

    secure: bool
    path: str = "/"

    def spelled(self, name: str) -> str:
        """The name that a cookie goes by here."""
        if not self.secure:
            return name
        return f"__Host-{name}" if self.path == "/" else f"__Secure-{name}"


def cookie_scope(request: Request, public_url: str) -> CookieScope:
    """public_url: where people reach this server, "" where that is not configured."""
    prefix = urlsplit(public_url).path if public_url else quote(request.script_name, encoding="latin-1")
    path = prefix.rstrip("/")
    return CookieScope(request.scheme == "https" or public_url.startswith("https:"), path if path and _PATH.fullmatch(path) else "/")


def cookie(request: Request, name: str, scope: CookieScope) -> str:
    """The value of one of our cookies; "" where it was not sent, or came with several values."""
    wanted = scope.spelled(name)
    values = set()
    for pair in (request.header("Cookie") or "").split(";"):
        key, equals, value = pair.strip(" \t").partition("=")
        if equals and key == wanted:
            values.add(value)
    return values.pop() if len(values) == 1 else ""


def set_cookie(name: str, value: str, scope: CookieScope, *, lasts: int | None = None, same_site: str = "Lax") -> tuple[str, str]:
    """The header field. value: ASCII without spaces and separators. lasts: seconds; None: as long as the browser runs."""
    parts = [f"{scope.spelled(name)}={value}", f"Path={scope.path}", "HttpOnly", f"SameSite={same_site}"]
    if scope.secure:
        parts.append("Secure")
    if lasts is not None:
        parts.append(f"Max-Age={lasts}")
    return ("Set-Cookie", "; ".join(parts))


def drop_cookie(name: str, scope: CookieScope) -> tuple[str, str]:
    """The header field that makes a browser forget it."""
    return set_cookie(name, "", scope, lasts=0)
