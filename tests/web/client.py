"""A client that calls a WSGI application as a server would, without a socket in between."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin

from pywharf.web.app import App

from .fakes import READ


@dataclass
class Answer:
    status: int
    reason: str
    headers: dict[str, str]  # by name in lower case; without cookies
    body: bytes
    cookies: list[str] = field(default_factory=list)  # each Set-Cookie

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Unreadable(io.BytesIO):
    """A request body that nobody may touch."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("the body was read")


@dataclass
class Client:
    """Speaks for one repository's reader unless told otherwise. environ: further or other WSGI variables."""

    app: App
    auth: str | None = field(default_factory=lambda: basic("local", READ))
    peer: str = "192.0.2.1"
    environ: dict[str, Any] = field(default_factory=dict)

    def get(self, target: str, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        return self.send("GET", target, headers, **more)

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | io.BytesIO = b"",
        length: int | str | None = None,
        **environ: Any,
    ) -> Answer:
        """target: as it stands in a request line. length: None says what is right; "" says nothing."""
        path, _, query = target.partition("?")
        variables: dict[str, Any] = {
            "REQUEST_METHOD": method,
            # As Cheroot does: "%2F" stays, everything else is decoded once.
            "PATH_INFO": "%2F".join(unquote_to_bytes(part).decode("latin-1") for part in path.replace("%2f", "%2F").split("%2F")),
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "REMOTE_ADDR": self.peer,
            "SERVER_NAME": "pywharf",
            "SERVER_PORT": "8888",
            "HTTP_HOST": "localhost:8888",
            "wsgi.url_scheme": "http",
            "wsgi.input": body if isinstance(body, io.BytesIO) else io.BytesIO(body),
            "wsgi.errors": sys.stderr,
        }
        if self.auth is not None:
            variables["HTTP_AUTHORIZATION"] = self.auth
        if length is None and isinstance(body, bytes) and method == "POST":
            length = len(body)
        if length not in (None, ""):
            variables["CONTENT_LENGTH"] = str(length)
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            variables["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        variables.update(self.environ)
        variables.update(environ)
        return call(self.app, variables)

    def follow(self, target: str, location: str) -> str:
        """Where a redirect leads, as a path."""
        return urljoin(f"http://localhost:8888{target}", location).removeprefix("http://localhost:8888")


def call(app: App, environ: dict[str, Any]) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in headers)
        assert "\n" not in status + "".join(name + value for name, value in headers)
        assert status.isascii()
        started.append((status, headers))

    pieces: Iterable[bytes] = app(environ, start_response)
    try:
        body = b"".join(pieces)
    finally:
        pieces.close()  # type: ignore[attr-defined]
    ((status, headers),) = started
    code, _, reason = status.partition(" ")
    cookies = [value for name, value in headers if name == "Set-Cookie"]
    headers = [(name, value) for name, value in headers if name != "Set-Cookie"]
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names)), f"a header field is sent twice: {names}"
    answer = Answer(int(code), reason, {name.lower(): value for name, value in headers}, body, cookies)
    if environ["REQUEST_METHOD"] != "HEAD" and answer.status != 304:
        assert answer.headers.get("content-length") == str(len(body))
    return answer
