"""Who sent a request, and whether they may: the one funnel that every route but the open ones goes through.

Whatever is wrong with what a stranger shows, the answer is the same 401, after the same time: an unknown repository, a wrong
secret, a header that cannot be read. That a repository exists is told only to those who have its secret.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pywharf.backend.interface import Access
from pywharf.counting import NOT_COUNTED, Counting
from pywharf.errors import AccessDenied, BackendUnavailable
from pywharf.repository.repository import Repository
from pywharf.web.cookies import SESSION, CookieScope, cookie, cookie_scope
from pywharf.web.errors import NotAuthenticated, Throttled
from pywharf.web.metrics.series import SECRET_CHECKS
from pywharf.web.request import Request
from pywharf.web.responses import Response, not_kept
from pywharf.web.sessions import Session, Sessions
from pywharf.web.throttle import Throttle
from pywharf.wharf import Wharf

Handler = Callable[..., Response]

MAX_AUTHORIZATION = 8192  # characters; no token is that long
DENIAL_TAKES = 0.005  # seconds at least, so that a name that is known and one that is not cannot be told apart

log = logging.getLogger(__name__)

_SCHEME = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([^ ].*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Caller:
    """Who sent the request: a repository, and what they may do there."""

    repository: Repository
    access: Access
    secret: str = field(repr=False)
    session: Session | None = None  # of a browser; None with Basic authentication


@dataclass(frozen=True)
class Credentials:
    """What somebody claims to be, unchecked."""

    user: str
    secret: str = field(repr=False)


class Callers:
    """The funnel. Shared between threads."""

    def __init__(
        self,
        wharf: Wharf,
        throttle: Throttle,
        sessions: Sessions,
        *,
        public_url: str = "",
        sleep: Callable[[float], None] = time.sleep,
        counting: Counting = NOT_COUNTED,
    ) -> None:
        """public_url: where people reach this server; "" where that is not configured."""
        self._wharf = wharf
        self._throttle = throttle
        self._sessions = sessions
        self._public_url = public_url
        self._sleep = sleep
        self._counting = counting

    def identify(self, request: Request, needs: Access, *, by_form: bool = False) -> Caller:
        """The caller of a request, who may do what `needs` says.

        An Authorization header decides alone; without one it is the session's cookie. by_form: the route takes forms of our own
        pages, and looks at their token itself; any other route takes nothing but questions from a session.
        Raises NotAuthenticated (401), Throttled (429), AccessDenied (403: known, but not allowed), BackendUnavailable (503).
        """
        authorization = request.header("Authorization")
        if authorization is not None:
            credentials = basic_credentials(authorization)
            if credentials is None:
                raise NotAuthenticated
            request.caller = caller = self.check(request, credentials, needs)
            return caller
        session = self.session_of(request) if by_form or request.method in ("GET", "HEAD") else None
        if session is None:
            raise NotAuthenticated
        try:
            caller = self.check(request, Credentials(session.repository, session.secret), needs)
        except NotAuthenticated:  # the secret is right no more
            self._sessions.end(session.cookie)
            raise
        request.caller = caller = dataclasses.replace(caller, session=session)
        return caller

    def guarded(self, needs: Access, handler: Handler) -> Handler:
        """A handler that is given the caller behind the request, made one for any request."""

        def identified(request: Request, **arguments: str) -> Response:
            caller = self.identify(request, needs)
            response = handler(request, caller, **arguments)
            return not_kept(response) if caller.session else response

        return identified

    def cookie_scope(self, request: Request) -> CookieScope:
        """Where browsers that reach us so send our cookies."""
        return cookie_scope(request, self._public_url)

    def session_of(self, request: Request) -> Session | None:
        """The session of the cookie that was sent. Its secret may be right no more. Raises BackendUnavailable."""
        value = cookie(request, SESSION, self.cookie_scope(request))
        return self._sessions.find(value, request.generation.configuration) if value else None

    def check(self, request: Request, credentials: Credentials, needs: Access) -> Caller:
        """The caller that somebody claims to be. Raises as `identify` does."""
        request.confidential.append(credentials.secret)
        repository = request.generation.find(credentials.user)
        access = self._access(request.peer, repository, credentials.secret, needs)
        if repository is None or access == Access.NONE:
            log.debug("denied: peer=%s repository=%s", request.peer, repository.name if repository else "(unknown)")
            raise NotAuthenticated
        request.repository_name = repository.name
        self._wharf.claim()
        if log.isEnabledFor(logging.DEBUG):
            log.debug("caller: peer=%s repository=%s access=%s needs=%s", request.peer, repository.name, access.name, needs.name)
        if access < needs:
            raise AccessDenied("write" if needs == Access.WRITE else "read")
        return Caller(repository, access, credentials.secret)

    def _access(self, peer: str, repository: Repository | None, secret: str, needs: Access) -> Access:
        """What a secret may do, and one more of its kind for the metrics. Raises Throttled, BackendUnavailable."""
        outcome = "fault"
        try:
            access, outcome = self._ask(peer, repository, secret, needs)
            return access
        except (Throttled, BackendUnavailable) as error:
            outcome = "throttled" if isinstance(error, Throttled) else "unavailable"
            raise
        finally:
            self._counting.count(SECRET_CHECKS, repository.name if repository else "", outcome)

    def _ask(self, peer: str, repository: Repository | None, secret: str, needs: Access) -> tuple[Access, str]:
        """What a secret may do, and how that is known. A wrong one is held against its address, and takes its time."""
        began = time.monotonic()
        known = repository.remembered(secret, needs) if repository else None
        if known:
            return known, "remembered"
        # Right a moment ago, and asked about again because writing wants a fresher answer than reading: no guess.
        if not (repository and repository.remembered(secret, Access.READ)):
            self._throttle.admit(peer)
        access = repository.access(secret, needs) if repository else Access.NONE
        if access == Access.NONE:
            self._sleep(max(0.0, began + DENIAL_TAKES - time.monotonic()))
            self._throttle.wrong(peer)
            return access, "denied"
        return access, "granted"


def basic_credentials(authorization: str | None) -> Credentials | None:
    """What an Authorization header of the scheme Basic says (RFC 7617, UTF-8); None where it says nothing that could be right.

    The user ends at the first colon; the secret may hold further ones, but no control characters, and is not empty.
    """
    token = scheme_token(authorization, "basic")
    if token is None:
        return None
    try:
        text = base64.b64decode(token, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    user, colon, secret = text.partition(":")
    if not colon or not secret or _CONTROL.search(text):
        return None
    return Credentials(user, secret)


def bearer_token(authorization: str | None) -> str | None:
    """The token of an Authorization header of the scheme Bearer (RFC 6750); None where there is none."""
    return scheme_token(authorization, "bearer")


def scheme_token(authorization: str | None, scheme: str) -> str | None:
    """What stands behind the scheme, where the header is of this scheme and of a length that can be meant."""
    if authorization is None or len(authorization) > MAX_AUTHORIZATION:
        return None
    match = _SCHEME.fullmatch(authorization.strip())
    if match is None or match.group(1).lower() != scheme:
        return None
    return match.group(2)
