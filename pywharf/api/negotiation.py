"""Which form of a Simple API page a client is given: JSON, HTML, or HTML under its old name.

Sources: PEP 691 ("Version + Format Selection"), RFC 9110 sections 12.4.2 (weights) and 12.5.1 (Accept).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from pywharf.errors import WharfError


class PageFormat(Enum):
    """One form of a page; the value is its media type. The order is ours where a client likes several equally (PEP 691)."""

    JSON_V1 = "application/vnd.pypi.simple.v1+json"
    HTML_V1 = "application/vnd.pypi.simple.v1+html"
    HTML = "text/html"

    def __init__(self, media_type: str) -> None:
        # The value of the Content-Type header: always the real type, never an alias. JSON is UTF-8 by definition and has no
        # charset; HTML without one is guessed by browsers.
        self.content_type = media_type if media_type.endswith("+json") else f"{media_type}; charset=utf-8"


PAGE_TYPES = tuple(form.value for form in PageFormat)


class NotAcceptable(WharfError):
    """The client takes none of the forms that an answer can be given in."""

    def __init__(self, asked: str, offered: Sequence[str] = PAGE_TYPES) -> None:
        self.asked = asked[:200]  # the Accept header or ?format=, as sent
        super().__init__(f"None of the content types asked for can be given; this comes as {', '.join(offered)}")


# How exactly a range of an Accept header names a format. A more exact one decides over a wider one, whatever their weights.
_ANYTHING, _ANY_SUBTYPE, _ALIAS, _NAMED = range(4)

_JSON_ALIAS = "application/vnd.pypi.simple.latest+json"
_HTML_ALIAS = "application/vnd.pypi.simple.latest+html"

# The ranges that cover each format, the most exact first.
_COVERED_BY = {
    PageFormat.JSON_V1: ((PageFormat.JSON_V1.value, _NAMED), (_JSON_ALIAS, _ALIAS), ("application/*", _ANY_SUBTYPE), ("*/*", _ANYTHING)),
    PageFormat.HTML_V1: ((PageFormat.HTML_V1.value, _NAMED), (_HTML_ALIAS, _ALIAS), ("application/*", _ANY_SUBTYPE), ("*/*", _ANYTHING)),
    PageFormat.HTML: ((PageFormat.HTML.value, _NAMED), ("text/*", _ANY_SUBTYPE), ("*/*", _ANYTHING)),
}
_NAMES = {name: format_ for format_, covering in _COVERED_BY.items() for name, exactness in covering if exactness >= _ALIAS}

_RICHEST_FIRST = tuple(PageFormat)
_PLAINEST_FIRST = (PageFormat.HTML, PageFormat.JSON_V1, PageFormat.HTML_V1)  # for who takes anything: a browser, curl, an old pip

_REMEMBERED = 500  # characters: no client that is meant sends more

_WEIGHT = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+", re.ASCII)


def negotiate(accept: str | None, format_: str | None = None) -> PageFormat:
    """Choose the form of a page.

    accept: the Accept header; None, empty or without one readable range is "*/*".
    format_: the decoded value of ?format=, which wins; None where the query has none. One content type; a "+" that was
    decoded to a space is understood.
    Raises NotAcceptable, and nothing else whatever was sent.
    """
    if format_ is not None:
        try:
            return _NAMES[format_.strip().replace(" ", "+").lower()]
        except KeyError:
            raise NotAcceptable(format_) from None
    accept = accept or ""
    # The same few clients send the same few headers with every request.
    return _chosen_before(accept) if len(accept) <= _REMEMBERED else _chosen(accept)


def _chosen(accept: str) -> PageFormat:
    ranges = _ranges(accept) or {"*/*": 1.0}
    judged = {candidate: _judge(ranges, candidate) for candidate in PageFormat}
    # Of the formats liked best, one asked for by name goes before one that merely falls under a wildcard.
    weight, exactness = max(judged.values())
    if weight <= 0:
        raise NotAcceptable(accept)
    order = _PLAINEST_FIRST if exactness == _ANYTHING else _RICHEST_FIRST
    return next(candidate for candidate in order if judged[candidate] == (weight, exactness))


_chosen_before = lru_cache(maxsize=256)(_chosen)


def negotiate_type(accept: str | None, offered: Sequence[str]) -> str:
    """Choose what an answer is called that is the same under each of its media types: the first of those liked best.

    accept: as for `negotiate`. Raises NotAcceptable.
    """
    ranges = _ranges(accept or "") or {"*/*": 1.0}

    def weight(media_type: str) -> float:
        covering = (media_type, media_type.partition("/")[0] + "/*", "*/*")
        return next((ranges[media_range] for media_range in covering if media_range in ranges), 0.0)

    chosen = max(offered, key=weight)
    if weight(chosen) <= 0:
        raise NotAcceptable(accept or "", offered)
    return chosen


def _judge(ranges: dict[str, float], candidate: PageFormat) -> tuple[float, int]:
    """The weight a format has for the client, and how exactly it was asked for (an alias is as good as the name)."""
    for media_range, exactness in _COVERED_BY[candidate]:
        if media_range in ranges:
            return ranges[media_range], min(exactness, _ALIAS)
    return 0.0, _ANYTHING


def _ranges(accept: str) -> dict[str, float]:
    """The media ranges of an Accept header, in lower case, with their weights; parameters other than q are ignored.

    What is no media range is left out. Of a range given twice the greater weight counts.
    """
    ranges: dict[str, float] = {}
    for element in _split(accept, ","):
        media_range, *parameters = (part.strip() for part in _split(element, ";"))
        if media_range == "*":  # as some HTTP libraries write it
            media_range = "*/*"
        if "/" not in media_range:
            continue
        media_range = media_range.lower()
        ranges[media_range] = max(_weight(parameters), ranges.get(media_range, 0.0))
    return ranges


def _weight(parameters: list[str]) -> float:
    """The q of a media range, 0 to 1. One that cannot be read counts as if it were not there: 1."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            value = value.strip()
            return min(float(value), 1.0) if _WEIGHT.fullmatch(value) else 1.0
    return 1.0


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator, but not inside a quoted string. One pass, so that no header is slow to read."""
    if '"' not in text:
        return text.split(separator)
    parts, start, quoted, escaped = [], 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == '"':
            quoted = not quoted
        elif quoted:
            escaped = character == "\\"
        elif character == separator:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
