"""Forms that no page of ours sent, and forms that are none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pywharf.config import ServerSettings
from pywharf.web.app import App, make_app

from .browser import ORIGIN, Browser
from .client import Client, Unreadable
from .fakes import READ, FakeWharf

pytestmark = pytest.mark.any_python

PAGE = "/simple/demo/"

FOREIGN: list[Mapping[str, str | None]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:8889"},
    {"Origin": "http://localhost"},
    {"Origin": "http://localhost:8888.evil.example"},
    {"Origin": "http://localhost:8888@evil.example"},
    {"Origin": "http://evil.example/localhost:8888"},
    {"Origin": "ftp://localhost:8888"},
    {"Origin": "localhost:8888"},
    {"Origin": "//localhost:8888"},
    {"Origin": "http://[::1"},
    {"Origin": "chrome-extension://localhost:8888"},
    {"Origin": f"{ORIGIN}, https://evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": None},
    {"Origin": None, "Sec-Fetch-Site": "cross-site"},
    {"Origin": None, "Sec-Fetch-Site": "same-site"},
    {"Origin": None, "Sec-Fetch-Site": "CROSS-SITE"},
    {"Origin": None, "Sec-Fetch-Site": "novelty"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_site_can_send_neither_a_login_nor_a_logout(app: App, headers: Mapping[str, str | None]) -> None:
    browser = Browser(app)
    browser.get("/login/")
    refused = browser.send_login("local", READ, headers=headers)
    assert (refused.status, "pywharf" in browser.cookies, refused.cookies) == (403, False, [])

    browser.log_in("local", READ)
    browser.get("/logout/", {"Sec-Fetch-Site": "cross-site"})
    refused = browser.post("/logout/", {"form_token": browser.form_token}, headers)
    assert (refused.status, refused.cookies) == (403, [])
    assert browser.get(PAGE).status == 200


def test_a_refused_origin_is_refused_before_a_byte_is_read(app: App) -> None:
    for target in ("/login/", "/logout/"):
        answer = Client(app, None).send("POST", target, {"Origin": "https://evil.example"}, body=Unreadable(), length=10)

        assert answer.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": None},
        {"Origin": None, "Sec-Fetch-Site": None},
        {"Origin": None, "Sec-Fetch-Site": "none"},
        {"Origin": ORIGIN.upper()},
    ],
)
def test_a_page_of_ours_can_whatever_the_browser_says_of_it(app: App, headers: Mapping[str, str | None]) -> None:
    browser = Browser(app)

    assert browser.log_in("local", READ, headers=headers).status == 303
    browser.get("/logout/", {"Sec-Fetch-Site": "cross-site"})
    assert browser.post("/logout/", {"form_token": browser.form_token}, headers).status == 303
    assert browser.get(PAGE).status == 303


@pytest.mark.parametrize(("scheme", "status"), [("https", 303), ("http", 403)])
def test_under_https_a_page_without_it_is_not_ours(app: App, scheme: str, status: int) -> None:
    browser = Browser(app, environ={"wsgi.url_scheme": "https"})

    assert browser.log_in("local", READ, headers={"Origin": ORIGIN.replace("http", scheme)}).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://packages.example", 303),
        ("https://PACKAGES.example", 303),
        ("http://packages.example", 403),  # somebody on the way could have made that page
        ("https://packages.example:444", 403),
        ("https://sub.packages.example", 403),
        ("http://localhost:8888", 303),  # as the proxy asks us
        ("https://evil.example", 403),
    ],
)
def test_behind_a_proxy_the_configured_address_is_ours(wharf: FakeWharf, origin: str, status: int) -> None:
    app = make_app(wharf.wharf, ServerSettings(public_url="https://packages.example/wharf/"))

    assert Browser(app).log_in("local", READ, headers={"Origin": origin}).status == status


def test_a_login_form_needs_the_cookie_that_came_with_it(app: App) -> None:
    """Otherwise another site could log somebody in as somebody else, and learn what they look for."""
    victim, attacker = Browser(app), Browser(app)
    attacker.get("/login/")
    victim.get("/login/")
    token = attacker.form_token

    for cookies, sent in [
        (dict(victim.cookies), token),
        ({}, token),
        ({"pywharf-login": ""}, token),
        ({"pywharf-login": "short"}, token),
        (dict(victim.cookies), ""),
        (dict(victim.cookies), victim.form_token.upper()),
        (dict(victim.cookies), victim.cookies["pywharf-login"]),
        (dict(victim.cookies), "é"),
    ]:
        browser = Browser(app, cookies=cookies)
        fields = {"pkg_repo_name": "local", "pkg_repo_secret_raw": READ, "form_token": sent}
        answer = browser.post("/login/", fields, {"Origin": None, "Sec-Fetch-Site": None})
        assert answer.status == 403
        assert "pywharf" not in browser.cookies
        assert READ not in answer.text
        browser.cookies = cookies
        assert browser.post("/login/", fields, {"Sec-Fetch-Mode": "cors"}).cookies == []
    fields = {"pkg_repo_name": "local", "pkg_repo_secret_raw": READ}
    assert Browser(app, cookies=dict(victim.cookies)).post("/login/", fields).status == 403


def test_a_logout_needs_the_sessions_own_token(app: App) -> None:
    mine, theirs = Browser(app), Browser(app)
    for browser in (mine, theirs):
        browser.log_in("local", READ)
        browser.get("/logout/", {"Sec-Fetch-Site": "cross-site"})

    token_of_mine = mine.form_token

    for token in ("", theirs.form_token, token_of_mine[:-1], mine.cookies["pywharf"]):
        assert mine.post("/logout/", {"form_token": token}).status == 403
        assert mine.get(PAGE).status == 200
    assert mine.post("/logout/", {}).status == 403
    assert mine.post("/logout/", {"form_token": token_of_mine}).status == 303


MALFORMED: list[tuple[bytes, Mapping[str, str | None], int]] = [
    (b"pkg_repo_name=a&pkg_repo_name=b", {}, 400),
    (b"form_token=a&form_token=b", {}, 400),
    (b"pkg_repo_name=\xff", {}, 400),
    (b"pkg_repo_name=%FF", {}, 400),
    (b"pkg_repo_name=%ED%A0%80", {}, 400),
    (b"pkg%FFrepo=1", {}, 400),
    (b"&".join(b"f%d=1" % number for number in range(51)), {}, 400),
    (b"x=" + b"a" * 65_534, {}, 403),  # 64 KiB, and no token in them
    (b"x=" + b"a" * 65_535, {}, 413),
    (b"", {}, 403),
    (b"&&&&", {}, 403),
    (b"=", {}, 403),
    (b"%", {}, 403),
    (b"\x00=\x00", {}, 403),
    (b"{}", {"Content-Type": "application/json"}, 415),
    (b"x=1", {"Content-Type": "text/plain"}, 415),
    (b"x=1", {"Content-Type": None}, 415),
    (b"x=1", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    (b"x=1", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"}, 403),
    (b"x=1", {"Content-Type": "Application/X-WWW-Form-Urlencoded"}, 403),
]


@pytest.mark.parametrize(("body", "headers", "status"), MALFORMED)
def test_a_form_that_is_none_is_refused(browser: Browser, body: bytes, headers: Mapping[str, str | None], status: int) -> None:
    browser.get("/login/")

    answer = browser.post("/login/", body, headers)

    assert answer.status == status
    assert "pywharf" not in browser.cookies


@pytest.mark.parametrize(
    ("length", "headers", "status"),
    [
        (10**6, {}, 413),
        (10**17, {}, 413),
        (10, {"Content-Type": "text/plain"}, 415),
        ("", {}, 411),
        ("x", {}, 400),
        ("-1", {}, 400),
        (10, {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_what_is_too_large_or_of_another_kind_is_not_read(app: App, length: int | str, headers: Mapping[str, str], status: int) -> None:
    said = {"Content-Type": "application/x-www-form-urlencoded", **headers}

    assert Client(app, None).send("POST", "/login/", said, body=Unreadable(), length=length).status == status


def test_a_form_that_ends_early_is_refused(app: App) -> None:
    browser = Browser(app)
    browser.get("/login/")

    assert browser.post("/login/", b"pkg_repo_name=local", length=1000).status == 400


def test_a_login_form_that_is_too_old_comes_back_with_what_was_typed_but_the_secret(browser: Browser) -> None:
    browser.get("/login/")
    token = browser.form_token
    browser.cookies.clear()

    fields = {"pkg_repo_name": "local", "pkg_repo_secret_raw": READ, "form_token": token, "next": PAGE}
    answer = browser.post("/login/", fields)

    assert answer.status == 403
    assert "too old" in answer.text
    assert 'value="local"' in answer.text
    assert READ not in answer.text
    assert browser.send_login("local", READ, PAGE).status == 303


@pytest.mark.parametrize("public_url", ["https://packages.example:443/", "https://packages.example/"])
def test_the_usual_port_need_not_be_said(wharf: FakeWharf, public_url: str) -> None:
    app = make_app(wharf.wharf, ServerSettings(public_url=public_url))

    assert Browser(app).log_in("local", READ, headers={"Origin": "https://packages.example"}).status == 303
