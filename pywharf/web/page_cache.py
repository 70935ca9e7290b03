"""Rendered pages, kept while they are current and as long as there is room.

Pages are rendered and compressed at first reading, never by an upload. A page is current while the revision it was
rendered from is: under one key only the newest is kept.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

SMALLEST_COMPRESSED = 256  # bytes; below, gzip's own header eats the gain
_OVERHEAD = 1024  # bytes of bookkeeping that a kept page costs besides its content, roughly


class PageKey(NamedTuple):
    """What a page shows. `generation` parts the configurations: the same name may lead to another storage after a swap."""

    generation: int
    repository: str
    project: str  # normalised; "" is the list of projects
    variant: str  # what tells apart the pages of one project: the content type, and more where that is not enough

    @property
    def weight(self) -> int:
        """What keeping it costs, in bytes: a client may choose a part of the variant, as long as a request can be."""
        return len(self.project) + len(self.variant)


@dataclass(frozen=True)
class Page:
    """A rendered page in both encodings, with a strong entity tag for each, made from the bytes themselves."""

    content_type: str
    revision: int  # local, of what it shows
    serial: int  # the same on every server
    plain: bytes
    plain_etag: str
    compressed: bytes | None  # gzip; None where that would gain nothing
    compressed_etag: str

    @property
    def weight(self) -> int:
        """What keeping it costs, in bytes."""
        return len(self.plain) + len(self.compressed or b"") + _OVERHEAD


def make_page(content: bytes, content_type: str, *, revision: int, serial: int) -> Page:
    """Compress and tag a rendered page. The same content gives the same tags in every process."""
    compressed: bytes | None = None
    if len(content) >= SMALLEST_COMPRESSED:
        compressed = gzip.compress(content, compresslevel=6, mtime=0)
        if len(compressed) >= len(content):
            compressed = None
    return Page(
        content_type, revision, serial, content, _etag(content_type, content), compressed, _etag(f"{content_type} gzip", compressed or b"")
    )


def _etag(kind: str, content: bytes) -> str:
    return f'"{hashlib.sha256(kind.encode() + b"|" + content).hexdigest()[:32]}"'


Rendered = TypeVar("Rendered", bound="Page | None")


class PageCache:
    """Pages by key, at most `max_bytes` together, the least recently used leaving first. Shared between threads."""

    def __init__(self, max_bytes: int = 32 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self.hits = 0  # pages that were kept, or that another was rendering already
        self.misses = 0
        self._lock = threading.Lock()
        self._pages: OrderedDict[PageKey, Page] = OrderedDict()
        self._rendering: dict[tuple[PageKey, int], Future[Any]] = {}

    def get(self, key: PageKey, revision: int, render: Callable[[], Rendered]) -> Page | Rendered:
        """The page as of `revision` or newer. Many asking at once for one that is not kept cause one rendering.

        render: makes the page; None where what it would show has gone meanwhile. Its errors reach everyone who waits.
        """
        flight = (key, revision)
        with self._lock:
            kept = self._pages.get(key)
            if kept is not None and kept.revision == revision:
                self._pages.move_to_end(key)
                self.hits += 1
                return kept
            waiting = self._rendering.get(flight)
            self.hits += waiting is not None
            if waiting is None:
                self.misses += 1
                mine: Future[Any] = Future()
                self._rendering[flight] = mine
        if waiting is not None:
            found: Rendered = waiting.result()
            return found
        try:
            page = render()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(page)
            if page is not None:
                self._keep(key, page)
            return page
        finally:
            with self._lock:
                del self._rendering[flight]

    def _keep(self, key: PageKey, page: Page) -> None:
        with self._lock:
            self._drop(key)
            weight = key.weight + page.weight
            if weight > self._max_bytes:
                return
            self._pages[key] = page
            self._bytes += weight
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._pages)))

    def _drop(self, key: PageKey) -> None:
        page = self._pages.pop(key, None)
        if page is not None:
            self._bytes -= key.weight + page.weight

    @property
    def weight(self) -> int:
        """What is kept at this moment, in bytes."""
        return self._bytes

    def __len__(self) -> int:
        """How many pages are kept."""
        return len(self._pages)
