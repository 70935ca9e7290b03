from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.api.core_metadata import CoreMetadata, parse_core_metadata
from pywharf.api.metadata_facts import (
    MOST_DEPENDENCIES,
    MOST_LINKS,
    MOST_TEXT,
    dependencies_of,
    facts_of,
    keywords_of,
    links_of,
    required_project,
    web_host,
)


def metadata(*lines: str) -> CoreMetadata:
    return parse_core_metadata("\n".join(["Metadata-Version: 2.4", "Name: demo", "Version: 1.0", *lines, ""]).encode())


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example/b?c#d", "a.example"),
        ("HTTP://A.example:8080", "a.example"),
        ("http://[::1]/x", "::1"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//a.example", ""),
        ("/x", ""),
        ("ftp://a.example", ""),
        ("https://", ""),
        ("https:///x", ""),
        ("https://user@a.example", ""),
        ("https://a.example\\@b.example", ""),
        ("https://a.example/ x", ""),
        ("https://a.example/\nx", ""),
        ('https://a.example/"x', ""),
        ("https://[bad", ""),
        ("https://a.example/" + "x" * 2000, ""),
        (" https://a.example", ""),
    ],
)
def test_only_an_address_of_a_web_site_is_one(url: str, host: str) -> None:
    assert web_host(url) == host


def test_links_are_there_once_and_labelled() -> None:
    links = links_of(
        metadata(
            "Project-URL: Source, https://a.example/",
            "Project-URL: Again, https://a.example/",
            "Project-URL: https://b.example/",
            "Home-page: https://c.example/",
        )
    )

    assert [(link.label, link.url, link.host) for link in links] == [
        ("Source", "https://a.example/", "a.example"),
        ("b.example", "https://b.example/", "b.example"),
        ("Homepage", "https://c.example/", "c.example"),
    ]


def test_very_many_links_are_cut() -> None:
    assert len(links_of(metadata(*(f"Project-URL: {number}, https://a.example/{number}" for number in range(500))))) == MOST_LINKS


@pytest.mark.parametrize(
    ("text", "name", "rest", "project", "extra"),
    [
        ("requests>=2,<3", "requests", ">=2,<3", "requests", ""),
        ("Acme_Core [fast] ; python_version < '3'", "Acme_Core", "[fast] ; python_version < '3'", "acme-core", ""),
        ("x; extra == 'docs'", "x", "; extra == 'docs'", "x", "docs"),
        ('x; (python_version > "3") and extra == "docs"', "x", '; (python_version > "3") and extra == "docs"', "x", "docs"),
        ("x @ https://a.example/x.whl", "x", "@ https://a.example/x.whl", "x", ""),
        ("!!", "", "!!", "", ""),
        ("", "", "", "", ""),
        ("x; extra == ", "x", "; extra ==", "x", ""),
    ],
)
def test_a_dependency_is_taken_apart_without_changing_a_letter(text: str, name: str, rest: str, project: str, extra: str) -> None:
    (found,) = dependencies_of([text])

    assert (found.name, found.rest, found.project, found.extra) == (name, rest, project, extra)


def test_dependencies_of_extras_come_last_and_very_many_are_cut() -> None:
    assert [one.name for one in dependencies_of(["b; extra == 'z'", "a", "c; extra == 'y'"])] == ["a", "c", "b"]
    assert len(dependencies_of(f"x{number}" for number in range(2000))) == MOST_DEPENDENCIES


def test_license_and_people_are_told() -> None:
    told = facts_of(
        metadata(
            "License-Expression: MIT", "License: old", "Author: Ada", "Author-email: ada@a.example", "Maintainer-email: Bo <bo@b.example>"
        )
    )

    assert told == (("License", "MIT"), ("Author", "Ada (ada@a.example)"), ("Maintainer", "Bo <bo@b.example>"))
    assert facts_of(metadata()) == ()
    assert facts_of(metadata("License: The first line", "        and a second")) == (("License", "The first line"),)
    assert len(facts_of(metadata("Author: " + "x" * 10_000))[0][1]) == MOST_TEXT + 1


@pytest.mark.parametrize(
    ("keywords", "found"), [("a, b c,,a", ("a", "b c")), ("a b  c", ("a", "b", "c")), ("", ()), (",", ()), ("x " * 99, ("x",))]
)
def test_keywords_are_parted(keywords: str, found: tuple[str, ...]) -> None:
    assert keywords_of(keywords) == found


@given(st.text())
def test_any_text_is_a_dependency_a_keyword_and_no_surprise(text: str) -> None:
    dependencies_of([text])
    keywords_of(text)
    web_host(text)
    web_host(f"https://{text}")
    assert required_project(text) == "" or required_project(text).islower() or not any(map(str.isalpha, required_project(text)))
