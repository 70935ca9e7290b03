"""The Simple Repository API as a client reads it: pages of any index, HTML or JSON, as data.

Nothing on a page is believed to be well-formed: what is no link to a file is left out, text that is no number or time is None.

Sources: PEP 503, 592, 629, 658, 691, 700, 792; "Simple repository API" on packaging.python.org.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from pywharf.errors import SourceUnusable
from pywharf.model.record import STATUS_MARKERS, ProjectStatus, StatusMarker

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
MAX_VERSION = 1  # of the API, its major part

_JSON_TYPE = re.compile(r"application/vnd\.pypi\.simple\.v[0-9]+\+json|application/json")
_HTML_TYPE = re.compile(r"application/vnd\.pypi\.simple\.v[0-9]+\+html|text/html|application/xhtml\+xml")
_DIGEST = re.compile(r"([a-z0-9_]{2,20})=([0-9a-fA-F]{16,256})")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(?:Z|\+00:?00)?")


@dataclass(frozen=True)
class OfferedFile:
    """One link on a project's page."""

    filename: str
    url: str  # in full
    hashes: Mapping[str, str] = field(default_factory=dict)  # by algorithm, as hashlib calls it; lower-case hex
    size: int | None = None  # bytes
    upload_time: datetime | None = None
    yanked: str | None = None  # None: not yanked; "": yanked without a reason


@dataclass(frozen=True)
class OfferedProject:
    """One project's page."""

    files: tuple[OfferedFile, ...]
    status: ProjectStatus = field(default_factory=ProjectStatus)


def read_list(content_type: str, body: bytes, url: str) -> list[str]:
    """The names of an index's projects, as it spells them. url: where the page was, in full. Raises SourceUnusable."""
    if _is_json(content_type, url):
        return [entry["name"] for entry in _list_of(_json(body, url), "projects") if isinstance(entry.get("name"), str)]
    page = _Page(body, url)
    return [text.strip() for _, text in page.links if text.strip()]


def read_project(content_type: str, body: bytes, url: str) -> OfferedProject:
    """A project's page. url: where it was, in full. Raises SourceUnusable."""
    if _is_json(content_type, url):
        page = _json(body, url)
        status = page.get("project-status")
        files = [_file_of_json(entry, url) for entry in _list_of(page, "files")]
        return OfferedProject(
            _told(files), _status(status.get("status"), status.get("reason")) if isinstance(status, dict) else ProjectStatus()
        )
    html = _Page(body, url)
    status = _status(html.metas.get("pypi:project-status"), html.metas.get("pypi:project-status-reason"))
    return OfferedProject(_told(_file_of_link(attributes, html.base) for attributes, _ in html.links), status)


def _told(files: Iterable[OfferedFile | None]) -> tuple[OfferedFile, ...]:
    return tuple(file for file in files if file is not None)


# --- JSON ---------------------------------------------------------------------------------------------------------


def _is_json(content_type: str, url: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    if _JSON_TYPE.fullmatch(kind):
        return True
    if _HTML_TYPE.fullmatch(kind):
        return False
    raise SourceUnusable(shown(url), f"is no page of a package index: its type is {kind[:60]!r}")


def _json(body: bytes, url: str) -> dict[str, Any]:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceUnusable(shown(url), "its JSON cannot be read") from error
    if not isinstance(page, dict):
        raise SourceUnusable(shown(url), "its JSON is no page of a package index")
    meta = page.get("meta")
    _check_version(meta.get("api-version") if isinstance(meta, dict) else None, url)
    return page


def _check_version(version: Any, url: str) -> None:
    major = str(version or "1").partition(".")[0]
    if not major.isdecimal() or int(major[:9]) > MAX_VERSION:
        raise SourceUnusable(shown(url), f"speaks version {str(version)[:20]} of the Simple API, which is not known here")


def _list_of(page: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = page.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _file_of_json(entry: Mapping[str, Any], url: str) -> OfferedFile | None:
    filename, where, hashes, size, yanked = (entry.get(key) for key in ("filename", "url", "hashes", "size", "yanked"))
    if not isinstance(filename, str) or not isinstance(where, str):
        return None
    return OfferedFile(
        filename,
        _absolute(url, where),
        dict(_digests(f"{name}={value}" for name, value in hashes.items())) if isinstance(hashes, dict) else {},
        size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        _time(entry.get("upload-time")),
        yanked if isinstance(yanked, str) else "" if yanked is True else None,
    )


# --- HTML ---------------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The links, metas and base of an HTML page."""

    def __init__(self, body: bytes, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = url
        self.links: list[tuple[dict[str, str | None], str]] = []
        self.metas: dict[str, str] = {}
        self._open: tuple[dict[str, str | None], list[str]] | None = None
        self.feed(body.decode("utf-8", "replace"))
        self.close()
        self._end_link()
        _check_version(self.metas.get("pypi:repository-version"), url)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(reversed(attrs))  # of one that is given twice, HTML takes the first
        if tag == "a":
            self._end_link()
            self._open = (attributes, [])
        elif tag == "base" and attributes.get("href"):
            self.base = _absolute(self.base, attributes["href"] or "")
        elif tag == "meta" and attributes.get("name") and attributes.get("content") is not None:
            self.metas.setdefault((attributes["name"] or "").lower(), attributes["content"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._end_link()

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open[1].append(data)

    def _end_link(self) -> None:
        if self._open is not None:
            attributes, text = self._open
            self.links.append((attributes, "".join(text)))
            self._open = None


def _file_of_link(attributes: Mapping[str, str | None], base: str) -> OfferedFile | None:
    href = attributes.get("href")
    if not href:
        return None
    url = _absolute(base, href)
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    filename = unquote(parts.path.rpartition("/")[2])
    if not filename:
        return None
    return OfferedFile(
        filename,
        url.partition("#")[0],
        dict(_digests(parts.fragment.split("&"))),
        None,
        _time(attributes.get("data-upload-time")),
        (attributes["data-yanked"] or "") if "data-yanked" in attributes else None,
    )


# --- shared -------------------------------------------------------------------------------------------------------


def shown(url: str) -> str:
    """A URL as messages may have it: without credentials, and without a query, which may be one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that cannot be read"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _absolute(base: str, url: str) -> str:
    try:
        return urljoin(base, url.strip())
    except ValueError:
        return ""


def _digests(texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    for text in texts:
        if found := _DIGEST.fullmatch(text.strip()):
            yield found[1].replace("-", "_"), found[2].lower()


def _status(status: Any, reason: Any) -> ProjectStatus:
    marker: StatusMarker = next((known for known in STATUS_MARKERS if known == status), "active")
    return ProjectStatus(marker, reason if isinstance(reason, str) and marker != "active" else "")


def _time(value: Any) -> datetime | None:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}.{(found[3] or '0'):0<6}").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
