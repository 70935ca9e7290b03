"""Running the server over HTTP: when a repository was last in step, and another configuration on the fly."""

from __future__ import annotations

import ipaddress
import logging
import re
import threading

from pywharf.errors import BackendUnavailable, IndexNotReady, NotRecorded
from pywharf.repository.audit import Requester
from pywharf.web.callers import Caller, bearer_token
from pywharf.web.errors import BodyTooLarge, NotAuthenticated
from pywharf.web.initialize_form import parse_initialize_form
from pywharf.web.request import Request
from pywharf.web.responses import Response, redirect, text
from pywharf.web.sessions import Sessions
from pywharf.web.throttle import Throttle
from pywharf.wharf import Wharf

MAX_FORM = 1024 * 1024  # bytes
_HOST = re.compile(r"(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)

log = logging.getLogger(__name__)


def index_mtime(request: Request, caller: Caller) -> Response:
    """`GET /index_mtime/`: Unix time of the last completed sync, in whole seconds."""
    if not request.raw_path.endswith("/"):
        return redirect(request, "index_mtime/")
    at = caller.repository.index_mtime()
    if at is None:
        raise IndexNotReady(caller.repository.name, "its first sync is not complete")
    return text(200, str(at))


class Initialize:
    """`POST /initialize/`: who may, and with what. Shared between threads."""

    def __init__(self, wharf: Wharf, throttle: Throttle, sessions: Sessions) -> None:
        self._wharf = wharf
        self._sessions = sessions
        self._throttle = throttle
        self._turn = threading.Lock()  # "once" is once, also for two who come at the same time

    def __call__(self, request: Request) -> Response:
        if request.header("Authorization") is not None:
            self._check_token(request)
            return self._initialize(request, "initialize_token")
        if not is_from_here(request) or not self._wharf.unclaimed:
            raise NotAuthenticated("Bearer")
        with self._turn:
            if not self._wharf.unclaimed:
                raise NotAuthenticated("Bearer")
            return self._initialize(request, "unclaimed")

    def _check_token(self, request: Request) -> None:
        """Raises NotAuthenticated, Throttled. Nothing is remembered: whoever is throttled waits, with the right token too."""
        token = bearer_token(request.header("Authorization"))
        if token is None:
            raise NotAuthenticated("Bearer")
        self._throttle.admit(request.peer)
        if not self._wharf.check_initialize_token(token):
            self._throttle.wrong(request.peer)
            raise NotAuthenticated("Bearer")

    def _initialize(self, request: Request, how: str) -> Response:
        if request.content_length() > MAX_FORM:
            raise BodyTooLarge(MAX_FORM)
        form = parse_initialize_form(request.header("Content-Type") or "", request.read_all())
        try:
            self._wharf.initialize(form.config, form.admin_secret, requester=Requester(request.peer, label=how))
        except NotRecorded:  # it was done
            self._end_sessions()
            raise
        self._end_sessions()
        return text(200, "OK: the server runs on the new configuration", reason="OK")

    def _end_sessions(self) -> None:
        """Sessions of another configuration are over by themselves; the same one, initialised again, ends them too."""
        try:
            self._sessions.end_all()
        except BackendUnavailable as error:
            log.warning("initialised, and sessions could not be ended: reason=%s", error)


def is_from_here(request: Request) -> bool:
    """Whether somebody on this very machine sent the request, by hand: no proxy in between, and no web page behind it.

    A page in a browser can send a form to a loopback address, also by a name of its own that it lets point there: hence
    the Host, the Origin and the Sec-Fetch fields.
    """
    try:
        peer = ipaddress.ip_address(request.peer)
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return (
        peer.is_loopback
        and _HOST.fullmatch(request.header("Host") or "") is not None
        and not request.was_forwarded
        and request.header("Origin") is None
        and not request.has_header_like("Sec-Fetch-")
    )
