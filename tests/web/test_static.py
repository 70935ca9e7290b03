from __future__ import annotations

import re

import pytest

from .client import Client
from .fakes import READ


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pywharf.css", "text/css; charset=utf-8"), ("search.js", "text/javascript; charset=utf-8"), ("pywharf.svg", "image/svg+xml")],
)
def test_everybody_may_have_what_says_nothing_of_anybody(stranger: Client, name: str, kind: str) -> None:
    answer = stranger.get(f"/static/{name}")

    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not answer.cookies
    assert not re.search(rb"(?:@import|url\(|https?://(?!www\.w3\.org/2000/svg))", answer.body)


def test_pages_ask_for_it_by_its_content_and_browsers_keep_it(stranger: Client) -> None:
    (target,) = re.findall(r'<link rel="stylesheet" href="\.\.(/static/pywharf\.css\?v=[0-9a-f]{16})">', stranger.get("/login/").text)

    assert stranger.get(target).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert stranger.get("/static/pywharf.css?v=another").headers["cache-control"] == "public, max-age=3600"


def test_who_has_it_is_told_so(stranger: Client) -> None:
    etag = stranger.get("/static/pywharf.css").headers["etag"]

    answer = stranger.get("/static/pywharf.css", {"If-None-Match": etag})

    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize("name", ["..%2fapp.py", "%2e%2e", "app.py", "nothing.css", "pywharf.css%00", ".", "templates", "pywharf.css.map"])
def test_nothing_else_of_the_program_is_served(stranger: Client, name: str) -> None:
    assert stranger.get(f"/static/{name}").status in (401, 404)
    assert Client(stranger.app).get(f"/static/{name}").status == 404
    assert READ not in stranger.get(f"/static/{name}").text
