"""Where a login leads: to a path of ours, whatever `next` says."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywharf.web.error_pages import refusal
from pywharf.web.errors import NotAuthenticated
from pywharf.web.navigation import local_path
from pywharf.web.request import Request
from pywharf.web.responses import see_other

from .browser import ORIGIN, Browser, leads_to
from .fakes import READ

ELSEWHERE = [
    "//evil.example",
    "//evil.example/",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "HTTPS://evil.example",
    "http:///evil.example",
    "http:\\\\evil.example",
    "//user@evil.example",
    "//evil.example:80\\@localhost:8888/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "%2f%2fevil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "\x01https://evil.example",
    "/simple/\r\nSet-Cookie: x=1",
    "/ /evil.example",
    "/\u2028/evil.example",
    "/\uff0fevil.example",
    "//\uff45vil.example",
    "//[::1]",
    "//[",
    "http://[",
    "simple/",
    "../simple/",
    "?x",
    "#x",
    "",
    ".",
    "@evil.example",
    "evil.example",
    "localhost:8888@evil.example",
    "/é",
    "/" + "x" * 3000,
]
SAFE_BUT_ODD = [
    "/%09/evil.example",
    "/%2f%2fevil.example",
    "/%5cevil.example",
    "/..//evil.example",
    "/.//evil.example",
    "/;//evil.example",
    "/@evil.example",
]


@pytest.mark.parametrize("following", ELSEWHERE)
def test_what_could_be_another_place_is_the_first_page(browser: Browser, following: str) -> None:
    assert leads_to(browser.log_in("local", READ, following)) == (303, "/")


@pytest.mark.parametrize(
    "following", [*SAFE_BUT_ODD, "/", "/simple/", "/projects/?q=a%20b&page=2#top", "/projects/demo/1.0/", "/a:b", "/a?b=//c"]
)
def test_a_path_of_ours_is_where_it_leads(browser: Browser, following: str) -> None:
    status, path = leads_to(browser.log_in("local", READ, following))

    assert status == 303
    assert path.startswith("/")
    assert "evil.example" not in following or "evil.example" in path
    if following not in SAFE_BUT_ODD:
        assert path == following


@pytest.mark.parametrize("following", ELSEWHERE)
def test_the_form_does_not_even_carry_it(browser: Browser, following: str) -> None:
    browser.get("/login/", QUERY_STRING=f"next={following}".encode().decode("latin-1"))

    assert 'name="next" value="/"' in browser.shown


@pytest.mark.parametrize("query", ["next=/simple/&next=//evil.example", "next=%2Fsimple%2F", "next=/simple/%00", "Next=/simple/", "x=1"])
def test_an_odd_query_is_no_trouble(browser: Browser, query: str) -> None:
    assert browser.get(f"/login/?{query}").status == 200
    assert "evil" not in browser.shown


def seen_by_browsers(base: str, location: str) -> tuple[str, str]:
    """Scheme and host of where a Location leads, as the URL standard has browsers read it."""
    base_scheme, _, rest = base.partition("://")
    here = (base_scheme, rest.partition("/")[0])
    text = re.sub("[\t\n\r]", "", location.strip("".join(map(chr, range(0x21))))).replace("\\", "/")
    scheme, colon, after = text.partition(":")
    if colon and re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme):
        if scheme.lower() not in ("http", "https"):
            return scheme.lower(), ""
        if scheme.lower() == base_scheme and not after.startswith("//"):
            return here
        return scheme.lower(), re.split("[/?#]", after.lstrip("/"))[0].rpartition("@")[2]
    if text.startswith("//"):
        return base_scheme, re.split("[/?#]", text.lstrip("/"))[0].rpartition("@")[2]
    return here


def test_the_browsers_reading_finds_what_leads_elsewhere() -> None:
    hosts = {location: seen_by_browsers(f"{ORIGIN}/login/", location) for location in ELSEWHERE}

    assert hosts["/\\evil.example"] == hosts["\t//evil.example"] == hosts["///evil.example"] == ("http", "evil.example")
    assert hosts["java\tscript:alert(1)"] == ("javascript", "")
    assert hosts["https:evil.example"] == ("https", "evil.example")
    assert sum(found != ("http", "localhost:8888") for found in hosts.values()) > 20


PIECES = [
    "/",
    "\\",
    "//",
    "..",
    ".",
    "%2f",
    "%5c",
    "%09",
    "@",
    ":",
    "?",
    "#",
    ";",
    "&",
    "\t",
    "\n",
    " ",
    "\x00",
    "é",
    "evil.example",
    "http:",
    "https:",
    "javascript:",
    "localhost:8888",
    "[",
    "]",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join), st.sampled_from(["/login/", "/login"]))
def test_no_text_leads_anywhere_else(following: str, target: str) -> None:
    path = local_path(following)
    location = see_other(Request({"REQUEST_METHOD": "POST", "PATH_INFO": target}), path).headers[0][1]

    assert path in (following, "/")
    assert location.isascii()
    assert location.isprintable()
    resolved = urlsplit(urljoin(f"{ORIGIN}{target}", location))
    assert (resolved.scheme, resolved.netloc) == ("http", "localhost:8888")
    assert seen_by_browsers(f"{ORIGIN}{target}", location) == ("http", "localhost:8888")
    assert seen_by_browsers(f"{ORIGIN}{target}", path) == ("http", "localhost:8888")  # where somebody puts it into a link as it is


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_a_stranger_asks_for_they_are_led_to_our_login(path: str, query: str) -> None:
    raw = "/" + path.encode("utf-8", "replace").decode("latin-1")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": raw,
        "QUERY_STRING": query.encode("utf-8", "replace").decode("latin-1"),
        "HTTP_SEC_FETCH_MODE": "navigate",
    }

    answer = refusal(Request(environ), NotAuthenticated())

    location = dict(answer.headers)["Location"]
    assert answer.status == 303
    assert location.isascii()
    assert location.isprintable()
    resolved = urlsplit(location if location.startswith("/") else urljoin(f"{ORIGIN}{quote(raw, safe='/', encoding='latin-1')}", location))
    assert resolved.path == "/login/"
    assert local_path(parse_qs(resolved.query).get("next", ["/"])[0]) == parse_qs(resolved.query).get("next", ["/"])[0]


@pytest.mark.parametrize("target", ["/projects/demo/?tab=files&x=%2F", "/simple/d%C3%A9mo/", "/projects/?q=a+b%26c"])
def test_who_was_led_to_the_login_comes_back_to_the_very_page(browser: Browser, target: str) -> None:
    _, login = leads_to(browser.get(target), target)
    browser.get(login)
    (following,) = re.findall('name="next" value="([^"]*)"', browser.shown)

    assert leads_to(browser.send_login("local", READ, unescape(following))) == (303, target)
