"""Readers for header fields: preferences with weights, entity tags, and what a host looks like.

Pure. Source: RFC 9110, sections 7.2 (Host), 12.4.2 (weights), 12.5.3 (Accept-Encoding), 13.1.2 (If-None-Match).
"""

from __future__ import annotations

import re
from functools import lru_cache

# A host with its port or without, as a request can name one and a link can hold it.
HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_REMEMBERED = 200  # characters: no client that is meant sends more
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_ENTITY_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def weights(header: str) -> dict[str, float]:
    """Take a list of preferences apart: "gzip;q=0.5, *;q=0" -> {"gzip": 0.5, "*": 0.0}.

    Names come in lower case; a weight that is none counts as 0, so that the preference is not relied on.
    """
    found: dict[str, float] = {}
    for item in header.split(","):
        name, *parameters = [part.strip() for part in item.split(";")]
        if not name:
            continue
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                weight = float(value.strip()) if _WEIGHT.fullmatch(value.strip()) else 0.0
        found[name.lower()] = weight
    return found


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether a response may be compressed, and the client likes that at least as well as having it plain."""
    asked = accept_encoding or ""
    # The same few clients send the same few headers with every request.
    return _takes_gzip_as_before(asked) if len(asked) <= _REMEMBERED else _takes_gzip(asked)


def _takes_gzip(accept_encoding: str) -> bool:
    asked = weights(accept_encoding)
    gzip = asked.get("gzip", asked.get("x-gzip", asked.get("*", 0.0)))
    return gzip > 0 and gzip >= asked.get("identity", 0.0)


_takes_gzip_as_before = lru_cache(maxsize=256)(_takes_gzip)


def wants_problem(accept: str | None) -> bool:
    """Whether an error should be told as a problem document (RFC 9457): JSON is asked for by name, and no less than text."""
    asked = weights(accept or "")
    json = max(asked.get("application/problem+json", 0.0), asked.get("application/json", 0.0))
    return json > 0 and json >= asked.get("text/plain", asked.get("text/*", asked.get("*/*", 0.0)))


def none_match(if_none_match: str | None, etag: str) -> bool:
    """Whether the condition holds and the response is to be sent; False means 304.

    if_none_match: the field as it came, None where it did not. etag: the strong tag of what would be sent, quotes included.
    Tags are compared weakly, as this field asks for; "*" stands for anything there is.
    """
    if if_none_match is None:
        return True
    if if_none_match == etag or if_none_match.strip() == "*":
        return False
    return etag.strip('"') not in _ENTITY_TAG.findall(if_none_match)
