"""A session from the login to its end, as browsers and copies of their cookies see it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from pywharf.config import ServerSettings
from pywharf.errors import BackendUnavailable
from pywharf.web.app import App, make_app
from pywharf.web.sessions import Sessions
from pywharf.web.throttle import Throttle

from .browser import NAVIGATES, Browser, leads_to
from .client import Client
from .conftest import Clock
from .fakes import READ, WRITE, FakeRepository, FakeWharf

PAGE = "/simple/demo/"


# --- cookies that are none --------------------------------------------------------------------------------------------


def test_odd_cookies_are_no_session_and_no_trouble(app: App) -> None:
    browser = Browser(app)
    browser.log_in("local", READ)
    cookie = browser.cookies["pywharf"]

    for header in (
        "",
        ";",
        "=",
        "pywharf",
        "pywharf=",
        f"pywharf={cookie[:-1]}",
        f"pywharf={cookie}\x00",
        f"pywharf=\x00{cookie}",
        f'pywharf="{cookie}"',
        f"PYWHARF={cookie}",
        f"xpywharf={cookie}",
        f"__Host-pywharf={cookie}",
        f"pywharf={cookie}; pywharf=other",
        f"pywharf=other; pywharf={cookie}",
        f"pywharf={cookie},pywharf={cookie}",
        f"$Version=1; pywharf={cookie}x",
        "pywharf=\xff\xfe",
        "pywharf=" + "A" * 30_000,
    ):
        assert leads_to(browser.get(PAGE, {"Cookie": header}), PAGE) == (303, f"/login/?next={PAGE}"), header[:60]
    for header in (
        f"a=b; pywharf={cookie}",
        f"pywharf={cookie};",
        f"pywharf={cookie}; pywharf={cookie}",
        f" \t pywharf={cookie} ; \x00=\x00; x",
        "; ".join([*(f"c{number}=1" for number in range(2000)), f"pywharf={cookie}"]),
    ):
        assert browser.get(PAGE, {"Cookie": header}).status == 200, header[:60]


# --- one browser, several sessions ------------------------------------------------------------------------------------


def test_a_cookie_from_before_the_login_is_never_taken_over(app: App) -> None:
    attacker, victim = Browser(app), Browser(app)
    attacker.log_in("other", "other-read")
    planted = attacker.cookies["pywharf"]

    for value in ("A" * 43, planted):
        victim.cookies = {"pywharf": value}
        assert victim.log_in("local", READ).status == 303
        assert victim.cookies["pywharf"] != value
    assert victim.get(PAGE).status == 200
    # what was planted ended with the login, for whoever planted it too
    assert attacker.get(PAGE).status == 303


def test_each_login_has_an_id_of_its_own_and_ends_the_one_before(browser: Browser) -> None:
    browser.log_in("local", READ)
    before = browser.copy()
    browser.log_in("local", READ)

    assert browser.cookies["pywharf"] != before.cookies["pywharf"]
    assert (browser.get(PAGE).status, before.get(PAGE).status) == (200, 303)


def test_a_failed_login_leaves_the_session_as_it_was(browser: Browser) -> None:
    browser.log_in("local", READ)

    assert browser.log_in("local", "wrong").status == 401
    assert browser.get(PAGE).status == 200


# --- out --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{**NAVIGATES, "Sec-Fetch-Site": "none"}, {"Accept": "*/*"}, {}], ids=["typed", "a program", "nothing said"]
)
def test_a_visit_to_logout_ends_the_session_for_every_copy_of_its_cookie(app: App, headers: Mapping[str, str]) -> None:
    browser, another = Browser(app), Browser(app)
    browser.log_in("local", READ)
    another.log_in("local", READ)
    copy = browser.copy()

    answer = browser.send("GET", "/logout/", headers)

    assert leads_to(answer, "/logout/") == (303, "/login/")
    assert answer.headers["clear-site-data"] == '"cache"'
    assert "pywharf" not in browser.cookies
    assert leads_to(copy.get(PAGE), PAGE) == (303, f"/login/?next={PAGE}")
    assert copy.get(PAGE, {"Sec-Fetch-Mode": "cors"}).status == 401
    assert another.get(PAGE).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},  # as of a link in a README
        {"Sec-Fetch-Site": ""},  # over plain http browsers do not say
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Origin": "https://evil.example"},
    ],
)
def test_a_visit_that_nobody_meant_asks_first(browser: Browser, headers: Mapping[str, str]) -> None:
    browser.log_in("local", READ)

    answer = browser.get("/logout/", headers)

    assert (answer.status, answer.cookies) == (200, [])
    assert browser.get(PAGE).status == 200
    browser.get("/logout/", headers)
    assert browser.post("/logout/", {"form_token": browser.form_token}).status == 303
    assert browser.get(PAGE).status == 303


def test_head_ends_nothing(browser: Browser) -> None:
    browser.log_in("local", READ)

    assert browser.send("HEAD", "/logout/", NAVIGATES).body == b""
    assert browser.get(PAGE).status == 200


def test_another_site_cannot_even_make_the_browser_forget_its_cookie(app: App) -> None:
    """Its forms come without the cookie, and browsers take a Set-Cookie from the answer all the same."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        for method in ("GET", "POST"):
            answer = Browser(app).send(method, "/logout/", {**NAVIGATES, **headers})
            assert answer.cookies == []
            assert "clear-site-data" not in answer.headers


def test_who_is_not_logged_in_is_logged_out(browser: Browser) -> None:
    for cookies in ({}, {"pywharf": "A" * 43}):
        browser.cookies = dict(cookies)
        assert leads_to(browser.get("/logout/"), "/logout/") == (303, "/login/")
        assert leads_to(browser.post("/logout/", {}), "/logout/") == (303, "/login/")


# --- over -------------------------------------------------------------------------------------------------------------


def test_a_changed_secret_ends_the_session_and_is_counted_once(app: App, repository: FakeRepository, clock: Clock) -> None:
    browser = Browser(app)
    browser.log_in("local", READ)
    del repository.secrets[READ]
    repository.known.clear()

    statuses = [browser.get(PAGE).status for _ in range(70)]

    assert statuses == [303] * 70
    assert repository.asked.count(READ) == 2  # at the login, and once after
    repository.secrets[READ] = repository.secrets[WRITE]
    assert browser.get(PAGE).status == 303  # it does not come back


def test_another_configuration_ends_the_session(app: App, wharf: FakeWharf) -> None:
    browser = Browser(app)
    browser.log_in("local", READ)

    wharf.generation.configuration = "another"

    assert browser.get(PAGE).status == 303


@pytest.mark.parametrize("configuration", ["as it is", "another"])
def test_initialising_ends_every_session_also_with_the_very_same_configuration(app: App, wharf: FakeWharf, configuration: str) -> None:
    browser = Browser(app)
    browser.log_in("local", READ)
    bearer = Client(app, f"Bearer {wharf.token}")
    wharf.refusal = BackendUnavailable("no room")
    assert bearer.send("POST", "/initialize/", body=b"config=x&admin_secret=y").status == 503
    assert browser.get(PAGE).status == 200

    wharf.refusal = None
    wharf.generation.configuration = configuration
    assert bearer.send("POST", "/initialize/", body=b"config=x&admin_secret=y").status == 200

    assert browser.get(PAGE).status == 303


def test_a_session_of_a_repository_that_is_gone_is_over(app: App, wharf: FakeWharf) -> None:
    browser = Browser(app)
    browser.log_in("local", READ)
    wharf.generation.repositories = {"other": wharf.generation.repositories["other"]}

    assert browser.get(PAGE).status == 303


def test_processes_share_sessions(app: App, wharf: FakeWharf) -> None:
    other = make_app(wharf.wharf, ServerSettings(), throttle=Throttle())
    here, there = Browser(app), Browser(other)
    here.log_in("local", READ)
    there.cookies = dict(here.cookies)
    assert there.get(PAGE).status == 200

    there.get("/logout/")

    assert here.get(PAGE).status == 303


def test_where_sessions_cannot_be_looked_up_programs_go_on(app: App, wharf: FakeWharf) -> None:
    wharf.sessions_path.mkdir()
    browser = Browser(app, cookies={"pywharf": "A" * 43})

    assert Client(app).get(PAGE).status == 200
    assert Client(app).get(PAGE, {"Cookie": "pywharf=" + "A" * 43}).status == 200
    assert Client(app, None).get(PAGE).status == 401
    answer = browser.get(PAGE)
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert browser.log_in("local", READ).status == 503


def test_a_damaged_database_means_to_log_in_again(app: App, wharf: FakeWharf) -> None:
    browser = Browser(app)
    browser.log_in("local", READ)
    Sessions(wharf.sessions_path).close()
    for suffix in ("", "-wal", "-shm"):
        wharf.sessions_path.with_name(f"sessions.sqlite{suffix}").unlink(missing_ok=True)
    wharf.sessions_path.write_bytes(b"no database" * 1000)

    assert browser.get(PAGE).status == 303
    assert browser.log_in("local", READ).status == 303
    assert browser.get(PAGE).status == 200


# --- nothing leaks ----------------------------------------------------------------------------------------------------


def test_no_page_header_or_log_line_tells_the_secret_or_the_cookie(
    app: App, wharf: FakeWharf, repository: FakeRepository, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    browser = Browser(app)
    answers = [browser.log_in("local", "wrong wrong"), browser.send_login("local", WRITE, PAGE)]
    cookie = browser.cookies["pywharf"]
    repository.trouble = ZeroDivisionError(f"with {WRITE} and {cookie}")
    answers += [browser.get(PAGE), browser.get("/simple/"), browser.get("/nothing")]
    repository.trouble = None
    repository.access_trouble = ZeroDivisionError("with wrong wrong")
    answers += [browser.log_in("local", "wrong wrong"), browser.get("/logout/")]

    assert {answer.status for answer in answers} == {401, 303, 500, 404}
    told = "\n".join(answer.text + str(answer.headers) for answer in answers) + caplog.text
    assert told.count("ZeroDivisionError: with *** and ***") == 2
    assert told.count("ZeroDivisionError: with ***\n") == 1
    for needle in (WRITE, cookie, "wrong wrong"):
        assert needle not in told
