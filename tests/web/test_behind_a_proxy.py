"""What follows from a trusted proxy's words, all through the application."""

from __future__ import annotations

import re

import pytest

from pywharf.config import ServerSettings
from pywharf.web.app import App, make_app
from pywharf.web.errors import FormNotOurs
from pywharf.web.forms import check_origin
from pywharf.web.own_address import own_address
from pywharf.web.throttle import Throttle

from .client import Client, basic
from .fakes import FakeWharf
from .test_forwarding import CLIENT, LIAR, PROXY, seen


@pytest.fixture
def app(wharf: FakeWharf) -> App:
    settings = ServerSettings(extra_index_url="", trusted_proxies="10.0.0.0/8, 127.0.0.1")
    return make_app(wharf.wharf, settings, throttle=Throttle(limit=3))


def through(client: str, **more: str) -> dict[str, str]:
    """The headers of a request that the proxy passes on."""
    return {"X-Forwarded-For": client, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "packages.example", **more}


def test_guesses_are_counted_by_client_and_not_by_proxy(app: App) -> None:
    guesser = Client(app, basic("local", "wrong"), peer=PROXY)

    statuses = [guesser.get("/simple/", through(f"127.0.0.1, {LIAR}")).status for _ in range(8)]

    assert statuses[:3] == [401] * 3
    assert statuses[-1] == 429
    assert guesser.get("/simple/", through(CLIENT)).status == 401


def test_who_forges_the_header_is_counted_all_the_same(app: App) -> None:
    statuses = [Client(app, basic("local", "wrong"), peer=LIAR).get("/simple/", through(f"192.0.2.{n}")).status for n in range(8)]

    assert statuses[-1] == 429


def test_the_access_log_has_the_clients_address(app: App, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "pywharf.access"):
        Client(app, peer=PROXY).get("/simple/", through(CLIENT))

    assert caplog.messages[-1].endswith(f" peer={CLIENT}")


def test_cookies_are_for_https_and_the_prefix_where_the_proxy_says_so(app: App) -> None:
    secure = Client(app, None, peer=PROXY).get("/login/", through(CLIENT, **{"X-Forwarded-Prefix": "/wharf"}))
    plain = Client(app, None, peer=PROXY).get("/login/", through(CLIENT, **{"X-Forwarded-Proto": "http"}))

    assert re.match(r"__Secure-pywharf-login=\S+; Path=/wharf;.*; Secure", secure.cookies[0])
    assert re.match(r"pywharf-login=\S+; Path=/;", plain.cookies[0])
    assert "Secure" not in plain.cookies[0]


def test_redirects_and_addresses_are_those_that_the_client_can_use(app: App) -> None:
    client = Client(app, peer=PROXY)
    headers = through(CLIENT, **{"X-Forwarded-Prefix": "/wharf"})

    # A proxy may have made one slash of two: what is relative to the path that we see would be wrong for the client.
    for address in ("/simple//Demo", "/simple/Demo"):
        assert client.get(address, headers).headers["location"] == "/wharf/simple/demo/"
    assert client.get("/login", headers).headers["location"] == "/wharf/login/"
    assert client.get("/simple/Demo", through(CLIENT)).headers["location"] == "../simple/demo/"
    assert b"https://packages.example/wharf/simple/" in client.get("/pypi/demo/json", headers).body
    assert own_address(seen(headers), "") == "https://packages.example/wharf/"


def test_without_a_word_about_the_scheme_no_address_is_made_up(app: App) -> None:
    body = Client(app, peer=PROXY).get("/pypi/demo/json", {"X-Forwarded-For": CLIENT}).body

    assert b"http://" not in body
    assert b"/simple/demo/" in body


def test_an_address_is_http_only_where_a_trusted_proxy_says_so() -> None:
    assert own_address(seen({"X-Forwarded-Proto": "http"}), "") == "http://wharf.example/"
    assert own_address(seen({"X-Forwarded-For": CLIENT}), "") == "https://wharf.example/"
    assert own_address(seen({"X-Forwarded-Proto": "http"}, LIAR), "") == "https://wharf.example/"


@pytest.mark.parametrize("origin", ["http://packages.example", "https://wharf.example", "https://packages.example:444"])
def test_a_form_has_to_come_from_the_address_that_the_browser_used(origin: str) -> None:
    check_origin(seen(through(CLIENT, Origin="https://packages.example")), "")

    with pytest.raises(FormNotOurs):
        check_origin(seen(through(CLIENT, Origin=origin)), "")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "http"},
        {"Forwarded": "for=127.0.0.1;host=localhost"},
    ],
)
@pytest.mark.parametrize("peer", ["127.0.0.1", PROXY])
def test_what_came_through_a_proxy_never_comes_from_this_machine(app: App, wharf: FakeWharf, headers: dict[str, str], peer: str) -> None:
    answer = Client(app, None, peer).send("POST", "/initialize/", headers, body=b"config=x&admin_secret=y")

    assert answer.status == 401
    assert wharf.initialised == []
