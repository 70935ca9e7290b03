"""Who gets a page, who is led to the login, and who gets a 401: told by what is sent, never by a name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pywharf.web.app import App

from .browser import NAVIGATES, Browser, leads_to
from .client import Answer, Client, Unreadable, basic
from .fakes import READ, WRITE, FakeRepository

pytestmark = pytest.mark.any_python

SIMPLE = "application/vnd.pypi.simple.v1"
PIP = f"{SIMPLE}+json, {SIMPLE}+html; q=0.1, text/html; q=0.01"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
SAFARI = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FETCH = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1", "Sec-Fetch-Dest": "document"}

PROGRAMS: Mapping[str, Mapping[str, str]] = {
    "pip 19, 20, 21": {"Accept": "text/html", "Cache-Control": "max-age=0", "User-Agent": "pip/20.0.2"},
    "pip 22 to 26": {"Accept": PIP, "Cache-Control": "max-age=0", "User-Agent": "pip/26.3"},
    "uv": {"Accept": f"{SIMPLE}+json, {SIMPLE}+html;q=0.2, text/html;q=0.01", "User-Agent": "uv/0.13.0"},
    "uv publish": {"Accept": "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7", "User-Agent": "uv/0.13.0"},
    "poetry": {"Accept": f"{SIMPLE}+json, */*;q=0.1", "User-Agent": "poetry/2.5.0"},
    "pdm": {"Accept": PIP, "User-Agent": "pdm/2.29.0"},
    "twine": {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "twine/7.0.0"},
    "curl": {"Accept": "*/*", "User-Agent": "curl/8.14.1"},
    "wget": {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Wget/1.25.0"},
    "requests": {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "python-requests/2.34.2"},
    "urllib": {"Accept-Encoding": "identity", "User-Agent": "Python-urllib/3.13"},
    "java": {"Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "User-Agent": "Java/21"},
    "a program with a browser's name": {
        "Accept": "*/*",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    },
    "a script on a page": {"Accept": FIREFOX, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0"},
    "an image on a page": {"Accept": "image/avif,image/webp,*/*", "Sec-Fetch-Mode": "no-cors", "User-Agent": "Mozilla/5.0"},
    "nothing said": {},
}
BROWSERS: Mapping[str, Mapping[str, str]] = {
    "Firefox": {"Accept": FIREFOX, **FETCH, "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"},
    "Firefox, over http": {"Accept": FIREFOX, "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"},
    "Chrome": {
        "Accept": CHROME,
        **FETCH,
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    },
    "Chrome, over http": {
        "Accept": CHROME,
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    },
    "Safari": {
        "Accept": SAFARI,
        **FETCH,
        "User-Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.1 Safari/605.1.15",
    },
    "Safari before it said so": {
        "Accept": SAFARI,
        "User-Agent": "Mozilla/5.0 (Macintosh) AppleWebKit/601.7.7 Version/9.1.2 Safari/601.7.7",
    },
    "a browser with the name of a program": {"Accept": SAFARI, **FETCH, "User-Agent": "pip/26.3 python-requests curl"},
    "a link from elsewhere": {"Accept": CHROME, **FETCH, "Sec-Fetch-Site": "cross-site"},
}
OUR_SCRIPT = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
CREDENTIALS = [
    "nothing",
    "Basic",
    "wrong Basic",
    "cookie",
    "old cookie",
    "Basic and cookie",
    "wrong Basic and cookie",
    "Basic and old cookie",
]
TARGETS = ["/simple/", "/simple/demo/", "/simple/demo/demo-1.0.tar.gz", "/pypi/demo/json", "/index_mtime/"]


def ask(app: App, said: Mapping[str, str], credentials: str, target: str, method: str = "GET") -> Answer:
    headers = dict(said)
    if "cookie" in credentials:
        browser = Browser(app)
        browser.log_in("local", READ)
        headers["Cookie"] = f"pywharf={browser.cookies['pywharf']}"
        if "old" in credentials:
            browser.get("/logout/")
    auth = None
    if "Basic" in credentials:
        auth = basic("local", "wrong" if "wrong" in credentials else READ)
    return Client(app, auth).send(method, target, headers)


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("client", PROGRAMS)
def test_a_program_gets_what_it_asked_for_or_401_and_is_led_nowhere(app: App, client: str, credentials: str) -> None:
    may = credentials in ("Basic", "cookie", "Basic and cookie", "Basic and old cookie")
    for target in TARGETS:
        answer = ask(app, PROGRAMS[client], credentials, target)

        assert answer.status == (200 if may else 401), target
        assert "location" not in answer.headers
        if not may:
            assert answer.headers["www-authenticate"] == 'Basic realm="pywharf"'
            assert answer.headers["content-type"].startswith(("text/plain", "application/problem+json"))


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("client", BROWSERS)
def test_a_browser_gets_the_page_or_the_login(app: App, client: str, credentials: str) -> None:
    for target in TARGETS:
        answer = ask(app, BROWSERS[client], credentials, target)

        if credentials in ("nothing", "old cookie"):
            assert leads_to(answer, target) == (303, f"/login/?next={target}")
            assert answer.headers["cache-control"] == "no-store"
        elif "wrong" in credentials:
            # It goes on sending what it has until a 401 tells it not to: led to the login it would come back for ever.
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="pywharf"')
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
        else:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Accept": "text/html"}, 401),
        ({"Accept": "text/html;q=0.9, application/xhtml+xml"}, 303),
        ({"Accept": "TEXT/HTML,APPLICATION/XHTML+XML"}, 303),
        ({"Accept": "text/html;q=0, application/xhtml+xml"}, 401),
        ({"Accept": "text/html, application/xhtml+xml;q=0"}, 401),
        ({"Accept": "application/xhtml+xml"}, 401),
        ({"Accept": "text/html, application/xhtml+xml;q=x"}, 401),
        ({"Accept": "*/*", "Sec-Fetch-Mode": "navigate"}, 303),
        ({"Sec-Fetch-Mode": " NAVIGATE "}, 303),
        ({"Sec-Fetch-Mode": "navigate, navigate"}, 401),
        ({"Sec-Fetch-Mode": "", "Accept": FIREFOX}, 401),
        ({"Sec-Fetch-Dest": "document"}, 401),
    ],
)
def test_what_tells_a_browser(stranger: Client, said: Mapping[str, str], status: int) -> None:
    for method in ("GET", "HEAD"):
        assert stranger.send(method, "/simple/", said).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_a_question_is_led_to_the_login(stranger: Client, method: str) -> None:
    answer = stranger.send(method, "/simple/", NAVIGATES, body=Unreadable(), length=10)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="pywharf"')


# --- what a session may not -------------------------------------------------------------------------------------------

CHANGES = [
    ("POST", "/"),
    ("POST", "/simple/"),
    ("POST", "/legacy/"),
    ("POST", "/manage/demo/yank"),
    ("POST", "/manage/demo/unyank"),
    ("POST", "/manage/demo/delete"),
    ("POST", "/manage/demo/status"),
    ("PUT", "/simple/demo/"),
    ("DELETE", "/simple/demo/"),
    ("PATCH", "/simple/demo/"),
    ("POST", "/initialize/"),
]


@pytest.mark.parametrize("secret", [READ, WRITE])
@pytest.mark.parametrize(("method", "target"), CHANGES)
def test_a_cookie_alone_changes_nothing_over_the_api(
    browser: Browser, repository: FakeRepository, secret: str, method: str, target: str
) -> None:
    """A browser sends it wherever another page makes it send something. Not a byte of the body is read."""
    browser.log_in("local", secret)

    for said in ({}, NAVIGATES, {"Origin": "http://localhost:8888"}, {"Content-Type": "application/json"}):
        answer = browser.send(method, target, said, body=Unreadable(), length=100)
        assert answer.status == 401
    assert repository.uploads == []


@pytest.mark.parametrize("cookie", ["read", "write", "none", "other"])
@pytest.mark.parametrize(
    ("auth", "status"),
    [(basic("local", READ), 403), (basic("local", WRITE), 400), (basic("local", "x"), 401), ("Bearer x", 401), ("", 401)],
)
def test_an_authorization_header_decides_alone(app: App, cookie: str, auth: str, status: int) -> None:
    browser = Browser(app)
    if cookie != "none":
        browser.log_in("other" if cookie == "other" else "local", {"read": READ, "write": WRITE, "other": "other-read"}[cookie])
    headers = {"Authorization": auth, "Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}

    upload = Client(app, None).send("POST", "/legacy/", headers, body=b"x")
    page = Client(app, None).get("/simple/demo/", headers)

    assert upload.status == status
    assert page.status == (401 if status == 401 else 200)


@pytest.mark.parametrize(
    ("user", "secret", "expected"),
    [
        # page, file, HEAD, metadata, list, upload, time, initialise, nothing here, method not offered
        ("nobody", READ, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        ("local", "wrong", [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        ("other", READ, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]),
        ("local", READ, [200, 200, 200, 200, 200, 401, 200, 401, 404, 401]),
        ("LOCAL", READ, [200, 200, 200, 200, 200, 401, 200, 401, 404, 401]),
        ("local", WRITE, [200, 200, 200, 200, 200, 401, 200, 401, 404, 401]),
        # of another repository: nothing of this one, not even that it is there
        ("other", "other-read", [302, 404, 404, 404, 200, 401, 200, 401, 404, 401]),
        ("other", "other-write", [302, 404, 404, 404, 200, 401, 200, 401, 404, 401]),
    ],
)
def test_who_may_do_what_with_a_session(browser: Browser, user: str, secret: str, expected: list[int]) -> None:
    """The same table as for Basic authentication, in test_app.py, but for what changes something."""
    browser.log_in(user, secret)
    wheel = "/simple/demo/demo-1.0-py3-none-any.whl"

    answers = [
        browser.send("GET", "/simple/demo/", {}),
        browser.send("GET", wheel, {}),
        browser.send("HEAD", wheel, {}),
        browser.send("GET", f"{wheel}.metadata", {}),
        browser.send("GET", "/simple/", {}),
        browser.send("POST", "/simple/", {}, body=b"x"),
        browser.send("GET", "/index_mtime/", {}),
        browser.send("POST", "/initialize/", {}, body=b"config=x"),
        browser.send("GET", "/nothing", {}),
        browser.send("DELETE", "/simple/demo/", {}),
    ]

    assert [answer.status for answer in answers] == expected


def test_for_a_script_of_our_pages_no_browser_opens_a_window_that_asks_for_a_secret(app: App) -> None:
    """Another site's script, and whoever shows a wrong secret, get the 401 of everybody."""
    schemes = {
        "ours": ask(app, OUR_SCRIPT, "nothing", "/simple/demo/"),
        "ours, with an old cookie": ask(app, OUR_SCRIPT, "old cookie", "/simple/demo/"),
        "another site's": ask(app, {**OUR_SCRIPT, "Sec-Fetch-Site": "cross-site"}, "nothing", "/simple/demo/"),
        "with a wrong secret": ask(app, OUR_SCRIPT, "wrong Basic", "/simple/demo/"),
    }

    assert {answer.status for answer in schemes.values()} == {401}
    assert {what: answer.headers["www-authenticate"].split()[0] for what, answer in schemes.items()} == {
        "ours": "Cookie",
        "ours, with an old cookie": "Cookie",
        "another site's": "Basic",
        "with a wrong secret": "Basic",
    }
