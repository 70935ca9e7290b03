"""What core metadata say of a project, arranged for a page: links that may be followed, people, dependencies.

Pure. All of it is a stranger's text: lists and texts are cut where they would fill a page, and a link is one to a web site or none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from pywharf.api.core_metadata import CoreMetadata
from pywharf.errors import InvalidName
from pywharf.model.names import normalize_project

MOST_LINKS = 50
MOST_DEPENDENCIES = 500
MOST_KEYWORDS = 50
MOST_TEXT = 500  # characters of one fact
MOST_URL = 2000  # characters

_URL = re.compile(r"https?://[^\s\"'<>\\^`{|}@\x00-\x20\x7f-\x9f]+", re.IGNORECASE)
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRA = re.compile(r"""extra\s*==\s*["']([A-Za-z0-9._-]{1,100})["']""")


@dataclass(frozen=True)
class Link:
    """A link to somewhere else."""

    label: str
    url: str  # http or https
    host: str  # where it leads


@dataclass(frozen=True)
class Dependency:
    """One Requires-Dist."""

    name: str  # as written; "" where the requirement cannot be read
    rest: str  # what follows the name
    project: str  # the name, normalised; "" where there is none
    extra: str  # which extra brings it; "" where it is always needed


def links_of(metadata: CoreMetadata) -> tuple[Link, ...]:
    """Project-URL, Home-page and Download-URL, each address once; what is no address of a web site is left out."""
    named = [*metadata.project_urls[: 2 * MOST_LINKS], ("Homepage", metadata.home_page), ("Download", metadata.download_url)]
    links: dict[str, Link] = {}
    for label, url in named:
        host = web_host(url)
        if host and url not in links and len(links) < MOST_LINKS:
            links[url] = Link(shortened(label) or host, url, host)
    return tuple(links.values())


def web_host(url: str) -> str:
    """The host of an http or https address; "" for anything else, also where who is asked could be mistaken."""
    if len(url) > MOST_URL or not _URL.fullmatch(url):
        return ""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def dependencies_of(requires_dist: Iterable[str]) -> tuple[Dependency, ...]:
    """In the order in which they are written, those of extras behind the others; `MOST_DEPENDENCIES` at most."""
    found = []
    for _, text in zip(range(MOST_DEPENDENCIES), requires_dist, strict=False):
        name = required_project(text)
        match = _NAME.match(text)
        spelled = match[1] if name and match else ""
        rest = text[match.end() :] if spelled and match else text
        found.append(Dependency(spelled, shortened(rest), name, _extra(text)))
    return tuple(sorted(found, key=lambda one: one.extra))


def required_project(requirement: str) -> str:
    """The normalised name of what a Requires-Dist names; "" where that cannot be read."""
    match = _NAME.match(requirement)
    try:
        return normalize_project(match[1]) if match else ""
    except InvalidName:
        return ""


def facts_of(metadata: CoreMetadata) -> tuple[tuple[str, str], ...]:
    """What is told in a word each: license and people."""
    facts = (
        (
            "License",
            metadata.license_expression or metadata.license.splitlines()[0] if metadata.license or metadata.license_expression else "",
        ),
        ("Author", _person(metadata.author, metadata.author_email)),
        ("Maintainer", _person(metadata.maintainer, metadata.maintainer_email)),
    )
    return tuple((label, shortened(value)) for label, value in facts if value.strip())


def keywords_of(keywords: str) -> tuple[str, ...]:
    """Separated by commas, as they should be, or by spaces, as old ones are."""
    separated = keywords.split(",") if "," in keywords else keywords.split()
    return tuple(dict.fromkeys(word.strip()[:100] for word in separated if word.strip()))[:MOST_KEYWORDS]


def shortened(text: str) -> str:
    """A text that is too long for its place ends with an ellipsis."""
    text = text.strip()
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rstrip()}\u2026"


def _person(name: str, email: str) -> str:
    return f"{name} ({email})" if name and email and name not in email else name or email


def _extra(text: str) -> str:
    if "extra" not in text or len(text) > 4 * MOST_TEXT:
        return ""
    try:
        marker = str(Requirement(text).marker or "")
    except InvalidRequirement:
        return ""
    found = _EXTRA.search(marker)
    return found[1] if found else ""
