from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pywharf.testing.distributions import make_wheel
from pywharf.web.pages import project_list

from .site import Page, Site

pytestmark = pytest.mark.any_python


def names(page: Page) -> list[str]:
    return [element.text.split()[0] for element in page.all("a") if element.attributes.get("class") == "name"]


@pytest.fixture(scope="module")
def seven(shared: Site) -> Site:
    """Seven projects, for tests that only look."""
    shared.publish(*(make_wheel(f"demo-{letter}", "1.0", extra_headers=[("Summary", f"The {letter} of all")]) for letter in "abcdefg"))
    return shared


@pytest.fixture
def shelf(seven: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Three of the seven to a page."""
    monkeypatch.setattr(project_list, "PER_PAGE", 3)
    return seven


def test_it_lists_every_project_over_its_pages(shelf: Site) -> None:
    pages = [shelf.visit(f"/projects/?page={number}") for number in (1, 2, 3)]

    assert [name for page in pages for name in names(page)] == [f"demo-{letter}" for letter in "abcdefg"]
    assert all("7 projects, page" in page.text for page in pages)
    assert [sorted(word for word in page.links() if "Page" in word) for page in pages] == [
        ["Page 2 →"],
        ["Page 3 →", "← Page 1"],
        ["← Page 2"],
    ]


@pytest.mark.parametrize(
    ("number", "first"),
    [
        ("0", "a"),
        ("-1", "a"),
        ("x", "a"),
        ("", "a"),
        ("1.5", "a"),
        ("٣", "g"),
        ("4", "g"),
        ("9" * 5000, "g"),
        (" 2 ", "d"),
        ("002", "d"),
        ("1_0", "a"),
    ],
)
def test_a_page_number_that_is_none_shows_the_first_or_the_last(shelf: Site, number: str, first: str) -> None:
    page = shelf.visit(f"/projects/?page={number}")

    assert (page.status, names(page)[0]) == (200, f"demo-{first}")


def test_a_search_finds_by_the_beginning_of_a_word_and_keeps_it_over_the_pages(shelf: Site) -> None:
    found, all_pages = shelf.visit("/projects/?q=demo-c"), shelf.visit("/projects/?q=dem&page=2")

    assert names(found) == ["demo-c"]
    assert found.all("input")[0].attributes["value"] == "demo-c"
    assert "7 projects found, page 2 of 3" in all_pages.text
    assert all_pages.links()["Page 3 →"] == "../projects/?q=dem&page=3"


def test_a_search_that_finds_nothing_says_so(shelf: Site) -> None:
    page = shelf.visit("/projects/?q=nothing-like-it")

    assert page.status == 200
    assert "0 projects found" in page.text
    assert names(page) == []


def test_an_empty_repository_has_a_list_too(site: Site) -> None:
    assert "Nothing has been uploaded yet" in site.visit("/projects/").text


def test_a_status_is_shown_beside_the_name(site: Site) -> None:
    site.publish(make_wheel("old", "1.0"))
    site.repository.releases.set_status(None, "old", "deprecated")

    assert "old 1.0 deprecated" in site.visit("/projects/").text


def test_the_list_says_when_it_does_not_know_everything_yet(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "being brought up to date" not in site.visit("/projects/").text
    monkeypatch.setattr(site.repository.catalogue, "is_behind", lambda: True)

    assert "being brought up to date" in site.visit("/projects/").text


def test_no_control_character_that_was_typed_gets_onto_the_page(shelf: Site) -> None:
    page = shelf.visit("/projects/?q=de%00mo%1b%C2%9bx")

    assert "Projects for “de mo x”" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page.answer.text)


def test_what_was_uploaded_is_found_at_once(site: Site) -> None:
    site.visit("/projects/")
    site.publish(make_wheel("fresh", "1.0", files={"novelty/__init__.py": ""}))

    assert names(site.visit("/projects/?q=novel")) == ["fresh"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(st.characters(exclude_categories=["Cs"]), max_size=300), number=st.text(max_size=10))
def test_whatever_is_typed_is_answered_with_a_page(seven: Site, words: str, number: str) -> None:
    page = seven.visit(f"/projects/?q={quote(words)}&page={quote(number)}")

    assert page.status == 200
    assert page.all("input")[0].attributes["value"].split() == re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", words)[:200].split()
