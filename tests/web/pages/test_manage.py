from __future__ import annotations

import json

import pytest

from pywharf.errors import AuditUnavailable
from pywharf.testing.distributions import make_sdist, make_wheel

from ..client import Client, basic
from .site import NAVIGATION, Browser, Page, Site

pytestmark = pytest.mark.any_python

MANAGE = "/projects/demo/manage/"


@pytest.fixture
def stocked(site: Site) -> Site:
    site.publish(make_wheel("demo", "1.0"), make_sdist("demo", "1.0"), make_wheel("demo", "2.0"))
    return site


def ask(browser: Browser, action: str, target: str, reason: str = "") -> Page:
    """Fill in the form, and see what would be done."""
    page = browser.get(MANAGE)
    assert page.status == 200
    kind = "status" if action == "status" else "yank"
    return browser.post(f"{MANAGE}{action}/confirm/", {**page.form(f"manage/{kind}/confirm/"), "target": target, "reason": reason})


def do(browser: Browser, action: str, target: str, reason: str = "") -> Page:
    """Go through with it."""
    asked = ask(browser, action, target, reason)
    assert asked.status == 200
    return browser.post(f"{MANAGE}{action}/", asked.form(f"manage/{action}/"))


def test_a_release_is_yanked_after_a_page_that_says_what_would_happen(stocked: Site) -> None:
    browser = stocked.browser()

    asked = ask(browser, "yank", "version 1.0", "broken & old")

    assert "Yank release 1.0?" in asked.text
    assert [element.text for element in asked.all("li")] == ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"]
    assert "The reason: broken & old" in asked.text
    assert [record.yanked for record in stocked.files("demo").values()] == [None, None, None]

    done = browser.post(f"{MANAGE}yank/", asked.form("manage/yank/"))

    assert (done.status, done.answer.headers["location"]) == (303, "../../../../projects/demo/manage/?done=yank")
    assert {name: record.yanked for name, record in stocked.files("demo").items()} == {
        "demo-1.0-py3-none-any.whl": "broken & old",
        "demo-1.0.tar.gz": "broken & old",
        "demo-2.0-py3-none-any.whl": None,
    }
    assert "Yanked." in browser.get(f"{MANAGE}?done=yank").text


def test_a_yank_is_taken_back_and_one_file_is_deleted(stocked: Site) -> None:
    browser = stocked.browser()
    do(browser, "yank", "file demo-1.0.tar.gz")

    assert do(browser, "unyank", "file demo-1.0.tar.gz").answer.headers["location"].endswith("?done=unyank")
    assert stocked.files("demo")["demo-1.0.tar.gz"].yanked is None
    asked = ask(browser, "delete", "file demo-1.0.tar.gz", "held a key")
    assert "This cannot be taken back." in asked.text
    assert "Delete 1 file for good" in asked.text
    assert browser.post(f"{MANAGE}delete/", asked.form("manage/delete/")).status == 303
    assert sorted(stocked.files("demo")) == ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]
    assert "The reason given: “held a key”" in browser.get("/projects/demo/1.0/why/").text


def test_a_status_is_set_with_its_reason(stocked: Site) -> None:
    browser = stocked.browser()

    done = do(browser, "status", "deprecated", "use other")

    assert done.answer.headers["location"].endswith("?done=status")
    status = stocked.status("demo")
    assert status is not None
    assert (status.status, status.reason) == ("deprecated", "use other")
    assert [one.attributes["value"] for one in browser.get(MANAGE).all("input") if "checked" in one.attributes] == ["deprecated"]


def test_the_audit_says_who_did_it_and_from_where(stocked: Site) -> None:
    do(stocked.browser(), "yank", "version 2.0", "why not")

    (line,) = [
        json.loads(line) for path in stocked.root.glob("audit/acme.jsonl") for line in path.read_text().splitlines() if '"yank"' in line
    ]

    assert "192.0.2.1" in json.dumps(line)
    assert "why not" in json.dumps(line)


def test_asked_for_twice_nothing_more_happens(stocked: Site) -> None:
    browser = stocked.browser()
    do(browser, "yank", "version 2.0", "same")

    assert do(browser, "yank", "version 2.0", "same").answer.headers["location"].endswith("?done=nothing")
    assert "Nothing had to be changed" in browser.get(f"{MANAGE}?done=nothing").text


def test_what_changed_since_it_was_shown_is_shown_again_and_not_done(stocked: Site) -> None:
    browser = stocked.browser()
    asked = ask(browser, "delete", "version 1.0")
    stocked.publish(make_wheel("demo", "1.0", tag="cp311-none-any"))

    again = browser.post(f"{MANAGE}delete/", asked.form("manage/delete/"))

    assert again.status == 409
    assert "Nothing was done: look again" in again.text
    assert "demo-1.0-cp311-none-any.whl" in again.text
    assert len(stocked.files("demo")) == 4
    assert browser.post(f"{MANAGE}delete/", again.form("manage/delete/")).status == 303
    assert list(stocked.files("demo")) == ["demo-2.0-py3-none-any.whl"]


@pytest.mark.parametrize("target", ["?done=%3Cscript%3E", "?done=other", "?done=Deleted.", "?version=%22%3E%3Cscript%3E"])
def test_an_address_puts_no_words_on_the_page(stocked: Site, target: str) -> None:
    page = stocked.browser().get(MANAGE + target)

    assert page.all("script") == []
    assert not [element for element in page.elements if element.attributes.get("role") == "status"]


# --- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "target", "reason", "status", "told"),
    [
        ("yank", "", "typed", 400, "choose a release or a file"),
        ("yank", "version", "typed", 400, "choose a release or a file"),
        ("yank", "version 9.9", "typed", 404, "has no release 9.9"),
        ("delete", "file other-1.0.tar.gz", "typed", 404, "has no file other-1.0.tar.gz"),
        ("yank", "version 1.0", "x" * 501, 400, "has 501 characters"),
        ("yank", "version 1.0", "two\nlines", 400, "holds U+000A"),
        ("status", "forgotten", "typed", 400, "choose one of those that are offered"),
        ("status", "archived", "x" * 501, 400, "has 501 characters"),
    ],
)
def test_what_is_refused_comes_back_with_what_was_typed(
    stocked: Site, action: str, target: str, reason: str, status: int, told: str
) -> None:
    page = ask(stocked.browser(), action, target, reason)

    assert page.status == status
    assert told in page.text
    assert [element.text.strip() != "" for element in page.elements if element.attributes.get("role") == "alert"] == [True]
    typed = page.all("input")
    assert reason in [one.attributes.get("value") for one in typed if one.attributes.get("name") == "reason"]
    assert [one.attributes["value"] for one in page.all("option") if "selected" in one.attributes] == (
        [target] if target == "version 1.0" else []
    )


def test_what_the_storage_refuses_comes_back_too(stocked: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = stocked.browser()
    asked = ask(browser, "yank", "version 1.0", "typed")

    def fail(*arguments: object, **named: object) -> None:
        raise AuditUnavailable("repository acme", "the disk is full")

    monkeypatch.setattr(stocked.repository.releases, "yank", fail)
    page = browser.post(f"{MANAGE}yank/", asked.form("manage/yank/"))

    assert page.status == 503
    assert "retry-after" in page.answer.headers
    assert "typed" in [one.attributes.get("value") for one in page.all("input")]


def test_a_reader_may_not_come_here(stocked: Site) -> None:
    browser = stocked.browser("read")

    assert browser.get(MANAGE).status == 403
    for action in ("yank", "unyank", "delete", "status"):
        assert browser.post(f"{MANAGE}{action}/", {"form_token": "x"}).status == 403
        assert browser.post(f"{MANAGE}{action}/confirm/", {"form_token": "x"}).status == 403


def test_basic_authentication_is_told_to_log_in(stocked: Site) -> None:
    writer = Client(stocked.app, basic("acme", "write"))

    answers = [writer.get(MANAGE, NAVIGATION)]
    for action in ("yank", "unyank", "delete", "status"):
        answers += [
            writer.send(
                "POST", f"{MANAGE}{action}/{more}", {"Content-Type": "application/x-www-form-urlencoded"}, body=b"target=version+1.0"
            )
            for more in ("", "confirm/")
        ]

    assert [(answer.status, "open /login/ first" in answer.text) for answer in answers] == [(403, True)] * 9
    assert not any(record.yanked for record in stocked.files("demo").values())


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8888.evil.example"},
        {"Origin": "http://localhost:9999"},
    ],
)
def test_another_site_can_send_no_form(stocked: Site, headers: dict[str, str]) -> None:
    browser = stocked.browser()
    form = ask(browser, "delete", "version 1.0").form("manage/delete/")

    assert browser.post(f"{MANAGE}delete/", form, **headers).status == 403
    assert len(stocked.files("demo")) == 3


@pytest.mark.parametrize("token", ["", "0" * 64, "é", None])
def test_a_form_without_the_sessions_token_does_nothing(stocked: Site, token: str | None) -> None:
    browser = stocked.browser()
    form = ask(browser, "delete", "version 1.0").form("manage/delete/")
    other = stocked.browser().get(MANAGE).form("manage/yank/confirm/")["form_token"]

    for tried in (token, other):
        sent = {**form, "form_token": tried} if tried is not None else {name: value for name, value in form.items() if name != "form_token"}
        assert browser.post(f"{MANAGE}delete/", sent).status == 403
    assert len(stocked.files("demo")) == 3


def test_a_session_that_ended_meanwhile_leads_to_the_login_and_back(stocked: Site) -> None:
    browser = stocked.browser()
    form = ask(browser, "delete", "version 1.0").form("manage/delete/")
    browser.cookies.clear()

    page = browser.post(f"{MANAGE}delete/", form)

    assert (page.status, page.answer.headers["location"]) == (303, "../../../../login/?next=/projects/demo/manage/")
    assert len(stocked.files("demo")) == 3


def test_a_project_that_is_not_here_cannot_be_managed(stocked: Site) -> None:
    assert stocked.browser().get("/projects/nope/manage/").status == 404


def test_a_project_without_files_can_still_be_given_a_status(stocked: Site) -> None:
    browser = stocked.browser()
    for version in ("1.0", "2.0"):
        do(browser, "delete", f"version {version}")

    page = browser.get(MANAGE)

    assert "There is no file that could be changed." in page.text
    assert do(browser, "status", "archived").status == 303
