"""Errors in a browser: the same answer as anybody's, as a page that repeats nothing unescaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pywharf import errors
from pywharf.errors import BackendUnavailable, IndexNotReady
from pywharf.web import error_pages, responses
from pywharf.web import errors as web_errors
from pywharf.web.request import Request
from pywharf.web.responses import STATUS
from pywharf.web.templating import HTML_HEADERS

from .browser import NAVIGATES, Browser
from .client import Client, basic
from .fakes import READ, FakeRepository

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>{{1+1}} %end\n% import os\r\nSet-Cookie: x"
OWN = {name.lower() for name, _ in HTML_HEADERS}


def error_of(kind: type[Exception]) -> Exception:
    """One of its kind, with hostile text in it."""
    error = kind.__new__(kind)
    Exception.__init__(error, EVIL)
    for name, value in {"retry_after": 7, "scheme": "Basic", "allowed": ("GET", "HEAD"), "size": 9, "field": EVIL, "limit": 1}.items():
        setattr(error, name, value)
    return error


def request(**environ: str) -> Request:
    return Request({"REQUEST_METHOD": "POST", "PATH_INFO": "/projects/demo/", **environ})


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_a_page_says_what_the_plain_answer_says(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "__str__", lambda self: EVIL)
    error = error_of(kind)

    plain = error_pages.refusal(request(), error)
    page = error_pages.refusal(request(HTTP_SEC_FETCH_MODE="navigate"), error)

    assert (page.status, page.status_line) == (plain.status, plain.status_line)
    assert dict(plain.headers)["Content-Type"] == "text/plain; charset=utf-8"
    assert [header for header in page.headers if header[0].lower() not in OWN] == [h for h in plain.headers if h[0].lower() not in OWN]
    assert [header for header in page.headers if header[0].lower() in OWN] == HTML_HEADERS
    text = bytes(page.body).decode()  # type: ignore[arg-type]
    assert shown(text) == bytes(plain.body).decode()  # type: ignore[arg-type]
    assert tags(text) <= {"html", "head", "meta", "title", "link", "body", "a", "header", "div", "main", "p", "h1", "footer"}
    assert not re.search(r"<[^>]*\son\w+=", text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.lead = ""
        self._in_lead = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in_lead = ("class", "lead") in attrs

    def handle_data(self, data: str) -> None:
        self.lead += data if self._in_lead else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_lead = False


def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


def tags(text: str) -> set[str]:
    return read(text).tags


def shown(text: str) -> str:
    return read(text).lead


def test_only_browsers_get_a_page(client: Client) -> None:
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/html"}, {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}):
        assert client.get("/nothing", headers).headers["content-type"] == "text/plain; charset=utf-8"
    assert client.get("/nothing", {"Accept": "application/json"}).headers["content-type"] == "application/problem+json"
    assert client.get("/nothing", NAVIGATES).headers["content-type"] == "text/html; charset=utf-8"


def test_who_asks_for_json_gets_json_browser_or_not(client: Client) -> None:
    answer = client.get("/nothing", {**NAVIGATES, "Accept": "application/json"})

    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("target", ["/nothing", "/simple/nope/x", "/login/x", "/%ff"])
def test_head_says_what_get_would(client: Client, target: str) -> None:
    head, get = client.send("HEAD", target, NAVIGATES), client.get(target, NAVIGATES)

    assert (head.status, head.reason, head.headers, head.body) == (get.status, get.reason, get.headers, b"")
    assert int(head.headers["content-length"]) == len(get.body) > 0


def test_nothing_of_the_address_is_repeated_unescaped(client: Client) -> None:
    for target in (
        "/simple/<script>alert(1)<%2Fscript>/",
        "/simple/demo/<img%20src=x%20onerror=alert(1)>",
        '/pypi/"><script>/json?a=<script>',
    ):
        answer = client.get(target, NAVIGATES)

        assert answer.status == 404
        assert not re.search("<(script|img)", answer.text)


def test_an_unexpected_error_is_a_page_with_a_reference_and_nothing_else(client: Client, repository: FakeRepository) -> None:
    repository.trouble = ZeroDivisionError("<b>internals</b>")

    answer = client.get("/simple/demo/", NAVIGATES)

    assert (answer.status, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert not re.search("internals|Zero|Traceback", answer.text)
    assert re.search(r"under [0-9a-f]{8}</p>", answer.text)


@pytest.mark.parametrize("trouble", [BackendUnavailable("it is away", retry_after=7), IndexNotReady("local", "it is new", retry_after=7)])
def test_trouble_below_is_a_page_that_says_when_to_come_back(client: Client, repository: FakeRepository, trouble: Exception) -> None:
    repository.trouble = trouble

    answer = client.get("/simple/", NAVIGATES)

    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert shown(answer.text) == str(trouble)


@pytest.mark.any_python
def test_too_many_guesses_are_a_page(app: object) -> None:
    for number in range(62):
        answer = Client(app, basic("local", f"guess {number}")).get("/simple/", NAVIGATES)  # type: ignore[arg-type]

    assert (answer.status, answer.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_a_page_says_once_what_kind_of_error_it_is(client: Client) -> None:
    answer = client.get("/nothing", NAVIGATES)

    assert "<h1>Not found</h1>" in answer.text
    assert shown(answer.text) == "There is no such page"
    assert client.get("/nothing").text == "Not found: There is no such page"


def test_who_is_logged_in_still_is_on_an_error_page(browser: Browser) -> None:
    browser.log_in("local", READ)

    page = browser.get("/nothing").text

    assert "Log out" in page
    assert 'action="./projects/"' in page  # relative to /nothing
    assert "Log out" not in browser.copy().get("/nothing", {"Cookie": ""}).text


def test_every_status_of_the_table_has_a_title(monkeypatch: pytest.MonkeyPatch) -> None:
    for status in {*STATUS.values(), 500}:
        page = error_pages._shown(request(HTTP_SEC_FETCH_MODE="navigate"), responses.text(status, "why"))

        assert re.search(r"<h1>[A-Z][\w -]+</h1>", bytes(page.body).decode())  # type: ignore[arg-type]


def test_the_errors_are_all_of_ours() -> None:
    assert {kind.__module__ for kind in STATUS} <= {
        errors.__name__,
        web_errors.__name__,
        "pywharf.api.core_metadata",
        "pywharf.api.negotiation",
    }


def test_templates_escape_everything_but_the_two_places_that_are_known() -> None:
    folder = Path(error_pages.__file__).parent / "templates"
    unescaped = [(path.name, found) for path in sorted(folder.iterdir()) for found in re.findall(r"\{\{!.*?\}\}", path.read_text("utf-8"))]

    assert set(unescaped) <= {("base.tpl", "{{!base}}"), ("release.tpl", "{{!readme}}")}
    assert len(unescaped) == len(set(unescaped))
    for path in folder.iterdir():
        text = path.read_text("utf-8")
        # nothing runs, nothing is styled in place, nothing comes from elsewhere
        assert not re.search(r"<style|\sstyle=|\son[a-z]+\s*=|javascript:|(?:src|href|action)=\"(?:https?:)?//", text, re.IGNORECASE), (
            path.name
        )
        assert not re.search(r"^\s*%\s*(?:import|from|exec|eval)\b|<%", text, re.MULTILINE), path.name
        for script in re.findall(r"<script[^>]*>", text):
            assert re.search(r'src="\{\{', script), path.name
