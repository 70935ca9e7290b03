from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pywharf.repository.audit import Requester
from pywharf.testing.distributions import make_wheel

from .client import Answer, Client
from .pages.site import NAVIGATION, Site

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path / "root")) as site:
        site.publish(make_wheel("demo", "1.0", extra_headers=[("Summary", "A <demo> & more")]), make_wheel("other", "2.0"))
        yield site


def entries(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(answer.body)
    assert feed.tag == f"{ATOM}feed"
    for needed in ("id", "title", "updated"):
        assert len(feed.findall(ATOM + needed)) == 1
    return [
        {
            **{child.tag.removeprefix(ATOM): child.text or "" for child in entry},
            "link": entry.find(f"{ATOM}link").attrib["href"],  # type: ignore[union-attr]
        }
        for entry in feed.findall(f"{ATOM}entry")
    ]


def test_the_feed_names_the_newest_releases_of_all_projects(site: Site) -> None:
    found = entries(site.reader.get("/feeds/latest.atom"))

    assert [entry["title"] for entry in found] == ["other 2.0", "demo 1.0"]
    assert found[1]["summary"] == "A <demo> & more"
    assert found[1]["link"] == "http://localhost:8888/projects/demo/1.0/"


def test_a_project_has_a_feed_of_its_own(site: Site) -> None:
    site.publish(make_wheel("demo", "1.1"))

    assert [entry["title"] for entry in entries(site.reader.get("/feeds/demo.atom"))] == ["demo 1.1", "demo 1.0"]
    assert site.reader.get("/feeds/nope.atom").status == 404


def test_of_a_quarantined_project_no_feed_tells_anything(site: Site) -> None:
    site.repository.releases.set_status("write", "demo", "quarantined", "odd", requester=Requester(""))  # type: ignore[arg-type]

    assert [entry["title"] for entry in entries(site.reader.get("/feeds/latest.atom"))] == ["other 2.0"]
    assert entries(site.reader.get("/feeds/demo.atom")) == []


def test_an_empty_repository_has_a_valid_feed(tmp_path: Path) -> None:
    with closing(Site(tmp_path / "empty")) as empty:
        assert entries(empty.reader.get("/feeds/latest.atom")) == []


def test_ids_stay_the_same_whatever_the_server_is_called(site: Site) -> None:
    here = entries(site.reader.get("/feeds/latest.atom"))
    there = entries(site.reader.get("/feeds/latest.atom", HTTP_HOST="other.example"))

    assert [entry["id"] for entry in here] == [entry["id"] for entry in there]
    assert all(entry["id"].startswith("urn:uuid:") for entry in here)
    assert len({entry["id"] for entry in here}) == 2
    assert [entry["link"].replace("localhost:8888", "other.example") for entry in here] == [entry["link"] for entry in there]


def test_what_did_not_change_is_not_sent_again(site: Site) -> None:
    first = site.reader.get("/feeds/latest.atom")
    second = site.reader.get("/feeds/latest.atom", {"If-None-Match": first.headers["etag"]})
    elsewhere = site.reader.get("/feeds/latest.atom", {"If-None-Match": first.headers["etag"]}, HTTP_HOST="other.example")
    site.publish(make_wheel("demo", "3.0"))
    third = site.reader.get("/feeds/latest.atom", {"If-None-Match": first.headers["etag"]})

    assert [second.status, elsewhere.status, third.status] == [304, 200, 200]
    assert first.headers["cache-control"] == "private, no-cache"


def test_a_feed_wants_a_secret_or_a_session(site: Site) -> None:
    stranger = Client(site.app, None)

    assert stranger.get("/feeds/latest.atom").status == 401
    assert stranger.get("/feeds/latest.atom", NAVIGATION).status == 303
    assert site.browser("read").get("/feeds/latest.atom").status == 200


@pytest.mark.parametrize("target", ["/feeds/latest.atom/", "/feeds/Demo.atom", "/feeds/demo.atom/"])
def test_other_spellings_lead_to_the_feed(site: Site, target: str) -> None:
    answer = site.reader.get(target)

    assert answer.status == 301
    assert site.reader.follow(target, answer.headers["location"]) in ("/feeds/latest.atom", "/feeds/demo.atom")


def test_pages_tell_browsers_of_their_feed(site: Site) -> None:
    for target, feed in (("/", "./feeds/latest.atom"), ("/projects/demo/", "../../feeds/demo.atom")):
        (link,) = [one for one in site.visit(target).all("link") if one.attributes.get("rel") == "alternate"]
        assert (link.attributes["type"], link.attributes["href"]) == ("application/atom+xml", feed)
