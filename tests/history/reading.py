"""Pages of the Simple API as a client reads them: names and digests, HTML and JSON, with none of the server's own code."""

from __future__ import annotations

import json
import re
from html import unescape

from .recording import Shown

HTML = "application/vnd.pypi.simple.v1+html"
JSON = "application/vnd.pypi.simple.v1+json"

_LINK = re.compile(r'<a href="(?P<url>[^"]*)"(?P<more>[^>]*)>(?P<text>[^<]*)</a>')
_METADATA = re.compile(r'data-core-metadata="sha256=([0-9a-f]{64})"')


def files_on(page: bytes, form: str) -> dict[str, Shown]:
    """Raises ValueError where a name comes twice, or a page cannot be read."""
    found: dict[str, Shown] = {}
    for name, shown in _json_files(page) if form == JSON else _html_files(page):
        if name in found:
            raise ValueError(f"{name} comes twice")
        found[name] = shown
    return found


def projects_on(page: bytes, form: str) -> frozenset[str]:
    """Raises ValueError."""
    names = [entry["name"] for entry in json.loads(page)["projects"]] if form == JSON else [unescape(link["text"]) for link in _links(page)]
    if len(set(names)) < len(names):
        raise ValueError("a project comes twice")
    return frozenset(names)


def _json_files(page: bytes) -> list[tuple[str, Shown]]:
    found = []
    for entry in json.loads(page)["files"]:
        metadata = entry["core-metadata"]
        found.append((entry["filename"], Shown(entry["hashes"]["sha256"], metadata["sha256"] if metadata else "")))
    return found


def _html_files(page: bytes) -> list[tuple[str, Shown]]:
    found = []
    for link in _links(page):
        metadata = _METADATA.search(link["more"])
        _, _, digest = link["url"].partition("#sha256=")
        if not digest:
            raise ValueError(f"a link without a digest: {link['url']}")
        found.append((unescape(link["text"]), Shown(digest, metadata[1] if metadata else "")))
    return found


def _links(page: bytes) -> list[re.Match[str]]:
    text = page.decode()
    if "</html>" not in text:
        raise ValueError("half a page")
    return list(_LINK.finditer(text))
