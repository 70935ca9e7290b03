from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import pytest

from pywharf.config import ServerSettings
from pywharf.errors import BackendUnavailable
from pywharf.web.app import App, make_app

from .browser import ORIGIN, Browser, leads_to
from .client import Answer, Client, basic
from .conftest import Clock
from .fakes import READ, WRITE, FakeRepository, FakeWharf

PAGE = "/simple/demo/"


# --- in ---------------------------------------------------------------------------------------------------------------


def test_a_name_and_its_secret_open_the_pages(browser: Browser) -> None:
    assert leads_to(browser.get(PAGE), PAGE) == (303, f"/login/?next={PAGE}")
    assert browser.get(f"/login/?next={PAGE}").status == 200
    assert f'name="next" value="{PAGE}"' in browser.shown

    answer = browser.send_login("local", READ, PAGE)

    assert leads_to(answer) == (303, PAGE)
    assert answer.headers["cache-control"] == "no-store"
    assert browser.get(PAGE).status == 200
    assert browser.get("/simple/demo/demo-1.0.tar.gz").body == b"sdist"


@pytest.mark.parametrize(("typed", "status"), [(" local\t", 303), ("LOCAL", 303), ("lo cal", 401), ("", 401)])
def test_the_name_is_read_generously(browser: Browser, typed: str, status: int) -> None:
    assert browser.log_in(typed, READ).status == status


@pytest.mark.parametrize("secret", [READ.upper(), f" {READ}", f"{READ} ", f"{READ}\x00", "", "x" * 60_000])
def test_the_secret_is_taken_as_it_is(browser: Browser, secret: str) -> None:
    assert browser.log_in("local", secret).status == 401
    assert "pywharf" not in browser.cookies


def test_the_form_may_be_sent_without_the_final_slash(browser: Browser) -> None:
    assert leads_to(browser.get("/login?next=/simple/"), "/login") == (303, "/login/?next=/simple/")
    browser.get("/login/")
    fields = {"pkg_repo_name": "local", "pkg_repo_secret_raw": READ, "next": PAGE, "form_token": browser.form_token}

    assert leads_to(browser.post("/login", fields), "/login") == (303, PAGE)


def test_the_form_asks_for_what_issue_and_original_call_it(browser: Browser) -> None:
    page = browser.get("/login/").text

    assert re.findall(r'<input [^>]*name="(\w+)"', page) == ["form_token", "next", "pkg_repo_name", "pkg_repo_secret_raw"]
    assert re.search(r'<form method="post" action="\.\./login/">', page)


def test_cookies_are_out_of_reach_for_scripts_and_other_sites(browser: Browser) -> None:
    (form,) = browser.get("/login/").cookies
    assert re.fullmatch(r"pywharf-login=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600", form)

    session, dropped = browser.send_login("local", READ).cookies
    assert re.fullmatch(r"pywharf=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax", session)
    assert re.fullmatch(
        r"pywharf-login=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0|pywharf-login=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0", dropped
    )


@pytest.mark.parametrize(
    ("public_url", "environ", "prefix", "path"),
    [
        ("", {"wsgi.url_scheme": "https", "HTTP_HOST": "localhost:8888"}, "__Host-", "/"),
        ("https://localhost:8888/", {}, "__Host-", "/"),
        ("https://localhost:8888", {}, "__Host-", "/"),
        ("https://localhost:8888/wharf/", {}, "__Secure-", "/wharf"),
        ("https://localhost:8888/a/b", {}, "__Secure-", "/a/b"),
        ("https://localhost:8888/a;Domain=evil/", {}, "__Host-", "/"),
        ("", {"SCRIPT_NAME": "/wharf"}, "", "/wharf"),
        ("", {"SCRIPT_NAME": "/wh arf"}, "", "/wh%20arf"),
        ("", {"SCRIPT_NAME": "/x; Domain=evil"}, "", "/x%3B%20Domain%3Devil"),
        ("https://localhost:8888/wharf/", {"SCRIPT_NAME": "/inner"}, "__Secure-", "/wharf"),
    ],
)
def test_cookies_are_secure_where_the_server_is_and_end_at_its_path(
    wharf: FakeWharf, public_url: str, environ: Mapping[str, str], prefix: str, path: str
) -> None:
    browser = Browser(make_app(wharf.wharf, ServerSettings(public_url=public_url)), environ=dict(environ))
    origin = {"Origin": ORIGIN.replace("http", "https") if prefix else ORIGIN}

    lines = [*browser.get("/login/").cookies, *browser.send_login("local", READ, headers=origin).cookies]

    assert [line.partition("=")[0] for line in lines] == [f"{prefix}pywharf-login", f"{prefix}pywharf", f"{prefix}pywharf-login"]
    for line in lines:
        assert f"; Path={path};" in line
        assert "; HttpOnly" in line
        assert ("; Secure" in line) == bool(prefix)
        assert "Domain" not in line.replace(path, "")
    assert browser.get(PAGE).status == 200
    bare = Browser(browser.app, cookies={"pywharf": browser.cookies[f"{prefix}pywharf"]}, environ=dict(environ))
    assert (bare.get(PAGE).status == 200) == (prefix == "")


def test_redirects_stay_below_a_prefix(app: App) -> None:
    browser = Browser(app, environ={"SCRIPT_NAME": "/wharf"})

    answer = browser.log_in("local", READ, "/simple/")

    assert answer.headers["location"] == "../simple/"


def test_two_servers_behind_one_host_do_not_meet(wharf: FakeWharf, other: FakeRepository) -> None:
    apps = [make_app(one.wharf, ServerSettings()) for one in (wharf, FakeWharf(other))]
    browsers = [Browser(app, environ={"SCRIPT_NAME": prefix}) for app, prefix in zip(apps, ("/one", "/two"), strict=True)]
    paths = {line.split("; ")[1] for browser in browsers for line in browser.get("/login/").cookies}

    assert paths == {"Path=/one", "Path=/two"}


# --- wrong ------------------------------------------------------------------------------------------------------------


def without_name(answer: Answer, name: str) -> str:
    return re.sub(r'value="[0-9a-f]{64}"', "", answer.text.replace(f'value="{name}"', 'value="..."'))


@pytest.mark.parametrize(("name", "secret"), [("nobody", READ), ("other", READ), ("local", "wrong"), ("local", "")])
def test_an_unknown_repository_and_a_wrong_secret_are_told_alike(app: App, name: str, secret: str) -> None:
    first, second = Browser(app), Browser(app)
    usual, answer = first.log_in("unknown-one", "wrong"), second.log_in(name, secret)

    assert (answer.status, answer.reason) == (usual.status, usual.reason) == (401, "Unauthorized")
    assert without_name(answer, name) == without_name(usual, "unknown-one")
    assert {k: v for k, v in answer.headers.items() if k != "content-length"} == {
        k: v for k, v in usual.headers.items() if k != "content-length"
    }
    assert [re.sub("=[^;]*", "", line, count=1) for line in answer.cookies] == [
        re.sub("=[^;]*", "", line, count=1) for line in usual.cookies
    ]
    assert answer.headers["www-authenticate"].startswith("Cookie ")  # with one that they know, browsers would ask in a window
    assert "pywharf" not in second.cookies


def test_what_was_typed_comes_back_escaped_and_the_secret_never(browser: Browser) -> None:
    name = "\"><script>alert(1)</script>'&amp;\x00é"

    answer = browser.log_in(name, "the wrong secret", "/simple/?a=1&b=2")

    assert "<script" not in answer.text
    assert [unescape(value) for value in re.findall(r'<input id="name" name="pkg_repo_name" value="([^"]*)"', answer.text)] == [name]
    assert 'name="next" value="/simple/?a=1&amp;b=2"' in answer.text
    assert "the wrong secret" not in answer.text
    assert 'role="alert"' in answer.text


def test_the_form_that_came_back_can_be_sent_again(browser: Browser) -> None:
    browser.log_in("local", "wrong", PAGE)

    assert leads_to(browser.send_login("local", READ, PAGE)) == (303, PAGE)


@pytest.mark.any_python
def test_guesses_in_the_form_count_like_all_others(app: App, clock: Clock) -> None:
    browser = Browser(app)
    browser.get("/login/")
    for _ in range(30):
        Client(app, basic("local", "guess")).get(PAGE)
    statuses = [browser.send_login("local", f"guess {number}").status for number in range(31)]
    assert statuses == [401] * 30 + [429]

    clock.now += 1.1
    checked, unchecked = browser.send_login("local", "guess"), browser.send_login("local", READ)
    assert (checked.status, unchecked.status) == (429, 429)
    assert 1 <= int(unchecked.headers["retry-after"]) <= 60
    assert "www-authenticate" not in unchecked.headers
    assert "pywharf" not in browser.cookies
    assert Client(app, basic("local", "guess")).get(PAGE).status == 429

    clock.now += 1.1
    assert browser.send_login("local", READ).status == 303
    assert Browser(app, "192.0.2.77").log_in("local", WRITE).status == 303


@pytest.mark.any_python
def test_a_session_is_served_while_its_address_is_throttled(app: App) -> None:
    browser = Browser(app)
    browser.log_in("local", READ)
    for number in range(62):
        Client(app, basic("local", f"guess {number}")).get(PAGE)

    assert browser.get(PAGE).status == 200
    assert browser.log_in("local", READ).status == 303  # it is remembered as right


def test_a_storage_that_cannot_be_asked_is_503_and_no_denial(browser: Browser, repository: FakeRepository) -> None:
    repository.access_trouble = BackendUnavailable("it is away", retry_after=3)

    answer = browser.log_in("local", READ)

    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert "pywharf" not in browser.cookies
