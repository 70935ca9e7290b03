"""Smart HTTP requests to one git repository with one token, and what their answers mean.

An answer with status 200 and git's own content type comes back as an `Answer`, bounded in size and in patience; everything else is
an error of pywharf's, with nothing in it that the host or the network should not show.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import quote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as SocketTimeout

from pywharf.errors import AccessDenied, BackendUnavailable
from pywharf_github.config import GitHubConfig
from pywharf_github.connections import connections
from pywharf_github.refusals import HostUnavailable, TooMuchGiven, TooMuchSent

CHUNK = 64 * 1024  # bytes
SLOWEST = 1024  # bytes a second, on average over `timeout`: who sends less has stalled
MAX_REDIRECTS = 3
MAX_TOLD = 2000  # characters of a host's words that are kept
LONGEST_WAIT = 3600  # seconds that a host may tell clients to stay away

_DENIED = (401, 403, 404)
_REDIRECTS = (301, 302, 303, 307, 308)
_CONTROL = re.compile(r"[^\n\x20-\x7e\xa0-\U0010ffff]")

log = logging.getLogger(__name__)


@dataclass
class Host:
    """What was learned about where the repository is, for all who ask there. Guesses that a mistake makes forgotten."""

    url: str  # of the repository, after redirects; no final slash
    capabilities: dict[bytes, bytes] | None = None  # of upload-pack in protocol v2; None: not known, or no v2
    until: float = field(default=0.0)  # when to ask again; monotonic

    def forget(self) -> None:
        self.capabilities = None


class Answer:
    """The body of a right answer. Read it in a `with`: left in peace, the connection is kept for the next request."""

    def __init__(self, response: urllib3.BaseHTTPResponse, timeout: float, limit: int) -> None:
        self._response = response
        self._timeout = timeout
        self._left = limit
        self._buffer = bytearray()
        self._window = (time.monotonic(), 0)  # since when, and how many bytes since

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; fewer only at the end. Raises HostUnavailable, TooMuchSent."""
        while len(self._buffer) < size and (data := self._receive()):
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _receive(self) -> bytes:
        try:
            data = self._response.read1(CHUNK) or b""
        except (HTTPError, OSError, ValueError) as error:
            raise unreachable(error, self._timeout) from error
        self._left -= len(data)
        if self._left < 0:
            raise TooMuchSent("the git host sends more than it should")
        began, received = self._window
        received += len(data)
        if (passed := time.monotonic() - began) > self._timeout:
            if data and received < SLOWEST * passed:
                raise HostUnavailable(f"the git host sends too slowly ({received} bytes in {passed:.0f} s)")
            began, received = time.monotonic(), 0
        self._window = (began, received)
        return data

    def close(self, *, keep: bool = False) -> None:
        """keep: the answer was understood to its end, so that what is left of it (little) may be read to use the connection again."""
        if keep:
            try:
                left = CHUNK
                while left > 0 and (data := self._response.read1(CHUNK)):
                    left -= len(data)
                if left > 0:
                    self._response.release_conn()
                    return
            except (HTTPError, OSError, ValueError):
                pass
        self._response.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(keep=kind is None)


class Transport:
    """One repository, one token. Shared between threads."""

    def __init__(self, config: GitHubConfig, token: str | None, host: Host) -> None:
        self.host = host
        self._config = config
        self._authorization, self._hidden = _credentials(token)

    def get(self, service: str, *, limit: int, protocol: str = "") -> Answer:
        """Ask for a service's advertisement ("git-upload-pack", "git-receive-pack"). Follows redirects that stay on the host."""
        tail = f"/info/refs?service={service}"
        headers = {"Accept": "*/*", "Pragma": "no-cache", **({"Git-Protocol": protocol} if protocol else {})}
        return self._ask("GET", tail, headers, None, f"application/x-{service}-advertisement", service, limit)

    def post(self, service: str, body: bytes | Iterable[bytes], *, limit: int, protocol: str = "") -> Answer:
        """Send a request to a service. Bytes may be sent twice (they only ask); an iterable is sent once, in chunks."""
        headers = {
            "Accept": f"application/x-{service}-result",
            "Content-Type": f"application/x-{service}-request",
            **({"Git-Protocol": protocol} if protocol else {}),
        }
        return self._ask("POST", f"/{service}", headers, body, f"application/x-{service}-result", service, limit)

    def clean(self, told: str | bytes) -> str:
        """A host's words, safe to show: no token, no control characters but line ends, bounded."""
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else told
        for hidden in self._hidden:
            text = text.replace(hidden, "***")
        return _CONTROL.sub("", text.replace("\r", "\n"))[:MAX_TOLD].strip()

    def _ask(
        self, method: str, tail: str, headers: dict[str, str], body: bytes | Iterable[bytes] | None, wanted: str, service: str, limit: int
    ) -> Answer:
        again = body is None or (isinstance(body, bytes) and service == "git-upload-pack")  # asking twice does no harm
        base = self.host.url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(method, base + tail, headers, body, again)
            if response.status not in _REDIRECTS:
                break
            response.close()
            if not again:
                raise HostUnavailable("the git host redirects a push", refused=True)
            base = _redirected(base + tail, response.headers.get("Location", ""), tail)
        else:
            raise HostUnavailable("the git host redirects in circles")
        answer = Answer(response, self._config.timeout, limit)
        try:
            self._check(response, answer, wanted, "write" if service == "git-receive-pack" else "read")
        except BaseException:
            answer.close()
            self.host.url = self._config.remote_url  # a redirect of old may lead nowhere today
            raise
        self.host.url = base
        return answer

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | Iterable[bytes] | None, again: bool
    ) -> urllib3.BaseHTTPResponse:
        pool = connections(self._config, url)
        headers = {**pool.headers, **headers, **({"Authorization": self._authorization} if self._authorization else {})}
        while True:
            try:
                return pool.request(
                    method, url, body=body, headers=headers, preload_content=False, decode_content=False, redirect=False, retries=False
                )
            except (HTTPError, OSError, ValueError) as error:
                if again and isinstance(error, ProtocolError):
                    again = False  # a kept connection that the host let go of at this moment
                    continue
                raise unreachable(error, self._config.timeout) from error

    def _check(self, response: urllib3.BaseHTTPResponse, answer: Answer, wanted: str, right: str) -> None:
        """Raise for anything but a right answer."""
        status, headers = response.status, response.headers
        if status == 200:
            if (
                headers.get("Content-Type", "").split(";")[0].strip().lower() != wanted
                or headers.get("Content-Encoding", "identity") != "identity"
            ):
                raise HostUnavailable("what answers there is no git host (a login page, or a host without smart HTTP?); check git_url")
            return
        try:
            told = self.clean(answer.read(CHUNK // 16))
        except BackendUnavailable:
            told = ""
        log.debug("git host refused: status=%d says=%s", status, told)
        limited = status == 403 and ("Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0")
        if status in _DENIED and not limited:
            raise AccessDenied(right)
        if status == 413:  # Content Too Large
            raise TooMuchGiven("the git host, or a web server in front of it, takes no request this large", refused=True)
        said = "wants us to slow down" if limited or status == 429 else f"answered with status {status}"
        if status == 407:
            said = "is behind a proxy that wants a password (it belongs in the environment variable HTTPS_PROXY)"
        # A time-out (408) or an error at the host's side leaves open what had happened before.
        refused = 400 <= status < 500 and status != 408
        raise HostUnavailable(f"the git host {said}", refused=refused, retry_after=_retry_after(headers))


def unreachable(error: Exception, timeout: float) -> HostUnavailable:
    """What became of a request, in words that hold nothing of it."""
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (ProxyError, "the proxy to the git host cannot be used"),
        (SSLError, "the git host's certificate or TLS cannot be relied on (see ca_file)"),
        (NameResolutionError, "the git host's name is not known"),
        (NewConnectionError, "the git host cannot be reached"),
        (SocketTimeout, f"the git host kept silent for {timeout:g} s"),
        (TimeoutError, f"the git host kept silent for {timeout:g} s"),
        (ProtocolError, "the connection to the git host broke off"),
    )
    reason = next((words for kind, words in kinds if isinstance(error, kind)), f"the git host cannot be asked ({type(error).__name__})")
    return HostUnavailable(reason)


def _redirected(url: str, location: str, tail: str) -> str:
    """The repository's URL that a redirect leads to. Raises HostUnavailable where it leaves the host, or git's paths."""
    try:
        target = urljoin(url, location)
        old, new = urlsplit(url), urlsplit(target)
        same = (old.scheme, old.hostname, old.port) == (new.scheme, new.hostname, new.port)
        safer = (old.scheme, new.scheme, new.port) == ("http", "https", None) and old.hostname == new.hostname
    except ValueError:
        same = safer = False
    if not (same or safer) or not target.endswith(tail) or "@" in new.netloc:
        raise HostUnavailable("the git host redirects to another place (a login page?); check git_url")
    return target[: -len(tail)]


def _credentials(token: str | None) -> tuple[str, tuple[str, ...]]:
    """The Authorization header's value, and everything that may not be shown, the longest first."""
    if not token:
        return "", ()
    user, password = token.split(":", 1) if ":" in token else ("x-access-token", token)
    encoded = base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")
    alone = base64.b64encode(password.encode("utf-8", "surrogateescape")).decode("ascii")
    plain = (token, password)
    quoted = tuple(quote(text.encode("utf-8", "surrogateescape"), safe="") for text in plain)
    return f"Basic {encoded}", tuple(sorted({encoded, alone, *plain, *quoted} - {""}, key=len, reverse=True))


def _retry_after(headers: urllib3.HTTPHeaderDict) -> int:
    """Seconds to stay away, as the host says; 5 where it says nothing that can be read."""
    given = headers.get("Retry-After", "").strip()
    seconds = 5.0
    if given.isascii() and given.isdigit():
        seconds = float(given[:9])
    elif given:
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            seconds = email.utils.parsedate_to_datetime(given).timestamp() - time.time()
    elif headers.get("X-RateLimit-Remaining") == "0" and headers.get("X-RateLimit-Reset", "").isdigit():
        seconds = float(headers["X-RateLimit-Reset"][:12]) - time.time()
    return int(min(max(seconds, 1), LONGEST_WAIT))
