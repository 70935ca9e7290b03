"""What goes with every page, whichever route it comes from: a test over all routes of a server with something in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pywharf.config import ServerSettings
from pywharf.layout import Layout
from pywharf.stored_config import StoredConfig, replace
from pywharf.testing.distributions import make_wheel
from pywharf.testing.uploads import upload_form
from pywharf.web.app import App, make_app
from pywharf.web.templating import HTML_HEADERS, static_tag
from pywharf.wharf import Wharf

from .browser import NAVIGATES, Browser
from .client import Answer, Client, basic

pytestmark = pytest.mark.any_python

CONFIG = '[local]\ntype = "file_system"\nread_secret = "read"\nwrite_secret = "write"\n'
WHEEL = make_wheel("demo", "1.0")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    layout = Layout(tmp_path_factory.mktemp("root"))
    layout.prepare()
    replace(layout, StoredConfig(CONFIG, ""))
    settings = ServerSettings(extra_index_url="")
    wharf = Wharf(layout, settings)
    wharf.start()
    app = make_app(wharf, settings)
    body, content_type = upload_form(WHEEL)
    assert Client(app, basic("local", "write")).send("POST", "/", {"Content-Type": content_type}, body=body).status == 200
    yield app
    app.close()
    wharf.close()


def targets(app: App) -> list[tuple[str, str]]:
    named = {"project": "demo", "filename": WHEEL.filename, "version": "1.0", "name": "pywharf.css"}
    routes = [(route.method, re.sub(r"<(\w+)>", lambda found: named[found[1]], route.rule)) for route in app.routes]
    return [*routes, ("GET", "/nothing"), ("GET", "/projects/nothing/"), ("GET", "/%ff"), ("PUT", "/")]


def answers(app: App, browser: Browser) -> Iterator[tuple[str, Answer]]:
    for method, target in targets(app):
        if "logout" in target:
            continue
        if method == "POST":
            yield f"POST {target}", browser.post(target, {"form_token": "wrong"})
        else:
            yield f"{method} {target}", browser.send(method, target, NAVIGATES)


@pytest.mark.parametrize("who", ["stranger", "reader", "writer", "wrong"])
def test_every_page_has_the_headers_of_pages(app: App, who: str) -> None:
    browser = Browser(app)
    if who in ("reader", "writer"):
        assert browser.log_in("local", {"reader": "read", "writer": "write"}[who]).status == 303
    if who == "wrong":
        browser.environ = {"HTTP_AUTHORIZATION": basic("local", "wrong")}
    seen = set()
    nonces: set[str] = set()

    for what, answer in answers(app, browser):
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        if what.startswith("GET /simple") and answer.status == 200:  # data with links, without a form and without a picture
            policy = answer.headers["content-security-policy"]
            assert policy == "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'", what
            assert {"Authorization", "Cookie", "Accept"} <= set(answer.headers["vary"].split(", ")), what
            continue
        seen.add(what)
        policy = answer.headers["content-security-policy"]
        if what in ("GET /projects", "GET /projects/") and answer.status == 200:  # the one page with a script
            policy, _, more = policy.partition("; script-src ")
            nonce = re.fullmatch(r"'nonce-([\w-]{24})'; connect-src 'self'", more)
            assert nonce
            assert re.findall(r"<script[^>]*>", answer.text) == [
                f'<script src="../static/search.js?v={static_tag("search.js")}" nonce="{nonce[1]}" defer>'
            ]
            nonces.add(nonce[1])
        else:
            assert "<script" not in answer.text, what
        for name, value in HTML_HEADERS:
            found = policy if name == "Content-Security-Policy" else answer.headers[name.lower()]
            assert found == value, f"{what}: {name}"
        assert answer.text.startswith("<!DOCTYPE html>\n"), what
        # nothing in it is asked of another server
        for address in re.findall(r'<(?:link|img|script|form|iframe|source)\b[^>]*?(?:src|href|action)="([^"]*)"', answer.text):
            assert not re.match(r"[a-z][a-z0-9+.-]*:|//", address, re.IGNORECASE), f"{what}: {address}"

    assert len(nonces) == (1 if who in ("reader", "writer") else 0)
    assert len(seen) > (20 if who in ("reader", "writer") else 4), seen


def test_what_lets_a_script_run_is_good_for_one_answer(app: App) -> None:
    browser = Browser(app)
    browser.log_in("local", "read")

    policies = {browser.get("/projects/").headers["content-security-policy"] for _ in range(3)}

    assert len(policies) == 3


def test_nothing_that_depends_on_who_asks_is_kept_for_somebody_else(app: App) -> None:
    """Whatever a shared cache believes of "private": the answers of two callers are never the same one."""
    browser = Browser(app)
    browser.log_in("local", "read")
    callers = [
        ({"HTTP_AUTHORIZATION": basic("local", "read")}, {}),
        ({}, {"Cookie": f"pywharf={browser.cookies['pywharf']}"}),
    ]
    for method, target in targets(app):
        if method != "GET" or target.startswith(("/login", "/logout", "/health", "/static")):
            continue
        for environ, headers in callers:
            answer = Client(app, None, environ=dict(environ)).get(target, headers)
            assert answer.status in (200, 301, 404, 403), target
            said = answer.headers.get("cache-control", "")
            varies = set(answer.headers.get("vary", "").replace(" ", "").split(","))
            assert said.startswith("private") or said == "no-store" or answer.status == 301, target
            assert {"Authorization", "Cookie"} <= varies, target


def test_a_browser_keeps_nothing_that_it_was_shown_in_a_session(app: App) -> None:
    browser = Browser(app)
    browser.log_in("local", "write")
    seen = set()
    for method, target in targets(app):
        if method != "GET" or target.startswith(("/login", "/logout", "/health", "/static")):
            continue
        answer = browser.get(target)
        if answer.status == 200:
            seen.add(target)
            assert answer.headers["cache-control"] == "private, no-store", target

    assert {"/simple/", "/simple/demo/", f"/simple/demo/{WHEEL.filename}", "/projects/demo/", "/feeds/demo.atom"} <= seen


def test_installers_go_on_keeping_pages_and_files(app: App) -> None:
    client = Client(app, basic("local", "read"))

    assert client.get("/simple/demo/").headers["cache-control"] == "private, no-cache"
    assert client.get(f"/simple/demo/{WHEEL.filename}").headers["cache-control"] == "private, max-age=31536000, immutable"
