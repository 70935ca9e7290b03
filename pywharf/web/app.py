"""The WSGI application: from an environ to a route, through the funnel, to a response, and one line in the log.

Bottle keeps the routes and finds them; the rest is ours, since what Bottle believes of a request (X-Forwarded-Host, paths that
are not UTF-8, forms of any size) and tells of an error is not what strangers should get. A faster answer to the hot GETs can
stand in `_answer` in front of the routes, if it goes through `Callers.identify` as they do; `hot_routes` finds theirs without Bottle.

A request works on one generation of the repositories from its begin until its response is closed.
"""

from __future__ import annotations

import errno
import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import bottle

from pywharf.backend.interface import Access
from pywharf.config import ServerSettings
from pywharf.web.callers import Callers, Handler, basic_credentials, bearer_token
from pywharf.web.error_pages import failure, refusal
from pywharf.web.errors import MethodNotAllowed, NotFound
from pywharf.web.files import DistributionFiles
from pywharf.web.forwarding import trusted_proxies
from pywharf.web.held import Held
from pywharf.web.hot_routes import FILE, PROJECT_LIST, PROJECT_PAGE, hot_route
from pywharf.web.metrics import readings
from pywharf.web.metrics.counts import Counts
from pywharf.web.metrics.reporting import Metrics
from pywharf.web.metrics.series import REFUSALS
from pywharf.web.page_cache import PageCache
from pywharf.web.request import Request
from pywharf.web.responses import Body, Response, status_of
from pywharf.web.sendfile import sendfile
from pywharf.web.server.sending import FilePart
from pywharf.web.sessions import Sessions
from pywharf.web.simple import SimplePages
from pywharf.web.throttle import Throttle
from pywharf.wharf import Wharf

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from pywharf.web.routes import Routes

log = logging.getLogger(__name__)
access_log = logging.getLogger("pywharf.access")
ACCESS_LINE = "%s status=%d repository=%s bytes=%d ms=%.1f peer=%s"


def make_app(
    wharf: Wharf,
    settings: ServerSettings,
    *,
    throttle: Throttle | None = None,
    page_cache_bytes: int = 32 * 1024 * 1024,
    metrics: Metrics | None = None,
) -> App:
    """The application that serves a wharf. page_cache_bytes: how much of rendered pages is kept in memory.

    Raises ValueError for settings that cannot be.
    """
    return App(wharf, settings, throttle or Throttle(), PageCache(page_cache_bytes), metrics or Metrics())


class App:
    """A WSGI application. routes: all of them, as Bottle keeps them; every new one is covered by the tests that go through them."""

    def __init__(self, wharf: Wharf, settings: ServerSettings, throttle: Throttle, cache: PageCache, metrics: Metrics) -> None:
        self._wharf = wharf
        self._counts = metrics.counts
        self._trusted = trusted_proxies(settings.trusted_proxies)
        self._sessions = sessions = Sessions(wharf.sessions_path)
        self._callers = callers = Callers(wharf, throttle, sessions, public_url=settings.public_url, counting=metrics.counts)
        for source in (readings.of_wharf(wharf), readings.of_sessions(sessions, wharf), readings.of_page_cache(cache)):
            metrics.watch(source)
        extra_index_url = settings.extra_index_url.rstrip("/") + "/" if settings.extra_index_url else ""
        public_url = settings.public_url.rstrip("/") + "/" if settings.public_url else None
        simple = SimplePages(cache, extra_index_url, public_url)
        distribution_file = DistributionFiles(sendfile(settings.sendfile, wharf.root))
        handlers: dict[str, Handler] = {PROJECT_LIST: simple.project_list, PROJECT_PAGE: simple.project_page, FILE: distribution_file}
        self._hot = {address: callers.guarded(Access.READ, handler) for address, handler in handlers.items()}
        self._making = threading.Lock()
        self._made: Routes | None = None

        def make() -> Routes:
            from pywharf.web.routes import Routes

            return Routes(
                wharf, settings, callers=callers, sessions=sessions, throttle=throttle, cache=cache, metrics=metrics, hot=self._hot
            )

        self._make = make

    def close(self) -> None:
        """End what it started. No request may be under way."""
        if self._made is not None:
            self._made.readmes.close()
        self._sessions.close()

    def load(self) -> None:
        """Import and make what the first answers can do without: what is for uploads and for people. By any thread, at any time.

        It is done where it is needed first, and that upload or page has to wait for it: half of what a start would take.
        """
        from pywharf.repository import admission  # noqa: F401

        self._all()

    def _all(self) -> Routes:
        """All routes."""
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made

    @property
    def routes(self) -> list[Any]:
        """Bottle's routes: each has a `rule` and a `method`."""
        routes: list[Any] = self._all().bottle.routes
        return routes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Sending:
        began = time.perf_counter()
        request = Request(environ, self._trusted)
        held = Held()
        response = self._answer(request, held)
        if not isinstance(response.body, bytes):
            held.add(response.body)
        try:
            start_response(response.status_line, response.header_list)
        except BaseException:
            held.close()
            raise
        return Sending(request, response, held, began, self._counts)

    def _answer(self, request: Request, held: Held) -> Response:
        try:
            request.generation = held.hold(self._wharf.hold())
            return self._find(request)()
        except Exception as error:  # the last resort: whatever it was, the next request is served
            is_told = status_of(error) != 500
            self._counts.count(REFUSALS, request.repository_name, type(error).__name__ if is_told else "fault")
            if is_told:
                if status_of(error) == 503:
                    log.warning("cannot serve: %s reason=%s", request.loggable_line(), error)
                return refusal(request, error)
            reference = secrets.token_hex(4)
            log.error("unexpected error: reference=%s %s\n%s", reference, request.loggable_line(), _told(request))
            return failure(request, reference)

    def _find(self, request: Request) -> Callable[[], Response]:
        """The handler of a route with its arguments. Where there is none only a caller is told so."""
        try:
            if request.path is None:
                raise bottle.HTTPError(404)
            hot = hot_route(request.path) if request.method == "GET" else None
            if hot is not None:
                request.route, found = hot
                handler = self._hot[request.route]
                return lambda: handler(request, **found)
            route, arguments = self._all().bottle.router.match({"REQUEST_METHOD": request.method, "PATH_INFO": request.path})
        except bottle.HTTPError as missing:
            self._callers.identify(request, Access.READ)
            if missing.status_code == 405:
                raise MethodNotAllowed(_methods(missing.get_header("Allow"))) from None
            raise NotFound from None
        request.route = route.rule.rstrip("/") or "/"
        return lambda: route.callback(request, **arguments)


class Sending:
    """The response on its way: counts the bytes, and lets go of everything when it is closed."""

    def __init__(self, request: Request, response: Response, held: Held, began: float, counts: Counts) -> None:
        self._counts = counts
        self._request = request
        self._response = response
        self._held = held
        self._began = began
        self._bytes = 0
        self._pieces = self._send()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def file_part(self) -> FilePart | None:
        """Where the body is a part of a file that the kernel can send by itself: which. The server asks for pieces else."""
        body = self._response.body
        if isinstance(body, bytes) or self._request.method == "HEAD" or self._response.status == 304:
            return None
        return body.file_part(self._count)

    def _count(self, sent: int) -> None:
        self._bytes += sent

    def _send(self) -> Iterator[bytes]:
        body: bytes | Body = self._response.body
        if self._request.method == "HEAD" or self._response.status == 304:
            return
        try:
            for piece in (body,) if isinstance(body, bytes) else body:
                self._bytes += len(piece)
                yield piece
        except Exception as error:  # the begin of the body is out: only a closed connection tells the client that it is not whole
            log.error("response cut short: %s bytes=%d\n%s", self._request.loggable_line(), self._bytes, _told(self._request))
            raise ConnectionAbortedError(errno.ECONNABORTED, "the response cannot be completed") from error

    def close(self) -> None:
        """Called by the server once, whatever happened."""
        try:
            self._held.close()
        finally:
            took = time.perf_counter() - self._began
            self._counts.request(self._request, self._response.status, took, self._bytes)
            if access_log.isEnabledFor(logging.INFO):
                self._tell(took)

    def _tell(self, took: float) -> None:
        """The line in the log. Not by `info`, which looks through the stack for who called it: here it is always the same."""
        told = (
            self._request.loggable_line(),
            self._response.status,
            self._request.repository_name or "-",
            self._bytes,
            took * 1000,
            self._request.peer or "-",
        )
        access_log.handle(logging.LogRecord(access_log.name, logging.INFO, "app.py", 0, ACCESS_LINE, told, None))


def _methods(allow: str) -> tuple[str, ...]:
    methods = allow.split(",")
    return tuple(sorted({*methods, "HEAD"} if "GET" in methods else methods))


def _told(request: Request) -> str:
    """The traceback of the error being handled, without what the caller authenticated with."""
    told = traceback.format_exc()
    authorization = request.header("Authorization")
    credentials = basic_credentials(authorization)
    cookies = [value for pair in (request.header("Cookie") or "").split(";") if len(value := pair.partition("=")[2].strip()) > 20]
    for needle in (credentials and credentials.secret, bearer_token(authorization), authorization, *request.confidential, *cookies):
        if needle:
            told = told.replace(needle, "***")
    return told
