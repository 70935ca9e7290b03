"""`GET /metrics`, for callers and, on an address of its own, for whoever reaches that.

A caller is told of its own repository and of the server as a whole, and of no other repository, not even that it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pywharf.web.callers import Caller
from pywharf.web.metrics.exposition import OPEN_METRICS, PLAIN, text, wants_open_metrics
from pywharf.web.metrics.reporting import Scraper
from pywharf.web.request import Request
from pywharf.web.responses import Response
from pywharf.web.responses import text as sentence

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class MetricsPage:
    """The route. Shared between threads."""

    def __init__(self, scraper: Scraper) -> None:
        self._scraper = scraper

    def __call__(self, request: Request, caller: Caller) -> Response:
        return _page(request, self._scraper, caller.repository.name)


def metrics_app(scraper: Scraper) -> Callable[[WSGIEnvironment, StartResponse], list[bytes]]:
    """A WSGI application that has `/metrics` and nothing else, complete and for everybody who reaches it."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        request = Request(environ)
        if request.path not in ("/metrics", "/metrics/"):
            response = sentence(404, "There is nothing here but /metrics")
        elif request.method not in ("GET", "HEAD"):
            response = sentence(405, "This page takes GET, HEAD only", [("Allow", "GET, HEAD")])
        else:
            response = _page(request, scraper, None)
        start_response(response.status_line, response.header_list)
        return [response.body] if isinstance(response.body, bytes) and request.method != "HEAD" else []

    return answer


def _page(request: Request, scraper: Scraper, repository: str | None) -> Response:
    is_open = wants_open_metrics(request.header("Accept"))
    body = text(scraper.everything(), repository, open_metrics=is_open)
    fields = [
        ("Content-Type", OPEN_METRICS if is_open else PLAIN),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Vary", "Accept, Authorization, Cookie"),
    ]
    return Response(200, body, fields)
