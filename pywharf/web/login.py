"""`/login/` and `/logout/`: a browser gets a session for a repository's name and a secret of it.

Nothing is begun before the secret was checked, by the same funnel as everybody's; an unknown repository and a wrong secret are
told in the same words. A session from before the login ends with it.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets

from pywharf.backend.interface import Access
from pywharf.web.callers import Callers, Credentials
from pywharf.web.cookies import LOGIN, LOGIN_LASTS, SESSION, cookie, drop_cookie, set_cookie
from pywharf.web.errors import FormNotOurs, NotAuthenticated, Throttled
from pywharf.web.forms import check_origin, read_form
from pywharf.web.navigation import is_from_browser, local_path
from pywharf.web.request import Request
from pywharf.web.responses import CHALLENGE_OF_PAGES, Response, see_other
from pywharf.web.sessions import Sessions
from pywharf.web.templating import page

WRONG = "No repository has this name and this secret. Check both: in the secret, upper and lower case matter."
TOO_OLD = "This form was too old, or your browser keeps no cookies for this server. Here is a new one."

_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")


class Login:
    """The routes. public_url: where people reach this server, "" where that is not configured."""

    def __init__(self, callers: Callers, sessions: Sessions, public_url: str) -> None:
        self._callers = callers
        self._sessions = sessions
        self._public_url = public_url

    def show(self, request: Request) -> Response:
        """`GET /login/`."""
        if not request.raw_path.endswith("/"):
            return see_other(request, "/login/" + request.query_suffix())
        return self._form(request, local_path(request.query_value("next") or "/"))

    def enter(self, request: Request) -> Response:
        """`POST /login/` with pkg_repo_name, pkg_repo_secret_raw, form_token and next."""
        check_origin(request, self._public_url)
        form = read_form(request)
        nonce = self._nonce(request)
        following = local_path(form.get("next", "/"))
        name, secret = form.get("pkg_repo_name", "").strip(), form.get("pkg_repo_secret_raw", "")
        if not nonce or not hmac.compare_digest(_token(nonce), form.get("form_token", "").encode("utf-8", "replace")):
            if not is_from_browser(request):
                raise FormNotOurs
            return self._form(request, following, name=name, problem=TOO_OLD, status=403)
        try:
            caller = self._callers.check(request, Credentials(name, secret), Access.READ)
        except NotAuthenticated:
            return self._form(request, following, name=name, problem=WRONG, status=401)
        except Throttled as error:
            return self._form(request, following, name=name, problem=str(error), status=429, more=[("Retry-After", str(error.retry_after))])
        scope = self._callers.cookie_scope(request)
        before = cookie(request, SESSION, scope)
        if before:
            self._sessions.end(before)
        value = self._sessions.begin(caller.repository.name, secret, request.generation.configuration)
        response = see_other(request, following)
        response.headers += [set_cookie(SESSION, value, scope), drop_cookie(LOGIN, scope)]
        return response

    def ask_to_leave(self, request: Request) -> Response:
        """`GET /logout/`: the session is over, for every copy of its cookie too, where somebody went there on purpose.

        A link logs nobody out, whether on another site or in a README here, nor does a browser that fetches pages in advance: a
        button asks first.
        """
        if request.method == "GET" and self._is_meant(request):
            return self._leave(request)
        session = self._callers.session_of(request)
        if session is None:
            return see_other(request, "/login/")
        return page(request, "logout.tpl", title="Log out", form_token=session.form_token)

    def leave(self, request: Request) -> Response:
        """`POST /logout/` with form_token."""
        check_origin(request, self._public_url)
        session = self._callers.session_of(request)
        if session is not None and not session.made_form(read_form(request).get("form_token", "")):
            raise FormNotOurs
        return self._leave(request)

    def _is_meant(self, request: Request) -> bool:
        """Whether the address was typed, or asked for by a program. A browser that does not say which it was may have followed a link."""
        if "prefetch" in (request.header("Sec-Purpose") or "").lower():
            return False
        with contextlib.suppress(FormNotOurs):
            check_origin(request, self._public_url)
            return (request.header("Sec-Fetch-Site") or "").strip().lower() == "none" or not is_from_browser(request)
        return False

    def _leave(self, request: Request) -> Response:
        scope = self._callers.cookie_scope(request)
        value = cookie(request, SESSION, scope)
        if value:
            self._sessions.end(value)
        response = see_other(request, "/login/")
        # Pages that were shown are in the browser's cache; "Back" shall not bring them back.
        response.headers += [drop_cookie(SESSION, scope), ("Clear-Site-Data", '"cache"')]
        return response

    def _form(
        self,
        request: Request,
        following: str,
        *,
        name: str = "",
        problem: str = "",
        status: int = 200,
        more: list[tuple[str, str]] | None = None,
    ) -> Response:
        nonce = self._nonce(request) or secrets.token_urlsafe(32)
        scope = self._callers.cookie_scope(request)
        fields = [set_cookie(LOGIN, nonce, scope, lasts=LOGIN_LASTS, same_site="Strict"), *(more or [])]
        if status == 401:
            fields.append(CHALLENGE_OF_PAGES)
        token = _token(nonce).decode()
        return page(
            request,
            "login.tpl",
            title="Log in",
            status=status,
            more=fields,
            form_token=token,
            following=following,
            name=name,
            problem=problem,
        )

    def _nonce(self, request: Request) -> str:
        value = cookie(request, LOGIN, self._callers.cookie_scope(request))
        return value if _NONCE.fullmatch(value) else ""


def _token(nonce: str) -> bytes:
    return hmac.new(nonce.encode(), b"pywharf login form", "sha256").hexdigest().encode()
