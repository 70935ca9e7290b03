"""How the git host for tests answers one request: faults first, then rights, then git itself; and what it notes down."""

from __future__ import annotations

import base64
import binascii
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import responses
from pathlib import Path
from typing import Any

from cheroot.wsgi import Gateway_10

from pywharf.backend.interface import Access
from pywharf.testing.git_faults import Cut, Fault, Hangup, LoseAnswer, Plan, Respond
from pywharf.testing.git_http_backend import CgiAnswer, ask_git

READING, WRITING = "git-upload-pack", "git-receive-pack"


@dataclass(frozen=True)
class Recorded:
    """One request, as far as it has come: to its end, once its answer is there."""

    method: str
    repository: str  # "acme/wheels"
    service: str  # "git-upload-pack" or "git-receive-pack"
    status: int  # 0: none was sent
    received: int  # bytes of the body
    sent: int  # bytes of the body
    connection: int  # a number for each connection that was made: the client's port
    protocol: str  # what the client said in Git-Protocol
    user_agent: str


@dataclass
class HostedRepository:
    """A bare repository, and who may do what in it."""

    path: Path
    public: bool = False
    protocol_v2: bool = True
    rights: dict[str, Access] = field(default_factory=dict)  # by token


@dataclass
class HostState:
    """What the host knows. Shared between threads under `lock` where it changes while requests come."""

    folder: Path
    environ: dict[str, str]  # of the git processes
    without_right: int
    repositories: dict[str, HostedRepository] = field(default_factory=dict)
    tokens: dict[str, bool] = field(default_factory=dict)  # whether the host knows it
    plans: list[Plan] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)  # in the order they came
    lock: threading.Lock = field(default_factory=threading.Lock)


class Gateway(Gateway_10):
    """Cheroot's gateway, which also shows the connection."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # Cheroot's hints say None
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["pywharf.socket"] = self.req.conn.socket
        return environ


class Answering:
    """The host as a WSGI application."""

    def __init__(self, state: HostState) -> None:
        self._state = state

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        request = Request(environ)
        with self._state.lock:
            self._state.requests.append(request)
        fault = self._fault(request)
        answer = self._answer(request, fault)
        if answer is None:
            return self._silence(request)
        request.status = int(answer.status.split()[0])
        start_response(answer.status, answer.headers)
        return _Body(fault.body(answer.body), request, answer.close)

    def _answer(self, request: Request, fault: Fault) -> CgiAnswer | None:
        """None: no answer, and the connection ends."""
        fault.before()
        if isinstance(fault, Hangup):
            return None
        if isinstance(fault, Respond):
            return _words(fault.status, fault.text, fault.headers)
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        repository = self._state.repositories[request.repository]
        answer = ask_git(request.environ, self._state.folder, request.user, self._state.environ, protocol_v2=repository.protocol_v2)
        if isinstance(fault, LoseAnswer):
            for _ in answer.body:
                pass
            answer.close()
            return None
        return answer

    def _fault(self, request: Request) -> Fault:
        with self._state.lock:
            return next((plan.fault for plan in self._state.plans if plan.takes(request.service, request.method)), Fault())

    def _refusal(self, request: Request) -> CgiAnswer | None:
        """What a request without the right is told; None where it has it."""
        repository = self._state.repositories.get(request.repository)
        writing = request.service == WRITING
        token = request.token
        if token is None and not (repository and repository.public and not writing):
            return _words(401, "No anonymous access", {"WWW-Authenticate": 'Basic realm="git host"'})
        if token is not None and not self._state.tokens.get(token):
            return _words(401, "Invalid username or token.", {"WWW-Authenticate": 'Basic realm="git host"'})
        if repository is None:
            return _words(404, "Repository not found.")
        access = repository.rights.get(token or "", Access.READ if repository.public else Access.NONE)
        if access == Access.NONE:
            return _words(self._state.without_right, "Repository not found." if self._state.without_right == 404 else _NO_WRITING)
        return _words(403, _NO_WRITING) if writing and access < Access.WRITE else None

    def _silence(self, request: Request) -> Iterable[bytes]:
        with contextlib.suppress(OSError):
            request.environ["pywharf.socket"].shutdown(socket.SHUT_RDWR)
        raise Cut


_NO_WRITING = "Write access to repository not granted."


class Request:
    """One request on its way; stands in for its own body, to count it."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._input = environ["wsgi.input"]
        self.environ = {**environ, "wsgi.input": self}
        self.received = 0
        self.sent = 0
        self.status = 0
        self.method = str(environ["REQUEST_METHOD"])
        self.repository = str(environ["PATH_INFO"]).strip("/").split(".git/")[0].removesuffix(".git")
        asked = (str(environ["PATH_INFO"]), str(environ.get("QUERY_STRING", "")))
        self.service = WRITING if any(part.endswith(WRITING) for part in asked) else READING
        self.user, self.token = _basic(environ.get("HTTP_AUTHORIZATION", ""))

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._input.read(size)
        self.received += len(data)
        return data

    def recorded(self) -> Recorded:
        told = self.environ
        return Recorded(
            self.method,
            self.repository,
            self.service,
            self.status,
            self.received,
            self.sent,
            int(told.get("REMOTE_PORT") or 0),
            told.get("HTTP_GIT_PROTOCOL", ""),
            told.get("HTTP_USER_AGENT", ""),
        )


class _Body:
    """The body of an answer on its way out: counted, and git let go of at its end."""

    def __init__(self, chunks: Iterator[bytes], request: Request, ended: Callable[[], None]) -> None:
        self._chunks = chunks
        self._request = request
        self._ended = ended

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._request.sent += len(chunk)
            yield chunk

    def close(self) -> None:
        self._ended()


def _basic(header: str) -> tuple[str, str | None]:
    """User and password of an Authorization header; the password None where there is none to be read."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "basic":
        return "", None if not header else ""  # any other scheme holds no token the host knows
    try:
        user, _, password = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _words(status: int, text: str, headers: Mapping[str, str] | None = None) -> CgiAnswer:
    body = text.encode("utf-8")
    told = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}
    return CgiAnswer(f"{status} {responses.get(status, 'Unknown')}", list(told.items()), iter([body]), lambda: None)
