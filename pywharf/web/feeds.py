"""Atom feeds of what was released: of a whole repository, and of one project.

Links in a feed are absolute, as feed readers want them, and so are made from the address that was asked for: an answer is
tagged with all of its content, and never kept for another reader.
"""

from __future__ import annotations

import hashlib

from pywharf.api.atom import CONTENT_TYPE, Feed, FeedEntry, render_feed
from pywharf.model.catalogue import LatestRelease
from pywharf.web.callers import Caller
from pywharf.web.errors import NotFound
from pywharf.web.headers import none_match
from pywharf.web.own_address import own_address
from pywharf.web.request import Request
from pywharf.web.responses import Response, not_modified, redirect
from pywharf.web.simple import known_project_name
from pywharf.web.templating import path_of

LATEST = 50  # entries


class Feeds:
    """`GET /feeds/latest.atom` and `GET /feeds/<project>.atom`. public_url: where people reach this server, "" where not configured."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def latest(self, request: Request, caller: Caller) -> Response:
        """The newest releases of all projects but those that are quarantined, of which nothing is offered."""
        if request.raw_path != "/feeds/latest.atom":
            return redirect(request, "feeds/latest.atom")
        repository = caller.repository.name
        base = own_address(request, self._public_url)
        feed = Feed((repository,), f"Latest releases in {repository}", repository, f"{base}feeds/latest.atom", base)
        return _send(request, feed, _entries(base, repository, caller.repository.catalogue.latest(LATEST, offered=True)))

    def project(self, request: Request, caller: Caller, project: str) -> Response:
        """The newest releases of one project."""
        name = known_project_name(project)
        if request.raw_path != f"/feeds/{name}.atom":
            return redirect(request, f"feeds/{name}.atom")
        repository = caller.repository.name
        if caller.repository.project_revision(name) is None:
            raise NotFound(f"there is no project {name} in repository {repository}")
        base = own_address(request, self._public_url)
        feed = Feed((repository, name), f"Releases of {name}", repository, f"{base}feeds/{name}.atom", f"{base}projects/{name}/")
        return _send(request, feed, _entries(base, repository, caller.repository.catalogue.latest(LATEST, name, offered=True)))


def _entries(base: str, repository: str, releases: tuple[LatestRelease, ...]) -> list[FeedEntry]:
    return [
        FeedEntry(
            identity=(repository, release.project, release.version),
            title=f"{release.name} {release.version}",
            url=base + path_of(f"projects/{release.project}/{release.version}/"),
            updated=release.uploaded,
            summary=release.summary,
        )
        for release in releases
    ]


def _send(request: Request, feed: Feed, entries: list[FeedEntry]) -> Response:
    content = render_feed(feed, entries)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    fields = [("Cache-Control", "private, no-cache"), ("Vary", "Authorization, Cookie")]
    if not none_match(request.header("If-None-Match"), etag):
        return not_modified(etag, fields)
    fields += [
        ("Content-Type", CONTENT_TYPE),
        ("ETag", etag),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
    ]
    return Response(200, content, fields)
