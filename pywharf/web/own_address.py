"""Where people reach this server, for lines and links that have to be absolute: as configured, else as this very request asked.

What is made with the latter goes back to the one who asked, and is never kept for another.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from pywharf.api.client_lines import is_loopback
from pywharf.web.errors import RequestInvalid
from pywharf.web.headers import HOST
from pywharf.web.request import Request


def own_address(request: Request, public_url: str) -> str:
    """An http or https URL that ends with a slash. public_url: as configured, "" where it is not.

    Raises RequestInvalid where the Host that was asked for can be no host.
    """
    if public_url:
        return public_url.rstrip("/") + "/"
    host = request.header("Host") or ""
    if not HOST.fullmatch(host):
        raise RequestInvalid("The Host field has to name this server")
    prefix = quote(request.script_name, encoding="latin-1").rstrip("/")
    return f"{_scheme(request, host)}://{host}{prefix}/"


def _scheme(request: Request, host: str) -> str:
    """What the client speaks, as far as it can be known. In doubt https: a secret must not follow an address without it."""
    if request.scheme == "https":
        return "https"
    if is_loopback(urlsplit(f"//{host}").hostname or ""):
        return "http"
    # Browsers send Sec-Fetch-* over https alone (and to the machine they run on); a proxy that ends https leaves us http.
    return "https" if not request.scheme_is_known or request.has_header_like("Sec-Fetch-") else "http"
