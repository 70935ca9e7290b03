"""Requests to a running server's `/manage/`, as docs/reference/http-api.md has it.

The secret travels in one header to the address that was given: no redirect is followed. Certificates are checked. An answer is bounded
in size and in time, whatever the server does, and everything in it is looked at before it is believed.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProxyError, SSLError

from pywharf import __version__
from pywharf.api.simple_reading import shown
from pywharf.errors import ServerUnusable
from pywharf.model.names import ProjectName, normalize_project
from pywharf.model.record import STATUS_MARKERS, ProjectStatus
from pywharf.repository.connections import make_pool, proxy_of_environment
from pywharf.repository.release_changes import Changed, StatusChanged

LONGEST = 300.0  # seconds for the whole of an answer: the server may have to wait for its git host
MAX_ANSWER = 4 * 1024 * 1024  # bytes
MAX_SENTENCE = 1000  # characters of what a server says
PIECE = 1 << 16  # bytes

_PROBLEM = "application/problem+json"
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_LONGEST_NUMBER = 6  # digits of seconds to wait that are repeated
_REDIRECTS = (301, 302, 303, 307, 308)
_NOT_SENT = (NewConnectionError, ConnectTimeoutError, ProxyError, SSLError)  # before any word of the request


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]  # whatever their case
    body: bytes


class ManageClient:
    """One repository of one server, with one secret. Every method raises ServerUnusable."""

    def __init__(self, url: str, repository: str, secret: str, *, ca_file: str = "") -> None:
        """url: of the server, http or https, without credentials. ca_file: a PEM file with authorities, in place of the system's."""
        self._base = _checked(url)
        self._repository = repository
        self._ca_file = ca_file
        token = base64.b64encode(f"{repository}:{secret}".encode()).decode()
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": f"Basic {token}",
            "User-Agent": f"pywharf/{__version__}",
        }

    def change(self, what: str, project: ProjectName, version: str | None, filename: str | None, reason: str) -> Changed:
        """what: "yank", "unyank" or "delete"."""
        asked = {"version": version, "filename": filename, "reason": reason}
        said = self._said("POST", project, what, {key: text for key, text in asked.items() if text})
        return Changed(self._project(said), self._names(said, "changed"), self._names(said, "unchanged"))

    def set_status(self, project: ProjectName, status: str, reason: str) -> StatusChanged:
        said = self._said("POST", project, "status", {"status": status, "reason": reason})
        before, changed = said.get("was"), said.get("changed")
        if not isinstance(before, dict) or not isinstance(changed, bool):
            raise self._not_understood()
        return StatusChanged(self._project(said), self._status(before), self._status(said), changed)

    def status(self, project: ProjectName) -> ProjectStatus:
        return self._status(self._said("GET", project, "status", None))

    # --- asking -----------------------------------------------------------------------------------------------------

    def _said(self, method: str, project: ProjectName, what: str, body: Mapping[str, str] | None) -> Mapping[str, object]:
        """The JSON object that was answered."""
        path = f"/manage/{project}/{what}"
        exchange = _Exchange(lambda: self._exchange(method, path, None if body is None else json.dumps(body).encode()))
        answer = exchange.outcome(LONGEST, self._lost(method, f"no whole answer within {LONGEST:.0f} s"))
        if answer.status != _OK:
            raise self._refusal(answer, path)
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise self._not_understood() from error
        if not isinstance(said, dict):
            raise self._not_understood()
        return said

    def _exchange(self, method: str, path: str, body: bytes | None) -> _Answer:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            with make_pool(proxy_of_environment(self._base), connections=1, silence=LONGEST, ca_file=self._ca_file) as pool:
                response = pool.request(method, self._base + path, body=body, headers=headers, redirect=False, preload_content=False)
                try:
                    return _Answer(response.status, response.headers, self._receive(response))
                finally:
                    response.close()
        except _NOT_SENT as error:
            raise ServerUnusable(self._base, _why_not_reached(error)) from error
        except (HTTPError, OSError, ValueError) as error:
            raise self._lost(method, type(error).__name__) from error

    def _receive(self, response: urllib3.BaseHTTPResponse) -> bytes:
        received = bytearray()
        while piece := response.read(PIECE, decode_content=False):
            received += piece
            if len(received) > MAX_ANSWER:
                raise ServerUnusable(self._base, f"answers with more than the {MAX_ANSWER} bytes that are taken")
        return bytes(received)

    # --- what is said -----------------------------------------------------------------------------------------------

    def _lost(self, method: str, why: str) -> ServerUnusable:
        if method == "GET":
            return ServerUnusable(self._base, f"does not answer ({why})")
        return ServerUnusable(self._base, f"the answer got lost ({why}), so the change may be made; the same command again is safe")

    def _refusal(self, answer: _Answer, path: str) -> ServerUnusable:
        if answer.status in _REDIRECTS:
            target = _target(self._base + path, answer.headers.get("Location", "")).removesuffix(path)
            return ServerUnusable(self._base, f"redirects to {target}, which is not followed: if that is the server, give it as --url")
        if answer.status == _UNAUTHORIZED:
            return ServerUnusable(self._base, f"there is no repository {self._repository}, or the secret is not one of its secrets")
        reason = f"answers with status {answer.status}; is it a pywharf server, its address without /simple/?"
        if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() == _PROBLEM:
            reason = _detail(answer.body) or reason
            if answer.status == _NOT_FOUND and self._base.endswith("/simple"):
                reason += "; --url is the server's address without /simple/"
        wait = answer.headers.get("Retry-After", "")
        told = wait.isascii() and wait.isdecimal() and len(wait) <= _LONGEST_NUMBER
        return ServerUnusable(self._base, reason + (f"; try again in {int(wait)} s" if told else ""))

    def _not_understood(self) -> ServerUnusable:
        return ServerUnusable(self._base, "answers what cannot be understood: is it a pywharf server, and of a version like this one?")

    def _project(self, said: Mapping[str, object]) -> ProjectName:
        name = said.get("project")
        try:
            return normalize_project(name if isinstance(name, str) else "")
        except ValueError as error:
            raise self._not_understood() from error

    def _names(self, said: Mapping[str, object], key: str) -> tuple[str, ...]:
        names = said.get(key)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._not_understood()
        return tuple(names)

    def _status(self, said: Mapping[str, object]) -> ProjectStatus:
        marker = next((known for known in STATUS_MARKERS if known == said.get("status")), None)
        reason = said.get("reason")
        if marker is None or not isinstance(reason, str):
            raise self._not_understood()
        return ProjectStatus(marker, reason)


class _Exchange(threading.Thread):
    """A request in a thread of its own, so that it ends in time also where a server sends a byte now and then."""

    def __init__(self, exchange: Callable[[], _Answer]) -> None:
        super().__init__(daemon=True)
        self._exchange = exchange
        self._answer: _Answer | None = None
        self._error: ServerUnusable | None = None

    def run(self) -> None:
        try:
            self._answer = self._exchange()
        except ServerUnusable as error:
            self._error = error

    def outcome(self, seconds: float, too_late: ServerUnusable) -> _Answer:
        """Raises ServerUnusable, `too_late` where there is no answer by then."""
        self.start()
        self.join(seconds)
        if self._answer is None:
            raise self._error or too_late
        return self._answer


def _checked(url: str) -> str:
    """A server's address without a slash at its end. Raises ServerUnusable."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ServerUnusable(shown(url), "is no URL") from error
    if "@" in parts.netloc:
        raise ServerUnusable(shown(url), "has credentials in it, which everybody can see: the secret is given by --secret_env")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ServerUnusable(shown(url), "is not the address of a server, e.g. https://packages.example/")
    return url.rstrip("/")


def _target(url: str, location: str) -> str:
    try:
        return shown(urljoin(url, location))[:MAX_SENTENCE]
    except ValueError:
        return "no address"


def _detail(problem: bytes) -> str:
    """The sentence of a problem document (RFC 9457), cut to what a person reads; "" where it has none."""
    try:
        said = json.loads(problem)
    except (ValueError, RecursionError):
        return ""
    detail = said.get("detail") if isinstance(said, dict) else None
    return detail[:MAX_SENTENCE] if isinstance(detail, str) else ""


def _why_not_reached(error: HTTPError) -> str:
    cause = error.args[0] if isinstance(error, SSLError) and error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message}): --ca_file names the authorities to trust"
    if isinstance(error, SSLError):
        return f"no TLS connection can be made ({getattr(cause, 'reason', None) or type(cause or error).__name__})"
    system = error.__cause__
    return f"cannot be reached ({(isinstance(system, OSError) and system.strerror) or type(error).__name__})"
