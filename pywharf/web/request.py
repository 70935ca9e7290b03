"""A request as the handlers see it: read from the WSGI environ, believing nothing that a client can make up.

What a proxy says about the client (X-Forwarded-*, Forwarded, Via) is removed before anybody can believe it. Where the proxy is trusted
it has been put into the environ by then, see `forwarding`: this is the one place that all others learn of the client from.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from pywharf.web.errors import BodyCutShort, LengthRequired, RequestInvalid
from pywharf.web.forwarding import NOBODY, TrustedProxies, put_right
from pywharf.web.server.header_fields import environ_key

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from pywharf.wharf import Generation

MAX_QUERY_FIELDS = 100
_METHODS = frozenset({"GET", "HEAD", "POST"})
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PRINTABLE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class Request:
    """One request. Not shared between threads; used up once its body was read."""

    def __init__(self, environ: WSGIEnvironment, trusted: TrustedProxies = NOBODY) -> None:
        """trusted: the proxies that are believed."""
        way = put_right(environ, trusted)
        self._environ = environ
        self.was_forwarded = way.was_forwarded
        self.is_from_trusted_proxy = way.by_trusted
        self.scheme_is_known = way.scheme_is_known
        self.method: str = environ["REQUEST_METHOD"]
        self.raw_path: str = environ.get("PATH_INFO", "")  # as WSGI has it: bytes as Latin-1
        self.path = _path(self.raw_path)  # None where no route can be meant
        self.script_name: str = environ.get("SCRIPT_NAME", "")
        self.scheme: str = environ.get("wsgi.url_scheme", "http")
        self.query: str = environ.get("QUERY_STRING", "")
        self.peer: str = environ.get("REMOTE_ADDR", "")  # of the connection, or of the client where a trusted proxy says it
        self.repository_name = ""  # of the caller, once known: for the access log
        self.route = ""  # the rule that was found for it
        self.received = 0  # bytes of the body that were read
        self.caller: Any = None  # the `callers.Caller`, once known: for the frame of an error page
        self.confidential: list[str] = []  # what may not be told of it, in a log neither
        self._unread: int | None = None

    @property
    def generation(self) -> Generation:
        """The repositories this request works on from begin to end."""
        return self._generation

    @generation.setter
    def generation(self, generation: Generation) -> None:
        self._generation = generation

    def header(self, name: str) -> str | None:
        """A header field by its name ("If-None-Match"), None where it was not sent."""
        value: str | None = self._environ.get(_key_of(name))
        return value

    def has_header_like(self, prefix: str) -> bool:
        """Whether any header field begins so, e.g. "Sec-Fetch-"."""
        key = "HTTP_" + prefix.upper().replace("-", "_")
        return any(name.startswith(key) for name in self._environ)

    def query_value(self, name: str) -> str | None:
        """The first value of a field of the query; None where it has none. Raises RequestInvalid."""
        if not self.query:
            return None
        try:
            pairs = parse_qsl(self.query, keep_blank_values=True, errors="replace", max_num_fields=MAX_QUERY_FIELDS)
        except ValueError as error:
            raise RequestInvalid(f"The query has more than {MAX_QUERY_FIELDS} fields") from error
        return next((value for key, value in pairs if key == name), None)

    def query_suffix(self) -> str:
        """The query as it is put behind a redirect's target: "?" and what was sent, or nothing."""
        return "?" + quote(self.query, safe=_PRINTABLE, encoding="latin-1") if self.query else ""

    # --- the body ---------------------------------------------------------------------------------------------------

    def content_length(self) -> int:
        """The length of the body in bytes. Raises LengthRequired, RequestInvalid."""
        text = self.header("Content-Length")
        if self.header("Transfer-Encoding") is not None or not text:
            raise LengthRequired
        if not _LENGTH.fullmatch(text):
            raise RequestInvalid("The Content-Length is not a number of bytes")
        return int(text)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the body; b"" once all of it was read. Raises BodyCutShort where it ends before its length."""
        if self._unread is None:
            self._unread = self.content_length()
        size = min(size, self._unread)
        if size <= 0:
            return b""
        try:
            chunk: bytes = self._environ["wsgi.input"].read(size)
        except OSError as error:  # timed out, or the connection broke
            raise BodyCutShort from error
        if not chunk:
            raise BodyCutShort
        self._unread -= len(chunk)
        self.received += len(chunk)
        return chunk

    def read_all(self) -> bytes:
        """The rest of the body. The caller has looked at its length. Raises BodyCutShort."""
        chunks = []
        while chunk := self.read(64 * 1024):
            chunks.append(chunk)
        return b"".join(chunks)

    # --- for the log ------------------------------------------------------------------------------------------------

    def loggable_line(self) -> str:
        """Method and path, on one line, without the query."""
        method = self.method if self.method in _METHODS else quote(self.method[:20], safe="")
        path = self.raw_path[:1000]
        if not (path.isascii() and path.isprintable() and " " not in path):
            path = quote(path, safe=_PRINTABLE, encoding="latin-1")
        return f"{method} {path or '/'}"


_key_of = lru_cache(maxsize=128)(environ_key)  # of the names that our own code asks for


def _path(raw: str) -> str | None:
    """The path as text; None where it is not UTF-8 or holds control characters: such a path leads nowhere, and to nothing else either."""
    if raw.isascii() and raw.isprintable():
        return raw
    try:
        path = raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return None
    return None if _CONTROL.search(path) else path
