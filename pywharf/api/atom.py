"""Atom feeds: releases as a feed reader takes them.

Pure. The same releases give the same bytes, so that a tag made of them says whether there is anything new.

Source: RFC 4287 (Atom), RFC 4122 (the ids: names, hashed), XML 1.0, 2.2 (which characters there can be).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from xml.sax.saxutils import escape, quoteattr

CONTENT_TYPE = "application/atom+xml; charset=utf-8"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:pywharf:feeds")  # in which names of ours become ids
_NEVER = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class FeedEntry:
    """One release."""

    identity: tuple[str, ...]  # what it is, whatever the server is called: repository, project, version
    title: str
    url: str  # of its page, absolute
    updated: datetime
    summary: str


@dataclass(frozen=True)
class Feed:
    """What a feed says of itself."""

    identity: tuple[str, ...]
    title: str
    author: str
    url: str  # its own, absolute
    page_url: str  # what it is the feed of, absolute


def render_feed(feed: Feed, entries: Sequence[FeedEntry]) -> bytes:
    """The document. entries: newest first."""
    updated = max((entry.updated for entry in entries), default=_NEVER)
    return "".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n',
            f"<id>{_id(feed.identity)}</id>\n",
            f"<title>{_text(feed.title)}</title>\n",
            f"<updated>{_time(updated)}</updated>\n",
            f"<author><name>{_text(feed.author)}</name></author>\n",
            f'<link rel="self" type="application/atom+xml" href={_attribute(feed.url)}/>\n',
            f'<link rel="alternate" type="text/html" href={_attribute(feed.page_url)}/>\n',
            *(_entry(entry) for entry in entries),
            "</feed>\n",
        ]
    ).encode()


def _entry(entry: FeedEntry) -> str:
    summary = f"<summary>{_text(entry.summary)}</summary>\n" if entry.summary else ""
    return (
        f"<entry>\n<id>{_id(entry.identity)}</id>\n<title>{_text(entry.title)}</title>\n<updated>{_time(entry.updated)}</updated>\n"
        f'<link rel="alternate" type="text/html" href={_attribute(entry.url)}/>\n{summary}</entry>\n'
    )


def _id(identity: tuple[str, ...]) -> str:
    return uuid.uuid5(_SPACE, "\0".join(identity).encode("utf-8", "replace").decode()).urn


def _time(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text))
