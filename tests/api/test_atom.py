from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.atom import Feed, FeedEntry, render_feed

ATOM = "{http://www.w3.org/2005/Atom}"
FEED = Feed(("local",), "Latest", "local", "https://a.example/feeds/latest.atom", "https://a.example/")
AT = datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=2)))


def entry(title: str = "demo 1.0", summary: str = "", url: str = "https://a.example/x", version: str = "1.0") -> FeedEntry:
    return FeedEntry(("local", "demo", version), title, url, AT, summary)


def test_a_feed_has_what_the_standard_asks_for() -> None:
    feed = ET.fromstring(render_feed(FEED, [entry(version="1.0"), entry(version="2.0")]))

    assert feed.findtext(f"{ATOM}updated") == "2026-11-21T10:00:00Z"
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "local"
    assert {link.attrib["rel"]: link.attrib["href"] for link in feed.findall(f"{ATOM}link")} == {
        "self": "https://a.example/feeds/latest.atom",
        "alternate": "https://a.example/",
    }
    ids = [feed.findtext(f"{ATOM}id"), *(one.findtext(f"{ATOM}id") for one in feed.findall(f"{ATOM}entry"))]
    assert len(set(ids)) == 3
    assert all(one and one.startswith("urn:uuid:") for one in ids)


def test_the_same_releases_give_the_same_bytes() -> None:
    assert render_feed(FEED, [entry()]) == render_feed(FEED, [entry()])
    assert render_feed(FEED, [entry()]) != render_feed(FEED, [entry(version="2.0")])


def test_an_empty_feed_was_never_updated() -> None:
    assert ET.fromstring(render_feed(FEED, [])).findtext(f"{ATOM}updated") == "1970-01-01T00:00:00Z"


@given(title=st.text(), summary=st.text(), url=st.text())
def test_any_text_comes_back_from_a_reader_but_for_what_xml_cannot_hold(title: str, summary: str, url: str) -> None:
    found = ET.fromstring(render_feed(FEED, [entry(title, summary, url)])).find(f"{ATOM}entry")

    assert found is not None
    assert [child.tag for child in found] == [ATOM + name for name in ("id", "title", "updated", "link", *(["summary"] if summary else []))]
    kept = "".join(
        one if one in "\t\n" or (one >= " " and not "\ud800" <= one <= "\udfff" and one not in "\ufffe\uffff") or one == "\r" else "\ufffd"
        for one in title
    )
    assert found.findtext(f"{ATOM}title") == kept.replace("\r\n", "\n").replace("\r", "\n")
