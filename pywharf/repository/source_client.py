"""Requests to an index that files are imported from: pages, and files piece by piece, bounded in size and in time.

Credentials go to the index's own origin (scheme, host and port) and to nobody else, whoever redirects there. A redirect never leads
from https to http. Certificates are checked; SSL_CERT_FILE names further authorities, and the environment's proxies are used, as
other Python clients do.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from pywharf import __version__
from pywharf.api.simple_reading import shown
from pywharf.errors import SourceUnusable
from pywharf.repository.connections import make_pool, proxy_of_environment

MAX_REDIRECTS = 5
SILENCE = 60.0  # seconds that a source may say nothing
SLOWEST = 16 * 1024  # bytes a second, on average
PATIENCE = 120.0  # seconds that a source gets on top of that
ATTEMPTS = 4  # of one page
LONGEST_WAIT = 60.0  # seconds that a source may tell us to wait between two
PIECE = 1 << 16  # bytes

_REDIRECTS = (301, 302, 303, 307, 308)
_BUSY = (429, 500, 502, 503, 504)
_DENIED = (401, 403)
_GONE = (404, 410)


class NotThere(SourceUnusable):
    """The source has no such page or file."""


class AccessRefused(SourceUnusable):
    """The source wants other credentials, or any."""


class SourceBusy(SourceUnusable):
    """The source does not answer now; it may later."""

    def __init__(self, source: str, reason: str, *, retry_after: float = 0.0) -> None:
        super().__init__(source, reason)
        self.retry_after = retry_after  # seconds


class SourceClient:
    """One source, with its credentials. Shared between threads."""

    def __init__(self, url: str, user: str, secret: str, *, connections: int) -> None:
        """url: of the index, http or https, without credentials. Raises SourceUnusable."""
        self._origin = _origin(_split(url))
        token = base64.b64encode(f"{user}:{secret}".encode()).decode()
        self._authorization = {"Authorization": f"Basic {token}"} if user or secret else {}
        self._connections = connections
        self._pools: dict[str, urllib3.PoolManager] = {}

    def page(self, url: str, accept: str, max_bytes: int) -> tuple[str, bytes, str]:
        """A page's content type, its bytes, and where it was in the end; asked for again while the source is busy. Raises SourceUnusable."""
        for attempt in range(ATTEMPTS):
            try:
                body = bytearray()
                response, where = self._request(url, accept)
                self._receive(response, where, body.extend, max_bytes)
                return response.headers.get("Content-Type", ""), bytes(body), where
            except SourceBusy as error:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(min(LONGEST_WAIT, max(error.retry_after, 2.0**attempt)))
        raise AssertionError  # the last attempt has raised

    def file(self, url: str, write: Callable[[bytes], object], max_bytes: int) -> str | None:
        """Hand a file's bytes to `write`, as they are. Returns its Last-Modified. Raises SourceUnusable."""
        response, where = self._request(url, "*/*")
        self._receive(response, where, write, max_bytes)
        return response.headers.get("Last-Modified")

    def close(self) -> None:
        for pool in self._pools.values():
            pool.clear()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _request(self, url: str, accept: str) -> tuple[urllib3.BaseHTTPResponse, str]:
        """The answer that is no redirect, with its body to be read. Raises SourceUnusable."""
        for _ in range(MAX_REDIRECTS + 1):
            parts = _split(url)
            headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": f"pywharf/{__version__}"}
            if _origin(parts) == self._origin:
                headers.update(self._authorization)
            try:
                response = self._pool(url).request("GET", url, headers=headers, redirect=False, retries=False, preload_content=False)
            except (HTTPError, OSError, ValueError) as error:
                raise SourceBusy(shown(url), f"cannot be reached ({_reason(error)})") from error
            if response.status not in _REDIRECTS:
                self._check(response, url)
                return response, url
            target = response.headers.get("Location", "")
            response.close()
            url = _followed(url, target)
        raise SourceUnusable(shown(url), f"redirects more than {MAX_REDIRECTS} times")

    def _check(self, response: urllib3.BaseHTTPResponse, url: str) -> None:
        status = response.status
        if status == 200:
            if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                response.close()
                raise SourceUnusable(shown(url), "sends compressed what was asked for as it is")
            return
        response.close()
        if status in _DENIED:
            raise AccessRefused(shown(url), f"refuses access (status {status}): give --source_user and --source_secret_env")
        if status in _GONE:
            raise NotThere(shown(url), f"is not there (status {status})")
        if status in _BUSY:
            wait = response.headers.get("Retry-After", "")
            raise SourceBusy(shown(url), f"does not answer now (status {status})", retry_after=float(wait) if wait.isdecimal() else 0.0)
        raise SourceUnusable(shown(url), f"answers with status {status}")

    def _receive(self, response: urllib3.BaseHTTPResponse, url: str, write: Callable[[bytes], object], max_bytes: int) -> None:
        began, received = time.monotonic(), 0
        promised = response.headers.get("Content-Length", "")
        try:
            while piece := response.read1(PIECE, decode_content=False):  # what has come, so that the clock is looked at
                received += len(piece)
                if received > max_bytes:
                    raise SourceUnusable(shown(url), f"is larger than the {max_bytes} bytes that are taken")
                if time.monotonic() - began > PATIENCE + received / SLOWEST:
                    raise SourceBusy(shown(url), f"sends too slowly ({received} bytes so far)")
                write(piece)
        except (HTTPError, ConnectionError, TimeoutError, ValueError) as error:
            raise SourceBusy(shown(url), f"breaks off ({_reason(error)})") from error
        else:
            if promised.isdecimal() and int(promised[:20]) != received:  # a longer one is no number to Python, and no size either
                raise SourceBusy(shown(url), f"breaks off after {received} of {promised[:20]} bytes")
            response.release_conn()
            return
        finally:
            response.close()

    def _pool(self, url: str) -> urllib3.PoolManager:
        proxy = proxy_of_environment(url)
        pool = self._pools.get(proxy)
        if pool is None:
            pool = self._pools.setdefault(proxy, make_pool(proxy, connections=self._connections, silence=SILENCE))
        return pool


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise SourceUnusable(shown(url), "is no URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceUnusable(shown(url), "is no http or https URL")
    if "@" in parts.netloc:
        raise SourceUnusable(shown(url), "has credentials in it, which everybody can see: give --source_user and --source_secret_env")
    return parts


def _followed(url: str, target: str) -> str:
    """Where a redirect leads. Raises SourceUnusable."""
    try:
        following = urljoin(url, target) if target else ""
    except ValueError:
        following = ""
    if not following or (_split(url).scheme == "https" and _split(following).scheme != "https"):
        raise SourceUnusable(shown(url), "redirects to nowhere, or from https to http")
    return following


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]


def _reason(error: Exception) -> str:
    return type(error).__name__
